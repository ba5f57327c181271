// SPDX-License-Identifier: Apache-2.0
// Tests of devices/virtio_mmio.h: saving and loading.
#include "devices/virtio_mmio.h"

#include "base/le.h"
#include "tests/lib/mmio_guest.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static struct buf saved;

static void save(void *arg)
{
	saved = BUF_INIT(4096);
	ck_assert_int_eq(virtio_mmio_save(&m, &saved), 0);
}

static int load_result;

static void load(void *arg)
{
	load_result = virtio_mmio_load(&m, saved.data, saved.len);
}

/* Run a driver for a while, save, and put a new device with the same memory in its place. */
static void save_running(void)
{
	const struct fake_buf buf = {FAKE_RAM_GPA, 16, false};

	setup();
	go();
	for (int i = 0; i < 3; i++)
		fake_add(&f.queues[1], &buf, 1);
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	sync_loop();
	/* Kicked or not, this one is taken by quiescing. */
	fake_add(&f.queues[0], &buf, 1);
	probe.saved = 77;
	loop_call(&loop, save, NULL);
	ck_assert_int_eq(probe.quiesced, 1);
	ck_assert_uint_eq(f.queues[0].used->idx, 1);
}

static void replace(void)
{
	stop_loop();
	virtio_mmio_fini(&m);
	loop_fini(&loop);
	interrupted();
	memset(probe.queues, 0, sizeof(probe.queues));
	probe.queues[0].size_max = 8;
	probe.queues[1].size_max = 4;
	probe.activated = probe.saved = 0;
	atomic_store(&probe.notified[1], 0);
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(virtio_mmio_init(&m, &probe.dev, &f.mem, &loop, &irq), 0);
	pthread_create(&loop_thread, NULL, loop_main, NULL);
}

START_TEST(goes_on_after_load)
{
	const struct fake_buf buf = {FAKE_RAM_GPA, 16, false};
	uint32_t id, len;

	save_running();
	replace();
	/* Came in after the save, its kick is lost. */
	fake_add(&f.queues[1], &buf, 1);
	loop_call(&loop, load, NULL);
	ck_assert_int_eq(load_result, 0);
	ck_assert_uint_eq(probe.saved, 77);
	ck_assert_int_eq(probe.activated, 1);
	ck_assert_uint_eq(probe.features_seen, V1 | PROBE_FEATURE);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	ck_assert(interrupted());
	sync_loop();
	ck_assert_uint_eq(f.queues[1].used->idx, 4);
	for (int i = 0; i < 4; i++)
		ck_assert(fake_used(&f.queues[1], &id, &len));
	fake_add(&f.queues[0], &buf, 1);
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	sync_loop();
	ck_assert_uint_eq(f.queues[0].used->idx, 2);
	status(0);
	probe.activated = 0;
	go();
	buf_fini(&saved);
	teardown();
}
END_TEST

/* Save a device that has nothing under way, and load it into another. */
static void move_idle(void)
{
	loop_call(&loop, save, NULL);
	ck_assert_int_eq(probe.quiesced, 0);
	replace();
	loop_call(&loop, load, NULL);
	ck_assert_int_eq(load_result, 0);
	ck_assert_int_eq(probe.activated, 0);
}

START_TEST(load_of_a_driver_half_way)
{
	setup();
	prepare();
	move_idle();
	status(ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	ck_assert_int_eq(probe.activated, 1);
	ck_assert_uint_eq(probe.size_seen, 8);
	buf_fini(&saved);
	teardown();
}
END_TEST

START_TEST(load_of_a_broken_device)
{
	setup();
	go();
	__atomic_store_n(&f.queues[0].avail->idx, 100, __ATOMIC_RELEASE);
	wr(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	sync_loop();
	move_idle();
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS) & NEEDS_RESET, NEEDS_RESET);
	status(0);
	go();
	buf_fini(&saved);
	teardown();
}
END_TEST

/* One fault each: offset into the state, width, value. */
static const struct {
	unsigned int offset, width;
	uint64_t value;
} faults[] = {
	{0, 4, 98},                                /* another kind of device */
	{4, 4, QUEUES + 1},                        /* more queues */
	{8, 4, 1},                                 /* reserved */
	{12, 4, ACK | FEATURES_OK | DRIVER_OK},    /* a step is missing */
	{12, 4, DRIVER | FEATURES_OK | DRIVER_OK}, /* the first one is */
	{12, 4, ACK | DRIVER | DRIVER_OK},         /* features never agreed */
	{12, 4, ACK | DRIVER | FEATURES_OK | DRIVER_OK | NEEDS_RESET},
	{12, 4, ACK | DRIVER},                     /* ready queues too early */
	{24, 8, V1 | PROBE_FEATURE | 1},           /* a feature that isn't offered */
	{24, 8, PROBE_FEATURE},                    /* VERSION_1 is missing */
	{36, 2, 4},                                /* interrupt status */
	{40, 4, 2},                                /* broken */
	{44, 4, 0},                                /* length */
	{48, 4, 3},                                /* size is no power of two */
	{48, 4, 16},                               /* beyond size_max */
	{48 + 4, 4, 2},                            /* ready */
	{48 + 8, 8, FAKE_RAM_GPA + FAKE_RAM_SIZE}, /* not RAM */
	{48 + 16, 8, FAKE_RAM_GPA + 1},            /* misaligned */
	{48 + 24, 8, UINT64_MAX - 3},              /* wraps */
	{48 + 32, 2, 10},                          /* 9 in flight of 8 */
	{48 + 38, 2, 1},                           /* reserved */
};

START_TEST(load_refuses)
{
	uint8_t good[512];

	save_running();
	ck_assert_uint_lt(saved.len, sizeof(good));
	memcpy(good, saved.data, saved.len);
	replace();
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		uint8_t *p = saved.data + faults[i].offset;

		if (faults[i].width == 2)
			le16_store(p, (uint16_t)faults[i].value);
		else if (faults[i].width == 4)
			le32_store(p, (uint32_t)faults[i].value);
		else
			le64_store(p, faults[i].value);
		loop_call(&loop, load, NULL);
		ck_assert_msg(load_result == -EINVAL, "fault %zu was taken", i);
		memcpy(saved.data, good, saved.len);
	}
	/* Shorter anywhere, or longer. */
	for (size_t len = 0; len < saved.len; len++)
		ck_assert_int_eq(virtio_mmio_load(&m, good, len), -EINVAL);
	ck_assert_int_eq(virtio_mmio_load(&m, good, saved.len + 1), -EINVAL);
	/* The device has the last word. */
	probe.load_error = -ENOMEM;
	ck_assert_int_eq(virtio_mmio_load(&m, good, saved.len), -ENOMEM);
	probe.load_error = 0;
	/* Nothing has stuck. */
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), 0);
	ck_assert(!probe.queues[0].ready && !probe.activated && !interrupted());
	loop_call(&loop, load, NULL);
	ck_assert_int_eq(load_result, 0);
	/* Not onto a running one. */
	loop_call(&loop, load, NULL);
	ck_assert_int_eq(load_result, -EINVAL);
	buf_fini(&saved);
	teardown();
}
END_TEST

SUITE("virtio_mmio_state", goes_on_after_load, load_of_a_driver_half_way, load_of_a_broken_device,
	load_refuses)
