// SPDX-License-Identifier: Apache-2.0
// --net
#include "vmm/options.h"

#include "base/err.h"
#include "base/mac.h"
#include "vmm/config.h"
#include "vmm/option_value.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

/* IPv4's least; Linux takes none below. */
#define MTU_MIN 68
#define MTU_MAX 65535

static int net_tap(char *value, struct config_net *net, struct err *err)
{
	if (!*value || strlen(value) >= IFNAMSIZ)
		return err_set(
			err, -EINVAL, "--net tap: '%s' has not 1 to %d bytes", value, IFNAMSIZ - 1);
	net->host = value;
	return 0;
}

static int net_tapfd(char *value, struct config_net *net, struct err *err)
{
	char *saved, *item;
	int r = 0;

	for (item = strtok_r(value, ":", &saved); item && !r; item = strtok_r(NULL, ":", &saved)) {
		if (net->fd_count == CONFIG_NET_PAIRS_MAX)
			return err_set(err, -EINVAL, "--net tapfd: more than %d descriptors",
				CONFIG_NET_PAIRS_MAX);
		r = option_fd("--net tapfd", item, &net->fds[net->fd_count++], err);
	}
	return r;
}

static int net_passt(char *value, struct config_net *net, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "--net passt: no socket is named");
	net->kind = CONFIG_NET_PASST;
	net->host = value;
	return 0;
}

static int net_passtfd(char *value, struct config_net *net, struct err *err)
{
	net->kind = CONFIG_NET_PASST;
	net->fd_count = 1;
	return option_fd("--net passtfd", value, &net->fds[0], err);
}

int option_mac(const char *option, const char *text, uint8_t ret[6], struct err *err)
{
	uint8_t mac[MAC_SIZE];

	if (mac_parse(text, mac) < 0)
		return err_set(err, -EINVAL, "%s: '%s' is not an address like 02:00:00:00:00:01",
			option, text);
	if ((mac[0] & MAC_GROUP) || !memcmp(mac, (const uint8_t[MAC_SIZE]){0}, sizeof(mac)))
		return err_set(
			err, -EINVAL, "%s: %s is not the address of one device", option, text);
	memcpy(ret, mac, sizeof(mac));
	return 0;
}

static int net_mac(char *value, struct config_net *net, struct err *err)
{
	return option_mac("--net mac", value, net->mac, err);
}

static int net_mtu(char *value, struct config_net *net, struct err *err)
{
	uint64_t mtu = 0;
	int r = option_number("--net mtu", value, MTU_MAX, &mtu, err);

	if (!r && mtu < MTU_MIN)
		r = err_set(err, -EINVAL, "--net mtu: %s is less than %d", value, MTU_MIN);
	net->mtu = (uint16_t)mtu;
	return r;
}

static int net_queues(char *value, struct config_net *net, struct err *err)
{
	uint64_t pairs = 0;
	int r = option_number("--net queues", value, CONFIG_NET_PAIRS_MAX, &pairs, err);

	if (!r && !pairs)
		r = err_set(err, -EINVAL, "--net queues: 0 is not a number from 1 to %d",
			CONFIG_NET_PAIRS_MAX);
	net->pairs = (unsigned int)pairs;
	return r;
}

static int net_id(char *value, struct config_net *net, struct err *err)
{
	net->id = value;
	return *value ? 0 : err_set(err, -EINVAL, "--net id: is empty");
}

static int net_rx_rate(char *value, struct config_net *net, struct err *err)
{
	return option_rate("--net rx-rate", value, &net->rx, err);
}

static int net_tx_rate(char *value, struct config_net *net, struct err *err)
{
	return option_rate("--net tx-rate", value, &net->tx, err);
}

/* @host: it names the host's end */
static const struct {
	const char *name;
	bool host;
	int (*parse)(char *value, struct config_net *net, struct err *err);
} properties[] = {
	{"tap=", true, net_tap},
	{"tapfd=", true, net_tapfd},
	{"passt=", true, net_passt},
	{"passtfd=", true, net_passtfd},
	{"mac=", false, net_mac},
	{"mtu=", false, net_mtu},
	{"queues=", false, net_queues},
	{"id=", false, net_id},
	{"rx-rate=", false, net_rx_rate},
	{"tx-rate=", false, net_tx_rate},
};

#define PROPERTY_COUNT (sizeof(properties) / sizeof(properties[0]))

int option_net(char *text, struct config *config, struct err *err)
{
	struct config_net *net = &config->nets[config->net_count];
	unsigned int hosts = 0;
	char *saved, *item;
	int r = 0;

	if (config->net_count == CONFIG_NETS_MAX)
		return err_set(err, -EINVAL, "--net: more than %d devices", CONFIG_NETS_MAX);
	*net = (struct config_net){0};
	for (item = strtok_r(text, ",", &saved); item && !r; item = strtok_r(NULL, ",", &saved)) {
		size_t i = 0;

		while (i < PROPERTY_COUNT &&
			strncmp(item, properties[i].name, strlen(properties[i].name)))
			i++;
		if (i == PROPERTY_COUNT)
			return err_set(err, -EINVAL, "--net: unknown part '%s'", item);
		hosts += properties[i].host;
		r = properties[i].parse(item + strlen(properties[i].name), net, err);
	}
	if (r < 0)
		return r;
	if (hosts != 1 || (!net->host && !net->fd_count))
		return err_set(err, -EINVAL,
			"--net: needs one of tap=NAME, tapfd=N, passt=PATH, passtfd=N");
	if (net->kind == CONFIG_NET_PASST && net->pairs > 1)
		return err_set(err, -EINVAL, "--net queues: passt has one pair");
	if (net->fd_count && net->pairs && net->pairs != net->fd_count)
		return err_set(err, -EINVAL, "--net queues: %u with %u descriptors", net->pairs,
			net->fd_count);
	if (!net->pairs)
		net->pairs = net->fd_count ? net->fd_count : 1;
	config->net_count++;
	return 0;
}
