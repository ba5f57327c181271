// SPDX-License-Identifier: Apache-2.0
// The API's resources: finding the handler of a request.
#include "vmm/routes.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "vmm/monitor.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* syscalls: loop: close, newfstatat, openat */

static int not_supported(struct route_call *call, struct err *err)
{
	return err_set(err, -ENOTSUP, "This is not supported yet.");
}

static const struct route routes[] = {
	{HTTP_GET, "/", ROUTE_ANY, ROUTE_NO_BODY, route_get_instance, METRIC_GET_INSTANCE},
	{HTTP_GET, "/version", ROUTE_ANY, ROUTE_NO_BODY, route_get_version, METRIC_GET_VERSION},
	{HTTP_GET, "/vm/config", ROUTE_ANY, ROUTE_NO_BODY, route_get_vm_config},
	{HTTP_PATCH, "/vm", ROUTE_AFTER, ROUTE_BODY, route_patch_vm},
	{HTTP_PUT, "/actions", ROUTE_ANY, ROUTE_BODY, route_put_action, METRIC_PUT_ACTIONS},
	{HTTP_PUT, "/boot-source", ROUTE_BEFORE, ROUTE_BODY, route_put_boot_source,
		METRIC_PUT_BOOT_SOURCE},
	{HTTP_GET, "/machine-config", ROUTE_ANY, ROUTE_NO_BODY, route_get_machine,
		METRIC_GET_MACHINE},
	{HTTP_PUT, "/machine-config", ROUTE_BEFORE, ROUTE_BODY, route_put_machine,
		METRIC_PUT_MACHINE},
	{HTTP_PATCH, "/machine-config", ROUTE_BEFORE, ROUTE_BODY, route_patch_machine,
		METRIC_PATCH_MACHINE},
	{HTTP_PUT, "/cpu-config", ROUTE_BEFORE, ROUTE_BODY, route_put_cpu_config, METRIC_PUT_CPU},
	{HTTP_PUT, "/drives/{drive_id}", ROUTE_BEFORE, ROUTE_BODY, route_put_drive,
		METRIC_PUT_DRIVE},
	{HTTP_PUT, "/vsock", ROUTE_BEFORE, ROUTE_BODY, route_put_vsock, METRIC_PUT_VSOCK},
	{HTTP_PUT, "/serial", ROUTE_BEFORE, ROUTE_BODY, route_put_serial, METRIC_PUT_SERIAL},
	{HTTP_PUT, "/logger", ROUTE_BEFORE, ROUTE_BODY, route_put_logger, METRIC_PUT_LOGGER},
	{HTTP_PUT, "/metrics", ROUTE_BEFORE, ROUTE_BODY, route_put_metrics, METRIC_PUT_METRICS},
	{HTTP_GET, "/metrics/prometheus", ROUTE_ANY, ROUTE_NO_BODY, route_get_prometheus},
	{HTTP_PUT, "/entropy", ROUTE_BEFORE, ROUTE_BODY, route_put_entropy},
	{HTTP_GET, "/balloon", ROUTE_ANY, ROUTE_NO_BODY, route_get_balloon},
	{HTTP_PUT, "/balloon", ROUTE_BEFORE, ROUTE_BODY, route_put_balloon},
	{HTTP_PATCH, "/balloon", ROUTE_AFTER, ROUTE_BODY, route_patch_balloon},
	{HTTP_GET, "/balloon/statistics", ROUTE_AFTER, ROUTE_NO_BODY, route_get_balloon_stats},
	{HTTP_PATCH, "/balloon/statistics", ROUTE_AFTER, ROUTE_BODY, route_patch_balloon_stats},

	{HTTP_PATCH, "/drives/{drive_id}", ROUTE_AFTER, ROUTE_BODY, route_patch_drive,
		METRIC_PATCH_DRIVE, .descriptor = true},
	{HTTP_PUT, "/network-interfaces/{iface_id}", ROUTE_BEFORE, ROUTE_BODY, route_put_net,
		METRIC_PUT_NETWORK},
	{HTTP_PATCH, "/network-interfaces/{iface_id}", ROUTE_AFTER, ROUTE_BODY, route_patch_net,
		METRIC_PATCH_NETWORK},
	{HTTP_PUT, "/container", ROUTE_BEFORE, ROUTE_BODY, route_put_container},
	{HTTP_GET, "/container", ROUTE_ANY, ROUTE_NO_BODY, route_get_container},
	{HTTP_POST, "/container/start", ROUTE_AFTER, ROUTE_NO_BODY, route_start_command},
	{HTTP_GET, "/container/wait", ROUTE_ANY, ROUTE_NO_BODY, route_wait_command},
	{HTTP_POST, "/container/kill", ROUTE_AFTER, ROUTE_MAY_BODY, route_kill_command},
	{HTTP_POST, "/container/resize", ROUTE_AFTER, ROUTE_BODY, route_resize_command},
	{HTTP_POST, "/container/attach", ROUTE_ANY, ROUTE_NO_BODY, route_attach_command,
		.query = true},
	{HTTP_GET, "/container/logs", ROUTE_ANY, ROUTE_NO_BODY, route_get_logs, .query = true},
	{HTTP_GET, "/container/stats", ROUTE_AFTER, ROUTE_NO_BODY, route_get_stats},
	{HTTP_POST, "/container/pause", ROUTE_AFTER, ROUTE_NO_BODY, route_pause_container},
	{HTTP_POST, "/container/unpause", ROUTE_AFTER, ROUTE_NO_BODY, route_unpause_container},
	{HTTP_GET, "/container/archive", ROUTE_AFTER, ROUTE_NO_BODY, route_get_archive,
		.query = true},
	{HTTP_PUT, "/container/archive", ROUTE_AFTER, ROUTE_STREAM, route_put_archive,
		.query = true},
	{HTTP_POST, "/container/exec", ROUTE_AFTER, ROUTE_BODY, route_post_exec},
	{HTTP_GET, "/container/exec/{id}", ROUTE_AFTER, ROUTE_NO_BODY, route_get_exec},
	{HTTP_POST, "/container/exec/{id}/start", ROUTE_AFTER, ROUTE_NO_BODY, route_start_command},
	{HTTP_GET, "/container/exec/{id}/wait", ROUTE_AFTER, ROUTE_NO_BODY, route_wait_command},
	{HTTP_POST, "/container/exec/{id}/kill", ROUTE_AFTER, ROUTE_MAY_BODY, route_kill_command},
	{HTTP_POST, "/container/exec/{id}/resize", ROUTE_AFTER, ROUTE_BODY, route_resize_command},
	{HTTP_POST, "/container/exec/{id}/attach", ROUTE_AFTER, ROUTE_NO_BODY, route_attach_command,
		.query = true},
	{HTTP_GET, "/container/exec/{id}/logs", ROUTE_AFTER, ROUTE_NO_BODY, route_get_logs,
		.query = true},
	{HTTP_DELETE, "/drives/{drive_id}", ROUTE_ANY, ROUTE_MAY_BODY, not_supported},
	{HTTP_DELETE, "/network-interfaces/{iface_id}", ROUTE_ANY, ROUTE_MAY_BODY, not_supported},
	{HTTP_PATCH, "/balloon/hinting/start", ROUTE_ANY, ROUTE_MAY_BODY, not_supported},
	{HTTP_PATCH, "/balloon/hinting/stop", ROUTE_ANY, ROUTE_MAY_BODY, not_supported},
	{HTTP_GET, "/balloon/hinting/status", ROUTE_ANY, ROUTE_MAY_BODY, not_supported},
	{HTTP_PUT, "/pmem/{id}", ROUTE_ANY, ROUTE_MAY_BODY, not_supported},
	{HTTP_PATCH, "/pmem/{id}", ROUTE_ANY, ROUTE_MAY_BODY, not_supported},
	{HTTP_DELETE, "/pmem/{id}", ROUTE_ANY, ROUTE_MAY_BODY, not_supported},
	{HTTP_GET, "/mmds", ROUTE_ANY, ROUTE_MAY_BODY, not_supported},
	{HTTP_PUT, "/mmds", ROUTE_ANY, ROUTE_MAY_BODY, not_supported},
	{HTTP_PATCH, "/mmds", ROUTE_ANY, ROUTE_MAY_BODY, not_supported},
	{HTTP_PUT, "/mmds/config", ROUTE_ANY, ROUTE_MAY_BODY, not_supported},
	{HTTP_GET, "/hotplug/memory", ROUTE_ANY, ROUTE_MAY_BODY, not_supported},
	{HTTP_PUT, "/hotplug/memory", ROUTE_ANY, ROUTE_MAY_BODY, not_supported},
	{HTTP_PATCH, "/hotplug/memory", ROUTE_ANY, ROUTE_MAY_BODY, not_supported},
	{HTTP_PUT, "/snapshot/create", ROUTE_ANY, ROUTE_MAY_BODY, not_supported},
	{HTTP_PUT, "/snapshot/load", ROUTE_ANY, ROUTE_MAY_BODY, not_supported},
};

const struct route *routes_table(size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(routes);
	return routes;
}

static bool is_id_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

/*
 * Does @path fit @pattern? @ret_id, @ret_len: what stands for the name in braces, or NULL; it may
 * be anything but a slash.
 */
static bool path_matches(
	const char *pattern, const char *path, const char **ret_id, size_t *ret_len)
{
	size_t literal = strcspn(pattern, "{");

	*ret_id = NULL;
	*ret_len = 0;
	if (!pattern[literal])
		return !strcmp(pattern, path);
	if (strncmp(pattern, path, literal) != 0)
		return false;
	*ret_id = path + literal;
	*ret_len = strcspn(*ret_id, "/");
	return !strcmp(strchr(pattern, '}') + 1, *ret_id + *ret_len);
}

static bool is_id(const char *id, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_id_char(id[i]))
			return false;
	return len && len <= ROUTE_ID_MAX;
}

/* Find the row; @id gets what stands for the name in braces. */
static const struct route *find(
	enum http_method method, const char *path, char id[ROUTE_ID_MAX + 1], struct err *err)
{
	bool other_method = false;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		const struct route *route = &routes[i];
		const char *at;
		size_t len;

		if (!path_matches(route->path, path, &at, &len))
			continue;
		if (route->method != method) {
			other_method = true;
			continue;
		}
		id[0] = '\0';
		if (!at)
			return route;
		if (is_id(at, len)) {
			memcpy(id, at, len);
			id[len] = '\0';
			return route;
		}
		err_set(err, -EINVAL,
			"'%.*s' is not an id: 1 to %d letters, digits, '_' and '-' are", (int)len,
			at, ROUTE_ID_MAX);
		return NULL;
	}
	err_set(err, -ENOENT,
		other_method ? "%s is not a method of %s" : "%s %s: there is no such resource",
		http_method_name(method), path);
	return NULL;
}

static int check_state(const struct monitor *monitor, const struct route *route, struct err *err)
{
	unsigned int state = monitor->state == MONITOR_NOT_STARTED ? ROUTE_BEFORE : ROUTE_AFTER;

	if (route->states & state)
		return 0;
	return err_set(err, -EBUSY, "%s %s is only possible %s the microVM is started",
		http_method_name(route->method), route->path,
		state == ROUTE_BEFORE ? "after" : "before");
}

static int parse_body(const struct route *route, const struct http_request *request, json_t **ret,
	struct err *err)
{
	*ret = NULL;
	if (route->body == ROUTE_STREAM)
		return 0;
	if (!request->body_len) {
		if (route->body == ROUTE_BODY)
			return err_set(err, -EINVAL, "%s %s needs a JSON body",
				http_method_name(route->method), route->path);
		return 0;
	}
	if (route->body == ROUTE_NO_BODY)
		return err_set(err, -EINVAL, "%s %s takes no body", http_method_name(route->method),
			route->path);
	*ret = json_parse(request->body, request->body_len, err);
	if (!*ret)
		return -EINVAL;
	if (!json_is_object(*ret))
		return err_set(err, -EINVAL, "The body is not a JSON object");
	return 0;
}

static int handle(const struct http_request *request, struct route_call *call, struct err *err)
{
	const struct route *route = find(request->method, request->path, call->id, err);
	struct metrics *metrics = &call->monitor->metrics;
	json_t CLEANUP_JSON *body = NULL;
	int r;

	if (!route)
		return err->code;
	metrics_add(metrics, route->metric);
	call->query = request->query;
	call->request = request;
	call->upgrade = request->upgrade;
	if (request->query && !route->query)
		r = err_set(err, -EINVAL, "%s takes no query", route->path);
	else if (request->fd && *request->fd >= 0 && !route->descriptor)
		r = err_set(err, -EINVAL, "%s %s takes no descriptor",
			http_method_name(route->method), route->path);
	else
		r = parse_body(route, request, &body, err);
	if (!r)
		r = check_state(call->monitor, route, err);
	call->body = body;
	if (!r)
		r = route->fn(call, err);
	if (r < 0 && route->metric && route->method != HTTP_GET)
		metrics_add(metrics, route->metric + 1);
	if (call->deprecated)
		metrics_add(metrics, METRIC_DEPRECATED);
	return r;
}

int routes_handle(
	void *ctx, const struct http_request *request, uint64_t ticket, struct api_reply *reply)
{
	struct route_call call = {
		.monitor = ctx, .ticket = ticket, .out.buf = &reply->body, .reply = reply};
	struct err err;
	int r;

	log_debug("api: %s %s, %zu bytes", http_method_name(request->method), request->path,
		request->body_len);
	r = handle(request, &call, &err);
	reply->deprecated = call.deprecated;
	if (r >= 0 && call.out.error)
		r = err_errno(&err, -call.out.error, "the answer");
	if (r >= 0) {
		if (call.type)
			reply->type = call.type;
		return r;
	}
	log_info("api: %s %s: %s", http_method_name(request->method), request->path, err.msg);
	routes_fault(reply, err.msg);
	return 0;
}

static bool is_streamed(enum http_method method, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		if (routes[i].body == ROUTE_STREAM && routes[i].method == method &&
			!strcmp(routes[i].path, path))
			return true;
	return false;
}

static void on_gone(void *ctx, uint64_t ticket)
{
	struct monitor *monitor = ctx;

	container_client_gone(&monitor->container, ticket);
}

const struct api_ops routes_ops = {
	.handle = routes_handle,
	.streams = is_streamed,
	.gone = on_gone,
};

void routes_fault(struct api_reply *reply, const char *message)
{
	struct json_out out = {.buf = &reply->body};

	reply->status = 400;
	reply->body.len = 0;
	json_begin(&out, NULL, '{');
	json_put_string(&out, "fault_message", message);
	json_end(&out, '}');
}

int routes_apply(struct monitor *monitor, enum http_method method, const char *path,
	const json_t *body, struct err *err)
{
	struct buf reply = BUF_INIT(API_RESPONSE_MAX);
	struct route_call call = {.monitor = monitor, .out.buf = &reply, .body = body};
	const struct route *route = find(method, path, call.id, err);
	int r;

	if (!route)
		return err->code;
	r = check_state(monitor, route, err);
	if (!r && !json_is_object(body))
		r = err_set(err, -EINVAL, "%s: not a JSON object", path);
	if (!r)
		r = route->fn(&call, err);
	buf_fini(&reply);
	return r;
}

int route_check_id(const struct route_call *call, const char *what, const char *id, struct err *err)
{
	if (strcmp(call->id, id) != 0)
		return err_set(
			err, -EINVAL, "%s: the path names '%s', the body '%s'", what, call->id, id);
	return 0;
}

int route_check_file(
	const char *what, const char *path, bool read_only, bool device, struct err *err)
{
	int CLEANUP_FD fd = -1;
	struct stat st;

	/* O_NONBLOCK: a FIFO in this place must not hang the API. */
	fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, errno, "%s: %s", what, path);
	if (!S_ISREG(st.st_mode) && !(device && S_ISBLK(st.st_mode)))
		return err_set(err, -EINVAL, "%s: %s is not a regular file", what, path);
	return 0;
}
