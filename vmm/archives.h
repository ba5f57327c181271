// SPDX-License-Identifier: Apache-2.0
// The archives under way between a container and clients of the API.
#pragma once

#include "vmm/archive.h"

struct agent_result;
struct api;
struct err;
struct http_request;

/* At a time. */
#define ARCHIVES_MAX 4
/* How long the guest may be silent when it is its turn; a client; and one to read a failure. */
#define ARCHIVE_GUEST_MS 30000
#define ARCHIVE_CLIENT_MS 300000
#define ARCHIVE_CLOSING_MS 10000

/*
 * struct archives - those under way
 * @guest_ms, @client_ms, @closing_ms: a test may shorten them
 */
struct archives {
	struct loop *loop;
	struct api *api;
	uint64_t guest_ms, client_ms, closing_ms;
	struct archive *items[ARCHIVES_MAX];
};

/* archives_init() - @api: where requests are answered. */
void archives_init(struct archives *archives, struct loop *loop, struct api *api);

/* archives_fini() - close all. Harmless when zeroed. */
void archives_fini(struct archives *archives);

/*
 * archives_out(), archives_in() - begin one; the caller sends ARCHIVE with the same id
 * @request:	its head
 * @ticket:	of the request, which is parked
 *
 * Return: it, or NULL with @err set.
 */
struct archive *archives_out(struct archives *archives, uint16_t id,
	const struct http_request *request, uint64_t ticket, struct err *err);
struct archive *archives_in(struct archives *archives, uint16_t id,
	const struct http_request *request, struct err *err);

/* archives_forget() - @archive is about to be freed. */
void archives_forget(struct archives *archives, const struct archive *archive);

/* archives_has_id() - is @id in use? */
bool archives_has_id(const struct archives *archives, uint16_t id);

/*
 * archives_connect() - the guest has dialed for one
 * @fd:		non-blocking stream socket, taken over on success; -1: only ask
 *
 * Return: 0, -EALREADY for a second connection, -ECONNREFUSED if there is none of this id, -errno.
 */
int archives_connect(struct archives *archives, uint16_t id, int fd);

/*
 * archives_result() - RESULT has come
 * @result:	untrusted
 *
 * Return: false if it makes no sense now.
 */
bool archives_result(struct archives *archives, uint16_t id, const struct agent_result *result);

/* archives_gone() - the client of @ticket has gone, whether or not it waits for one of these. */
void archives_gone(struct archives *archives, uint64_t ticket);

/* archives_fail() - there is no guest any more that could go on. */
void archives_fail(struct archives *archives, const char *why);
