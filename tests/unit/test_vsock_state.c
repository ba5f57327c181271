// SPDX-License-Identifier: Apache-2.0
// Tests of devices/vsock.h: saving and loading.
#include "devices/vsock.h"

#include "base/buf.h"
#include "base/le.h"
#include "tests/lib/suite.h"
#include "tests/lib/vsock_guest.h"

#include <errno.h>
#include <string.h>

static void post_event(uint32_t len)
{
	uint64_t gpa = fake_alloc(&f, 16, 16);

	fake_add(&f.queues[VSOCK_EVENT], &(struct fake_buf){gpa, len, true}, 1);
}

static struct buf saved;

/* Save a device with a connection, end it, and load into a new one that isn't active yet. */
static void save_and_load(void)
{
	int fd;

	setup();
	fd = connected();
	saved = BUF_INIT(64);
	ck_assert_int_eq(dev->ops->save(dev, &saved), 0);
	teardown();
	expect_host_eof(fd);
	close(fd);
	setup_inactive();
	ck_assert_int_eq(dev->ops->load(dev, saved.data, saved.len), 0);
}

START_TEST(guest_hears_of_a_load)
{
	uint32_t id, used;
	uint8_t *mem;

	save_and_load();
	start();
	post_rx(16);
	/* No buffer yet. */
	fake_kick(&f, VSOCK_EVENT);
	f.queue_signals = 0;
	post_event(4);
	mem = fake_ptr(&f, f.queues[VSOCK_EVENT].desc[0].addr);
	memset(mem, 0xff, 4);
	fake_kick(&f, VSOCK_EVENT);
	ck_assert(fake_used(&f.queues[VSOCK_EVENT], &id, &used));
	ck_assert_uint_eq(used, 4);
	ck_assert_uint_eq(le32_load(mem), VIRTIO_VSOCK_EVENT_TRANSPORT_RESET);
	ck_assert_uint_eq(f.queue_signals, 1);
	/* Once. */
	post_event(4);
	fake_kick(&f, VSOCK_EVENT);
	ck_assert(!fake_used(&f.queues[VSOCK_EVENT], &id, &used));
	/* What it still sends for the old connection is refused. */
	send_data("late", 4);
	expect_op(VIRTIO_VSOCK_OP_RST);
	close(connected());
	buf_fini(&saved);
	teardown();
}
END_TEST

START_TEST(reset_makes_the_event_needless)
{
	uint32_t id, used;

	save_and_load();
	start();
	fake_driver_reset(&f);
	start();
	post_event(4);
	fake_kick(&f, VSOCK_EVENT);
	ck_assert(!fake_used(&f.queues[VSOCK_EVENT], &id, &used));
	buf_fini(&saved);
	teardown();
}
END_TEST

START_TEST(event_buffer_too_small)
{
	save_and_load();
	start();
	post_event(3);
	fake_kick(&f, VSOCK_EVENT);
	ck_assert(atomic_load(&dev->broken));
	buf_fini(&saved);
	teardown();
}
END_TEST

START_TEST(load_refuses)
{
	uint8_t bad[16] = {0};

	save_and_load();
	memcpy(bad, saved.data, saved.len);
	ck_assert_int_eq(dev->ops->load(dev, bad, saved.len - 1), -EINVAL);
	ck_assert_int_eq(dev->ops->load(dev, bad, saved.len + 1), -EINVAL);
	/* Another CID. */
	bad[0]++;
	ck_assert_int_eq(dev->ops->load(dev, bad, saved.len), -EINVAL);
	bad[0]--;
	/* A port that isn't the host's to give. */
	le32_store(bad + 8, VSOCK_HOST_PORT_FIRST - 1);
	ck_assert_int_eq(dev->ops->load(dev, bad, saved.len), -EINVAL);
	le32_store(bad + 8, VSOCK_HOST_PORT_LAST + 1);
	ck_assert_int_eq(dev->ops->load(dev, bad, saved.len), -EINVAL);
	le32_store(bad + 8, VSOCK_HOST_PORT_LAST);
	ck_assert_int_eq(dev->ops->load(dev, bad, saved.len), 0);
	start();
	buf_fini(&saved);
	teardown();
}
END_TEST

SUITE("vsock_state", guest_hears_of_a_load, reset_makes_the_event_needless, event_buffer_too_small,
	load_refuses)
