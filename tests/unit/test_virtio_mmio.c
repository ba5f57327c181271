// SPDX-License-Identifier: Apache-2.0
// Tests of devices/virtio_mmio.h: the test is the vCPU thread, a second thread runs the loop.
#include "devices/virtio_mmio.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/le.h"
#include "devices/irq.h"
#include "devices/virtio.h"
#include "devices/virtqueue.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <poll.h>
#include <string.h>

#define ACK VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED VIRTIO_CONFIG_S_FAILED
#define PROBE_FEATURE (UINT64_C(1) << 3)
#define QUEUES 2

/* A device that counts, and echoes: each chain is pushed as it is. */
struct probe {
	struct virtio_dev dev;
	struct virtq queues[QUEUES];
	int activated, resets, quiesced;
	int activate_error;
	atomic_int notified[QUEUES];
	uint8_t config[8];
	uint64_t features_seen;
	uint16_t size_seen;
	uint8_t saved; /* the device's own state, a byte */
	int load_error;
};

static struct probe probe;
static struct virtio_mmio m;
static struct loop loop;
static struct irq irq;
static struct fake_driver f;
static pthread_t loop_thread;

static int probe_activate(struct virtio_dev *dev)
{
	struct probe *p = container_of(dev, struct probe, dev);

	p->activated++;
	p->features_seen = dev->driver_features;
	p->size_seen = p->queues[0].ready ? p->queues[0].size : 0;
	return p->activate_error;
}

static void probe_notify(struct virtio_dev *dev, unsigned int queue)
{
	struct probe *p = container_of(dev, struct probe, dev);
	static struct virtq_chain chain;
	int r;

	while ((r = virtq_pop(&p->queues[queue], &chain)) == 1)
		virtq_push(&p->queues[queue], chain.head, 0);
	atomic_fetch_add(&p->notified[queue], 1);
	if (r < 0)
		virtio_dev_broken(dev, "bad ring");
	virtio_dev_signal(dev, queue);
}

static void probe_reset(struct virtio_dev *dev)
{
	container_of(dev, struct probe, dev)->resets++;
}

static void probe_read_config(
	struct virtio_dev *dev, unsigned int offset, void *data, unsigned int len)
{
	struct probe *p = container_of(dev, struct probe, dev);

	virtio_config_copy(p->config, sizeof(p->config), offset, data, len);
}

static void probe_write_config(
	struct virtio_dev *dev, unsigned int offset, const void *data, unsigned int len)
{
	struct probe *p = container_of(dev, struct probe, dev);

	if (offset < sizeof(p->config) && len <= sizeof(p->config) - offset)
		memcpy(p->config + offset, data, len);
}

static void probe_quiesce(struct virtio_dev *dev)
{
	struct probe *p = container_of(dev, struct probe, dev);

	p->quiesced++;
	probe_notify(dev, 0);
}

static int probe_save(struct virtio_dev *dev, struct buf *out)
{
	return buf_add(out, &container_of(dev, struct probe, dev)->saved, 1);
}

static int probe_load(struct virtio_dev *dev, const void *data, size_t len)
{
	struct probe *p = container_of(dev, struct probe, dev);

	if (p->load_error || len != 1)
		return p->load_error ? p->load_error : -EINVAL;
	memcpy(&p->saved, data, 1);
	return 0;
}

static const struct virtio_dev_ops probe_ops = {
	.name = "probe",
	.activate = probe_activate,
	.notify = probe_notify,
	.reset = probe_reset,
	.read_config = probe_read_config,
	.write_config = probe_write_config,
	.quiesce = probe_quiesce,
	.save = probe_save,
	.load = probe_load,
};

static void *loop_main(void *arg)
{
	loop_run(&loop);
	return NULL;
}

static void quit(void *arg)
{
	loop_quit(&loop);
}

static void setup(void)
{
	fake_driver_init(&f);
	memset(&probe, 0, sizeof(probe));
	probe.dev = (struct virtio_dev){.ops = &probe_ops,
		.id = 99,
		.features = PROBE_FEATURE,
		.queues = probe.queues,
		.queue_count = QUEUES};
	probe.queues[0].size_max = 8;
	probe.queues[1].size_max = 4;
	memcpy(probe.config, "\1\2\3\4\5\6\7\10", 8);
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(irq_init(&irq), 0);
	ck_assert_int_eq(virtio_mmio_init(&m, &probe.dev, &f.mem, &loop, &irq), 0);
	pthread_create(&loop_thread, NULL, loop_main, NULL);
}

static void teardown(void)
{
	loop_call(&loop, quit, NULL);
	pthread_join(loop_thread, NULL);
	virtio_mmio_fini(&m);
	irq_fini(&irq);
	loop_fini(&loop);
	fake_driver_fini(&f);
}

static uint32_t rd(uint64_t offset)
{
	uint32_t value = 0xffffffff;

	virtio_mmio_bus_ops.read(&m, offset, &value, 4);
	return value;
}

static void wr(uint64_t offset, uint32_t value)
{
	virtio_mmio_bus_ops.write(&m, offset, &value, 4);
}

static void status(uint32_t bits)
{
	wr(VIRTIO_MMIO_STATUS, bits);
}

static void accept_features(uint64_t features)
{
	wr(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	wr(VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features);
	wr(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	wr(VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32));
}

#define V1 (UINT64_C(1) << VIRTIO_F_VERSION_1)

static void queue_address(uint64_t reg, uint64_t gpa)
{
	wr(reg, (uint32_t)gpa);
	wr(reg + 4, (uint32_t)(gpa >> 32));
}

static void setup_queue(unsigned int i, uint16_t size)
{
	struct fake_queue *fq = &f.queues[i];

	fake_queue_init(&f, fq, size);
	wr(VIRTIO_MMIO_QUEUE_SEL, i);
	wr(VIRTIO_MMIO_QUEUE_NUM, size);
	queue_address(VIRTIO_MMIO_QUEUE_DESC_LOW, fq->desc_gpa);
	queue_address(VIRTIO_MMIO_QUEUE_AVAIL_LOW, fq->avail_gpa);
	queue_address(VIRTIO_MMIO_QUEUE_USED_LOW, fq->used_gpa);
	wr(VIRTIO_MMIO_QUEUE_READY, 1);
}

/* All that a driver does before DRIVER_OK. */
static void prepare(void)
{
	status(ACK);
	status(ACK | DRIVER);
	accept_features(V1 | PROBE_FEATURE);
	status(ACK | DRIVER | FEATURES_OK);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), ACK | DRIVER | FEATURES_OK);
	setup_queue(0, 8);
	setup_queue(1, 4);
}

static void go(void)
{
	prepare();
	status(ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	ck_assert_int_eq(probe.activated, 1);
}

/* Let the loop do all that was rung before. */
static void nothing(void *arg)
{
}

static void sync_loop(void)
{
	/* A kick may come up in the round after that of the call. */
	for (int i = 0; i < 3; i++)
		loop_call(&loop, nothing, NULL);
}

static bool interrupted(void)
{
	struct pollfd pfd = {.fd = irq.fd, .events = POLLIN};
	uint64_t count;

	if (poll(&pfd, 1, 0) != 1)
		return false;
	return read(irq.fd, &count, sizeof(count)) == sizeof(count);
}

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

/* Steps out of order */

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

/* Kicks and interrupts */

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

/* Reset */

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

START_TEST(loop_has_ended)
{
	setup();
	prepare();
	loop_call(&loop, quit, NULL);
	pthread_join(loop_thread, NULL);
	/* Neither waits for ever. */
	status(ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	status(0);
	ck_assert_int_eq(probe.activated, 0);
	virtio_mmio_fini(&m);
	irq_fini(&irq);
	loop_fini(&loop);
	fake_driver_fini(&f);
}
END_TEST

START_TEST(end_takes_what_was_sent)
{
	const struct fake_buf buf = {FAKE_RAM_GPA, 16, false};
	uint32_t id, len;

	setup();
	go();
	loop_call(&loop, quit, NULL);
	pthread_join(loop_thread, NULL);
	fake_add(&f.queues[0], &buf, 1);
	virtio_mmio_fini(&m);
	ck_assert_int_eq(probe.quiesced, 1);
	ck_assert_int_eq(probe.resets, 1);
	ck_assert(fake_used(&f.queues[0], &id, &len));
	irq_fini(&irq);
	loop_fini(&loop);
	fake_driver_fini(&f);
}
END_TEST

static void pause_it(void *arg)
{
	virtio_mmio_pause(&m);
}

static void resume_it(void *arg)
{
	virtio_mmio_resume(&m);
}

/* Quiesced once, then not a byte of guest memory changes, whatever kicks; all of it is made up for.
 */
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

/* The config space */

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

START_TEST(many_queues)
{
	static struct virtq queues[VIRTIO_MMIO_QUEUES_MAX + 1];
	struct virtio_dev dev;

	setup();
	dev = probe.dev;
	dev.queues = queues;
	for (unsigned int i = 0; i <= VIRTIO_MMIO_QUEUES_MAX; i++)
		queues[i].size_max = 4;
	loop_call(&loop, quit, NULL);
	pthread_join(loop_thread, NULL);
	virtio_mmio_fini(&m);
	dev.queue_count = VIRTIO_MMIO_QUEUES_MAX + 1;
	ck_assert_int_eq(virtio_mmio_init(&m, &dev, &f.mem, &loop, &irq), -EINVAL);
	dev.queue_count = VIRTIO_MMIO_QUEUES_MAX;
	ck_assert_int_eq(virtio_mmio_init(&m, &dev, &f.mem, &loop, &irq), 0);
	wr(VIRTIO_MMIO_QUEUE_SEL, VIRTIO_MMIO_QUEUES_MAX - 1);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_QUEUE_NUM_MAX), 4);
	virtio_mmio_fini(&m);
	irq_fini(&irq);
	loop_fini(&loop);
	fake_driver_fini(&f);
}
END_TEST

/* Saving and loading */

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
	loop_call(&loop, quit, NULL);
	pthread_join(loop_thread, NULL);
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

START_TEST(load_of_a_driver_half_way)
{
	setup();
	prepare();
	loop_call(&loop, save, NULL);
	ck_assert_int_eq(probe.quiesced, 0);
	replace();
	loop_call(&loop, load, NULL);
	ck_assert_int_eq(load_result, 0);
	ck_assert_int_eq(probe.activated, 0);
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
	loop_call(&loop, save, NULL);
	ck_assert_int_eq(probe.quiesced, 0);
	replace();
	loop_call(&loop, load, NULL);
	ck_assert_int_eq(load_result, 0);
	ck_assert_int_eq(probe.activated, 0);
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

SUITE("virtio_mmio", identity, config_space, wrong_widths, brings_up, queue_is_optional,
	no_step_is_skipped, version_1_is_a_must, feature_not_offered, features_are_final,
	features_before_driver, queues_before_features_ok, queues_are_frozen,
	ready_queue_keeps_its_address, failed_driver, kick_and_interrupt, kick_by_eventfd,
	kicks_for_nothing, reset_and_again, bad_queue_size, bad_queue_address, activation_refused,
	broken_while_running, loop_has_ended, end_takes_what_was_sent, paused,
	pause_of_a_device_that_is_not_up, storms, kicks_add_up, config_changes,
	config_reads_are_whole, many_queues, goes_on_after_load, load_of_a_driver_half_way,
	load_of_a_broken_device, load_refuses)
