// SPDX-License-Identifier: Apache-2.0
// Requests to the API that the guest is to answer.
#include "vmm/parked.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "vmm/routes.h"

/* syscalls: loop: clock_gettime */

/* The timer runs only while something has a deadline. */
static void set_timer(struct parked_list *list)
{
	uint64_t next = UINT64_MAX, now = clock_ms();

	for (unsigned int i = 0; i < PARKED_MAX; i++) {
		const struct parked *parked = &list->items[i];

		if (parked->kind != PARKED_NOTHING && parked->deadline_ms < next)
			next = parked->deadline_ms;
	}
	if (next != UINT64_MAX)
		loop_timer_set(&list->timer, next > now ? next - now : 1);
	else
		loop_timer_set(&list->timer, 0);
}

static void on_timer(struct loop_timer *timer)
{
	struct parked_list *list = container_of(timer, struct parked_list, timer);
	uint64_t now = clock_ms();

	for (unsigned int i = 0; i < PARKED_MAX; i++) {
		struct parked *parked = &list->items[i];

		if (parked->kind != PARKED_NOTHING && parked->deadline_ms <= now)
			parked_fail(list, parked, "container: the guest didn't answer in time");
	}
	set_timer(list);
}

void parked_init(struct parked_list *list, struct loop *loop, struct api *api)
{
	*list = (struct parked_list){.loop = loop, .api = api};
}

void parked_fini(struct parked_list *list)
{
	if (list->timer.fn)
		loop_timer_fini(list->loop, &list->timer);
	*list = (struct parked_list){0};
}

struct parked *parked_add(struct parked_list *list, enum parked_kind kind, uint16_t id,
	uint64_t ticket, struct err *err)
{
	static const uint64_t times[] = {
		[PARKED_START] = PARKED_START_MS,
		[PARKED_WAIT] = 0,
		[PARKED_FREEZE] = PARKED_ANSWER_MS,
		[PARKED_STATS] = PARKED_ANSWER_MS,
	};
	int r = list->timer.fn ? 0 : loop_timer_init(list->loop, &list->timer, on_timer);

	if (r < 0) {
		err_errno(err, -r, "container: timer");
		return NULL;
	}
	for (unsigned int i = 0; i < PARKED_MAX; i++) {
		struct parked *parked = &list->items[i];

		if (parked->kind != PARKED_NOTHING)
			continue;
		*parked = (struct parked){
			.kind = kind,
			.id = id,
			.ticket = ticket,
			.deadline_ms = times[kind] ? clock_ms() + times[kind] : UINT64_MAX,
		};
		set_timer(list);
		return parked;
	}
	err_set(err, -EBUSY, "container: too many requests wait already");
	return NULL;
}

struct parked *parked_find(struct parked_list *list, enum parked_kind kind, uint16_t id)
{
	for (unsigned int i = 0; i < PARKED_MAX; i++)
		if (list->items[i].kind == kind && list->items[i].id == id)
			return &list->items[i];
	return NULL;
}

bool parked_has_id(const struct parked_list *list, uint16_t id)
{
	for (unsigned int i = 0; i < PARKED_MAX; i++)
		if (list->items[i].kind != PARKED_NOTHING && list->items[i].id == id)
			return true;
	return false;
}

void parked_answer(struct parked_list *list, struct parked *parked, struct api_reply *reply)
{
	parked_drop(parked);
	api_answer(list->api, parked->ticket, reply);
}

void parked_done(struct parked_list *list, struct parked *parked)
{
	struct api_reply reply = {0};

	parked_answer(list, parked, &reply);
}

void parked_fail(struct parked_list *list, struct parked *parked, const char *message)
{
	struct api_reply reply = {.body = BUF_INIT(API_RESPONSE_MAX)};

	routes_fault(&reply, message);
	parked_answer(list, parked, &reply);
}

void parked_drop(struct parked *parked)
{
	parked->kind = PARKED_NOTHING;
}

void parked_gone(struct parked_list *list, uint64_t ticket)
{
	for (unsigned int i = 0; i < PARKED_MAX; i++)
		if (list->items[i].ticket == ticket)
			parked_drop(&list->items[i]);
}
