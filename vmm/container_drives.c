// SPDX-License-Identifier: Apache-2.0
// The container's drives: which disk of the guest is which.
#include "vmm/container.h"

#include "base/err.h"
#include "vmm/config.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* hull-init counts up to /dev/vdz. */
static_assert(CONFIG_DISKS_MAX <= 26, "each disk has a letter");

/* Return: the disk's number, or -ENODEV with @err set. */
static int find(const struct config *config, const char *id, struct err *err)
{
	for (unsigned int i = 0; i < config->disk_count; i++)
		if (config->disks[i].id && !strcmp(config->disks[i].id, id))
			return (int)i;
	return err_set(err, -ENODEV, "container: there is no drive '%s'", id);
}

/* Move the drive to place @to; those from there up to its old place move up. */
static int place(struct config *config, const char *id, unsigned int to, struct err *err)
{
	int from = find(config, id, err);
	struct config_disk disk;

	if (from < 0)
		return from;
	if ((unsigned int)from < to)
		return err_set(err, -EINVAL, "container: drive '%s' is named twice", id);
	disk = config->disks[from];
	memmove(config->disks + to + 1, config->disks + to,
		((unsigned int)from - to) * sizeof(disk));
	config->disks[to] = disk;
	return 0;
}

int container_place_drives(struct container *container, struct config *config, struct err *err)
{
	const struct container_spec *spec = &container->spec;
	struct agent_spec *agent;
	int r;

	if (!container->present)
		return 0;
	r = place(config, spec->rootfs, 0, err);
	if (!r && spec->disk)
		r = place(config, spec->disk, 1, err);
	if (r < 0)
		return r;
	agent = &container->main->spec.agent;
	for (size_t i = 0; i < agent->n_mounts; i++) {
		if (!spec->mount_drives[i])
			continue;
		r = find(config, spec->mount_drives[i], err);
		if (r < 0)
			return r;
		agent->mounts[i].disk = (uint8_t)r;
	}
	return 0;
}
