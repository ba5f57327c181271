// SPDX-License-Identifier: Apache-2.0
// Attack: disk requests that go beyond the disk, or are none.
#include "tests/guest/use.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

/* The answer of a device that was broken by the request. */
#define BROKEN 0x100u
#define HDR ((uint32_t)sizeof(struct virtio_blk_outhdr))

static struct vq queues[QUEUES_MAX];
static struct vdev *dev;

static bool is_read_only(void)
{
	return dev->features & FEATURE(VIRTIO_BLK_F_RO);
}

static void begin(const char *what)
{
	check_begin("%s in slot %u: %s", dev->name, dev->slot, what);
	arena_reset();
}

static void end(void)
{
	prove(dev);
	prove_others(dev);
	check_end();
}

static struct virtio_blk_outhdr *header(uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr *hdr = arena(HDR, 16);

	hdr->type = type;
	hdr->sector = sector;
	return hdr;
}

/* Submit what is in the table from entry 0; the status is @status. Return: it, or BROKEN. */
static uint32_t submit(const uint8_t *status)
{
	vq_submit(&queues[0], 0);
	if (vq_wait(&queues[0], NULL, NULL))
		return status ? *status : 0;
	if (!(vdev_status(dev) & STATUS_NEEDS_RESET))
		check_fail("neither an answer nor NEEDS_RESET");
	return BROKEN;
}

/* A request of the usual form. */
static uint32_t request(uint32_t type, uint64_t sector, void *data, uint32_t len)
{
	struct vq *q = &queues[0];
	uint8_t *status = arena(1, 1);
	uint16_t write =
		type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID ? VRING_DESC_F_WRITE : 0;

	*status = 0xee;
	vq_desc(q, 0, header(type, sector), HDR, VRING_DESC_F_NEXT, len ? 1 : 2);
	vq_desc(q, 1, data, len, VRING_DESC_F_NEXT | write, 2);
	vq_desc(q, 2, status, 1, VRING_DESC_F_WRITE, 0);
	return submit(status);
}

static void expect_error(uint32_t got)
{
	if (got != VIRTIO_BLK_S_IOERR && got != VIRTIO_BLK_S_UNSUPP)
		check_fail("the answer is 0x%x", got);
}

static void beyond(const char *what, uint32_t type, uint64_t sector, uint32_t len)
{
	begin(what);
	if (vdev_start(dev, 0, queues))
		expect_error(request(type, sector, arena(len, 512), len));
	end();
}

static void places(void)
{
	static const struct {
		const char *what;
		uint64_t sector;
		uint32_t len;
	} places[] = {
		{"at the disk's end", DISK_SECTORS, 512},
		{"over the disk's end", DISK_SECTORS - 1, 1024},
		{"far behind the disk", 1ull << 40, 512},
		{"a sector whose byte is 2^63", 1ull << 54, 512},
		{"a sector whose byte wraps", 1ull << 55, 512},
		{"the last sector there is", UINT64_MAX, 512},
		{"an end that wraps", (UINT64_MAX >> 9) - 1, 4096},
		{"half a sector", 0, 256},
		{"a sector and a byte", 0, 513},
	};
	static char what[2][80];

	for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		memcpy(what[0], "read: ", 6);
		memcpy(what[0] + 6, places[i].what, strlen(places[i].what) + 1);
		beyond(what[0], VIRTIO_BLK_T_IN, places[i].sector, places[i].len);
		memcpy(what[1], "write: ", 7);
		memcpy(what[1] + 7, places[i].what, strlen(places[i].what) + 1);
		beyond(what[1], VIRTIO_BLK_T_OUT, places[i].sector, places[i].len);
	}
}

static void types(void)
{
	static const uint32_t odd[] = {2, 3, 5, 7, 12, 15, 17, 31, 0x80000000, UINT32_MAX};

	begin("types that nobody knows");
	if (vdev_start(dev, 0, queues))
		for (unsigned int i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
			expect_error(request(odd[i], 0, arena(512, 512), 512));
	end();
}

static void read_only(void)
{
	begin("a write to a read-only disk");
	if (vdev_start(dev, 0, queues))
		expect_error(request(VIRTIO_BLK_T_OUT, 0, arena(512, 512), 512));
	end();
}

/* Requests in other pieces: the header split, all in one, an identity longer or shorter than it is.
 */

static void header_in_bytes(void)
{
	begin("a header in sixteen pieces");
	if (vdev_start(dev, 0, queues)) {
		struct vq *q = &queues[0];
		uint8_t *hdr = (uint8_t *)header(VIRTIO_BLK_T_IN, 0), *data = arena(513, 512);
		const uint64_t *first = (const void *)data;
		unsigned int pieces = q->size - 1;

		data[512] = 0xee;
		for (unsigned int i = 0; i < pieces; i++)
			vq_desc(q, i, hdr + i, i + 1 < pieces ? 1 : HDR - i, VRING_DESC_F_NEXT,
				(uint16_t)(i + 1));
		vq_desc(q, pieces, data, 513, VRING_DESC_F_WRITE, 0);
		if (submit(&data[512]) || *first != DISK_WORD(0))
			check_fail("status %u, data 0x%lx", data[512], *first);
	}
	end();
}

static void no_request(const char *what, uint32_t header_len, uint32_t status_len)
{
	begin(what);
	if (vdev_start(dev, 0, queues)) {
		struct vq *q = &queues[0];

		vq_desc(q, 0, header(VIRTIO_BLK_T_FLUSH, 0), header_len,
			status_len ? VRING_DESC_F_NEXT : 0, 1);
		vq_desc(q, 1, arena(8, 8), status_len, VRING_DESC_F_WRITE, 0);
		if (submit(NULL) != BROKEN)
			check_fail("it was served");
	}
	end();
}

static void identity(void)
{
	begin("an identity into 1 byte, and into a megabyte");
	if (vdev_start(dev, 0, queues)) {
		uint8_t *id = arena(1u << 20, 8);

		id[1] = 0x5a;
		request(VIRTIO_BLK_T_GET_ID, 0, id, 1);
		if (id[1] != 0x5a)
			check_fail("more than a byte was written");
		memset(id, 0x5a, 64);
		request(VIRTIO_BLK_T_GET_ID, 0, id, 1u << 20);
		if (id[VIRTIO_BLK_ID_BYTES] != 0x5a)
			check_fail("more than an identity was written");
	}
	end();
}

/* Discard and write-zeroes, where there are any: nothing of the disk may change. */
static void segments(uint32_t type, uint64_t feature, const char *name)
{
	static const struct {
		const char *what;
		struct virtio_blk_discard_write_zeroes segment;
		uint32_t len;
	} odd[] = {
		{"behind the disk", {DISK_SECTORS, 8, 0}, 16},
		{"over the disk's end", {DISK_SECTORS - 1, 2, 0}, 16},
		{"that wrap", {UINT64_MAX - 3, 8, 0}, 16},
		{"of 4 billion sectors", {0, UINT32_MAX, 0}, 16},
		{"with all flags", {0, 8, UINT32_MAX}, 16},
		{"cut short", {0, 8, 0}, 15},
		{"of no bytes", {0, 8, 0}, 0},
	};

	if (!(dev->features & feature))
		return;
	for (unsigned int i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		check_begin("%s in slot %u: %s %s", dev->name, dev->slot, name, odd[i].what);
		arena_reset();
		if (vdev_start(dev, feature, queues)) {
			uint8_t *segment = arena(16, 16);
			uint32_t got;

			memcpy(segment, &odd[i].segment, 16);
			got = request(type, 0, segment, odd[i].len);
			if (got != BROKEN)
				expect_error(got);
		}
		end();
	}
	check_begin("%s in slot %u: 256 %s at once, the last behind the disk", dev->name, dev->slot,
		name);
	arena_reset();
	if (vdev_start(dev, feature, queues)) {
		struct virtio_blk_discard_write_zeroes *list = arena(16 * 256, 16);
		uint32_t got;

		for (unsigned int i = 0; i < 256; i++)
			list[i].sector = i;
		list[255] = (struct virtio_blk_discard_write_zeroes){DISK_SECTORS, 1, 0};
		got = request(type, 0, list, 16 * 256);
		if (got != BROKEN)
			expect_error(got);
	}
	end();
}

/* The same sector into the same buffer, as often as the queue holds, and reset while it is done. */
static void reset_under_load(void)
{
	begin("resets while the queue is full of reads");
	for (unsigned int round = 0; round < 20 && !check_failed(); round++) {
		struct vq *q = &queues[0];
		uint8_t *data = arena(4096, 4096), *status = arena(1, 1);

		if (!vdev_start(dev, 0, queues)) {
			check_fail("the device doesn't start");
			break;
		}
		vq_desc(q, 0, header(VIRTIO_BLK_T_IN, 8), HDR, VRING_DESC_F_NEXT, 1);
		vq_desc(q, 1, data, 4096, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
		vq_desc(q, 2, status, 1, VRING_DESC_F_WRITE, 0);
		for (unsigned int i = 0; i < q->size; i++)
			vq_put(q, 0);
		vq_kick(q);
		if (!vdev_reset(dev))
			check_fail("no reset");
		memset(data, 0xa5, 4096);
		*status = 0xa5;
		for (uint64_t until = rt_ticks() + TICKS_SHORT; rt_ticks() < until;)
			shared_pause();
		for (unsigned int i = 0; i < 4096; i++)
			if (data[i] != 0xa5)
				check_fail("byte %u was written after the reset", i);
		if (*status != 0xa5)
			check_fail("the status was written after the reset");
	}
	end();
}

void guest_main(void)
{
	vdev_find_all();
	for (unsigned int d = 0; d < device_count; d++) {
		dev = &devices[d];
		if (dev->id != VIRTIO_ID_BLOCK)
			continue;
		places();
		types();
		if (is_read_only())
			read_only();
		header_in_bytes();
		no_request("a header cut short", HDR - 1, 1);
		no_request("no room for the status", HDR, 0);
		identity();
		segments(VIRTIO_BLK_T_DISCARD, FEATURE(VIRTIO_BLK_F_DISCARD), "discards");
		segments(VIRTIO_BLK_T_WRITE_ZEROES, FEATURE(VIRTIO_BLK_F_WRITE_ZEROES), "zeroes");
		reset_under_load();
	}
}
