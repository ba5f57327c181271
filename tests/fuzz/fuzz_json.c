// SPDX-License-Identifier: Apache-2.0
// Fuzzes what clients send as JSON: the reader of fields alone, and every resource that takes a
// body.
#include "base/buf.h"
#include "base/err.h"
#include "base/json_write.h"
#include "base/log.h"
#include "tests/lib/fuzz_require.h"
#include "vmm/json_read.h"
#include "vmm/monitor.h"
#include "vmm/routes.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUT_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const words[] = {"One", "Two", NULL};

/* One field of each kind. What isn't right leaves all of them untouched. */
static void read_fields(const json_t *root, bool lenient)
{
	const char *text = NULL;
	bool flag = false, given = false;
	uint64_t number = 77;
	int word = -1;
	const json_t *object = NULL, *array = NULL;
	const struct json_field fields[] = {
		JSON_STRING("text", &text),
		JSON_BOOL("flag", &flag),
		{.name = "number",
			.type = JSON_READ_UINT,
			.ret = &number,
			.ret_given = &given,
			.required = true,
			.min = 3,
			.max = INT64_MAX},
		JSON_WORD("word", &word, words),
		JSON_OBJECT_FIELD("object", &object),
		JSON_ARRAY_FIELD("array", &array),
	};
	size_t count = sizeof(fields) / sizeof(fields[0]);
	struct err err = {.msg = ""};
	int r = lenient ? json_read_lenient("test", root, fields, count, &err)
			: json_read("test", root, fields, count, &err);

	if (r < 0) {
		REQUIRE(r == -EINVAL && err.code == r && err.msg[0]);
		REQUIRE(!text && !flag && !given && number == 77 && word == -1 && !object &&
			!array);
		return;
	}
	REQUIRE(given && number >= 3 && number <= INT64_MAX);
	REQUIRE(word >= -1 && word <= 1);
	REQUIRE(!object || json_is_object(object));
	REQUIRE(!array || json_is_array(array));
	REQUIRE(!text || strlen(text) == json_string_length(json_object_get(root, "text")));
}

/* Whatever a string is, it can be written, and read again. */
static void write_string(const char *text)
{
	struct buf buf = BUF_INIT(OUT_MAX);
	struct json_out out = {.buf = &buf};
	struct err err;
	json_t *again;

	json_begin(&out, NULL, '[');
	json_put_string(&out, NULL, text);
	json_end(&out, ']');
	REQUIRE(!out.error);
	again = json_parse((const char *)buf.data, buf.len, &err);
	REQUIRE(again);
	json_decref(again);
	buf_fini(&buf);
}

static void read_document(const char *text, size_t len)
{
	struct err err = {.msg = ""};
	json_t *root = json_parse(text, len, &err);

	if (!root) {
		REQUIRE(err.code < 0 && err.msg[0]);
		return;
	}
	read_fields(root, false);
	read_fields(root, true);
	json_decref(root);
}

/* Resources whose handlers open nothing that the body names, or only look at it. */
static const char *const paths[] = {"/machine-config", "/cpu-config", "/drives/x",
	"/network-interfaces/x", "/vsock", "/entropy", "/serial", "/balloon", "/boot-source", "/vm",
	"/balloon/statistics", "/nothing"};

static struct buf config_of(struct monitor *monitor)
{
	struct buf body = BUF_INIT(OUT_MAX);
	struct route_call call = {.monitor = monitor, .out.buf = &body};
	struct err err;

	REQUIRE(route_get_vm_config(&call, &err) == 0);
	return body;
}

/* A body for a resource: refused, and nothing is changed; or taken. */
static void handle(unsigned int choice, const char *text, size_t len)
{
	static const enum http_method methods[] = {HTTP_PUT, HTTP_PATCH};
	static struct monitor monitor;
	struct api_reply reply = {.body = BUF_INIT(OUT_MAX)};
	char path[64];
	struct http_request request = {
		.method = methods[choice & 1], .path = path, .body = text, .body_len = len};
	struct buf before, after;

	log_setup("fuzz", LOG_OFF);
	monitor = (struct monitor){0};
	config_init(&monitor.config);
	monitor.vm = VM_NONE(&monitor.loop);
	metrics_init(&monitor.metrics, &monitor);
	snprintf(path, sizeof(path), "%s",
		paths[(choice >> 1) % (sizeof(paths) / sizeof(paths[0]))]);
	before = config_of(&monitor);
	REQUIRE(routes_handle(&monitor, &request, 1, &reply) == 0);
	after = config_of(&monitor);
	if (reply.status == 400) {
		REQUIRE(after.len == before.len && !memcmp(after.data, before.data, after.len));
		REQUIRE(reply.body.len > 20 &&
			!memcmp(reply.body.data, "{\"fault_message\":\"", 18));
	} else {
		REQUIRE(!reply.status && !reply.body.len);
	}
	buf_fini(&before);
	buf_fini(&after);
	buf_fini(&reply.body);
	config_fini(&monitor.config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (!size)
		return 0;
	/* Exactly as long, so that reading beyond the end shows; and once with an end, as a string.
	 */
	text = malloc(size);
	REQUIRE(text);
	memcpy(text, data + 1, size - 1);
	read_document(text, size - 1);
	handle(data[0], text, size - 1);
	text[size - 1] = '\0';
	write_string(text);
	free(text);
	return 0;
}
