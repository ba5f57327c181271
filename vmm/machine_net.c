// SPDX-License-Identifier: Apache-2.0
// The machine's network devices.
#include "vmm/machine.h"

#include "base/err.h"
#include "devices/backend/nic.h"
#include "devices/backend/nic_passt.h"
#include "devices/backend/nic_tap.h"
#include "devices/net.h"
#include "devices/virtio.h"
#include "vmm/config.h"
#include "vmm/vm.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* syscalls: start: getrandom */

static_assert(CONFIG_NET_PAIRS_MAX == NIC_PAIRS_MAX, "what can be asked for can be had");

static int open_nic(
	struct loop *loop, const struct config_net *config, struct nic **ret, struct err *err)
{
	if (config->kind == CONFIG_NET_PASST)
		return config->host ? nic_passt_connect(loop, config->host, ret, err)
				    : nic_passt_from_fd(loop, config->fds[0], ret, err);
	return config->host ? nic_tap_open(loop, config->host, config->pairs, ret, err)
			    : nic_tap_from_fds(loop, config->fds, config->fd_count, ret, err);
}

/* The address asked for, or one of the range that anyone may use. */
static int choose_mac(const struct config_net *config, uint8_t ret[6])
{
	static const uint8_t none[6];

	memcpy(ret, config->mac, 6);
	if (memcmp(ret, none, 6) != 0)
		return 0;
	if (getrandom(ret, 6, 0) != 6)
		return -errno;
	ret[0] = (uint8_t)((ret[0] & 0xfc) | 0x02);
	return 0;
}

static int add_net(
	struct machine *machine, unsigned int n, const struct config_net *config, struct err *err)
{
	struct loop *loop = machine->vm->loop;
	struct net_config device = {.mtu = config->mtu};
	struct virtio_dev *dev;
	struct nic *nic;
	char id[24];
	int r;

	r = open_nic(loop, config, &nic, err);
	if (r < 0)
		return r;
	r = choose_mac(config, device.mac);
	if (!r)
		r = net_new(loop, nic, &device, &dev);
	if (r < 0) {
		nic_free(nic);
		return err_errno(err, -r, "machine: network device");
	}
	r = net_set_limits(dev, &config->rx, &config->tx);
	if (r < 0) {
		dev->ops->free(dev);
		return err_errno(err, -r, "machine: network device");
	}
	snprintf(id, sizeof(id), "net%u", n);
	return machine_add_slot(machine, config->id ? config->id : id, dev, err);
}

int machine_add_nets(struct machine *machine, const struct config *config, struct err *err)
{
	int r = 0;

	for (unsigned int i = 0; i < config->net_count && !r; i++)
		r = add_net(machine, i, &config->nets[i], err);
	return r;
}
