// SPDX-License-Identifier: Apache-2.0
// Tests of devices/virtio_mmio.h: a device that runs: kicks, interrupts, resets, pauses, its end.
#include "devices/virtio_mmio.h"

#include "tests/lib/mmio_guest.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

START_TEST(kick_and_interrupt)
{
	const struct fake_buf buf = {FAKE_RAM_GPA, 16, false};
	uint32_t id, len;

	setup();
	go();
	fake_add(&f.queues[1], &buf, 1);
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	sync_loop();
	ck_assert_int_eq(atomic_load(&probe.notified[1]), 1);
	ck_assert_int_eq(atomic_load(&probe.notified[0]), 0);
	ck_assert(fake_used(&f.queues[1], &id, &len));
	ck_assert(interrupted());
	ck_assert_uint_eq(rd(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	wr(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_CONFIG);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	wr(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	teardown();
}
END_TEST

START_TEST(kick_by_eventfd)
{
	const struct fake_buf buf = {FAKE_RAM_GPA, 16, false};
	uint64_t one = 1;

	setup();
	go();
	fake_add(&f.queues[0], &buf, 1);
	ck_assert_int_eq(write(virtio_mmio_queue_fd(&m, 0), &one, sizeof(one)), sizeof(one));
	sync_loop();
	ck_assert_int_eq(atomic_load(&probe.notified[0]), 1);
	teardown();
}
END_TEST

START_TEST(kicks_for_nothing)
{
	setup();
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	sync_loop();
	go();
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, QUEUES);
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, UINT32_MAX);
	sync_loop();
	ck_assert_int_eq(atomic_load(&probe.notified[0]) + atomic_load(&probe.notified[1]), 0);
	teardown();
}
END_TEST

/* Storms of kicks cost a round of the loop, and none is lost. */
START_TEST(kicks_add_up)
{
	const struct fake_buf buf = {FAKE_RAM_GPA, 16, false};
	uint32_t id, len;

	setup();
	go();
	for (int i = 0; i < 1000; i++) {
		fake_add(&f.queues[0], &buf, 1);
		wr(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
		if (i % 8 == 7)
			sync_loop();
	}
	for (int i = 0; i < 1000; i++)
		ck_assert(fake_used(&f.queues[0], &id, &len));
	ck_assert(!fake_used(&f.queues[0], &id, &len));
	ck_assert_int_le(atomic_load(&probe.notified[0]), 1000);
	teardown();
}
END_TEST

/* Resets, and what leads to them */

START_TEST(reset_and_again)
{
	setup();
	go();
	status(0);
	ck_assert_int_eq(probe.resets, 1);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), 0);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	wr(VIRTIO_MMIO_QUEUE_SEL, 0);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_QUEUE_READY), 0);
	ck_assert(!probe.queues[0].ready);
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	sync_loop();
	ck_assert_int_eq(atomic_load(&probe.notified[0]), 0);
	probe.activated = 0;
	go();
	teardown();
}
END_TEST

static void expect_needs_reset(int activated)
{
	const uint32_t generation = rd(VIRTIO_MMIO_CONFIG_GENERATION);

	status(ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	ck_assert_int_eq(probe.activated, activated);
	ck_assert_uint_eq(
		rd(VIRTIO_MMIO_STATUS), ACK | DRIVER | FEATURES_OK | DRIVER_OK | NEEDS_RESET);
	ck_assert(interrupted());
	ck_assert_uint_eq(rd(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	ck_assert_uint_ne(rd(VIRTIO_MMIO_CONFIG_GENERATION), generation);
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	sync_loop();
	ck_assert_int_eq(atomic_load(&probe.notified[0]), 0);
	status(0);
	probe.activated = probe.activate_error = 0;
	go();
	teardown();
}

START_TEST(bad_queue_size)
{
	setup();
	prepare();
	wr(VIRTIO_MMIO_QUEUE_READY, 0);
	wr(VIRTIO_MMIO_QUEUE_NUM, 0x10004);
	wr(VIRTIO_MMIO_QUEUE_READY, 1);
	expect_needs_reset(0);
}
END_TEST

START_TEST(bad_queue_address)
{
	setup();
	prepare();
	wr(VIRTIO_MMIO_QUEUE_READY, 0);
	wr(VIRTIO_MMIO_QUEUE_DESC_HIGH, 1);
	wr(VIRTIO_MMIO_QUEUE_READY, 1);
	expect_needs_reset(0);
}
END_TEST

START_TEST(activation_refused)
{
	setup();
	prepare();
	probe.activate_error = -EPROTO;
	expect_needs_reset(1);
}
END_TEST

START_TEST(broken_while_running)
{
	setup();
	go();
	__atomic_store_n(&f.queues[0].avail->idx, 100, __ATOMIC_RELEASE);
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	sync_loop();
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS) & NEEDS_RESET, NEEDS_RESET);
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	sync_loop();
	ck_assert_int_eq(atomic_load(&probe.notified[1]), 0);
	status(0);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), 0);
	teardown();
}
END_TEST

/* Several vCPUs do all at once what they shouldn't; the sanitizers watch. */
static void *storm(void *arg)
{
	unsigned int seed = *(unsigned int *)arg;

	for (int i = 0; i < 3000; i++) {
		uint32_t offset = (uint32_t)(rand_r(&seed) % 0x110) & ~3U;
		uint32_t value = (uint32_t)rand_r(&seed) % 16;

		if (rand_r(&seed) % 4)
			wr(offset, value);
		else
			rd(offset);
	}
	return NULL;
}

START_TEST(storms)
{
	pthread_t threads[3];
	unsigned int seeds[3] = {1, 2, 3};

	setup();
	prepare();
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, storm, &seeds[i]);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	status(0);
	probe.activated = 0;
	go();
	teardown();
}
END_TEST

/* Pauses */

static void pause_it(void *arg)
{
	virtio_mmio_pause(&m);
}

static void resume_it(void *arg)
{
	virtio_mmio_resume(&m);
}

/* Quiesced once, then no byte of guest memory changes, whatever kicks; all of it is made up for. */
START_TEST(paused)
{
	const struct fake_buf buf = {FAKE_RAM_GPA, 16, false};

	setup();
	go();
	fake_add(&f.queues[0], &buf, 1);
	loop_call(&loop, pause_it, NULL);
	ck_assert_int_eq(probe.quiesced, 1);
	ck_assert_uint_eq(f.queues[0].used->idx, 1);
	for (unsigned int i = 0; i < QUEUES; i++) {
		fake_add(&f.queues[i], &buf, 1);
		wr(VIRTIO_MMIO_QUEUE_NOTIFY, i);
	}
	sync_loop();
	ck_assert_uint_eq(f.queues[0].used->idx, 1);
	ck_assert_uint_eq(f.queues[1].used->idx, 0);
	loop_call(&loop, resume_it, NULL);
	sync_loop();
	ck_assert_uint_eq(f.queues[0].used->idx, 2);
	ck_assert_uint_eq(f.queues[1].used->idx, 1);
	/* A reset lets go as well. */
	loop_call(&loop, pause_it, NULL);
	status(0);
	probe.activated = 0;
	go();
	ck_assert(!probe.queues[0].held);
	teardown();
}
END_TEST

START_TEST(pause_of_a_device_that_is_not_up)
{
	setup();
	prepare();
	loop_call(&loop, pause_it, NULL);
	ck_assert_int_eq(probe.quiesced, 0);
	status(ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	ck_assert(probe.activated && !probe.queues[0].held);
	loop_call(&loop, resume_it, NULL);
	/* Broken: it rests. */
	__atomic_store_n(&f.queues[0].avail->idx, 100, __ATOMIC_RELEASE);
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	sync_loop();
	loop_call(&loop, pause_it, NULL);
	ck_assert_int_eq(probe.quiesced, 0);
	loop_call(&loop, resume_it, NULL);
	teardown();
}
END_TEST

/* Its end */

START_TEST(loop_has_ended)
{
	setup();
	prepare();
	stop_loop();
	/* Neither waits for ever. */
	status(ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	status(0);
	ck_assert_int_eq(probe.activated, 0);
	virtio_mmio_fini(&m);
	end_host();
}
END_TEST

START_TEST(end_takes_what_was_sent)
{
	const struct fake_buf buf = {FAKE_RAM_GPA, 16, false};
	uint32_t id, len;

	setup();
	go();
	stop_loop();
	fake_add(&f.queues[0], &buf, 1);
	virtio_mmio_fini(&m);
	ck_assert_int_eq(probe.quiesced, 1);
	ck_assert_int_eq(probe.resets, 1);
	ck_assert(fake_used(&f.queues[0], &id, &len));
	end_host();
}
END_TEST

SUITE("virtio_mmio_run", kick_and_interrupt, kick_by_eventfd, kicks_for_nothing, kicks_add_up,
	reset_and_again, bad_queue_size, bad_queue_address, activation_refused,
	broken_while_running, storms, paused, pause_of_a_device_that_is_not_up, loop_has_ended,
	end_takes_what_was_sent)
