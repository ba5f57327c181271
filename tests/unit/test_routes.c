// SPDX-License-Identifier: Apache-2.0
// Tests of vmm/routes.h: each resource in each state, in and out of range, without a VM.
#include "vmm/routes.h"

#include "base/err.h"
#include "tests/lib/loop_step.h"
#include "tests/lib/suite.h"
#include "vmm/monitor.h"

#include <string.h>

/* Files that are there, and can be read. */
#define FILE_A "/proc/self/exe"
#define FILE_B "/proc/self/maps"

static struct monitor monitor;
static char answer[1 << 16];

static void setup(void)
{
	struct err err;

	monitor = (struct monitor){0};
	config_init(&monitor.config);
	ck_assert_int_eq(monitor_init(&monitor, &err), 0);
}

static void teardown(void)
{
	config_fini(&monitor.config);
	loop_fini(&monitor.loop);
}

/* Return: the status, 0 for parked; what was answered is in answer. */
static unsigned int ask_bytes(
	enum http_method method, const char *path, const char *body, size_t len)
{
	struct api_reply reply = {.body = BUF_INIT(sizeof(answer) - 1)};
	char copy[256];
	const struct http_request request = {
		.method = method, .path = copy, .body = body, .body_len = len};
	int r;

	ck_assert_uint_lt(strlen(path), sizeof(copy));
	memcpy(copy, path, strlen(path) + 1);
	r = routes_handle(&monitor, &request, 1, &reply);
	answer[0] = '\0';
	if (reply.body.len) {
		memcpy(answer, reply.body.data, reply.body.len);
		answer[reply.body.len] = '\0';
	}
	buf_fini(&reply.body);
	if (r == API_PARKED)
		return 0;
	return reply.status ? reply.status : answer[0] ? 200 : 204;
}

static unsigned int ask(enum http_method method, const char *path, const char *body)
{
	return ask_bytes(method, path, body, body ? strlen(body) : 0);
}

/* @fragment: NULL, or what the answer has in it */
struct request {
	enum http_method method;
	const char *path;
	const char *body;
	unsigned int status;
	const char *fragment;
};

static void expect(const struct request *request)
{
	unsigned int status = ask(request->method, request->path, request->body);
	bool right = status == request->status;

	if (request->fragment)
		right &= strstr(answer, request->fragment) != NULL;
	/* An error is one object with one member. */
	if (status == 400)
		right &= !strncmp(answer, "{\"fault_message\":\"", 18);
	ck_assert_msg(right, "%s %s %.200s: %u %.300s", http_method_name(request->method),
		request->path, request->body ? request->body : "", status, answer);
}

static const struct request before[] = {
	{HTTP_GET, "/", NULL, 200, "\"state\":\"Not started\""},
	{HTTP_GET, "/", "{}", 400, "takes no body"},
	{HTTP_GET, "/version", NULL, 200, "firecracker_version"},
	{HTTP_GET, "/vm/config", NULL, 200, "\"boot-source\":null"},
	{HTTP_GET, "/metrics/prometheus", NULL, 200, "# EOF\n"},
	{HTTP_GET, "/nothing", NULL, 400, "there is no such resource"},
	{HTTP_POST, "/vsock", "{}", 400, "POST is not a method of /vsock"},
	{HTTP_DELETE, "/", NULL, 400, "DELETE is not a method of /"},
	{HTTP_PUT, "/vsock/", "{}", 400, "there is no such resource"},
	{HTTP_PUT, "//vsock", "{}", 400, "there is no such resource"},

	{HTTP_PUT, "/actions", "{\"action_type\":\"InstanceStart\"}", 400, "no kernel"},
	{HTTP_PUT, "/actions", "{\"action_type\":\"instancestart\"}", 400, "field 'action_type'"},
	{HTTP_PUT, "/actions", "{\"action_type\":\"SendCtrlAltDel\"}", 400, "not started"},
	{HTTP_PUT, "/actions", "{\"action_type\":\"FlushMetrics\"}", 400, "no metrics_path"},
	{HTTP_PUT, "/actions", "{}", 400, "field 'action_type' is missing"},
	{HTTP_PUT, "/actions", NULL, 400, "needs a JSON body"},
	{HTTP_PUT, "/actions", "[]", 400, "not a JSON object"},

	{HTTP_PUT, "/boot-source", "{\"kernel_image_path\":\"" FILE_A "\"}", 204, NULL},
	{HTTP_PUT, "/boot-source", "{\"kernel_image_path\":\"" FILE_A "\",\"boot_args\":null}", 204,
		NULL},
	{HTTP_PUT, "/boot-source", "{\"kernel_image_path\":\"/no/kernel\"}", 400, "No such file"},
	{HTTP_PUT, "/boot-source", "{\"kernel_image_path\":\"/dev/null\"}", 400,
		"not a regular file"},
	{HTTP_PUT, "/boot-source", "{\"kernel_image_path\":\"\"}", 400, "No such file"},
	{HTTP_PUT, "/boot-source", "{\"kernel_image_path\":7}", 400, "field 'kernel_image_path'"},
	{HTTP_PUT, "/boot-source", "{\"initrd_path\":\"" FILE_A "\"}", 400,
		"'kernel_image_path' is missing"},
	{HTTP_PUT, "/boot-source",
		"{\"kernel_image_path\":\"" FILE_A "\",\"initrd_path\":\"/no/initrd\"}", 400,
		"/no/initrd"},
	{HTTP_PUT, "/boot-source", "{\"kernel_image_path\":\"" FILE_A "\",\"args\":1}", 400,
		"unknown field 'args'"},

	{HTTP_GET, "/machine-config", NULL, 200, "\"vcpu_count\":1,\"mem_size_mib\":128"},
	{HTTP_PUT, "/machine-config", "{\"vcpu_count\":2,\"mem_size_mib\":256}", 204, NULL},
	{HTTP_PUT, "/machine-config", "{\"vcpu_count\":2}", 400, "'mem_size_mib' is missing"},
	{HTTP_PUT, "/machine-config", "{\"vcpu_count\":2,\"mem_size_mib\":256,\"smt\":true}", 400,
		"field 'smt'"},
	{HTTP_PUT, "/machine-config",
		"{\"vcpu_count\":2,\"mem_size_mib\":256,\"track_dirty_pages\":true}", 400,
		"'track_dirty_pages'"},
	{HTTP_PUT, "/machine-config",
		"{\"vcpu_count\":2,\"mem_size_mib\":256,\"cpu_template\":\"T2\"}", 400,
		"'cpu_template'"},
	{HTTP_PUT, "/machine-config",
		"{\"vcpu_count\":2,\"mem_size_mib\":255,\"huge_pages\":\"2M\"}", 400,
		"'mem_size_mib': 255"},
	{HTTP_PATCH, "/machine-config", "{\"mem_size_mib\":512}", 204, NULL},
	{HTTP_PATCH, "/machine-config", "{}", 400, "nothing to be changed"},
	{HTTP_PUT, "/cpu-config", "{}", 204, NULL},
	{HTTP_PUT, "/cpu-config", "{\"cpuid_modifiers\":[{}]}", 400, "'cpuid_modifiers'"},

	{HTTP_PUT, "/drives/a",
		"{\"drive_id\":\"a\",\"is_root_device\":true,\"is_read_only\":true,"
		"\"path_on_host\":\"" FILE_A "\"}",
		204, NULL},
	{HTTP_PUT, "/drives/a", "{\"drive_id\":\"b\",\"is_root_device\":true}", 400,
		"the path names 'a'"},
	{HTTP_PUT, "/drives/a", "{\"drive_id\":\"a\",\"is_root_device\":true}", 400,
		"'path_on_host' is missing"},
	{HTTP_PUT, "/drives/a", "{\"drive_id\":\"a\",\"path_on_host\":\"" FILE_A "\"}", 400,
		"'is_root_device' is missing"},
	{HTTP_PUT, "/drives/a",
		"{\"drive_id\":\"a\",\"is_root_device\":false,\"is_read_only\":true,"
		"\"path_on_host\":\"" FILE_A "\",\"io_engine\":\"Fast\"}",
		400, "one of Sync, Async"},
	{HTTP_PUT, "/drives/a",
		"{\"drive_id\":\"a\",\"is_root_device\":false,\"is_read_only\":true,"
		"\"path_on_host\":\"" FILE_A "\",\"rate_limiter\":{\"ops\":{\"size\":1}}}",
		400, "'refill_time' is missing"},
	{HTTP_PUT, "/drives/a",
		"{\"drive_id\":\"a\",\"is_root_device\":true,\"path_on_host\":\"/dev/zero\"}", 400,
		"not a regular file"},
	{HTTP_PUT, "/drives/..", "{}", 400, "is not an id"},
	{HTTP_PUT, "/drives/%2e%2e", "{}", 400, "is not an id"},
	{HTTP_PUT, "/drives/", "{}", 400, "is not an id"},
	{HTTP_PUT, "/drives/a/b", "{}", 400, "no such resource"},
	{HTTP_PUT, "/drives/../../etc/passwd", "{}", 400, "no such resource"},

	{HTTP_PUT, "/network-interfaces/1", "{\"iface_id\":\"1\",\"host_dev_name\":\"tap0\"}", 204,
		NULL},
	{HTTP_PUT, "/network-interfaces/1",
		"{\"iface_id\":\"1\",\"host_dev_name\":\"0123456789abcdef\"}", 400,
		"has not 1 to 15 bytes"},
	{HTTP_PUT, "/network-interfaces/1",
		"{\"iface_id\":\"1\",\"host_dev_name\":\"tap0\",\"guest_mac\":\"x\"}", 400,
		"'guest_mac'"},
	{HTTP_PUT, "/network-interfaces/..", "{}", 400, "is not an id"},

	{HTTP_PUT, "/vsock", "{\"guest_cid\":3,\"uds_path\":\"/tmp/hull-no-such\"}", 204, NULL},
	{HTTP_PUT, "/vsock", "{\"guest_cid\":3,\"uds_path\":\"/tmp\"}", 400, "exists already"},
	{HTTP_PUT, "/vsock", "{\"guest_cid\":3,\"uds_path\":\"\"}", 400, "field 'uds_path'"},
	{HTTP_PUT, "/vsock", "{\"guest_cid\":3}", 400, "'uds_path' is missing"},

	{HTTP_PUT, "/entropy", "{}", 204, NULL},
	{HTTP_PUT, "/entropy", "{\"rate_limiter\":null}", 204, NULL},
	{HTTP_PUT, "/entropy", "{\"rate_limiter\":[]}", 400, "field 'rate_limiter'"},
	{HTTP_PUT, "/serial", "{}", 204, NULL},
	{HTTP_PUT, "/serial", "{\"serial_out_path\":\"/tmp/x\"}", 204, NULL},
	{HTTP_PUT, "/serial", "{\"rate_limiter\":{\"size\":1,\"refill_time\":2}}", 204, NULL},
	{HTTP_PUT, "/serial", "{\"rate_limiter\":{\"size\":1}}", 400, "'refill_time' is missing"},
	{HTTP_PUT, "/logger", "{}", 204, NULL},
	{HTTP_PUT, "/logger", "{\"level\":\"wArNiNg\",\"show_level\":true}", 204, NULL},
	{HTTP_PUT, "/logger", "{\"level\":\"\"}", 400, "field 'level'"},
	{HTTP_PUT, "/logger", "{\"log_path\":\"/no/folder/log\"}", 400, "/no/folder/log"},
	{HTTP_PUT, "/logger", "{\"log_path\":\"/tmp\"}", 400, "/tmp"},
	{HTTP_PUT, "/metrics", "{\"metrics_path\":\"/no/folder/m\"}", 400, "/no/folder/m"},
	{HTTP_PUT, "/metrics", "{\"metrics_path\":\"/no/folder/m\",\"properties\":{\"a\":1}}", 400,
		"/no/folder/m"},
	{HTTP_PUT, "/metrics",
		"{\"metrics_path\":\"/dev/null\",\"properties\":{\"a\":1},\"more\":1}", 204, NULL},
	{HTTP_PUT, "/metrics", "{\"metrics_path\":\"/dev/null\",\"properties\":[]}", 400,
		"field 'properties'"},
	{HTTP_PUT, "/metrics", "{\"emit_id\":true}", 400, "'metrics_path' is missing"},

	{HTTP_GET, "/balloon", NULL, 400, "has none"},
	{HTTP_PUT, "/balloon", "{\"amount_mib\":1,\"deflate_on_oom\":true}", 204, NULL},
	{HTTP_PUT, "/balloon", "{\"amount_mib\":1}", 400, "'deflate_on_oom' is missing"},
	{HTTP_PUT, "/balloon",
		"{\"amount_mib\":1,\"deflate_on_oom\":true,\"free_page_hinting\":true}", 400,
		"'free_page_hinting'"},
	{HTTP_PUT, "/snapshot/create", "{}", 400, "not supported yet"},
	{HTTP_PUT, "/snapshot/load", "{}", 400, "not supported yet"},
	{HTTP_GET, "/mmds", NULL, 400, "not supported yet"},
	{HTTP_PUT, "/pmem/a", "{}", 400, "not supported yet"},
	{HTTP_GET, "/hotplug/memory", NULL, 400, "not supported yet"},
};

START_TEST(before_the_start)
{
	expect(&before[_i]);
}
END_TEST

/* Also of a microVM that runs: what doesn't depend on its devices. */
static const struct request after[] = {
	{HTTP_GET, "/version", NULL, 200, "firecracker_version"},
	{HTTP_GET, "/vm/config", NULL, 200, "\"machine-config\":{"},
	{HTTP_GET, "/machine-config", NULL, 200, "\"vcpu_count\":1"},
	{HTTP_GET, "/metrics/prometheus", NULL, 200, "# EOF\n"},
	{HTTP_PUT, "/actions", "{\"action_type\":\"InstanceStart\"}", 400, "started already"},
	{HTTP_PATCH, "/vm", "{\"state\":\"Stopped\"}", 400, "one of Paused, Resumed"},
	{HTTP_PATCH, "/vm", "{}", 400, "'state' is missing"},
	{HTTP_PATCH, "/drives/a", "{\"drive_id\":\"a\"}", 400, "no such drive"},
	{HTTP_PATCH, "/drives/a", "{\"drive_id\":\"b\"}", 400, "the path names 'a'"},
	{HTTP_PATCH, "/drives/..", "{}", 400, "is not an id"},
	{HTTP_PATCH, "/balloon", "{\"amount_mib\":1}", 400, "has none"},
	{HTTP_GET, "/balloon", NULL, 400, "has none"},
	{HTTP_GET, "/balloon/statistics", NULL, 400, "has none"},
	{HTTP_PATCH, "/balloon/statistics", "{\"stats_polling_interval_s\":1}", 400, "has none"},
	{HTTP_PUT, "/snapshot/create", "{}", 400, "not supported yet"},
};

START_TEST(after_the_start)
{
	monitor.state = MONITOR_RUNNING;
	expect(&(struct request){HTTP_GET, "/", NULL, 200, "\"state\":\"Running\""});
	expect(&after[_i]);
	monitor.state = MONITOR_PAUSED;
	expect(&(struct request){HTTP_GET, "/", NULL, 200, "\"state\":\"Paused\""});
	expect(&after[_i]);
}
END_TEST

/* The path of a row, with an id where it has one. */
static const char *path_of(const struct route *route)
{
	static char path[128];
	size_t literal = strcspn(route->path, "{");
	const char *rest = strchr(route->path, '}');

	snprintf(path, sizeof(path), "%.*s%s%s", (int)literal, route->path, rest ? "x" : "",
		rest ? rest + 1 : "");
	return path;
}

/* Each row of the table, in each state that is not its own. */
START_TEST(wrong_states)
{
	static const enum monitor_state states[] = {
		MONITOR_NOT_STARTED, MONITOR_RUNNING, MONITOR_PAUSED};
	size_t count;
	const struct route *routes = routes_table(&count);
	unsigned int refused = 0;

	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < sizeof(states) / sizeof(states[0]); k++) {
			bool not_started = states[k] == MONITOR_NOT_STARTED;
			const char *body = routes[i].body == ROUTE_BODY ? "{}" : NULL;

			if (routes[i].states & (not_started ? ROUTE_BEFORE : ROUTE_AFTER))
				continue;
			monitor.state = states[k];
			expect(&(struct request){routes[i].method, path_of(&routes[i]), body, 400,
				not_started ? "is only possible after"
					    : "is only possible before"});
			refused++;
		}
	}
	ck_assert_uint_gt(refused, 20);
}
END_TEST

/* Integers: what a field takes at most and at least, and what lies beyond. @format has a %s. */
struct integer {
	enum http_method method;
	const char *path;
	const char *format;
	const char *field;
	const char *least, *most;
	const char *below, *above;
};

#define DRIVE                                                                                      \
	"{\"drive_id\":\"a\",\"is_root_device\":false,\"is_read_only\":true,"                      \
	"\"path_on_host\":\"" FILE_A "\",\"rate_limiter\":{\"bandwidth\":"
#define BALLOON "{\"deflate_on_oom\":false,"

static const struct integer integers[] = {
	{HTTP_PUT, "/machine-config", "{\"mem_size_mib\":128,\"vcpu_count\":%s}", "vcpu_count", "1",
		"64", "0", "65"},
	{HTTP_PUT, "/machine-config", "{\"vcpu_count\":1,\"mem_size_mib\":%s}", "mem_size_mib", "1",
		"67108864", "0", "67108865"},
	{HTTP_PUT, "/vsock", "{\"uds_path\":\"/tmp/hull-no-such\",\"guest_cid\":%s}", "guest_cid",
		"3", "4294967294", "2", "4294967295"},
	{HTTP_PUT, "/network-interfaces/1",
		"{\"iface_id\":\"1\",\"host_dev_name\":\"tap0\",\"mtu\":%s}", "mtu", "68", "65535",
		"67", "65536"},
	{HTTP_PUT, "/balloon", BALLOON "\"amount_mib\":%s}", "amount_mib", "0", "4294967295", "-1",
		"4294967296"},
	{HTTP_PUT, "/balloon", BALLOON "\"amount_mib\":1,\"stats_polling_interval_s\":%s}",
		"stats_polling_interval_s", "0", "65535", "-1", "65536"},
	{HTTP_PUT, "/drives/a", DRIVE "{\"refill_time\":1,\"size\":%s}}}", "size", "0",
		"9223372036854775807", "-1", "9223372036854775808"},
	{HTTP_PUT, "/drives/a", DRIVE "{\"size\":1,\"refill_time\":%s}}}", "refill_time", "0",
		"9223372036854775807", "-1", "18446744073709551615"},
	{HTTP_PUT, "/drives/a", DRIVE "{\"size\":1,\"refill_time\":1,\"one_time_burst\":%s}}}",
		"one_time_burst", "0", "9223372036854775807", "-1", "18446744073709551616"},
};

static unsigned int ask_integer(const struct integer *integer, const char *value)
{
	char body[512];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(body, sizeof(body), integer->format, value);
#pragma GCC diagnostic pop
	return ask(integer->method, integer->path, body);
}

START_TEST(integer_boundaries)
{
	static const char *const never[] = {"1.5", "1e3", "\"1\"", "true", "[]", "{}",
		"-9223372036854775808", "-9223372036854775809", "99999999999999999999999999"};
	const struct integer *integer = &integers[_i];
	char field[64];

	snprintf(field, sizeof(field), "field '%s'", integer->field);
	ck_assert_msg(ask_integer(integer, integer->least) == 204, "%s", answer);
	ck_assert_msg(ask_integer(integer, integer->most) == 204, "%s", answer);
	ck_assert_uint_eq(ask_integer(integer, integer->below), 400);
	ck_assert_msg(strstr(answer, field), "%s", answer);
	ck_assert_uint_eq(ask_integer(integer, integer->above), 400);
	/* A number that JSON's reader itself can't take has no name yet. */
	ck_assert_msg(strstr(answer, field) || strstr(answer, "too big integer"), "%s", answer);
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		ck_assert_msg(ask_integer(integer, never[i]) == 400, "%s: %s", never[i], answer);
}
END_TEST

START_TEST(broken_json)
{
	static const char *const bodies[] = {"{", "{}}", "{\"a\":}", "{\"state\"}", "{} {}",
		"{\"guest_cid\":3,\"guest_cid\":3}", "{\"uds_path\":\"\\u0000\"}",
		"{\"uds_path\":\"\xff\"}", "{\"uds_path\":\"\xc0\xaf\"}",
		"{\"uds_path\":\"\xed\xa0\x80\"}", "{\"uds_path\":\"\\ud800\"}", "{'a':1}", "nul",
		"{\"a\":01}", "{\"a\":+1}", "{\"a\":NaN}", "\xef\xbb\xbf{}"};

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		expect(&(struct request){HTTP_PUT, "/vsock", bodies[i], 400, "JSON"});
	ck_assert_uint_eq(ask_bytes(HTTP_PUT, "/entropy", "{}\0", 3), 400);
	ck_assert_uint_eq(ask_bytes(HTTP_PUT, "/entropy", "\0", 1), 400);
}
END_TEST

START_TEST(deep_json)
{
	char body[4096];

	memset(body, '[', sizeof(body));
	ck_assert_uint_eq(ask_bytes(HTTP_PUT, "/entropy", body, sizeof(body)), 400);
	ck_assert_ptr_nonnull(strstr(answer, "levels"));
	memcpy(body, "{\"rate_limiter\":", 16);
	ck_assert_uint_eq(ask_bytes(HTTP_PUT, "/entropy", body, sizeof(body)), 400);
	ck_assert_ptr_nonnull(strstr(answer, "levels"));
}
END_TEST

START_TEST(ids)
{
	char path[128] = "/drives/", body[256];
	const struct request good = {HTTP_PUT, path, body, 204, NULL};

	memset(path + 8, 'a', 64);
	snprintf(body, sizeof(body),
		"{\"drive_id\":\"%s\",\"is_root_device\":false,\"is_read_only\":true,"
		"\"path_on_host\":\"" FILE_A "\"}",
		path + 8);
	expect(&good);
	path[72] = 'a';
	expect(&(struct request){HTTP_PUT, path, body, 400, "is not an id"});
}
END_TEST

/* A change that is refused in part is refused as a whole. */
START_TEST(all_or_nothing)
{
	static const char drive[] =
		"{\"drive_id\":\"a\",\"is_root_device\":true,\"is_read_only\":true,"
		"\"path_on_host\":\"" FILE_A "\",\"rate_limiter\":{\"ops\":{\"size\":7,"
		"\"refill_time\":9}}}";
	char config[sizeof(answer)];

	ask(HTTP_PUT, "/machine-config", "{\"vcpu_count\":3,\"mem_size_mib\":300}");
	expect(&(struct request){HTTP_PUT, "/drives/a", drive, 204, NULL});
	ask(HTTP_PUT, "/vsock", "{\"guest_cid\":9,\"uds_path\":\"/tmp/hull-no-such\"}");
	ask(HTTP_PUT, "/logger", "{\"level\":\"Error\",\"module\":\"vmm\"}");
	ask(HTTP_PUT, "/balloon", "{\"amount_mib\":5,\"deflate_on_oom\":true}");
	ask(HTTP_GET, "/vm/config", NULL);
	memcpy(config, answer, strlen(answer) + 1);

	ask(HTTP_PATCH, "/machine-config", "{\"vcpu_count\":5,\"mem_size_mib\":0}");
	ask(HTTP_PATCH, "/machine-config", "{\"vcpu_count\":5,\"smt\":true}");
	ask(HTTP_PUT, "/machine-config", "{\"vcpu_count\":5,\"mem_size_mib\":3,\"x\":1}");
	ask(HTTP_PUT, "/drives/a",
		"{\"drive_id\":\"a\",\"is_root_device\":false,\"is_read_only\":true,"
		"\"path_on_host\":\"" FILE_B "\",\"rate_limiter\":{\"ops\":{\"size\":-1}}}");
	ask(HTTP_PUT, "/vsock", "{\"guest_cid\":10,\"uds_path\":\"/tmp\"}");
	ask(HTTP_PUT, "/logger",
		"{\"level\":\"Debug\",\"module\":\"api\",\"log_path\":\"/no/folder/log\"}");
	ask(HTTP_PUT, "/balloon", "{\"amount_mib\":6,\"deflate_on_oom\":7}");
	ask(HTTP_PUT, "/boot-source", "{\"kernel_image_path\":\"" FILE_A "\",\"boot_args\":1}");
	ask(HTTP_GET, "/vm/config", NULL);
	ck_assert_str_eq(answer, config);
}
END_TEST

START_TEST(most_of_each)
{
	char path[64], body[256];

	for (unsigned int i = 0; i <= CONFIG_DISKS_MAX; i++) {
		snprintf(path, sizeof(path), "/drives/%u", i);
		snprintf(body, sizeof(body),
			"{\"drive_id\":\"%u\",\"is_root_device\":false,\"is_read_only\":true,"
			"\"path_on_host\":\"" FILE_A "\"}",
			i);
		expect(&(struct request){HTTP_PUT, path, body, i < CONFIG_DISKS_MAX ? 204 : 400,
			i < CONFIG_DISKS_MAX ? NULL : "already"});
	}
	for (unsigned int i = 0; i <= CONFIG_NETS_MAX; i++) {
		snprintf(path, sizeof(path), "/network-interfaces/%u", i);
		snprintf(body, sizeof(body), "{\"iface_id\":\"%u\",\"host_dev_name\":\"t%u\"}", i,
			i);
		expect(&(struct request){HTTP_PUT, path, body, i < CONFIG_NETS_MAX ? 204 : 400,
			i < CONFIG_NETS_MAX ? NULL : "already"});
	}
}
END_TEST

START_TEST(queries_are_refused)
{
	char path[] = "/version", query[] = "x=1";
	const struct http_request request = {.method = HTTP_GET, .path = path, .query = query};
	struct api_reply reply = {.body = BUF_INIT(1024)};

	ck_assert_int_eq(routes_handle(&monitor, &request, 1, &reply), 0);
	ck_assert_uint_eq(reply.status, 400);
	buf_fini(&reply.body);
}
END_TEST

/* A VM without vCPUs: the pause is there when the loop has looked. */
START_TEST(clients_that_race_for_the_state)
{
	static const char pause[] = "{\"state\":\"Paused\"}", resume[] = "{\"state\":\"Resumed\"}";

	monitor.state = MONITOR_RUNNING;
	ck_assert_uint_eq(ask(HTTP_PATCH, "/vm", pause), 0);
	ck_assert_uint_eq(ask(HTTP_PATCH, "/vm", pause), 0);
	expect(&(struct request){HTTP_GET, "/", NULL, 200, "\"Running\""});
	/* The resume wins, and those who wait are told. */
	expect(&(struct request){HTTP_PATCH, "/vm", resume, 204, NULL});
	ck_assert_uint_eq(monitor.waiter_count, 0);
	loop_step(&monitor.loop);
	expect(&(struct request){HTTP_GET, "/", NULL, 200, "\"Running\""});
	ck_assert_uint_eq(ask(HTTP_PATCH, "/vm", pause), 0);
	loop_step(&monitor.loop);
	expect(&(struct request){HTTP_GET, "/", NULL, 200, "\"Paused\""});
	expect(&(struct request){HTTP_PATCH, "/vm", pause, 204, NULL});
	for (unsigned int i = 0; i < 2; i++)
		expect(&(struct request){HTTP_PATCH, "/vm", resume, 204, NULL});
	/* Not one more waits than there can be. */
	for (unsigned int i = 0; i < API_CONNECTIONS_MAX; i++)
		ck_assert_uint_eq(ask(HTTP_PATCH, "/vm", pause), 0);
	expect(&(struct request){HTTP_PATCH, "/vm", pause, 400, "too many"});
}
END_TEST

START_TEST(failures_are_counted)
{
	const uint64_t *now = monitor.metrics.now;

	ask(HTTP_PUT, "/vsock", "{}");
	ask(HTTP_PUT, "/vsock", "{\"guest_cid\":3,\"uds_path\":\"/tmp/hull-no-such\"}");
	ask(HTTP_GET, "/", NULL);
	ask(HTTP_PUT, "/machine-config",
		"{\"vcpu_count\":1,\"mem_size_mib\":128,\"cpu_template\":\"None\"}");
	ck_assert_uint_eq(now[METRIC_PUT_VSOCK], 2);
	ck_assert_uint_eq(now[METRIC_PUT_VSOCK_FAILS], 1);
	ck_assert_uint_eq(now[METRIC_GET_INSTANCE], 1);
	ck_assert_uint_eq(now[METRIC_DEPRECATED], 1);
}
END_TEST

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

SUITE_CASES("routes", setup, teardown, {before_the_start, COUNT(before)},
	{after_the_start, COUNT(after)}, {wrong_states}, {integer_boundaries, COUNT(integers)},
	{broken_json}, {deep_json}, {ids}, {all_or_nothing}, {most_of_each}, {queries_are_refused},
	{clients_that_race_for_the_state}, {failures_are_counted})
