// SPDX-License-Identifier: Apache-2.0
// --disk
#include "vmm/options.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/config.h"
#include "vmm/option_value.h"

#include <errno.h>
#include <string.h>

/* The properties, each with how its value is taken; a value that is NULL is missing. */

static int set_read_only(struct config_disk *disk, char *value, struct err *err)
{
	disk->read_only = true;
	return 0;
}

static int set_direct(struct config_disk *disk, char *value, struct err *err)
{
	disk->direct = true;
	return 0;
}

static int set_cache(struct config_disk *disk, char *value, struct err *err)
{
	disk->unsafe = !strcmp(value, "unsafe");
	if (!disk->unsafe && strcmp(value, "writeback"))
		return err_set(
			err, -EINVAL, "--disk: cache '%s' is neither writeback nor unsafe", value);
	return 0;
}

static int set_io(struct config_disk *disk, char *value, struct err *err)
{
	if (!strcmp(value, "uring"))
		disk->io = CONFIG_DISK_IO_URING;
	else if (!strcmp(value, "sync"))
		disk->io = CONFIG_DISK_IO_SYNC;
	else
		return err_set(err, -EINVAL, "--disk: io '%s' is neither uring nor sync", value);
	return 0;
}

static int set_queues(struct config_disk *disk, char *value, struct err *err)
{
	uint64_t queues = 0;
	int r = option_number("--disk queues", value, CONFIG_DISK_QUEUES_MAX, &queues, err);

	if (r < 0)
		return r;
	if (!queues)
		return err_set(err, -EINVAL, "--disk queues: 0 is not a number from 1 to %d",
			CONFIG_DISK_QUEUES_MAX);
	disk->queues = (unsigned int)queues;
	return 0;
}

static int set_id(struct config_disk *disk, char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "--disk: the id is empty");
	disk->id = value;
	return 0;
}

static int set_rate(struct config_disk *disk, char *value, struct err *err)
{
	return option_rate("--disk rate", value, &disk->rate, err);
}

static const struct property {
	const char *name;
	bool has_value;
	int (*set)(struct config_disk *disk, char *value, struct err *err);
} properties[] = {
	{"ro", false, set_read_only},
	{"direct", false, set_direct},
	{"cache", true, set_cache},
	{"io", true, set_io},
	{"queues", true, set_queues},
	{"id", true, set_id},
	{"rate", true, set_rate},
};

/* The property that @word is, or NULL; its value is what follows the name and '='. */
static const struct property *find_property(char *word, char **ret_value)
{
	for (size_t i = 0; i < ARRAY_SIZE(properties); i++) {
		const struct property *property = &properties[i];
		size_t len = strlen(property->name);

		if (strncmp(word, property->name, len) ||
			word[len] != (property->has_value ? '=' : '\0'))
			continue;
		*ret_value = word + len + 1;
		return property;
	}
	return NULL;
}

/*
 * Take the properties off the end of @text, for a file's name may have commas in it too: the first
 * word from the end that is no property ends them.
 */
static int disk_properties(char *text, struct config_disk *disk, struct err *err)
{
	const struct property *property;
	char *comma, *value;
	int r = 0;

	while (!r && (comma = strrchr(text, ',')) &&
		(property = find_property(comma + 1, &value))) {
		r = property->set(disk, value, err);
		*comma = '\0';
	}
	return r;
}

int option_disk(char *text, struct config *config, struct err *err)
{
	struct config_disk *disk = &config->disks[config->disk_count];
	int r;

	if (config->disk_count == CONFIG_DISKS_MAX)
		return err_set(err, -EINVAL, "--disk: more than %d disks", CONFIG_DISKS_MAX);
	*disk = (struct config_disk){.fd = -1, .queues = 1};
	r = disk_properties(text, disk, err);
	if (r < 0)
		return r;
	if (!strncmp(text, "fd=", 3)) {
		r = option_fd("--disk fd", text + 3, &disk->fd, err);
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
