// SPDX-License-Identifier: Apache-2.0
// Attacks devices/net.h: legal frames, buffers and commands, then changed anywhere at any moment.
#include "devices/net.h"

#include "base/loop.h"
#include "devices/backend/nic.h"
#include "devices/net_queue.h"
#include "devices/rate_limit.h"
#include "tests/lib/fuzz_ring.h"

#include <errno.h>

/*
 * The input: one byte of options (OPT_*), then steps of four bytes: u8 what (STEP_*), its high bits
 * the queue; u8 where; le16 value. After each step the queue is notified.
 */
enum {
	OPT_EVENT_IDX = 1,
	OPT_INDIRECT = 2,
	OPT_MERGE = 4,
	OPT_OFFLOADS = 8,
	OPT_PAIRS = 16,
	OPT_LIMIT = 32,
};

enum {
	/* Those of the ring come first. */
	STEP_RING = FUZZ_RING_STEPS - 1,
	STEP_FRAME,   /* a legal one of value bytes; where: its header's flags and type */
	STEP_BUFFERS, /* where of them, value bytes each */
	STEP_COMMAND, /* class and command in where, value its data */
	STEP_ARRIVE,  /* a frame of value bytes from the host, by pair where */
	STEP_BYTE,    /* value goes anywhere into the first 64 KiB of RAM but one, 256 apart */
	STEP_HOST,    /* 0 takes frames, 1 is full, 2 is gone */
	STEP_RESET,
	STEP_QUIESCE,
	STEP_COUNT,
};

#define STEPS_MAX 256
#define DATA_GPA (FAKE_RAM_GPA + 0x40000)

static struct loop loop;
static struct fake_driver f;
static unsigned int pairs, host;
static uint32_t waiting[NIC_PAIRS_MAX];

/* What the device hands over must be guest RAM or its own; this would crash otherwise, or ASan
 * tell. */
static void touch(const struct iovec *iov, bool write)
{
	volatile uint8_t *p = iov->iov_base;

	if (!iov->iov_len)
		abort();
	if (write)
		p[0] = p[iov->iov_len - 1] = 1;
	else
		(void)(p[0] + p[iov->iov_len - 1]);
}

static int fuzz_set(struct nic *nic, unsigned int count, unsigned int offloads)
{
	if (host == 2 && count)
		return -ENETDOWN;
	pairs = count;
	return 0;
}

static ssize_t fuzz_receive(
	struct nic *nic, unsigned int pair, const struct iovec *iov, unsigned int count)
{
	uint32_t left = waiting[pair], done = 0;

	if (pair >= pairs || !count || count > NIC_IOVS_MAX)
		abort();
	if (host == 2)
		return -ENETDOWN;
	if (!left)
		return -EAGAIN;
	waiting[pair] = 0;
	for (unsigned int i = 0; i < count && left; i++) {
		uint32_t part = iov[i].iov_len < left ? (uint32_t)iov[i].iov_len : left;

		touch(&(struct iovec){iov[i].iov_base, part}, true);
		left -= part;
		done += part;
	}
	return done;
}

static int fuzz_send(
	struct nic *nic, unsigned int pair, const struct iovec *iov, unsigned int count)
{
	size_t len = 0;

	if (pair >= pairs || count < 2 || iov[0].iov_len != NIC_HEADER)
		abort();
	for (unsigned int i = 0; i < count; i++) {
		touch(&iov[i], false);
		len += iov[i].iov_len;
	}
	if (len < NIC_HEADER + NIC_FRAME_MIN || len > NIC_HEADER + NIC_FRAME_MAX)
		abort();
	return host == 2 ? -ENETDOWN : host == 1 ? -EAGAIN : 0;
}

static void fuzz_free(struct nic *nic)
{
}

static const struct nic_ops fuzz_ops = {
	.set = fuzz_set, .receive = fuzz_receive, .send = fuzz_send, .free = fuzz_free};
static struct nic fuzz_nic = {.ops = &fuzz_ops,
	.name = "fuzz",
	.pairs = 3,
	.offloads = NIC_CSUM | NIC_TSO4 | NIC_TSO6 | NIC_ECN | NIC_USO,
	.frame_max = 1518};

static uint64_t features_of(uint8_t options)
{
	uint64_t features = UINT64_C(1) << VIRTIO_NET_F_CTRL_VQ;

	if (options & OPT_EVENT_IDX)
		features |= UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX;
	if (options & OPT_INDIRECT)
		features |= UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC;
	if (options & OPT_MERGE)
		features |= UINT64_C(1) << VIRTIO_NET_F_MRG_RXBUF;
	if (options & OPT_OFFLOADS)
		features |= UINT64_C(1) << VIRTIO_NET_F_CSUM |
			    UINT64_C(1) << VIRTIO_NET_F_GUEST_CSUM |
			    UINT64_C(1) << VIRTIO_NET_F_HOST_TSO4 |
			    UINT64_C(1) << VIRTIO_NET_F_GUEST_TSO4 |
			    UINT64_C(1) << VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;
	if (options & OPT_PAIRS)
		features |= UINT64_C(1) << VIRTIO_NET_F_MQ;
	return features;
}

static void frame(struct fake_queue *fq, uint8_t what, uint16_t len)
{
	struct virtio_net_hdr_v1 header = {.flags = what & 1,
		.gso_type = (uint8_t)(what >> 1 & 0x87),
		.hdr_len = 66,
		.gso_size = 1448,
		.csum_start = 34,
		.csum_offset = 16};

	memcpy(fake_ptr(&f, DATA_GPA), &header, sizeof(header));
	fake_add(fq, &(struct fake_buf){DATA_GPA, (uint32_t)NIC_HEADER + len, false}, 1);
}

static void buffers(struct fake_queue *fq, unsigned int count, uint32_t len)
{
	for (unsigned int i = 0; i < count; i++)
		fake_add(fq,
			&(struct fake_buf){DATA_GPA + 0x20000 + UINT64_C(0x1000) * i, len, true},
			1);
}

static void command(struct fake_queue *fq, uint8_t what, uint16_t value)
{
	const struct fake_buf bufs[] = {
		{DATA_GPA, what & 0x80 ? 10 : 4, false}, {DATA_GPA + 32, 1, true}};
	uint8_t *p = fake_ptr(&f, DATA_GPA);

	memset(p, 0, 16);
	p[0] = what & 7;
	p[1] = what >> 3 & 3;
	p[2] = (uint8_t)value;
	p[3] = (uint8_t)(value >> 8);
	fake_add(fq, bufs, 2);
}

static void arrive(unsigned int pair, uint32_t len)
{
	pair %= fuzz_nic.pairs;
	waiting[pair] = NIC_HEADER + NIC_FRAME_MIN + len;
	if (waiting[pair] > NIC_HEADER + NIC_FRAME_MAX)
		waiting[pair] = NIC_HEADER + NIC_FRAME_MAX;
	if (pair < pairs)
		fuzz_nic.ready(fuzz_nic.ctx, pair);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct rate_limit_config none,
		limit = {.ops = {.size = 5, .refill_ms = 3600000}};
	static struct virtio_dev *dev;
	uint64_t features;

	if (!size)
		return 0;
	host = 0;
	if (!dev) {
		fake_driver_init(&f);
		if (loop_init(&loop) < 0)
			abort();
	}
	/* One whose host is gone stays so: each input has its own. */
	if (dev) {
		fake_driver_reset(&f);
		dev->ops->free(dev);
		f.dev = NULL;
	}
	if (net_new(&loop, &fuzz_nic, &(struct net_config){.mac = {2}, .mtu = 1400}, &dev) < 0)
		abort();
	memset(waiting, 0, sizeof(waiting));
	features = features_of(data[0]);
	net_set_limits(
		dev, data[0] & OPT_LIMIT ? &limit : &none, data[0] & OPT_LIMIT ? &limit : &none);
	fuzz_restart(&f, dev, features);
	data++;
	size--;
	for (unsigned int i = 0; i < STEPS_MAX && size >= 4; i++, data += 4, size -= 4) {
		unsigned int queue = data[0] / 16 % dev->queue_count;
		uint16_t value = (uint16_t)(data[2] | data[3] << 8);
		struct fake_queue *fq = &f.queues[queue];

		switch (data[0] % 16 % STEP_COUNT) {
		case FUZZ_RING_DESC:
		case FUZZ_RING_AVAIL:
		case FUZZ_RING_IDX:
		case FUZZ_RING_PUBLISH:
			fuzz_change_ring(fq, data[0] % 16 % STEP_COUNT, data[1], value);
			break;
		case STEP_FRAME:
			frame(fq, data[1], value);
			break;
		case STEP_BUFFERS:
			buffers(fq, data[1], value);
			break;
		case STEP_COMMAND:
			command(fq, data[1], value);
			break;
		case STEP_ARRIVE:
			arrive(data[1], value);
			break;
		case STEP_BYTE:
			f.ram[data[1] * 256 + (value >> 8)] = (uint8_t)value;
			break;
		case STEP_HOST:
			host = value % 3;
			break;
		case STEP_RESET:
			if (host != 2)
				fuzz_restart(&f, dev, features);
			break;
		default:
			if (!atomic_load(&dev->broken))
				dev->ops->quiesce(dev);
			break;
		}
		fuzz_kick(&f, queue);
	}
	return 0;
}
