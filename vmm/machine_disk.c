// SPDX-License-Identifier: Apache-2.0
// The machine's disks.
#include "vmm/machine.h"

#include "base/err.h"
#include "devices/backend/disk.h"
#include "devices/backend/disk_file.h"
#include "devices/blk.h"
#include "vmm/config.h"

#include <errno.h>
#include <stdio.h>

static int add_disk(
	struct machine *machine, unsigned int n, const struct config_disk *config, struct err *err)
{
	struct virtio_dev *dev;
	struct disk *disk;
	char id[24], name[24];
	int r;

	if (config->path) {
		r = disk_file_open(config->path, config->read_only, &disk, err);
	} else {
		snprintf(name, sizeof(name), "fd=%d", config->fd);
		r = disk_file_from_fd(config->fd, name, config->read_only, &disk, err);
	}
	if (r < 0)
		return r;
	r = blk_new(disk, NULL, &dev);
	if (r < 0) {
		disk_free(disk);
		return err_errno(err, -r, "machine: block device");
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
