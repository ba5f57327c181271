// SPDX-License-Identifier: Apache-2.0
// Tests of base/loop.h.
#include "base/loop.h"

#include "base/cleanup.h"
#include "tests/lib/suite.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

static struct loop loop;
static struct loop_source sources[2];
static int fired;

static void on_delete_other(struct loop_source *src, uint32_t events)
{
	fired++;
	loop_del(&loop, src == &sources[0] ? &sources[1] : &sources[0]);
	loop_quit(&loop);
}

START_TEST(deleted_source_is_struck_from_the_batch)
{
	int fds[2];

	fired = 0;
	ck_assert_int_eq(loop_init(&loop), 0);
	for (int i = 0; i < 2; i++) {
		fds[i] = eventfd(1, EFD_CLOEXEC);
		ck_assert_int_eq(loop_add(&loop, &sources[i], fds[i], EPOLLIN, on_delete_other), 0);
	}
	ck_assert_int_eq(loop_run(&loop), 0);
	ck_assert_int_eq(fired, 1);
	close(fds[0]);
	close(fds[1]);
	loop_fini(&loop);
}
END_TEST

static void on_timer(struct loop_timer *timer)
{
	fired++;
	loop_quit(&loop);
}

START_TEST(timer_fires_once)
{
	struct loop_timer timer;

	fired = 0;
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(loop_timer_init(&loop, &timer, on_timer), 0);
	ck_assert_int_eq(loop_timer_set(&timer, 1), 0);
	ck_assert_int_eq(loop_run(&loop), 0);
	ck_assert_int_eq(fired, 1);
	loop_timer_fini(&loop, &timer);
	loop_timer_fini(&loop, &timer);
	loop_fini(&loop);
}
END_TEST

static void count_call(void *arg)
{
	fired++;
}

static void quit_call(void *arg)
{
	loop_quit(&loop);
}

static void *caller(void *arg)
{
	for (int i = 0; i < 100; i++)
		if (loop_call(&loop, count_call, NULL) != 0)
			return arg;
	loop_call(&loop, quit_call, NULL);
	return loop_call(&loop, count_call, NULL) == -ECANCELED ? NULL : arg;
}

START_TEST(calls_run_on_the_loop_and_are_refused_after)
{
	pthread_t thread;
	void *failed = &fired;

	fired = 0;
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, caller, &fired), 0);
	ck_assert_int_eq(loop_run(&loop), 0);
	pthread_join(thread, &failed);
	ck_assert_ptr_null(failed);
	ck_assert_int_eq(fired, 100);
	loop_fini(&loop);
}
END_TEST

SUITE("loop", deleted_source_is_struck_from_the_batch, timer_fires_once,
	calls_run_on_the_loop_and_are_refused_after)
