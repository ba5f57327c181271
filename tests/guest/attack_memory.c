// SPDX-License-Identifier: Apache-2.0
// Attack: balloons filled with what isn't the guest's to give, and requests for more random bytes
// than there are.
#include "tests/guest/use.h"
#include "vmm/arch/x86_64/layout.h"

#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>

#define PFN(gpa) ((uint32_t)((gpa) >> VIRTIO_BALLOON_PFN_SHIFT))
/* Most page numbers in a request (devices/balloon.c). */
#define PFNS_MAX 4096u
#define STATS_VQ 2u

static struct vq queues[QUEUES_MAX];
static struct vdev *dev;

static uint64_t ram_end(void)
{
	return rt_ram.high_end ? rt_ram.high_end : rt_ram.low_end;
}

static void begin(const char *what)
{
	check_begin("%s: %s", dev->name, what);
	arena_reset();
}

static void end(void)
{
	prove(dev);
	prove_others(dev);
	check_end();
}

static void expect_broken(void)
{
	if (!WAIT_FOR(vdev_status(dev) & STATUS_NEEDS_RESET))
		check_fail("the device doesn't ask for a reset, used %u", queues[0].used->idx);
}

static void expect_served(struct vq *q)
{
	if (!vq_wait(q, NULL, NULL))
		check_fail("not served, status 0x%x", vdev_status(dev));
}

/* A page number that is none. */
static void bad_page(const char *what, uint32_t pfn)
{
	uint32_t *pfns;

	begin(what);
	if (vdev_start(dev, 0, queues)) {
		pfns = arena(8, 8);
		pfns[0] = PFN(SPARE_PAGE);
		pfns[1] = pfn;
		vq_desc(&queues[0], 0, pfns, 8, 0, 0);
		vq_submit(&queues[0], 0);
		expect_broken();
	}
	end();
}

static void bad_list(const char *what, uint32_t len, uint16_t flags)
{
	begin(what);
	if (vdev_start(dev, 0, queues)) {
		uint32_t *pfns = arena(len + 4, 8);

		for (uint32_t i = 0; i < len / 4 + 1; i++)
			pfns[i] = PFN(SPARE_PAGE);
		vq_desc(&queues[0], 0, pfns, len, flags, 0);
		vq_submit(&queues[0], 0);
		expect_broken();
	}
	end();
}

/* Pages that are in use: rings, the list itself. Only the guest is the worse for it. */
static void own_pages(const char *what, bool rings)
{
	begin(what);
	if (vdev_start(dev, 0, queues)) {
		struct vq *q = &queues[0];
		uint32_t *pfns = arena(16, 4096);

		pfns[0] = rings ? PFN((uint64_t)q->used) : PFN((uint64_t)pfns);
		pfns[1] = rings ? PFN((uint64_t)q->avail) : PFN((uint64_t)pfns);
		pfns[2] = rings ? PFN((uint64_t)q->desc) : PFN(SPARE_PAGE);
		vq_desc(q, 0, pfns, 12, 0, 0);
		vq_submit(q, 0);
		prove_others(dev);
		for (unsigned int i = 0; i < 4; i++)
			vq_submit(q, 0);
		prove_others(dev);
	}
	end();
}

static void same_page_often(void)
{
	begin("one page 4,096 times, in the order that sorts worst");
	if (vdev_start(dev, 0, queues)) {
		uint32_t *pfns = arena(4 * PFNS_MAX, 8);

		for (uint32_t i = 0; i < PFNS_MAX; i++)
			pfns[i] = PFN(SPARE_PAGE) + (PFNS_MAX - i) % 512;
		for (unsigned int times = 0; times < 16; times++) {
			vq_desc(&queues[0], 0, pfns, 4 * PFNS_MAX, 0, 0);
			vq_submit(&queues[0], 0);
			expect_served(&queues[0]);
		}
	}
	end();
}

/* All of RAM as one free page, many times over, but for what this guest stands on. */
static void report_everything(void)
{
	begin("hundreds of GiB reported free");
	if (vdev_start(dev, FEATURE(VIRTIO_BALLOON_F_REPORTING), queues)) {
		struct vq *q = &queues[2];
		uint64_t from = SPARE_PAGE, len = rt_ram.low_end - from;

		for (unsigned int i = 0; i < q->size; i++)
			vq_desc(q, i, (void *)from, (uint32_t)(len > 1u << 27 ? 1u << 27 : len),
				(uint16_t)(VRING_DESC_F_WRITE |
					   (i + 1 < q->size ? VRING_DESC_F_NEXT : 0)),
				(uint16_t)(i + 1));
		for (unsigned int times = 0; times < 64 && !check_failed(); times++) {
			vq_submit(q, 0);
			expect_served(q);
		}
	}
	end();
}

static void report_unaligned(void)
{
	uint64_t *around = (void *)SPARE_PAGE;

	begin("a report of parts of pages");
	memset(around, 0x5a, 4 * 4096);
	if (vdev_start(dev, FEATURE(VIRTIO_BALLOON_F_REPORTING), queues)) {
		vq_desc(&queues[2], 0, (void *)(SPARE_PAGE + 8), 4096, VRING_DESC_F_WRITE, 0);
		vq_submit(&queues[2], 0);
		expect_served(&queues[2]);
		if (around[0] != 0x5a5a5a5a5a5a5a5a)
			check_fail("what was before the part is gone");
		if (around[513] != 0x5a5a5a5a5a5a5a5a)
			check_fail("what was behind the part is gone");
	}
	end();
}

static void odd_statistics(void)
{
	begin("statistics that are none");
	if (vdev_start(dev, FEATURE(VIRTIO_BALLOON_F_STATS_VQ), queues)) {
		struct vq *q = &queues[STATS_VQ];
		uint8_t *stats = arena(4096, 8);

		memset(stats, 0xff, 4096);
		/* Each further one has the device return the one it holds. */
		for (uint32_t len = 1; len < 640; len += 91) {
			vq_desc(q, 0, stats, len, 0, 0);
			vq_submit(q, 0);
		}
		expect_served(q);
		vq_desc(q, 0, stats, 4096, 0, 0);
		vq_submit(q, 0);
		expect_broken();
	}
	end();
}

static void config_writes(void)
{
	begin("its config space written in all widths");
	if (vdev_start(dev, 0, queues)) {
		uint64_t config = dev->base + VIRTIO_MMIO_CONFIG;
		uint32_t target = mmio_read32(config);

		for (uint32_t at = 0; at < 32; at++) {
			mmio_write8(config + at, 0xff);
			mmio_write16(config + at, 0xffff);
			mmio_write32(config + at, UINT32_MAX);
			mmio_write64(config + at, UINT64_MAX);
		}
		if (mmio_read32(config) != target)
			check_fail("the target is 0x%x now", mmio_read32(config));
	}
	end();
}

static void attack_balloon(void)
{
	bad_page("a page in the hole", PFN(LAYOUT_HOLE + 0x1000000));
	bad_page("a page of registers", PFN(dev->base));
	bad_page("the page behind RAM", PFN(ram_end()));
	bad_page("the last page number there is", UINT32_MAX);
	bad_list("a list that ends within a number", 7, 0);
	bad_list("a list that is too long", 4 * PFNS_MAX + 4, 0);
	bad_list("a list to be written", 8, VRING_DESC_F_WRITE);
	own_pages("its own rings", true);
	own_pages("the list itself", false);
	same_page_often();
	config_writes();
	if (dev->features & FEATURE(VIRTIO_BALLOON_F_REPORTING)) {
		report_everything();
		report_unaligned();
	}
	if (dev->features & FEATURE(VIRTIO_BALLOON_F_STATS_VQ))
		odd_statistics();
}

/* Random bytes for all of RAM: each request is answered, with as much as the device likes. */
static void attack_rng(void)
{
	uint32_t len = 0;

	begin("requests for gigabytes");
	if (vdev_start(dev, 0, queues)) {
		struct vq *q = &queues[0];
		uint32_t part = 8u << 20;

		for (unsigned int i = 0; i < q->size; i++)
			vq_desc(q, i, (void *)SPARE_PAGE, part,
				(uint16_t)(VRING_DESC_F_WRITE |
					   (i + 1 < q->size ? VRING_DESC_F_NEXT : 0)),
				(uint16_t)(i + 1));
		for (unsigned int times = 0; times < 64 && !check_failed(); times++) {
			vq_submit(q, 0);
			if (!vq_wait(q, NULL, &len))
				check_fail("no answer, status 0x%x", vdev_status(dev));
			else if (!len || len > 1u << 20)
				check_fail("%u bytes at once", len);
		}
	}
	end();
	begin("a request that can't be written");
	if (vdev_start(dev, 0, queues)) {
		vq_desc(&queues[0], 0, arena(64, 8), 64, 0, 0);
		vq_submit(&queues[0], 0);
		expect_broken();
	}
	end();
}

void guest_main(void)
{
	vdev_find_all();
	dev = vdev_by_id(VIRTIO_ID_BALLOON);
	attack_balloon();
	dev = vdev_by_id(VIRTIO_ID_RNG);
	attack_rng();
}
