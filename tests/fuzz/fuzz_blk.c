// SPDX-License-Identifier: Apache-2.0
// Attacks devices/blk.h: legal requests, then changed anywhere at any moment.
#include "devices/blk.h"

#include "base/loop.h"
#include "devices/backend/disk.h"
#include "devices/rate_limit.h"
#include "tests/lib/fuzz_ring.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <string.h>

/*
 * The input: one byte of options (bit 0 EVENT_IDX, bit 1 INDIRECT, bit 2 limited, bit 3 no FLUSH,
 * bit 4 answers come late), then steps of four bytes: u8 what (STEP_*), u8 where, le16 value. After
 * each the queue is notified.
 */
enum {
	/* Those of the ring come first. */
	STEP_RING = FUZZ_RING_STEPS - 1,
	STEP_REQUEST, /* a legal one: where is its type, value its sector */
	STEP_HEADER,  /* where: which byte of the header = value */
	STEP_RANGE,   /* where: which byte of the first ranges = value */
	STEP_ANSWER,  /* the disk answers: value is the error */
	STEP_CONFIG,  /* where: offset in the config space */
	STEP_RESIZE,
	STEP_RESET,
	STEP_QUIESCE,
	STEP_COUNT,
};

#define STEPS_MAX 256
#define CAPACITY UINT64_C(0x100000)
#define PENDING_MAX 512
#define HEADER_GPA (FAKE_RAM_GPA + 0x20000)
#define STATUS_GPA (FAKE_RAM_GPA + 0x21000)
#define DATA_GPA (FAKE_RAM_GPA + 0x30000)

static struct loop loop;
static struct fake_driver f;
static struct disk_req *pending[PENDING_MAX];
static unsigned int pending_count;
static bool late;
static uint64_t next_capacity;

/* Whatever comes must be within the disk, and in guest RAM. */
static void check(const struct disk *disk, const struct disk_req *req)
{
	uint64_t len = 0;

	if (req->op == DISK_FLUSH)
		return;
	if (!req->len || req->len % DISK_SECTOR || req->offset % DISK_SECTOR ||
		req->offset > disk->capacity || req->len > disk->capacity - req->offset)
		abort();
	if (req->op != DISK_READ && req->op != DISK_WRITE)
		return;
	for (int i = 0; i < req->iov_count; i++) {
		uint8_t *p = req->iov[i].iov_base;
		size_t n = req->iov[i].iov_len;

		if (!n || p < f.ram || n > FAKE_RAM_SIZE || p > f.ram + FAKE_RAM_SIZE - n)
			abort();
		/* Only the edges: rings among it stay as the input made them. */
		if (req->op == DISK_READ)
			p[0] = p[n - 1] = 1;
		len += n;
	}
	if (len != req->len)
		abort();
}

static void answer(int result)
{
	while (pending_count) {
		struct disk_req *req = pending[--pending_count];

		req->done(req, result);
	}
}

static void fuzz_start(struct disk *disk, struct disk_req *req)
{
	check(disk, req);
	if (!late) {
		req->done(req, 0);
		return;
	}
	if (pending_count == PENDING_MAX)
		abort();
	pending[pending_count++] = req;
}

static void fuzz_commit(struct disk *disk)
{
}

static void fuzz_drain(struct disk *disk)
{
	while (pending_count)
		answer(0);
}

static void fuzz_cancel(struct disk *disk)
{
	while (pending_count)
		answer(-ECANCELED);
}

static int fuzz_refresh(struct disk *disk)
{
	if (!next_capacity)
		return -EIO;
	disk->capacity = next_capacity;
	return 0;
}

static void fuzz_free(struct disk *disk)
{
}

static const struct disk_ops fuzz_ops = {
	.start = fuzz_start,
	.commit = fuzz_commit,
	.drain = fuzz_drain,
	.cancel = fuzz_cancel,
	.refresh = fuzz_refresh,
	.free = fuzz_free,
};
static struct disk disk = {
	.ops = &fuzz_ops,
	.capacity = CAPACITY,
	.block_size = DISK_SECTOR,
	.discard_size = DISK_SECTOR,
};

static void request(uint8_t where, uint16_t sector)
{
	static const uint32_t types[] = {VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH,
		VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES};
	struct virtio_blk_outhdr *hdr = fake_ptr(&f, HEADER_GPA);
	uint32_t type = types[where % 6];
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	struct virtio_blk_discard_write_zeroes *range = fake_ptr(&f, DATA_GPA);
	uint32_t len = type >= VIRTIO_BLK_T_DISCARD ? 32 : 1024;
	const struct fake_buf bufs[] = {
		{HEADER_GPA, 16, false}, {DATA_GPA, len, in}, {STATUS_GPA, 1, true}};

	*hdr = (struct virtio_blk_outhdr){.type = type, .sector = sector};
	range[0] = (struct virtio_blk_discard_write_zeroes){.sector = sector, .num_sectors = 8};
	range[1] = (struct virtio_blk_discard_write_zeroes){.sector = 1, .num_sectors = 1};
	fake_add(&f.queues[0], bufs, 3);
}

static void step(struct virtio_dev *dev, const uint8_t *data, uint64_t features)
{
	uint16_t value = (uint16_t)(data[2] | data[3] << 8);
	struct fake_queue *fq = &f.queues[0];
	uint8_t bytes[8];

	switch (data[0] % STEP_COUNT) {
	case FUZZ_RING_DESC:
	case FUZZ_RING_AVAIL:
	case FUZZ_RING_IDX:
	case FUZZ_RING_PUBLISH:
		fuzz_change_ring(fq, data[0] % STEP_COUNT, data[1], value);
		break;
	case STEP_REQUEST:
		request(data[1], value);
		break;
	case STEP_HEADER:
		((uint8_t *)fake_ptr(&f, HEADER_GPA))[data[1] % 16] = data[2];
		break;
	case STEP_RANGE:
		((uint8_t *)fake_ptr(&f, DATA_GPA))[data[1] % 32] = data[2];
		break;
	case STEP_ANSWER:
		answer(-(value & 0xff));
		disk.batch_done(disk.owner);
		break;
	case STEP_CONFIG:
		memset(bytes, data[2], sizeof(bytes));
		dev->ops->write_config(dev, data[1], bytes, 1U << (data[3] & 3));
		dev->ops->read_config(dev, data[1], bytes, 1U << (data[3] & 3));
		break;
	case STEP_RESIZE:
		next_capacity = (uint64_t)value * DISK_SECTOR;
		blk_resize(dev);
		break;
	case STEP_RESET:
		fuzz_restart(&f, dev, features);
		break;
	default:
		if (!atomic_load(&dev->broken))
			dev->ops->quiesce(dev);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rate_limit_config limit = {.ops = {.size = 5, .refill_ms = 3600000}};
	const struct blk_options options = {.id = "fuzz", .queues = 1};
	static struct virtio_dev *dev;
	uint64_t features;

	if (!size)
		return 0;
	if (!dev) {
		fake_driver_init(&f);
		if (loop_init(&loop) < 0 || blk_new(&loop, &disk, &options, &dev) < 0)
			abort();
	}
	features = (uint64_t)(data[0] & 1) << VIRTIO_RING_F_EVENT_IDX |
		   (uint64_t)(data[0] >> 1 & 1) << VIRTIO_RING_F_INDIRECT_DESC |
		   (uint64_t) !(data[0] & 8) << VIRTIO_BLK_F_FLUSH;
	late = data[0] & 16;
	next_capacity = CAPACITY;
	fuzz_restart(&f, dev, features);
	blk_resize(dev);
	blk_set_limits(dev, data[0] & 4 ? &limit : NULL);
	request(0, 0);
	data++;
	size--;
	for (unsigned int i = 0; i < STEPS_MAX && size >= 4; i++, data += 4, size -= 4) {
		step(dev, data, features);
		fuzz_kick(&f, 0);
	}
	return 0;
}
