// SPDX-License-Identifier: Apache-2.0
// The event loop.
#include "base/loop.h"

#include "base/cleanup.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

/*
 * syscalls: loop: close, epoll_ctl, epoll_wait, read, timerfd_create; loop, vcpu: timerfd_settime,
 * write; start: epoll_create1, eventfd2
 */

/* One waiting loop_call(), on its caller's stack. */
struct loop_pending {
	void (*fn)(void *arg);
	void *arg;
	int result; /* 1 while waiting */
	struct loop_pending *next;
};

/* Answer every waiting call, oldest first; run them unless @result is an error. */
static void loop_drain(struct loop *loop, int result)
{
	struct loop_pending *list, *next, *oldest = NULL;

	pthread_mutex_lock(&loop->lock);
	list = loop->pending;
	loop->pending = NULL;
	pthread_mutex_unlock(&loop->lock);
	for (; list; list = next) {
		next = list->next;
		list->next = oldest;
		oldest = list;
	}
	for (; oldest; oldest = next) {
		next = oldest->next;
		if (!result)
			oldest->fn(oldest->arg);
		/* Once result is set, the caller may return and its stack frame be gone. */
		pthread_mutex_lock(&loop->lock);
		oldest->result = result;
		pthread_cond_broadcast(&loop->done);
		pthread_mutex_unlock(&loop->lock);
	}
}

static void loop_on_call(struct loop_source *src, uint32_t events)
{
	struct loop *loop = container_of(src, struct loop, call_src);
	uint64_t count;

	if (read(src->fd, &count, sizeof(count)) < 0) {
		/* Rung and answered already: nothing is pending. */
	}
	loop_drain(loop, 0);
}

int loop_init(struct loop *loop)
{
	int CLEANUP_FD epfd = -1;
	int CLEANUP_FD callfd = -1;
	int r;

	*loop = (struct loop){.epfd = -1, .call_src.fd = -1};
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd < 0)
		return -errno;
	callfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (callfd < 0)
		return -errno;
	loop->epfd = epfd;
	r = loop_add(loop, &loop->call_src, callfd, EPOLLIN, loop_on_call);
	if (r < 0)
		return r;
	pthread_mutex_init(&loop->lock, NULL);
	pthread_cond_init(&loop->done, NULL);
	(void)TAKE_FD(epfd);
	(void)TAKE_FD(callfd);
	return 0;
}

void loop_fini(struct loop *loop)
{
	close(loop->call_src.fd);
	close(loop->epfd);
	pthread_cond_destroy(&loop->done);
	pthread_mutex_destroy(&loop->lock);
}

int loop_run(struct loop *loop)
{
	struct epoll_event events[LOOP_BATCH];
	int r = 0;

	while (!loop->quit) {
		int n = epoll_wait(loop->epfd, events, LOOP_BATCH, -1);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			r = -errno;
			break;
		}
		for (int i = 0; i < n; i++) {
			loop->batch[i] = events[i].data.ptr;
			loop->batch_events[i] = events[i].events;
		}
		loop->batch_len = n;
		for (int i = 0; i < n && !loop->quit; i++) {
			struct loop_source *src = loop->batch[i];

			loop->batch_pos = i;
			if (src)
				src->fn(src, loop->batch_events[i]);
		}
		loop->batch_len = 0;
	}
	pthread_mutex_lock(&loop->lock);
	loop->closed = true;
	pthread_mutex_unlock(&loop->lock);
	loop_drain(loop, -ECANCELED);
	return r;
}

void loop_quit(struct loop *loop)
{
	loop->quit = true;
}

int loop_add(struct loop *loop, struct loop_source *src, int fd, uint32_t events, loop_fn *fn)
{
	struct epoll_event ev = {.events = events, .data.ptr = src};

	if (epoll_ctl(loop->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	*src = (struct loop_source){.fd = fd, .events = events, .fn = fn};
	return 0;
}

int loop_mod(struct loop *loop, struct loop_source *src, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = src};

	if (src->events == events)
		return 0;
	if (epoll_ctl(loop->epfd, EPOLL_CTL_MOD, src->fd, &ev) < 0)
		return -errno;
	src->events = events;
	return 0;
}

void loop_del(struct loop *loop, struct loop_source *src)
{
	if (!src->fn)
		return;
	epoll_ctl(loop->epfd, EPOLL_CTL_DEL, src->fd, NULL);
	for (int i = loop->batch_pos; i < loop->batch_len; i++)
		if (loop->batch[i] == src)
			loop->batch[i] = NULL;
	*src = (struct loop_source){.fd = -1};
}

static void loop_on_timer(struct loop_source *src, uint32_t events)
{
	struct loop_timer *timer = container_of(src, struct loop_timer, src);
	uint64_t count;

	/* Nothing to read: it was set anew or disarmed after epoll saw it fire. */
	if (read(src->fd, &count, sizeof(count)) == sizeof(count))
		timer->fn(timer);
}

int loop_timer_init(
	struct loop *loop, struct loop_timer *timer, void (*fn)(struct loop_timer *timer))
{
	int CLEANUP_FD fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int r;

	*timer = (struct loop_timer){.src.fd = -1};
	if (fd < 0)
		return -errno;
	r = loop_add(loop, &timer->src, fd, EPOLLIN, loop_on_timer);
	if (r < 0)
		return r;
	timer->fn = fn;
	(void)TAKE_FD(fd);
	return 0;
}

int loop_timer_set(struct loop_timer *timer, uint64_t ms)
{
	struct itimerspec spec = {
		.it_value = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000},
	};

	return timerfd_settime(timer->src.fd, 0, &spec, NULL) < 0 ? -errno : 0;
}

void loop_timer_fini(struct loop *loop, struct loop_timer *timer)
{
	int fd = timer->src.fd;

	if (!timer->fn)
		return;
	loop_del(loop, &timer->src);
	close(fd);
	timer->fn = NULL;
}

int loop_call(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct loop_pending call = {.fn = fn, .arg = arg, .result = 1};
	uint64_t one = 1;

	pthread_mutex_lock(&loop->lock);
	if (loop->closed) {
		pthread_mutex_unlock(&loop->lock);
		return -ECANCELED;
	}
	call.next = loop->pending;
	loop->pending = &call;
	if (write(loop->call_src.fd, &one, sizeof(one)) < 0) {
		/* The counter is full: the loop has been rung already. */
	}
	while (call.result == 1)
		pthread_cond_wait(&loop->done, &loop->lock);
	pthread_mutex_unlock(&loop->lock);
	return call.result;
}
