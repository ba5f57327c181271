// SPDX-License-Identifier: Apache-2.0
// Attacks devices/vsock.h: a legal stream and a legal SEQPACKET connection, then packets with one
// field changed, rings and buffers of any shape, and a host that comes and goes.
#include "devices/vsock.h"

#include "base/cleanup.h"
#include "base/loop.h"
#include "devices/virtio.h"
#include "devices/vsock_conn.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/fake_stream.h"
#include "tests/lib/loop_step.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/*
 * The input: steps of four bytes:
 *
 *     u8 what   STEP_*, modulo their number
 *     u8 where  which field, connection or descriptor
 *     le16 value
 *
 * A packet is legal data for the connection that the low bit of where chooses, but for one field.
 */
enum {
	STEP_PACKET, /* where: bit 0 connection, 1-4 field; value: what it becomes */
	STEP_DATA,   /* legal data of value bytes, where bit 1: more packets before the kick */
	STEP_RX,     /* offer (where % 16) buffers of value bytes, in pieces if bit 7 is set */
	STEP_HOST,   /* the host writes value bytes, reads, shuts down, closes or connects */
	STEP_DESC,   /* a descriptor of queue where % 4: field and value */
	STEP_IDX,    /* avail.idx of queue where % 4 */
	STEP_LOOP,   /* let the loop run */
	STEP_RESET,  /* reset and start again */
	STEP_COUNT,
};

#define STEPS_MAX 64
#define CID 3
#define PORT 100
#define HDR ((uint32_t)sizeof(struct virtio_vsock_hdr))
#define FEATURES                                                                                   \
	(UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX | UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC |     \
		UINT64_C(1) << VIRTIO_VSOCK_F_SEQPACKET)
/* Where packets and buffers lie, behind the rings. */
#define AREA_SIZE 0x20000

struct fuzz {
	struct loop loop;
	struct fake_driver f;
	struct fake_stream *host;
	struct virtio_dev *dev;
	uint64_t tx_gpa, rx_gpa;
	uint32_t tx_at, rx_at;
	int peers[4];
};

static struct fuzz z;

static struct virtio_vsock_hdr packet(unsigned int which, uint16_t op)
{
	return (struct virtio_vsock_hdr){
		.src_cid = CID,
		.dst_cid = VMADDR_CID_HOST,
		.src_port = PORT + which,
		.dst_port = PORT,
		.type = which ? VIRTIO_VSOCK_TYPE_SEQPACKET : VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.flags = which && op == VIRTIO_VSOCK_OP_RW ? VIRTIO_VSOCK_SEQ_EOM : 0,
		.buf_alloc = 1 << 18,
	};
}

/* Put a packet of the header and @len bytes into the tx queue. */
static void put(const struct virtio_vsock_hdr *hdr, uint32_t len)
{
	uint64_t gpa;

	if (z.tx_at + HDR + len > AREA_SIZE)
		z.tx_at = 0;
	gpa = z.tx_gpa + z.tx_at;
	z.tx_at += HDR + len;
	memcpy(fake_ptr(&z.f, gpa), hdr, HDR);
	fake_add(&z.f.queues[VSOCK_TX], &(struct fake_buf){gpa, HDR + len, false}, 1);
}

static void offer(unsigned int count, uint32_t len, bool pieces)
{
	while (count--) {
		uint64_t gpa;

		if (z.rx_at + len > AREA_SIZE)
			z.rx_at = 0;
		gpa = z.rx_gpa + z.rx_at;
		z.rx_at += len;
		if (pieces && len > 8)
			fake_add(&z.f.queues[VSOCK_RX],
				(const struct fake_buf[]){
					{gpa, len / 3, true}, {gpa + len / 3, len - len / 3, true}},
				2);
		else
			fake_add(&z.f.queues[VSOCK_RX], &(struct fake_buf){gpa, len, true}, 1);
	}
	fake_kick(&z.f, VSOCK_RX);
}

static void keep_peer(int fd)
{
	for (unsigned int i = 0; i < sizeof(z.peers) / sizeof(z.peers[0]); i++) {
		if (z.peers[i] < 0) {
			z.peers[i] = fd;
			return;
		}
	}
	if (fd >= 0)
		close(fd);
}

static void kick_tx(void)
{
	z.host->peer = -1;
	fake_kick(&z.f, VSOCK_TX);
	keep_peer(z.host->peer);
}

static void start(void)
{
	memset(z.f.ram, 0, z.f.next_gpa - FAKE_RAM_GPA);
	z.f.next_gpa = FAKE_RAM_GPA;
	if (fake_driver_start(&z.f, z.dev, FEATURES) < 0)
		abort();
	z.tx_gpa = fake_alloc(&z.f, AREA_SIZE, 16);
	z.rx_gpa = fake_alloc(&z.f, AREA_SIZE, 16);
	z.tx_at = z.rx_at = 0;
	offer(16, 4096, false);
	for (unsigned int which = 0; which < 2; which++) {
		struct virtio_vsock_hdr hdr = packet(which, VIRTIO_VSOCK_OP_REQUEST);

		put(&hdr, 0);
		kick_tx();
	}
}

static void change_packet(uint8_t where, uint16_t value)
{
	struct virtio_vsock_hdr hdr = packet(where & 1, VIRTIO_VSOCK_OP_RW);
	uint32_t len = hdr.len = 100;

	switch (where >> 1 & 15) {
	case 0:
		hdr.src_cid = value;
		break;
	case 1:
		hdr.dst_cid = value;
		break;
	case 2:
		hdr.src_port = PORT + value % 4;
		break;
	case 3:
		hdr.dst_port = value;
		break;
	case 4:
		hdr.len = value;
		break;
	case 5:
		hdr.type = value;
		break;
	case 6:
		hdr.flags = value;
		break;
	case 7:
		hdr.buf_alloc = value & 0x8000 ? UINT32_MAX - value : value;
		break;
	case 8:
		hdr.fwd_cnt = value & 0x8000 ? UINT32_MAX - value : value;
		break;
	case 9:
		len = value % 101;
		break;
	default:
		hdr.op = value % 10;
		hdr.flags = value >> 8;
		hdr.len = len = 0;
		break;
	}
	put(&hdr, len);
	kick_tx();
}

static void host_does(uint8_t where, uint16_t value)
{
	static uint8_t data[65536];
	int *peer = &z.peers[where % 4];

	switch (where / 4 % 8) {
	case 0:
		keep_peer(fake_stream_incoming_type(z.host, PORT + value % 4, value & 0x100));
		return;
	case 1:
		if (*peer >= 0)
			close(*peer);
		*peer = -1;
		return;
	case 2:
		if (*peer >= 0)
			shutdown(*peer, value % 3);
		return;
	case 3:
		z.host->refuse = value & 1;
		return;
	case 4:
		if (*peer >= 0 && recv(*peer, data, value, MSG_DONTWAIT) < 0)
			return;
		return;
	default:
		if (*peer >= 0 && send(*peer, data, value, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return;
		return;
	}
}

static void change_desc(uint8_t where, uint16_t value)
{
	struct fake_queue *fq = &z.f.queues[where % 3];
	struct vring_desc *d = &fq->desc[(fq->next_desc + (where >> 4)) & (fq->size - 1)];

	switch (where / 3 % 4) {
	case 0:
		d->addr = value & 0x8000 ? UINT64_MAX - value : FAKE_RAM_GPA + value * 64;
		break;
	case 1:
		d->len = value & 0x8000 ? UINT32_MAX - value : value;
		break;
	case 2:
		d->flags = value & 7;
		break;
	default:
		d->next = value;
		break;
	}
	fake_publish(fq, (uint16_t)(d - fq->desc));
	fake_kick(&z.f, where % 3);
}

static void data_packets(uint8_t where, uint16_t value)
{
	struct virtio_vsock_hdr hdr = packet(where & 1, VIRTIO_VSOCK_OP_RW);

	hdr.len = value;
	put(&hdr, value);
	if (!(where & 2))
		kick_tx();
}

static void step(uint8_t what, uint8_t where, uint16_t value)
{
	switch (what % STEP_COUNT) {
	case STEP_PACKET:
		change_packet(where, value);
		break;
	case STEP_DATA:
		data_packets(where, value);
		break;
	case STEP_RX:
		offer(where % 16, value % 8192 + 1, where & 0x80);
		break;
	case STEP_HOST:
		host_does(where, value);
		break;
	case STEP_DESC:
		change_desc(where, value);
		break;
	case STEP_IDX:
		z.f.queues[where % 3].avail->idx = value;
		fake_kick(&z.f, where % 3);
		break;
	case STEP_LOOP:
		loop_step(&z.loop);
		break;
	default:
		fake_driver_reset(&z.f);
		start();
		break;
	}
}

/* What a driver that broke its device can count on: a reset, and it works. */
static void check(void)
{
	uint32_t id, len, sent = 0;

	fake_driver_reset(&z.f);
	z.host->refuse = 0;
	start();
	while (fake_used(&z.f.queues[VSOCK_RX], &id, &len))
		sent += len;
	if (sent != 2 * HDR || atomic_load(&z.dev->broken))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vsock *vsock;

	if (!z.f.ram) {
		fake_driver_init(&z.f);
		if (loop_init(&z.loop) < 0)
			abort();
	}
	for (unsigned int i = 0; i < sizeof(z.peers) / sizeof(z.peers[0]); i++)
		z.peers[i] = -1;
	z.host = fake_stream_new();
	if (vsock_new(&z.loop, CID, &z.host->backend, &z.dev) < 0)
		abort();
	vsock = container_of(z.dev, struct vsock, dev);
	start();
	for (unsigned int i = 0; i < STEPS_MAX && size >= 4; i++, data += 4, size -= 4) {
		step(data[0], data[1], (uint16_t)(data[2] | data[3] << 8));
		if (vsock->count > VSOCK_CONNS_MAX || vsock->reply_count > VSOCK_REPLIES_MAX ||
			vsock->batch.conn)
			abort();
	}
	check();
	for (unsigned int i = 0; i < sizeof(z.peers) / sizeof(z.peers[0]); i++)
		if (z.peers[i] >= 0)
			close(z.peers[i]);
	fake_driver_reset(&z.f);
	z.dev->ops->free(z.dev);
	return 0;
}
