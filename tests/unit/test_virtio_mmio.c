// SPDX-License-Identifier: Apache-2.0
// Tests of devices/virtio_mmio.h: registers, the steps of the status, the config space.
#include "devices/virtio_mmio.h"

#include "tests/lib/mmio_guest.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

START_TEST(identity)
{
	setup();
	ck_assert_uint_eq(rd(VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_VERSION), 2);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_DEVICE_ID), 99);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), 0);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_SHM_LEN_LOW), 0xffffffff);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_SHM_LEN_HIGH), 0xffffffff);
	wr(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_DEVICE_FEATURES), (uint32_t)PROBE_FEATURE);
	wr(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_DEVICE_FEATURES), 1);
	wr(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_DEVICE_FEATURES), 0);
	for (uint32_t i = 0; i < 4; i++) {
		static const uint32_t sizes[] = {8, 4, 0, 0};

		wr(VIRTIO_MMIO_QUEUE_SEL, i == 3 ? UINT32_MAX : i);
		ck_assert_uint_eq(rd(VIRTIO_MMIO_QUEUE_NUM_MAX), sizes[i]);
	}
	teardown();
}
END_TEST

START_TEST(wrong_widths)
{
	uint64_t wide = UINT64_MAX;
	uint8_t byte = 0xff;

	setup();
	virtio_mmio_bus_ops.read(&m, VIRTIO_MMIO_MAGIC_VALUE, &byte, 1);
	ck_assert_uint_eq(byte, 0);
	virtio_mmio_bus_ops.read(&m, VIRTIO_MMIO_MAGIC_VALUE, &wide, 8);
	ck_assert_uint_eq(wide, 0);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_MAGIC_VALUE + 2), 0);
	byte = ACK;
	virtio_mmio_bus_ops.write(&m, VIRTIO_MMIO_STATUS, &byte, 1);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), 0);
	wr(VIRTIO_MMIO_STATUS + 1, ACK);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), 0);
	teardown();
}
END_TEST

START_TEST(many_queues)
{
	static struct virtq queues[VIRTIO_MMIO_QUEUES_MAX + 1];
	struct virtio_dev dev;

	setup();
	dev = probe.dev;
	dev.queues = queues;
	for (unsigned int i = 0; i <= VIRTIO_MMIO_QUEUES_MAX; i++)
		queues[i].size_max = 4;
	stop_loop();
	virtio_mmio_fini(&m);
	dev.queue_count = VIRTIO_MMIO_QUEUES_MAX + 1;
	ck_assert_int_eq(virtio_mmio_init(&m, &dev, &f.mem, &loop, &irq), -EINVAL);
	dev.queue_count = VIRTIO_MMIO_QUEUES_MAX;
	ck_assert_int_eq(virtio_mmio_init(&m, &dev, &f.mem, &loop, &irq), 0);
	wr(VIRTIO_MMIO_QUEUE_SEL, VIRTIO_MMIO_QUEUES_MAX - 1);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_QUEUE_NUM_MAX), 4);
	virtio_mmio_fini(&m);
	end_host();
}
END_TEST

/* The status */

START_TEST(brings_up)
{
	setup();
	go();
	ck_assert_uint_eq(probe.features_seen, V1 | PROBE_FEATURE);
	ck_assert_uint_eq(probe.size_seen, 8);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_QUEUE_READY), 1);
	/* Again means nothing. */
	status(ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	ck_assert_int_eq(probe.activated, 1);
	teardown();
}
END_TEST

START_TEST(queue_is_optional)
{
	setup();
	status(ACK | DRIVER);
	accept_features(V1);
	status(ACK | DRIVER | FEATURES_OK);
	setup_queue(1, 2);
	status(ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	ck_assert_int_eq(probe.activated, 1);
	ck_assert_uint_eq(probe.size_seen, 0);
	teardown();
}
END_TEST

START_TEST(no_step_is_skipped)
{
	setup();
	status(DRIVER);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), 0);
	status(ACK);
	status(ACK | FEATURES_OK);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), ACK);
	status(ACK | DRIVER);
	status(ACK | DRIVER | DRIVER_OK);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), ACK | DRIVER);
	ck_assert_int_eq(probe.activated, 0);
	/* NEEDS_RESET is the device's to set. */
	status(ACK | DRIVER | NEEDS_RESET);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), ACK | DRIVER);
	teardown();
}
END_TEST

START_TEST(version_1_is_a_must)
{
	setup();
	status(ACK | DRIVER);
	accept_features(PROBE_FEATURE);
	status(ACK | DRIVER | FEATURES_OK);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), ACK | DRIVER);
	teardown();
}
END_TEST

START_TEST(feature_not_offered)
{
	setup();
	status(ACK | DRIVER);
	accept_features(V1 | PROBE_FEATURE | 1);
	status(ACK | DRIVER | FEATURES_OK);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), ACK | DRIVER);
	teardown();
}
END_TEST

START_TEST(features_are_final)
{
	setup();
	status(ACK | DRIVER);
	accept_features(V1);
	status(ACK | DRIVER | FEATURES_OK);
	accept_features(V1 | PROBE_FEATURE);
	setup_queue(0, 8);
	status(ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	ck_assert_uint_eq(probe.features_seen, V1);
	teardown();
}
END_TEST

START_TEST(features_before_driver)
{
	setup();
	status(ACK);
	accept_features(V1 | PROBE_FEATURE);
	status(ACK | DRIVER);
	accept_features(V1);
	status(ACK | DRIVER | FEATURES_OK);
	status(ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	ck_assert_uint_eq(probe.features_seen, V1);
	teardown();
}
END_TEST

START_TEST(queues_before_features_ok)
{
	setup();
	status(ACK | DRIVER);
	accept_features(V1);
	setup_queue(0, 8);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_QUEUE_READY), 0);
	teardown();
}
END_TEST

START_TEST(queues_are_frozen)
{
	setup();
	go();
	wr(VIRTIO_MMIO_QUEUE_SEL, 0);
	wr(VIRTIO_MMIO_QUEUE_READY, 0);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_QUEUE_READY), 1);
	wr(VIRTIO_MMIO_QUEUE_NUM, 2);
	ck_assert_uint_eq(m.queues[0].size, 8);
	teardown();
}
END_TEST

START_TEST(ready_queue_keeps_its_address)
{
	setup();
	prepare();
	wr(VIRTIO_MMIO_QUEUE_DESC_LOW, 0);
	ck_assert_uint_eq(m.queues[1].desc_gpa, f.queues[1].desc_gpa);
	wr(VIRTIO_MMIO_QUEUE_READY, 0);
	wr(VIRTIO_MMIO_QUEUE_DESC_LOW, 0);
	ck_assert_uint_eq(m.queues[1].desc_gpa, 0);
	teardown();
}
END_TEST

START_TEST(failed_driver)
{
	setup();
	prepare();
	status(FAILED);
	status(ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	ck_assert_int_eq(probe.activated, 0);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), ACK | DRIVER | FEATURES_OK | FAILED);
	teardown();
}
END_TEST

/* The config space */

START_TEST(config_space)
{
	uint8_t byte;
	uint16_t half;

	setup();
	virtio_mmio_bus_ops.read(&m, VIRTIO_MMIO_CONFIG + 2, &byte, 1);
	ck_assert_uint_eq(byte, 3);
	virtio_mmio_bus_ops.read(&m, VIRTIO_MMIO_CONFIG + 1, &half, 2);
	ck_assert_uint_eq(half, 0x0302);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_CONFIG + 4), 0x08070605);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_CONFIG + 6), 0x0807);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_SIZE - 4), 0);
	wr(VIRTIO_MMIO_CONFIG, 0x11223344);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_CONFIG), 0x11223344);
	teardown();
}
END_TEST

static char lower[] = "abcdefgh", upper[] = "ABCDEFGH", all_a[] = "aaaaaaaa", all_b[] = "bbbbbbbb";

static void change(void *arg)
{
	virtio_dev_change_config(&probe.dev, probe.config, arg, 8);
}

START_TEST(config_changes)
{
	uint32_t generation;

	setup();
	generation = rd(VIRTIO_MMIO_CONFIG_GENERATION);
	loop_call(&loop, change, lower);
	/* No interrupt before DRIVER_OK, but the generation moves. */
	ck_assert(!interrupted());
	ck_assert_uint_eq(rd(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	ck_assert_uint_ne(rd(VIRTIO_MMIO_CONFIG_GENERATION), generation);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_CONFIG), 0x64636261);
	go();
	generation = rd(VIRTIO_MMIO_CONFIG_GENERATION);
	loop_call(&loop, change, upper);
	ck_assert(interrupted());
	ck_assert_uint_eq(rd(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	ck_assert_uint_ne(rd(VIRTIO_MMIO_CONFIG_GENERATION), generation);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_CONFIG + 4), 0x48474645);
	status(0);
	loop_call(&loop, change, lower);
	ck_assert(!interrupted());
	teardown();
}
END_TEST

static void *changer(void *arg)
{
	for (int i = 0; i < 2000; i++)
		loop_call(&loop, change, i % 2 ? all_a : all_b);
	return NULL;
}

START_TEST(config_reads_are_whole)
{
	pthread_t thread;
	uint64_t value = 0;

	setup();
	loop_call(&loop, change, all_a);
	pthread_create(&thread, NULL, changer, NULL);
	for (int i = 0; i < 2000; i++) {
		virtio_mmio_bus_ops.read(&m, VIRTIO_MMIO_CONFIG, &value, 8);
		ck_assert(value == UINT64_C(0x6161616161616161) ||
			  value == UINT64_C(0x6262626262626262));
	}
	pthread_join(thread, NULL);
	teardown();
}
END_TEST

SUITE("virtio_mmio", identity, wrong_widths, many_queues, brings_up, queue_is_optional,
	no_step_is_skipped, version_1_is_a_must, feature_not_offered, features_are_final,
	features_before_driver, queues_before_features_ok, queues_are_frozen,
	ready_queue_keeps_its_address, failed_driver, config_space, config_changes,
	config_reads_are_whole)
