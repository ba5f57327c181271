// SPDX-License-Identifier: Apache-2.0
// Requests to the API that the guest is to answer: they are parked until it does, or for so long.
#pragma once

#include "base/loop.h"
#include "vmm/api.h"

#include <stdbool.h>
#include <stdint.h>

struct err;

/* Requests that wait: a client has one at a time. */
#define PARKED_MAX API_CONNECTIONS_MAX

/* How long the guest may take to boot and start a command, and to answer anything else. */
#define PARKED_START_MS 300000
#define PARKED_ANSWER_MS 30000

enum parked_kind {
	PARKED_NOTHING,
	PARKED_START,
	PARKED_WAIT, /* for a command's end: as long as that takes */
	PARKED_FREEZE,
	PARKED_STATS,
};

/*
 * struct parked - one request
 * @id:		of the command, or of the agent's request
 * @on:		of PARKED_FREEZE
 * @deadline_ms: monotonic; UINT64_MAX for none
 */
struct parked {
	enum parked_kind kind;
	uint16_t id;
	bool on;
	uint64_t ticket;
	uint64_t deadline_ms;
};

/*
 * struct parked_list - all of them
 * @timer:	there from the first request on; runs while something has a deadline
 */
struct parked_list {
	struct loop *loop;
	struct api *api;
	struct loop_timer timer;
	struct parked items[PARKED_MAX];
};

/* parked_init() - @api: where requests are answered. */
void parked_init(struct parked_list *list, struct loop *loop, struct api *api);

/* parked_fini() - forget all of them, unanswered. Harmless when zeroed. */
void parked_fini(struct parked_list *list);

/* parked_add() - park @ticket. Return: the request, valid until it is answered; or NULL with @err
 * set. */
struct parked *parked_add(struct parked_list *list, enum parked_kind kind, uint16_t id,
	uint64_t ticket, struct err *err);

/* parked_find() - Return: the first of a kind and an id, or NULL. */
struct parked *parked_find(struct parked_list *list, enum parked_kind kind, uint16_t id);

/* parked_has_id() - is @id that of any request? */
bool parked_has_id(const struct parked_list *list, uint16_t id);

/* parked_answer() - answer it. @reply: its body is taken over and freed. */
void parked_answer(struct parked_list *list, struct parked *parked, struct api_reply *reply);

/* parked_done() - answer that it is done. */
void parked_done(struct parked_list *list, struct parked *parked);

/* parked_fail() - answer with a fault. @message: may be the guest's, untrusted */
void parked_fail(struct parked_list *list, struct parked *parked, const char *message);

/* parked_drop() - forget it: it is answered otherwise. */
void parked_drop(struct parked *parked);

/* parked_gone() - the client of @ticket has gone, whether or not that is one of these. */
void parked_gone(struct parked_list *list, uint64_t ticket);
