// SPDX-License-Identifier: Apache-2.0
// The VM as a whole: /, /version, /vm/config, /vm
#include "vmm/routes.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "vmm/monitor.h"

/* syscalls: loop: clock_gettime */

int route_get_instance(struct route_call *call, struct err *err)
{
	static const char *const states[] = {
		[MONITOR_NOT_STARTED] = "Not started",
		[MONITOR_RUNNING] = "Running",
		[MONITOR_PAUSED] = "Paused",
	};
	const struct monitor *monitor = call->monitor;
	struct json_out *out = &call->out;

	json_begin(out, NULL, '{');
	json_put_string(out, "app_name", "Firecracker");
	json_put_string(out, "id", monitor->config.id);
	json_put_string(out, "state", states[monitor->state]);
	json_put_string(out, "vmm_version", MONITOR_WIRE_VERSION);
	json_end(out, '}');
	return 0;
}

int route_get_version(struct route_call *call, struct err *err)
{
	json_begin(&call->out, NULL, '{');
	json_put_string(&call->out, "firecracker_version", MONITOR_WIRE_VERSION);
	json_end(&call->out, '}');
	return 0;
}

static void describe_logger(const struct monitor *monitor, struct json_out *out)
{
	static const char *const levels[] = {"Error", "Warning", "Info", "Debug"};
	const struct config *config = &monitor->config;

	if (!config->log.path) {
		json_put_null(out, "logger");
		return;
	}
	json_begin(out, "logger", '{');
	json_put_string(out, "log_path", config->log.path);
	json_put_string(
		out, "level", config->log_level == LOG_OFF ? "Off" : levels[config->log_level]);
	json_put_bool(out, "show_level", config->log.show_level);
	json_put_bool(out, "show_log_origin", config->log.show_origin);
	json_put_string(out, "module", config->log.module);
	json_end(out, '}');
}

static void describe_metrics(const struct monitor *monitor, struct json_out *out)
{
	if (!monitor->config.metrics_path) {
		json_put_null(out, "metrics");
		return;
	}
	json_begin(out, "metrics", '{');
	json_put_string(out, "metrics_path", monitor->config.metrics_path);
	json_put_bool(out, "emit_id", monitor->config.metrics_emit_id);
	if (monitor->config.metrics_properties)
		json_put_json(out, "properties", monitor->config.metrics_properties);
	json_end(out, '}');
}

int route_get_vm_config(struct route_call *call, struct err *err)
{
	const struct monitor *monitor = call->monitor;
	struct json_out *out = &call->out;

	json_begin(out, NULL, '{');
	route_describe_balloon(monitor, out, "balloon");
	route_describe_drives(monitor, out);
	route_describe_boot_source(monitor, out);
	json_put_null(out, "cpu-config");
	describe_logger(monitor, out);
	route_describe_machine(monitor, out, "machine-config");
	describe_metrics(monitor, out);
	json_put_null(out, "memory-hotplug");
	json_put_null(out, "mmds-config");
	route_describe_nets(monitor, out);
	json_begin(out, "pmem", '[');
	json_end(out, ']');
	route_describe_vsock(monitor, out);
	route_describe_entropy(monitor, out);
	json_end(out, '}');
	return 0;
}

/* All who asked for the pause are answered when it is there. */
static void on_paused(void *ctx)
{
	struct monitor *monitor = ctx;

	machine_pause(&monitor->machine);
	monitor->state = MONITOR_PAUSED;
	monitor->metrics.now[METRIC_PAUSE_US] = clock_us() - monitor->pause_began_us;
	for (unsigned int i = 0; i < monitor->waiter_count; i++) {
		struct api_reply reply = {0};

		api_answer(&monitor->api, monitor->waiters[i], &reply);
	}
	monitor->waiter_count = 0;
}

static int pause_vm(struct route_call *call, struct err *err)
{
	struct monitor *monitor = call->monitor;
	int r = 0;

	if (monitor->state == MONITOR_PAUSED)
		return 0;
	if (monitor->waiter_count == ARRAY_SIZE(monitor->waiters))
		return err_set(err, -EBUSY, "vm: too many wait for the pause already");
	if (!monitor->waiter_count)
		monitor->pause_began_us = clock_us();
	if (!monitor->waiter_count)
		r = vcpu_pause_all(&monitor->vm, on_paused, monitor, err);
	if (r < 0)
		return r;
	monitor->waiters[monitor->waiter_count++] = call->ticket;
	return API_PARKED;
}

static int resume_vm(struct route_call *call, struct err *err)
{
	struct monitor *monitor = call->monitor;
	uint64_t began = clock_us();

	machine_resume(&monitor->machine);
	vcpu_resume_all(&monitor->vm);
	monitor->state = MONITOR_RUNNING;
	for (unsigned int i = 0; i < monitor->waiter_count; i++) {
		struct api_reply reply = {.body = BUF_INIT(ERR_MSG_MAX)};

		routes_fault(&reply, "vm: another client has resumed it meanwhile");
		api_answer(&monitor->api, monitor->waiters[i], &reply);
	}
	monitor->waiter_count = 0;
	monitor->metrics.now[METRIC_RESUME_US] = clock_us() - began;
	return 0;
}

int route_patch_vm(struct route_call *call, struct err *err)
{
	static const char *const states[] = {"Paused", "Resumed", NULL};
	int state = 0;
	const struct json_field fields[] = {
		{.name = "state",
			.type = JSON_READ_WORD,
			.ret = &state,
			.required = true,
			.words = states},
	};
	int r = json_read("vm", call->body, fields, ARRAY_SIZE(fields), err);

	if (r < 0)
		return r;
	return state ? resume_vm(call, err) : pause_vm(call, err);
}
