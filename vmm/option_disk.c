// SPDX-License-Identifier: Apache-2.0
// --disk
#include "vmm/options.h"

#include "base/err.h"
#include "vmm/config.h"
#include "vmm/option_value.h"

#include <errno.h>
#include <string.h>

/*
 * Take the properties off the end of @text, for a file's name may have commas in it too: the first
 * word from the end that is no property ends them.
 */
static void disk_properties(char *text, struct config_disk *disk)
{
	char *comma;

	while ((comma = strrchr(text, ','))) {
		if (!strcmp(comma + 1, "ro"))
			disk->read_only = true;
		else
			return;
		*comma = '\0';
	}
}

int option_disk(char *text, struct config *config, struct err *err)
{
	struct config_disk *disk = &config->disks[config->disk_count];

	if (config->disk_count == CONFIG_DISKS_MAX)
		return err_set(err, -EINVAL, "--disk: more than %d disks", CONFIG_DISKS_MAX);
	*disk = (struct config_disk){.fd = -1};
	disk_properties(text, disk);
	if (!strncmp(text, "fd=", 3)) {
		int r = option_fd("--disk fd", text + 3, &disk->fd, err);

		if (r < 0)
			return r;
	} else if (*text) {
		disk->path = text;
	} else {
		return err_set(err, -EINVAL, "--disk: no file is named");
	}
	config->disk_count++;
	return 0;
}
