// SPDX-License-Identifier: Apache-2.0
// The event loop: descriptors, timers, and calls handed over by other threads.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 * One thread runs the loop and everything that is registered with it; callbacks need no locks.
 * epoll is level-triggered. A callback may add, change or delete any source, its own included,
 * and free it: deleting also strikes the source from the batch being handed out.
 *
 * Another thread enters through loop_call(): the function runs on the loop thread while the
 * caller waits. The loop itself never waits for another thread, so this can't deadlock.
 */

struct loop;
struct loop_source;

/* @events: what epoll reported, EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLERR ... */
typedef void loop_fn(struct loop_source *src, uint32_t events);

/*
 * struct loop_source - one watched descriptor, embedded in its owner
 * @fd:		not owned: the loop never closes it; -1 while not registered
 */
struct loop_source {
	int fd;
	uint32_t events;
	loop_fn *fn;
};

/* struct loop_timer - a one-shot timer, embedded in its owner; its descriptor is owned. */
struct loop_timer {
	struct loop_source src;
	void (*fn)(struct loop_timer *timer);
};

struct loop_pending;

#define LOOP_BATCH 32

struct loop {
	int epfd;
	bool quit;
	int batch_len, batch_pos;
	struct loop_source *batch[LOOP_BATCH];
	uint32_t batch_events[LOOP_BATCH];
	struct loop_source call_src; /* eventfd, rings when pending is not empty */
	pthread_mutex_t lock;        /* guards pending, closed and each pending's done */
	pthread_cond_t done;
	struct loop_pending *pending; /* newest first */
	bool closed;
};

/* loop_init() - Return: 0 or -errno; on error nothing is left to free. */
int loop_init(struct loop *loop);
/* loop_fini() - after loop_run() returned; sources need not be deleted before. */
void loop_fini(struct loop *loop);

/*
 * loop_run() - dispatch until loop_quit()
 *
 * Calls still pending at the end are released with -ECANCELED, as are all later ones.
 *
 * Return: 0, or -errno if epoll itself failed.
 */
int loop_run(struct loop *loop);

/* loop_quit() - make loop_run() return after the current callback. Context: loop. */
void loop_quit(struct loop *loop);

/*
 * loop_add() - watch @fd
 * @src:	embedded by the caller; stays in place until loop_del()
 * @events:	EPOLLIN, EPOLLOUT or both; 0 still reports EPOLLHUP and EPOLLERR
 *
 * Return: 0 or -errno. Context: loop, or before loop_run().
 */
int loop_add(struct loop *loop, struct loop_source *src, int fd, uint32_t events, loop_fn *fn);

/* loop_mod() - change the watched events; cheap when they are the same. Return: 0 or -errno. */
int loop_mod(struct loop *loop, struct loop_source *src, uint32_t events);

/* loop_del() - stop watching; harmless when not registered. The descriptor stays open. */
void loop_del(struct loop *loop, struct loop_source *src);

/* loop_timer_init() - make the timer, disarmed. Return: 0 or -errno. */
int loop_timer_init(
	struct loop *loop, struct loop_timer *timer, void (*fn)(struct loop_timer *timer));
/* loop_timer_set() - fire once in @ms milliseconds; 0 disarms. Return: 0 or -errno. */
int loop_timer_set(struct loop_timer *timer, uint64_t ms);
/* loop_timer_fini() - disarm and close; harmless on a zeroed or failed timer. */
void loop_timer_fini(struct loop *loop, struct loop_timer *timer);

/*
 * loop_call() - run @fn(@arg) on the loop thread and wait for it
 *
 * Return: 0 once it has run, -ECANCELED if the loop has ended.
 * Context: any thread but the loop's.
 */
int loop_call(struct loop *loop, void (*fn)(void *arg), void *arg);
