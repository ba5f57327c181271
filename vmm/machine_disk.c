// SPDX-License-Identifier: Apache-2.0
// The machine's disks.
#include "vmm/machine.h"

#include "base/err.h"
#include "devices/backend/disk.h"
#include "devices/blk.h"
#include "devices/virtio.h"
#include "vmm/config.h"
#include "vmm/vm.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

static_assert(CONFIG_DISK_QUEUES_MAX <= BLK_QUEUES_MAX, "the device has that many queues");

static int open_disk(
	struct loop *loop, const struct config_disk *config, struct disk **ret, struct err *err)
{
	static const enum disk_io ways[] = {
		[CONFIG_DISK_IO_AUTO] = DISK_IO_AUTO,
		[CONFIG_DISK_IO_URING] = DISK_IO_URING,
		[CONFIG_DISK_IO_SYNC] = DISK_IO_SYNC,
	};
	const struct disk_options options = {
		.read_only = config->read_only,
		.direct = config->direct,
		.io = ways[config->io],
	};
	char name[24];

	if (config->fd < 0)
		return disk_open(loop, config->path, &options, ret, err);
	snprintf(name, sizeof(name), "fd=%d", config->fd);
	return disk_from_fd(
		loop, config->fd, config->path ? config->path : name, &options, ret, err);
}

static int add_disk(
	struct machine *machine, unsigned int n, const struct config_disk *config, struct err *err)
{
	const struct blk_options options = {
		.id = config->id,
		.unsafe = config->unsafe,
		.queues = config->queues ? config->queues : 1,
	};
	struct loop *loop = machine->vm->loop;
	struct virtio_dev *dev;
	struct disk *disk;
	char id[24];
	int r;

	r = open_disk(loop, config, &disk, err);
	if (r < 0)
		return r;
	r = blk_new(loop, disk, &options, &dev);
	if (r < 0) {
		disk_free(disk);
		return err_errno(err, -r, "machine: block device");
	}
	r = blk_set_limits(dev, &config->rate);
	if (r < 0) {
		dev->ops->free(dev);
		return err_errno(err, -r, "machine: rate limit");
	}
	snprintf(id, sizeof(id), "disk%u", n);
	return machine_add_slot(machine, config->id ? config->id : id, dev, err);
}

int machine_add_disks(struct machine *machine, const struct config *config, struct err *err)
{
	int r = 0;

	for (unsigned int i = 0; i < config->disk_count && !r; i++)
		r = add_disk(machine, i, &config->disks[i], err);
	return r;
}

int machine_set_disk(struct machine *machine, const struct config_disk *config, struct err *err)
{
	struct machine_slot *slot = machine_find_slot(machine, config->id);
	struct config_disk changed = *config;
	struct disk *disk;
	int r;

	if (!slot)
		return err_set(err, -ENODEV, "drive '%s': there is no such device", config->id);
	/* A jailed process is given no further ring. */
	if (changed.io == CONFIG_DISK_IO_URING)
		changed.io = CONFIG_DISK_IO_AUTO;
	r = open_disk(machine->vm->loop, &changed, &disk, err);
	if (r < 0)
		return r;
	r = blk_set_disk(slot->dev, disk);
	if (r < 0) {
		disk_free(disk);
		return err_set(err, r, "drive '%s': the guest could not use %s in its place",
			config->id, config->path);
	}
	return 0;
}
