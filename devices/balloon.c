// SPDX-License-Identifier: Apache-2.0
// virtio-balloon. Spec: virtio 1.2 5.5
#include "devices/balloon.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/le.h"
#include "base/loop.h"
#include "devices/backend/reclaim.h"
#include "devices/guest_mem.h"
#include "devices/virtio.h"
#include "devices/virtqueue.h"

#include <endian.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <string.h>

/*
 * Theory of operation
 *
 *     num_pages (ours)  -->  the guest inflates or deflates  -->  actual (the guest's)
 *
 *     inflate     readable: page numbers, le32 each       the pages go back to the host
 *     deflate     readable: page numbers                  nothing: the next access makes a page
 *     statistics  readable: {le16 tag, le64 value} ...    kept here; returned to ask for new ones
 *     reporting   writable: the free pages themselves     they go back to the host
 *
 * Queues are numbered in this order, and those that were not negotiated have no number.
 *
 * Page numbers come in any order. They are gathered BALLOON_BATCH at a time and sorted, so that
 * neighbours go back in one call. A guest that lies about what it doesn't use harms itself only:
 * every page is found through guest_mem_ptr(), and one that is given back reads as zeroes.
 *
 * With PAGE_POISON the guest says that its free pages have a content that it will look at. If that
 * isn't zero, reported pages stay as they are.
 *
 * actual and poison_val belong to vCPU threads, the rest of the config space to the loop.
 */

#define BALLOON_QUEUE_SIZE 128
#define BALLOON_QUEUES_MAX 4
#define BALLOON_BATCH 256
/* Linux puts 256 into a request; more than this is nonsense. Also the bound of one notify. */
#define BALLOON_PFNS_MAX 4096
#define BALLOON_STAT_SIZE 10
/* Each tag once, and a few that are not known yet. */
#define BALLOON_STATS_MAX 64
#define BALLOON_SAVED_SIZE 16
/* A day; keeps milliseconds in their range. */
#define BALLOON_POLLING_MAX 86400

enum balloon_role {
	ROLE_INFLATE,
	ROLE_DEFLATE,
	ROLE_STATS,
	ROLE_REPORTING,
};

/*
 * struct balloon - the device
 * @roles:	what each queue is for; valid from activate to reset, @role_count of them
 * @active:	between activate and reset
 * @stats_held:	@stats_head is a chain that was taken and not returned: the guest waits for it
 * @stats_s:	interval, 0 for none
 * @pages:	addresses here of pages to give back
 * @chain:	the request being served; here, because it is too large for a stack
 */
struct balloon {
	struct virtio_dev dev;
	struct virtq queues[BALLOON_QUEUES_MAX];
	struct loop *loop;
	const struct guest_mem *mem;
	struct reclaim *reclaim;
	struct virtio_balloon_config config;
	enum balloon_role roles[BALLOON_QUEUES_MAX];
	unsigned int role_count;
	bool active;
	bool stats_held;
	uint16_t stats_head;
	uint32_t stats_s;
	struct loop_timer timer;
	uint32_t present;
	uint64_t values[BALLOON_STAT_COUNT];
	uint64_t released_bytes;
	uint64_t counters[BALLOON_COUNTERS];
	unsigned int page_count;
	uint8_t *pages[BALLOON_BATCH];
	struct virtq_chain chain;
};

static const char *const stat_names[BALLOON_STAT_COUNT] = {
	[BALLOON_STAT_SWAP_IN] = "swap_in",
	[BALLOON_STAT_SWAP_OUT] = "swap_out",
	[BALLOON_STAT_MAJOR_FAULTS] = "major_faults",
	[BALLOON_STAT_MINOR_FAULTS] = "minor_faults",
	[BALLOON_STAT_FREE_MEMORY] = "free_memory",
	[BALLOON_STAT_TOTAL_MEMORY] = "total_memory",
	[BALLOON_STAT_AVAILABLE_MEMORY] = "available_memory",
	[BALLOON_STAT_DISK_CACHES] = "disk_caches",
	[BALLOON_STAT_HUGETLB_ALLOCATIONS] = "hugetlb_allocations",
	[BALLOON_STAT_HUGETLB_FAILURES] = "hugetlb_failures",
	[BALLOON_STAT_OOM_KILL] = "oom_kill",
	[BALLOON_STAT_ALLOC_STALL] = "alloc_stall",
	[BALLOON_STAT_ASYNC_SCAN] = "async_scan",
	[BALLOON_STAT_DIRECT_SCAN] = "direct_scan",
	[BALLOON_STAT_ASYNC_RECLAIM] = "async_reclaim",
	[BALLOON_STAT_DIRECT_RECLAIM] = "direct_reclaim",
};

const char *balloon_stat_name(enum balloon_stat stat)
{
	return stat_names[stat];
}

static struct balloon *to_balloon(struct virtio_dev *dev)
{
	return container_of(dev, struct balloon, dev);
}

static uint64_t memory_pages(const struct guest_mem *mem)
{
	uint64_t pages = 0;

	for (unsigned int i = 0; i < mem->count; i++)
		pages += mem->regions[i].len >> VIRTIO_BALLOON_PFN_SHIFT;
	return pages;
}

static void release(struct balloon *b, uint8_t *hva, size_t len)
{
	b->reclaim->ops->release(b->reclaim, hva, len);
	b->released_bytes += len;
}

/* Sorting by insertion: guests send runs, which are sorted already, one way or the other. */
static void sort_pages(struct balloon *b)
{
	for (unsigned int i = 1; i < b->page_count; i++) {
		uint8_t *page = b->pages[i];
		unsigned int k = i;

		for (; k && (uintptr_t)b->pages[k - 1] > (uintptr_t)page; k--)
			b->pages[k] = b->pages[k - 1];
		b->pages[k] = page;
	}
}

/* Give back the pages that were gathered, in runs. */
static void release_pages(struct balloon *b)
{
	const size_t size = 1u << VIRTIO_BALLOON_PFN_SHIFT;
	size_t len = 0;
	uint8_t *start = NULL;

	sort_pages(b);
	for (unsigned int i = 0; i < b->page_count; i++) {
		uint8_t *page = b->pages[i];

		if (len && page == start + len) {
			len += size;
		} else if (!len || page != start + len - size) {
			if (len)
				release(b, start, len);
			start = page;
			len = size;
		}
	}
	if (len)
		release(b, start, len);
	b->page_count = 0;
}

/* One page number. Return: 0, or -1 if there is no such page. */
static int gather_page(struct balloon *b, uint32_t pfn)
{
	uint8_t *page = guest_mem_ptr(
		b->mem, (uint64_t)pfn << VIRTIO_BALLOON_PFN_SHIFT, 1u << VIRTIO_BALLOON_PFN_SHIFT);

	if (!page)
		return -1;
	b->pages[b->page_count++] = page;
	if (b->page_count == BALLOON_BATCH)
		release_pages(b);
	return 0;
}

/* Take up to @max bytes that begin @at bytes into the chain's readable part. Return: how many. */
static size_t read_chain(const struct virtq_chain *chain, size_t at, uint8_t *out, size_t max)
{
	size_t done = 0;

	for (unsigned int i = 0; i < chain->out_count && done < max; i++) {
		const struct iovec *iov = &chain->iov[i];
		size_t part;

		if (at >= iov->iov_len) {
			at -= iov->iov_len;
			continue;
		}
		part = iov->iov_len - at;
		if (part > max - done)
			part = max - done;
		memcpy(out + done, (const uint8_t *)iov->iov_base + at, part);
		done += part;
		at = 0;
	}
	return done;
}

/* Return: NULL, or what is wrong. */
static const char *serve_inflate(struct balloon *b)
{
	const struct virtq_chain *chain = &b->chain;
	uint8_t pfns[BALLOON_BATCH * sizeof(uint32_t)];
	const char *wrong = NULL;
	size_t n;

	if (chain->in_count || chain->out_len % sizeof(uint32_t) ||
		chain->out_len > BALLOON_PFNS_MAX * sizeof(uint32_t))
		return "bad list of pages";
	for (size_t at = 0; at < chain->out_len && !wrong; at += n) {
		n = read_chain(chain, at, pfns, sizeof(pfns));
		for (size_t i = 0; i < n && !wrong; i += sizeof(uint32_t))
			if (gather_page(b, le32_load(pfns + i)) < 0)
				wrong = "page outside its memory";
	}
	release_pages(b);
	return wrong;
}

static const char *serve_deflate(struct balloon *b)
{
	return b->chain.in_count ? "bad list of pages" : NULL;
}

static const char *serve_reporting(struct balloon *b)
{
	const struct virtq_chain *chain = &b->chain;
	uint32_t poison = __atomic_load_n(&b->config.poison_val, __ATOMIC_RELAXED);

	if (chain->out_count)
		return "report of free pages that are only read";
	if (poison && virtio_dev_has(&b->dev, VIRTIO_BALLOON_F_PAGE_POISON))
		return NULL;
	for (unsigned int i = 0; i < chain->in_count; i++)
		release(b, chain->iov[i].iov_base, chain->iov[i].iov_len);
	b->counters[BALLOON_FREE_PAGES_BYTES] += chain->in_len;
	return NULL;
}

/* The statistics stay with the device until the next are wanted. */
static const char *serve_stats(struct balloon *b, struct virtq *q)
{
	const struct virtq_chain *chain = &b->chain;
	uint8_t data[BALLOON_STATS_MAX * BALLOON_STAT_SIZE];
	size_t n;

	if (chain->in_count || chain->out_len > sizeof(data))
		return "bad statistics";
	if (b->stats_held)
		virtq_push(q, b->stats_head, 0);
	b->stats_held = true;
	b->stats_head = chain->head;
	/* What it puts there before it was asked is empty or zero: a report all the same. */
	b->present = 0;
	n = read_chain(chain, 0, data, sizeof(data));
	for (size_t i = 0; i + BALLOON_STAT_SIZE <= n; i += BALLOON_STAT_SIZE) {
		unsigned int tag = le16_load(data + i);

		if (tag >= BALLOON_STAT_COUNT)
			continue;
		b->present |= 1u << tag;
		b->values[tag] = le64_load(data + i + 2);
	}
	return NULL;
}

static void broken(struct balloon *b, unsigned int queue, const char *why)
{
	b->counters[b->roles[queue] == ROLE_STATS ? BALLOON_STATS_BROKEN : BALLOON_BROKEN]++;
	virtio_dev_broken(&b->dev, why);
}

/* Serve one chain of queue @queue. Return: its cost in pages, or -1 if the device is broken. */
static int serve(struct balloon *b, unsigned int queue)
{
	struct virtq *q = &b->queues[queue];
	const char *wrong = NULL;
	int cost = 1;

	switch (b->roles[queue]) {
	case ROLE_INFLATE:
		b->counters[BALLOON_INFLATES]++;
		wrong = serve_inflate(b);
		cost += (int)(b->chain.out_len / sizeof(uint32_t));
		break;
	case ROLE_DEFLATE:
		b->counters[BALLOON_DEFLATES]++;
		wrong = serve_deflate(b);
		break;
	case ROLE_STATS:
		b->counters[BALLOON_REPORTS_OF_STATS]++;
		wrong = serve_stats(b, q);
		break;
	case ROLE_REPORTING:
		cost += b->chain.in_count;
		b->counters[BALLOON_FREE_PAGES_REPORTS]++;
		wrong = serve_reporting(b);
		break;
	}
	if (wrong) {
		broken(b, queue, wrong);
		return -1;
	}
	if (b->roles[queue] != ROLE_STATS)
		virtq_push(q, b->chain.head, 0);
	return cost;
}

/* Serve what is there, to the bound of one notify. Return: 1 if more may wait, 0, -1 if broken. */
static int serve_queue(struct balloon *b, unsigned int queue)
{
	int budget = BALLOON_PFNS_MAX;

	while (budget > 0) {
		int r = virtq_pop(&b->queues[queue], &b->chain);

		if (r == 0)
			return 0;
		if (r < 0) {
			broken(b, queue, "bad ring");
			return -1;
		}
		r = serve(b, queue);
		if (r < 0)
			return -1;
		budget -= r;
	}
	return 1;
}

static void set_timer(struct balloon *b)
{
	if (b->active && b->stats_s)
		loop_timer_set(&b->timer, (uint64_t)b->stats_s * 1000);
}

static void balloon_notify(struct virtio_dev *dev, unsigned int queue)
{
	struct balloon *b = to_balloon(dev);
	int more;

	if (queue >= b->role_count)
		return;
	virtq_quiet(&b->queues[queue]);
	more = serve_queue(b, queue);
	if (more >= 0)
		more |= virtq_listen(&b->queues[queue]);
	virtio_dev_signal(dev, queue);
	if (more > 0)
		dev->transport->notify_later(dev, queue);
	else if (b->roles[queue] == ROLE_STATS && !more)
		set_timer(b);
}

/* Return the guest's statistics to it: that asks for new ones, which set the timer again. */
static void on_timer(struct loop_timer *timer)
{
	struct balloon *b = container_of(timer, struct balloon, timer);

	if (!b->active || !b->stats_held || atomic_load(&b->dev.broken))
		return;
	b->stats_held = false;
	for (unsigned int i = 0; i < b->role_count; i++) {
		if (b->roles[i] != ROLE_STATS)
			continue;
		virtq_push(&b->queues[i], b->stats_head, 0);
		virtio_dev_signal(&b->dev, i);
	}
}

static int balloon_activate(struct virtio_dev *dev)
{
	struct balloon *b = to_balloon(dev);

	b->role_count = 0;
	b->roles[b->role_count++] = ROLE_INFLATE;
	b->roles[b->role_count++] = ROLE_DEFLATE;
	if (virtio_dev_has(dev, VIRTIO_BALLOON_F_STATS_VQ))
		b->roles[b->role_count++] = ROLE_STATS;
	if (virtio_dev_has(dev, VIRTIO_BALLOON_F_REPORTING))
		b->roles[b->role_count++] = ROLE_REPORTING;
	b->active = true;
	return 0;
}

static void balloon_reset(struct virtio_dev *dev)
{
	struct balloon *b = to_balloon(dev);

	b->active = false;
	b->stats_held = false;
	b->role_count = 0;
	b->present = 0;
	if (b->timer.fn)
		loop_timer_set(&b->timer, 0);
	/* A balloon that was let go is empty: its guest may use all. vCPUs write these, too. */
	__atomic_store_n(&b->config.actual, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&b->config.poison_val, 0, __ATOMIC_RELAXED);
}

/* The statistics go back into the ring, from where the next notify takes them. */
static void balloon_quiesce(struct virtio_dev *dev)
{
	struct balloon *b = to_balloon(dev);

	for (unsigned int i = 0; i < b->role_count && b->stats_held; i++)
		if (b->roles[i] == ROLE_STATS)
			virtq_unpop(&b->queues[i]);
	b->stats_held = false;
	if (b->timer.fn)
		loop_timer_set(&b->timer, 0);
}

static void balloon_read_config(
	struct virtio_dev *dev, unsigned int offset, void *data, unsigned int len)
{
	struct balloon *b = to_balloon(dev);
	struct virtio_balloon_config config = {
		.num_pages = b->config.num_pages,
		.actual = __atomic_load_n(&b->config.actual, __ATOMIC_RELAXED),
		.poison_val = __atomic_load_n(&b->config.poison_val, __ATOMIC_RELAXED),
	};

	virtio_config_copy(&config, sizeof(config), offset, data, len);
}

/* Only whole writes of the two fields that are the guest's. */
static void balloon_write_config(
	struct virtio_dev *dev, unsigned int offset, const void *data, unsigned int len)
{
	struct balloon *b = to_balloon(dev);
	uint32_t value;

	if (len != sizeof(value))
		return;
	memcpy(&value, data, sizeof(value));
	/* Atomic: the loop reads them without the slot's mutex. */
	if (offset == offsetof(struct virtio_balloon_config, actual))
		__atomic_store_n(&b->config.actual, value, __ATOMIC_RELAXED);
	else if (offset == offsetof(struct virtio_balloon_config, poison_val))
		__atomic_store_n(&b->config.poison_val, value, __ATOMIC_RELAXED);
}

/* 0 u32 target pages, 4 u32 actual pages, 8 u32 poison, 12 u32 polling interval; little-endian */
static int balloon_save(struct virtio_dev *dev, struct buf *out)
{
	const struct balloon *b = to_balloon(dev);
	uint8_t data[BALLOON_SAVED_SIZE];

	le32_store(data, le32toh(b->config.num_pages));
	le32_store(data + 4, le32toh(__atomic_load_n(&b->config.actual, __ATOMIC_RELAXED)));
	le32_store(data + 8, le32toh(__atomic_load_n(&b->config.poison_val, __ATOMIC_RELAXED)));
	le32_store(data + 12, b->stats_s);
	return buf_add(out, data, sizeof(data));
}

static int balloon_load(struct virtio_dev *dev, const void *data, size_t len)
{
	struct balloon *b = to_balloon(dev);
	const uint8_t *p = data;
	uint32_t seconds;
	int r;

	if (len != BALLOON_SAVED_SIZE || le32_load(p) > memory_pages(b->mem))
		return -EINVAL;
	seconds = le32_load(p + 12);
	if (seconds || b->stats_s) {
		r = balloon_set_polling(dev, seconds);
		if (r < 0)
			return -EINVAL;
	}
	b->config.num_pages = htole32(le32_load(p));
	__atomic_store_n(&b->config.actual, htole32(le32_load(p + 4)), __ATOMIC_RELAXED);
	__atomic_store_n(&b->config.poison_val, htole32(le32_load(p + 8)), __ATOMIC_RELAXED);
	return 0;
}

static void balloon_free(struct virtio_dev *dev)
{
	struct balloon *b = to_balloon(dev);

	loop_timer_fini(b->loop, &b->timer);
	reclaim_free(b->reclaim);
	free(b);
}

static const struct virtio_dev_ops balloon_ops = {
	.name = "virtio-balloon",
	.activate = balloon_activate,
	.notify = balloon_notify,
	.reset = balloon_reset,
	.read_config = balloon_read_config,
	.write_config = balloon_write_config,
	.quiesce = balloon_quiesce,
	.save = balloon_save,
	.load = balloon_load,
	.free = balloon_free,
};

int balloon_new(struct loop *loop, const struct guest_mem *mem, struct reclaim *reclaim,
	const struct balloon_config *config, struct virtio_dev **ret)
{
	struct balloon *b;
	int r;

	if ((uint64_t)config->target_mib * BALLOON_PAGES_PER_MIB > memory_pages(mem))
		return -EINVAL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->dev = (struct virtio_dev){
		.ops = &balloon_ops,
		.id = VIRTIO_ID_BALLOON,
		.features = 1U << VIRTIO_RING_F_INDIRECT_DESC | 1U << VIRTIO_RING_F_EVENT_IDX,
		.counters = b->counters,
		.queues = b->queues,
		.queue_count = 2,
	};
	if (config->deflate_on_oom)
		b->dev.features |= 1U << VIRTIO_BALLOON_F_DEFLATE_ON_OOM;
	if (config->reporting) {
		b->dev.features |=
			1U << VIRTIO_BALLOON_F_REPORTING | 1U << VIRTIO_BALLOON_F_PAGE_POISON;
		b->dev.queue_count++;
	}
	b->loop = loop;
	b->mem = mem;
	b->config.num_pages = htole32(config->target_mib * BALLOON_PAGES_PER_MIB);
	if (config->stats_s) {
		b->dev.features |= 1U << VIRTIO_BALLOON_F_STATS_VQ;
		b->dev.queue_count++;
		r = balloon_set_polling(&b->dev, config->stats_s);
		if (r < 0) {
			free(b);
			return r;
		}
	}
	for (unsigned int i = 0; i < b->dev.queue_count; i++)
		b->queues[i].size_max = BALLOON_QUEUE_SIZE;
	b->reclaim = reclaim;
	*ret = &b->dev;
	return 0;
}

int balloon_set_target(struct virtio_dev *dev, uint32_t mib)
{
	struct balloon *b = to_balloon(dev);
	uint64_t pages = (uint64_t)mib * BALLOON_PAGES_PER_MIB;
	uint32_t value;

	if (pages > memory_pages(b->mem))
		return -EINVAL;
	value = htole32((uint32_t)pages);
	virtio_dev_change_config(dev, &b->config.num_pages, &value, sizeof(value));
	return 0;
}

int balloon_set_polling(struct virtio_dev *dev, uint32_t seconds)
{
	struct balloon *b = to_balloon(dev);
	int r;

	if (!(dev->features >> VIRTIO_BALLOON_F_STATS_VQ & 1))
		return -ENOTSUP;
	if (seconds > BALLOON_POLLING_MAX)
		return -EINVAL;
	/* Made when it is first needed: nobody else has a descriptor for it. */
	if (seconds && !b->timer.fn) {
		r = loop_timer_init(b->loop, &b->timer, on_timer);
		if (r < 0)
			return r;
	}
	b->stats_s = seconds;
	if (b->timer.fn)
		loop_timer_set(&b->timer, b->active ? (uint64_t)seconds * 1000 : 0);
	return 0;
}

void balloon_get_stats(const struct virtio_dev *dev, struct balloon_stats *ret)
{
	const struct balloon *b = (const struct balloon *)(const void *)dev;

	*ret = (struct balloon_stats){
		.target_pages = le32toh(b->config.num_pages),
		.actual_pages = le32toh(__atomic_load_n(&b->config.actual, __ATOMIC_RELAXED)),
		.stats_s = b->stats_s,
		.present = b->present,
		.released_bytes = b->released_bytes,
	};
	memcpy(ret->values, b->values, sizeof(ret->values));
}
