// SPDX-License-Identifier: Apache-2.0
// The API's resources: one table of method, path, state and handler.
#pragma once

#include "base/json_write.h"
#include "vmm/api.h"
#include "vmm/json_read.h"
#include "vmm/metrics.h"

#include <stddef.h>
#include <stdint.h>

struct err;
struct monitor;
struct rate_bucket_config;
struct rate_limit_config;

#define ROUTE_ID_MAX 64

/* When a request makes sense. */
#define ROUTE_BEFORE (1u << 0) /* the VM is not started */
#define ROUTE_AFTER (1u << 1)  /* it runs or is paused */
#define ROUTE_ANY (ROUTE_BEFORE | ROUTE_AFTER)

/*
 * struct route_call - one request, for its handler
 * @id:		what stands for "{id}" in the path: 1 to ROUTE_ID_MAX letters, digits, '_' and '-';
 *		or "" for a path without
 * @body:	an object, or NULL; untrusted
 * @query:	what followed '?', to be read by query_read(), or NULL; untrusted
 * @request:	its head; NULL where no client sent it
 * @upgrade:	the client asks for a stream of bytes in place of HTTP
 * @reply:	for a handler that answers with a stream
 * @out:	takes what is answered; nothing written: 204
 * @type:	of it, if that isn't JSON; a literal
 * @ticket:	for a handler that answers later
 * @deprecated:	set by the handler: the client used what will go
 */
struct route_call {
	struct monitor *monitor;
	char id[ROUTE_ID_MAX + 1];
	const json_t *body;
	char *query;
	const struct http_request *request;
	bool upgrade;
	struct api_reply *reply;
	struct json_out out;
	const char *type;
	uint64_t ticket;
	bool deprecated;
};

/*
 * route_fn - handle a request, wholly or not at all
 *
 * Return: 0, API_PARKED, or -errno with @err set: 400 with its message, whatever the code.
 * Context: loop.
 */
typedef int route_fn(struct route_call *call, struct err *err);

enum route_body {
	ROUTE_NO_BODY,
	ROUTE_BODY,
	ROUTE_MAY_BODY, /* none is an empty object */
	ROUTE_STREAM,   /* not JSON, of any length: the handler takes the connection */
};

/*
 * struct route
 * @path:	segments are literal, and one may be a name in braces, which stands for an id
 * @metric:	counts its requests; what follows it counts failures, but for a GET
 * @query:	it may have one
 * @descriptor:	one may come along with it
 */
struct route {
	enum http_method method;
	const char *path;
	unsigned int states;
	enum route_body body;
	route_fn *fn;
	enum metric metric;
	bool query;
	bool descriptor;
};

/* routes_table() - all of them. Return: @ret_count rows. */
const struct route *routes_table(size_t *ret_count);

/* routes_ops - whom the API's requests go to; @ctx is the struct monitor. */
extern const struct api_ops routes_ops;

/* routes_handle() - an api_fn: that of routes_ops. */
int routes_handle(
	void *ctx, const struct http_request *request, uint64_t ticket, struct api_reply *reply);

/*
 * routes_apply() - act as if a client had sent this
 * @path:	untrusted
 * @body:	untrusted; borrowed
 *
 * Return: 0 or -errno with @err set; what would have been answered is lost.
 */
int routes_apply(struct monitor *monitor, enum http_method method, const char *path,
	const json_t *body, struct err *err);

/* routes_fault() - make a reply tell of a failure, as all of them do: 400, fault_message. */
void routes_fault(struct api_reply *reply, const char *message);

/* Handlers, and what they answer a GET with; each noun has a file of its own. */

route_fn route_get_instance;
route_fn route_get_version;
route_fn route_get_vm_config;
route_fn route_patch_vm;
route_fn route_put_action;
route_fn route_put_boot_source;
route_fn route_get_machine;
route_fn route_put_machine;
route_fn route_patch_machine;
route_fn route_put_cpu_config;
route_fn route_put_drive;
route_fn route_patch_drive;
route_fn route_put_net;
route_fn route_patch_net;
route_fn route_put_vsock;
route_fn route_put_serial;
route_fn route_put_logger;
route_fn route_put_metrics;
route_fn route_get_prometheus;
route_fn route_put_entropy;
route_fn route_get_balloon;
route_fn route_put_balloon;
route_fn route_patch_balloon;
route_fn route_get_balloon_stats;
route_fn route_patch_balloon_stats;

route_fn route_put_container;
route_fn route_get_container;
route_fn route_post_exec;
route_fn route_get_exec;
route_fn route_start_command;
route_fn route_wait_command;
route_fn route_kill_command;
route_fn route_resize_command;
route_fn route_attach_command;
route_fn route_get_logs;
route_fn route_pause_container;
route_fn route_unpause_container;
route_fn route_get_stats;
route_fn route_get_archive;
route_fn route_put_archive;

/* route_describe_...() - write what is configured as member @key, or, with NULL, as an element. */
void route_describe_boot_source(const struct monitor *monitor, struct json_out *out);
void route_describe_machine(const struct monitor *monitor, struct json_out *out, const char *key);
void route_describe_drives(const struct monitor *monitor, struct json_out *out);
void route_describe_nets(const struct monitor *monitor, struct json_out *out);
void route_describe_vsock(const struct monitor *monitor, struct json_out *out);
void route_describe_entropy(const struct monitor *monitor, struct json_out *out);
void route_describe_balloon(const struct monitor *monitor, struct json_out *out, const char *key);

/*
 * route_read_rate(), route_read_bucket() - take a rate limiter, or one bucket of it
 * @what:	for messages
 * @json:	untrusted; NULL: nothing is changed
 * @rate:	buckets that @json doesn't have stay as they are
 *
 * Return: 0, or -EINVAL with @err set and nothing changed.
 */
int route_read_rate(
	const char *what, const json_t *json, struct rate_limit_config *rate, struct err *err);
int route_read_bucket(
	const char *what, const json_t *json, struct rate_bucket_config *bucket, struct err *err);
void route_describe_rate(
	struct json_out *out, const char *key, const struct rate_limit_config *rate);

/* route_check_id() - the body's id must be the path's. Return: 0 or -EINVAL. */
int route_check_id(
	const struct route_call *call, const char *what, const char *id, struct err *err);

/*
 * route_check_file() - can this file be opened?
 * @what:	for the message
 *
 * A regular file or, with @device, a block device as well. Return: 0 or -errno with @err set.
 */
int route_check_file(
	const char *what, const char *path, bool read_only, bool device, struct err *err);
