// SPDX-License-Identifier: Apache-2.0
// --config-file and --container
#include "vmm/config_file.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/file.h"
#include "vmm/json_read.h"
#include "vmm/monitor.h"
#include "vmm/routes.h"

#include <string.h>

/* syscalls: start: close */

/* Many drives and interfaces with long paths, or a long environment; files of a user's own, so the
 * bound is generous. */
#define FILE_SIZE_MAX (2u << 20)

/*
 * @key:	member of the document
 * @path:	of its resource; where it ends in '/', the member is an array, and an element's
 *		own id follows
 * @id:		that id's field
 */
struct member {
	const char *key;
	const char *path;
	const char *id;
};

/* In the order in which they are applied. */
static const struct member members[] = {
	{"logger", "/logger", NULL},
	{"metrics", "/metrics", NULL},
	{"machine-config", "/machine-config", NULL},
	{"cpu-config", "/cpu-config", NULL},
	{"boot-source", "/boot-source", NULL},
	{"drives", "/drives/", "drive_id"},
	{"network-interfaces", "/network-interfaces/", "iface_id"},
	{"vsock", "/vsock", NULL},
	{"balloon", "/balloon", NULL},
	{"mmds-config", "/mmds/config", NULL},
	{"entropy", "/entropy", NULL},
	{"pmem", "/pmem/", "id"},
	{"memory-hotplug", "/hotplug/memory", NULL},
	{"container", "/container", NULL},
};

/* @from: inherited; -1: open @path */
static json_t *load(const char *path, int from, struct err *err)
{
	char CLEANUP_FREE *text = NULL;
	int CLEANUP_FD fd = -1;
	uint64_t size = 0;
	int r;

	fd = from < 0 ? file_open("configuration", path, &size, err)
		      : file_adopt("configuration", path, from, &size, err);
	if (fd < 0)
		return NULL;
	if (size > FILE_SIZE_MAX) {
		err_set(err, -EFBIG, "configuration %s: larger than %u bytes", path, FILE_SIZE_MAX);
		return NULL;
	}
	text = malloc(size);
	r = text ? file_read(fd, 0, text, size) : -ENOMEM;
	if (r < 0) {
		err_errno(err, -r, "configuration %s", path);
		return NULL;
	}
	return json_parse(text, size, err);
}

static int apply_elements(
	struct monitor *monitor, const struct member *member, const json_t *array, struct err *err)
{
	int r = 0;

	if (!json_is_array(array))
		return err_set(err, -EINVAL, "configuration: '%s' is not an array", member->key);
	for (size_t i = 0; i < json_array_size(array) && !r; i++) {
		const json_t *element = json_array_get(array, i);
		const char *id = json_string_value(json_object_get(element, member->id));
		char path[128];

		if (!id)
			r = err_set(err, -EINVAL,
				"configuration: '%s': element %zu has no string '%s'", member->key,
				i, member->id);
		else if (snprintf(path, sizeof(path), "%s%s", member->path, id) >=
			 (int)sizeof(path))
			r = err_set(err, -EINVAL, "configuration: '%s': '%s' is too long",
				member->key, id);
		else
			r = routes_apply(monitor, HTTP_PUT, path, element, err);
	}
	return r;
}

/* A custom CPU template may be in a file of its own. */
static int apply_file(
	struct monitor *monitor, const struct member *member, const char *path, struct err *err)
{
	json_t CLEANUP_JSON *body = load(path, -1, err);

	return body ? routes_apply(monitor, HTTP_PUT, member->path, body, err) : err->code;
}

static int apply_member(
	struct monitor *monitor, const struct member *member, const json_t *value, struct err *err)
{
	if (!value || json_is_null(value))
		return 0;
	if (member->id)
		return apply_elements(monitor, member, value, err);
	if (!strcmp(member->key, "cpu-config") && json_is_string(value))
		return apply_file(monitor, member, json_string_value(value), err);
	return routes_apply(monitor, HTTP_PUT, member->path, value, err);
}

static int start(struct monitor *monitor, struct err *err)
{
	json_t CLEANUP_JSON *body = json_pack("{s:s}", "action_type", "InstanceStart");

	if (!body)
		return err_set(err, -ENOMEM, "out of memory");
	return routes_apply(monitor, HTTP_PUT, "/actions", body, err);
}

int config_file_container(struct monitor *monitor, int *ret_code, struct err *err)
{
	json_t CLEANUP_JSON *body =
		load(monitor->config.api.container, monitor->config.api.container_fd, err);

	*ret_code = MONITOR_EXIT_CONFIG;
	return body ? routes_apply(monitor, HTTP_PUT, "/container", body, err) : err->code;
}

int config_file_apply(struct monitor *monitor, int *ret_code, struct err *err)
{
	json_t CLEANUP_JSON *root = load(monitor->config.api.file, -1, err);
	const json_t *values[ARRAY_SIZE(members)] = {0};
	struct json_field fields[ARRAY_SIZE(members)];
	int r;

	*ret_code = MONITOR_EXIT_CONFIG;
	if (!root)
		return err->code;
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		fields[i] = (struct json_field){.name = members[i].key,
			.type = JSON_READ_ANY,
			.ret = &values[i],
			.required = !strcmp(members[i].key, "boot-source") ||
				    !strcmp(members[i].key, "drives")};
	r = json_read("configuration", root, fields, ARRAY_SIZE(fields), err);
	for (size_t i = 0; i < ARRAY_SIZE(members) && !r; i++)
		r = apply_member(monitor, &members[i], values[i], err);
	if (!r)
		r = start(monitor, err);
	/* Nobody waits for it, so it has no ticket; GET /container tells what became of it. */
	if (!r && monitor->container.present)
		r = command_start(monitor->container.main, 0, err);
	return r;
}
