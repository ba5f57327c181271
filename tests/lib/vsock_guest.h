// SPDX-License-Identifier: Apache-2.0
// A vsock device between a guest's driver and a host that are both the test; for one test program.
#pragma once

#include "base/cleanup.h"
#include "base/loop.h"
#include "devices/virtio.h"
#include "devices/vsock.h"
#include "devices/vsock_conn.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/fake_stream.h"
#include "tests/lib/loop_step.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define CID 42
#define HOST 2
#define GUEST_PORT 5000
#define HOST_PORT 1024
#define RX_SIZE 4096
#define HDR sizeof(struct virtio_vsock_hdr)
#define FEATURES (UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX)
#define GUEST_BUF (1U << 20)

static struct loop loop;
static struct fake_driver f;
static struct fake_stream *host;
static struct virtio_dev *dev;
static uint64_t tx_gpa, rx_gpa;
static unsigned int rx_posted;
static uint32_t guest_fwd; /* the guest's fwd_cnt, for every packet */
static uint32_t guest_buf;

/* A packet from the device. */
struct packet {
	struct virtio_vsock_hdr hdr;
	uint8_t data[VSOCK_PACKET_MAX];
};

static struct packet got;

static inline void start_with(uint64_t features)
{
	memset(f.ram, 0, f.next_gpa - FAKE_RAM_GPA);
	f.next_gpa = FAKE_RAM_GPA;
	ck_assert_int_eq(fake_driver_start(&f, dev, features), 0);
	tx_gpa = fake_alloc(&f, HDR + VSOCK_BUF + 1, 16);
	rx_gpa = fake_alloc(&f, RX_SIZE * 256, 16);
	rx_posted = 0;
}

static inline void start(void)
{
	start_with(FEATURES);
}

static inline void setup_inactive(void)
{
	fake_driver_init(&f);
	ck_assert_int_eq(loop_init(&loop), 0);
	host = fake_stream_new();
	ck_assert_int_eq(vsock_new(&loop, CID, &host->backend, &dev), 0);
	guest_fwd = 0;
	guest_buf = GUEST_BUF;
}

/* Offer @count rx buffers of 4 KiB. */
static inline void post_rx(unsigned int count)
{
	while (count--) {
		uint64_t gpa = rx_gpa + RX_SIZE * (rx_posted++ % 256);

		fake_add(&f.queues[VSOCK_RX], &(struct fake_buf){gpa, RX_SIZE, true}, 1);
	}
	fake_kick(&f, VSOCK_RX);
}

static inline void setup(void)
{
	setup_inactive();
	start();
	post_rx(128);
}

static inline void teardown(void)
{
	bool freed = false;

	host->freed = &freed;
	fake_driver_reset(&f);
	dev->ops->free(dev);
	ck_assert(freed);
	loop_fini(&loop);
	fake_driver_fini(&f);
}

static inline struct virtio_vsock_hdr header(uint16_t op, uint32_t guest_port, uint32_t host_port)
{
	return (struct virtio_vsock_hdr){
		.src_cid = CID,
		.dst_cid = HOST,
		.src_port = guest_port,
		.dst_port = host_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.buf_alloc = guest_buf,
		.fwd_cnt = guest_fwd,
	};
}

/* Send any packet whose payload is @len bytes of @data. */
static inline void send_packet(const struct virtio_vsock_hdr *hdr, const void *data, uint32_t len)
{
	uint8_t *mem = fake_ptr(&f, tx_gpa);
	uint32_t id, used;

	memcpy(mem, hdr, HDR);
	if (len)
		memcpy(mem + HDR, data, len);
	fake_add(&f.queues[VSOCK_TX], &(struct fake_buf){tx_gpa, (uint32_t)HDR + len, false}, 1);
	fake_kick(&f, VSOCK_TX);
	if (!atomic_load(&dev->broken))
		ck_assert(fake_used(&f.queues[VSOCK_TX], &id, &used));
}

static inline void send_op(uint16_t op, uint32_t flags)
{
	struct virtio_vsock_hdr hdr = header(op, GUEST_PORT, HOST_PORT);

	hdr.flags = flags;
	send_packet(&hdr, NULL, 0);
}

static inline void send_data(const void *data, uint32_t len)
{
	struct virtio_vsock_hdr hdr = header(VIRTIO_VSOCK_OP_RW, GUEST_PORT, HOST_PORT);

	hdr.len = len;
	send_packet(&hdr, data, len);
}

/* Take the next packet for the guest into got, and offer its buffer again. */
static inline bool receive(void)
{
	struct fake_queue *fq = &f.queues[VSOCK_RX];
	uint32_t id, used;

	if (!fake_used(fq, &id, &used))
		return false;
	ck_assert_uint_ge(used, HDR);
	memcpy(&got, fake_ptr(&f, fq->desc[id].addr), used);
	ck_assert_uint_eq(used, HDR + got.hdr.len);
	ck_assert_uint_eq(got.hdr.dst_cid, CID);
	fake_add(fq, &(struct fake_buf){fq->desc[id].addr, RX_SIZE, true}, 1);
	fake_kick(&f, VSOCK_RX);
	return true;
}

static inline void expect_op(uint16_t op)
{
	ck_assert_msg(receive(), "no packet, op %d expected", op);
	ck_assert_uint_eq(got.hdr.op, op);
	ck_assert_uint_eq(got.hdr.src_cid, HOST);
	ck_assert_uint_eq(got.hdr.type, VIRTIO_VSOCK_TYPE_STREAM);
}

static inline void expect_shutdown(uint32_t flags)
{
	expect_op(VIRTIO_VSOCK_OP_SHUTDOWN);
	ck_assert_uint_eq(got.hdr.flags, flags);
}

static inline void expect_data(const char *text)
{
	expect_op(VIRTIO_VSOCK_OP_RW);
	ck_assert_uint_eq(got.hdr.len, strlen(text));
	ck_assert_mem_eq(got.data, text, strlen(text));
}

static inline void expect_host(int fd, const char *text)
{
	char buf[64];

	ck_assert_int_eq(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), (int)strlen(text));
	ck_assert_mem_eq(buf, text, strlen(text));
}

static inline void expect_host_eof(int fd)
{
	char byte;

	ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
}

static inline void host_write(int fd, const char *text)
{
	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	loop_step(&loop);
}

/* A connection of the guest's. Return: the host's end. */
static inline int connected(void)
{
	send_op(VIRTIO_VSOCK_OP_REQUEST, 0);
	expect_op(VIRTIO_VSOCK_OP_RESPONSE);
	return host->peer;
}

static inline unsigned int count_conns(void)
{
	return container_of(dev, struct vsock, dev)->count;
}

static inline struct vsock_conn *the_conn(uint32_t guest_port)
{
	struct vsock *vsock = container_of(dev, struct vsock, dev);

	return vsock_conn_find(vsock, HOST_PORT, guest_port);
}

/* Let @ms pass, and the device do what is due. */
static inline void wait_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
	loop_step(&loop);
}

/* The byte at position @pos of a test stream. */
static inline uint8_t pattern(uint32_t pos)
{
	return (uint8_t)(pos * 31 + (pos >> 8));
}

/*
 * Send like a driver that honours credit, until there is none left: the host's socket and the
 * ring are full. @told: the device's fwd_cnt as last seen. Return: bytes sent in all.
 */
static inline uint32_t send_until_full(uint32_t *told)
{
	static uint8_t data[VSOCK_BUF];
	uint32_t sent = 0;

	for (;;) {
		uint32_t credit = VSOCK_BUF - (sent - *told);

		if (!credit)
			return sent;
		for (uint32_t i = 0; i < credit; i++)
			data[i] = pattern(sent + i);
		send_data(data, credit);
		sent += credit;
		ck_assert_uint_lt(sent, 64 << 20);
		while (receive()) {
			ck_assert_uint_eq(got.hdr.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
			*told = got.hdr.fwd_cnt;
		}
	}
}

/* Read and check @len bytes of the test stream at the host, letting the device go on. */
static inline void host_reads(int fd, uint32_t len)
{
	uint8_t data[4096];
	unsigned int wrong = 0;

	for (uint32_t pos = 0; pos < len;) {
		ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			loop_step(&loop);
			n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
		}
		ck_assert_int_gt(n, 0);
		/* Check's assertions are too slow for each byte. */
		for (ssize_t i = 0; i < n; i++)
			wrong += data[i] != pattern(pos + (uint32_t)i);
		pos += (uint32_t)n;
	}
	ck_assert_uint_eq(wrong, 0);
}

/* Let the host write @len bytes of the test stream and the guest take and check them. */
static inline void stream_to_guest(int fd, uint32_t len)
{
	static uint8_t data[1 << 16];
	uint32_t written = 0, taken = 0;
	unsigned int wrong = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (taken < len) {
		uint32_t n = len - written < sizeof(data) ? len - written : sizeof(data);
		ssize_t r;

		for (uint32_t i = 0; i < n; i++)
			data[i] = pattern(written + i);
		r = n ? write(fd, data, n) : 0;
		written += r > 0 ? (uint32_t)r : 0;
		loop_step(&loop);
		ck_assert(receive());
		do {
			if (got.hdr.op == VIRTIO_VSOCK_OP_CREDIT_REQUEST)
				continue;
			ck_assert_uint_eq(got.hdr.op, VIRTIO_VSOCK_OP_RW);
			for (uint32_t i = 0; i < got.hdr.len; i++)
				wrong += got.data[i] != pattern(taken + i);
			taken += got.hdr.len;
			guest_fwd += got.hdr.len;
		} while (receive());
		send_op(VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	}
	ck_assert_uint_eq(taken, len);
	ck_assert_uint_eq(wrong, 0);
}
