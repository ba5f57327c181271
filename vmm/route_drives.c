// SPDX-License-Identifier: Apache-2.0
// /drives
#include "vmm/routes.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "devices/blk.h"
#include "vmm/monitor.h"

#include <string.h>

/* syscalls: loop: close */

static const char *const cache_types[] = {"Unsafe", "Writeback", NULL};
static const char *const engines[] = {"Sync", "Async", NULL};

/* A drive as a client describes it; strings are the document's. */
struct drive_body {
	const char *id, *path, *socket, *partuuid;
	bool root, read_only;
	bool has_cache, has_engine;
	int cache, engine;
	const json_t *rate;
};

static struct config_disk *find_drive(struct config *config, const char *id)
{
	for (unsigned int i = 0; i < config->disk_count; i++)
		if (config->disks[i].id && !strcmp(config->disks[i].id, id))
			return &config->disks[i];
	return NULL;
}

static int read_body(struct route_call *call, struct drive_body *body, struct err *err)
{
	const struct json_field fields[] = {
		{.name = "drive_id", .type = JSON_READ_STRING, .ret = &body->id, .required = true},
		{.name = "is_root_device",
			.type = JSON_READ_BOOL,
			.ret = &body->root,
			.required = true},
		JSON_STRING("path_on_host", &body->path),
		JSON_BOOL("is_read_only", &body->read_only),
		JSON_STRING("socket", &body->socket),
		JSON_STRING("partuuid", &body->partuuid),
		{.name = "cache_type",
			.type = JSON_READ_WORD,
			.ret = &body->cache,
			.ret_given = &body->has_cache,
			.words = cache_types},
		{.name = "io_engine",
			.type = JSON_READ_WORD,
			.ret = &body->engine,
			.ret_given = &body->has_engine,
			.words = engines},
		JSON_OBJECT_FIELD("rate_limiter", &body->rate),
	};
	int r = json_read("drive", call->body, fields, ARRAY_SIZE(fields), err);

	if (!r)
		r = route_check_id(call, "drive", body->id, err);
	if (r < 0)
		return r;
	if (body->socket)
		return err_set(err, -ENOTSUP,
			"drive '%s': field 'socket': vhost-user is not supported yet", body->id);
	if (!body->path)
		return err_set(
			err, -EINVAL, "drive '%s': field 'path_on_host' is missing", body->id);
	if (body->partuuid &&
		(!*body->partuuid || strcspn(body->partuuid, " \t\n") != strlen(body->partuuid)))
		return err_set(err, -EINVAL, "drive '%s': field 'partuuid' is no word", body->id);
	return route_check_file("drive", body->path, body->read_only, true, err);
}

/* There is room, and no other root device. */
static int check_others(struct config *config, const struct config_disk *replaced,
	const struct drive_body *body, struct err *err)
{
	for (unsigned int i = 0; i < config->disk_count; i++)
		if (body->root && config->disks[i].root && &config->disks[i] != replaced)
			return err_set(err, -EEXIST, "drive '%s': '%s' is the root device already",
				body->id, config->disks[i].id);
	if (!replaced && config->disk_count == CONFIG_DISKS_MAX)
		return err_set(err, -ENOSPC, "drive '%s': there are %d drives already", body->id,
			CONFIG_DISKS_MAX);
	return 0;
}

static void drop_strings(struct config *config, const struct config_disk *disk)
{
	config_drop(config, disk->id);
	config_drop(config, disk->path);
	config_drop(config, disk->partuuid);
}

int route_put_drive(struct route_call *call, struct err *err)
{
	struct config *config = &call->monitor->config;
	struct config_disk *replaced = find_drive(config, call->id), disk;
	struct drive_body body = {0};
	struct rate_limit_config rate = {0};
	int r = read_body(call, &body, err);

	if (!r)
		r = check_others(config, replaced, &body, err);
	if (!r)
		r = route_read_rate("drive: rate_limiter", body.rate, &rate, err);
	if (r < 0)
		return r;
	disk = (struct config_disk){
		.id = config_keep(config, body.id),
		.path = config_keep(config, body.path),
		.partuuid = config_keep(config, body.partuuid),
		.fd = -1,
		.read_only = body.read_only,
		.root = body.root,
		/* As Firecracker has it, without being told. */
		.unsafe = !body.has_cache || !body.cache,
		.io = !body.has_engine ? CONFIG_DISK_IO_AUTO
		      : body.engine    ? CONFIG_DISK_IO_URING
				       : CONFIG_DISK_IO_SYNC,
		.rate = rate,
	};
	if (!disk.id || !disk.path || !disk.partuuid != !body.partuuid) {
		drop_strings(config, &disk);
		return err_set(err, -ENOMEM, "drive '%s': out of memory", body.id);
	}
	if (replaced) {
		drop_strings(config, replaced);
		*replaced = disk;
	} else {
		config->disks[config->disk_count++] = disk;
	}
	return 0;
}

/*
 * Look at the file anew, or at another one.
 *
 * @path:	kept
 * @fd:		-1, or where the file is open; taken over
 */
static int change_file(struct monitor *monitor, const struct config_disk *disk, const char *path,
	int fd, struct err *err)
{
	struct config_disk changed = *disk;
	struct machine_slot *slot = machine_find_slot(&monitor->machine, disk->id);
	int r;

	changed.path = path;
	changed.fd = fd;
	if (fd >= 0 || !disk->path || strcmp(path, disk->path) != 0)
		return machine_set_disk(&monitor->machine, &changed, err);
	r = slot ? blk_resize(slot->dev) : -ENODEV;
	return r < 0 ? err_errno(err, -r, "drive '%s': %s", disk->id, path) : 0;
}

/* The file that is open already is looked at anew through its descriptor. */
static int check_new_file(const struct monitor *monitor, const struct config_disk *disk,
	const char *path, struct err *err)
{
	bool same = disk->path && !strcmp(path, disk->path);
	int r;

	if (same && monitor->sandbox.jailed)
		return 0;
	r = route_check_file("drive", path, disk->read_only, true, err);
	if (!r || !monitor->sandbox.jailed)
		return r;
	return err_add(err,
		"; the microVM is jailed and opens only files that its user may open, in "
		"directories named by --grant, or that come along open (SCM_RIGHTS)");
}

/* Return: the descriptor that came along, which is the caller's now, or -1. */
static int take_descriptor(const struct route_call *call)
{
	int fd = -1;

	if (call->request && call->request->fd)
		fd = TAKE_FD(*call->request->fd);
	return fd;
}

int route_patch_drive(struct route_call *call, struct err *err)
{
	struct monitor *monitor = call->monitor;
	struct config *config = &monitor->config;
	struct config_disk *disk = find_drive(config, call->id);
	struct machine_slot *slot = machine_find_slot(&monitor->machine, call->id);
	const char *id = NULL, *path = NULL, *kept = NULL;
	struct rate_limit_config rate;
	const json_t *limiter = NULL;
	int CLEANUP_FD fd = take_descriptor(call);
	const struct json_field fields[] = {
		{.name = "drive_id", .type = JSON_READ_STRING, .ret = &id, .required = true},
		JSON_STRING("path_on_host", &path),
		JSON_OBJECT_FIELD("rate_limiter", &limiter),
	};
	int r = json_read("drive", call->body, fields, ARRAY_SIZE(fields), err);

	if (!r)
		r = route_check_id(call, "drive", id, err);
	if (r < 0)
		return r;
	if (!disk || !slot)
		return err_set(err, -ENODEV, "drive '%s': there is no such drive", call->id);
	if (fd >= 0 && (!path || !*path))
		return err_set(err, -EINVAL,
			"drive '%s': a descriptor came along without 'path_on_host', its name", id);
	rate = disk->rate;
	r = route_read_rate("drive: rate_limiter", limiter, &rate, err);
	if (!r && path && fd < 0)
		r = check_new_file(monitor, disk, path, err);
	if (!r && path && !(kept = config_keep(config, path)))
		r = err_set(err, -ENOMEM, "drive '%s': out of memory", id);
	if (r < 0)
		return r;
	r = limiter ? blk_set_limits(slot->dev, &rate) : 0;
	if (r < 0)
		r = err_errno(err, -r, "drive '%s': rate limit", id);
	else if (path)
		r = change_file(monitor, disk, kept, TAKE_FD(fd), err);
	if (r < 0) {
		/* All or nothing: what was limited before is again. */
		blk_set_limits(slot->dev, &disk->rate);
		config_drop(config, kept);
		return r;
	}
	disk->rate = rate;
	if (path) {
		config_drop(config, disk->path);
		disk->path = kept;
		disk->fd = -1;
	}
	return 0;
}

void route_describe_drives(const struct monitor *monitor, struct json_out *out)
{
	const struct config *config = &monitor->config;

	json_begin(out, "drives", '[');
	for (unsigned int i = 0; i < config->disk_count; i++) {
		const struct config_disk *disk = &config->disks[i];

		json_begin(out, NULL, '{');
		json_put_string(out, "drive_id", disk->id);
		json_put_bool(out, "is_root_device", disk->root);
		json_put_string(out, "partuuid", disk->partuuid);
		json_put_bool(out, "is_read_only", disk->read_only);
		json_put_string(out, "path_on_host", disk->path);
		json_put_string(out, "cache_type", cache_types[!disk->unsafe]);
		json_put_string(out, "io_engine", engines[disk->io != CONFIG_DISK_IO_SYNC]);
		route_describe_rate(out, "rate_limiter", &disk->rate);
		json_end(out, '}');
	}
	json_end(out, ']');
}
