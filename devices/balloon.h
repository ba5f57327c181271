// SPDX-License-Identifier: Apache-2.0
// virtio-balloon: memory that the guest lends back to its host.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct guest_mem;
struct loop;
struct reclaim;
struct virtio_dev;

/* The balloon counts in pages of 4 KiB, whatever the guest's and the host's are. */
#define BALLOON_PAGES_PER_MIB 256u

/* What a guest tells, by its tag; a guest leaves out what it doesn't know. */
enum balloon_stat {
	BALLOON_STAT_SWAP_IN,
	BALLOON_STAT_SWAP_OUT,
	BALLOON_STAT_MAJOR_FAULTS,
	BALLOON_STAT_MINOR_FAULTS,
	BALLOON_STAT_FREE_MEMORY,
	BALLOON_STAT_TOTAL_MEMORY,
	BALLOON_STAT_AVAILABLE_MEMORY,
	BALLOON_STAT_DISK_CACHES,
	BALLOON_STAT_HUGETLB_ALLOCATIONS,
	BALLOON_STAT_HUGETLB_FAILURES,
	BALLOON_STAT_OOM_KILL,
	BALLOON_STAT_ALLOC_STALL,
	BALLOON_STAT_ASYNC_SCAN,
	BALLOON_STAT_DIRECT_SCAN,
	BALLOON_STAT_ASYNC_RECLAIM,
	BALLOON_STAT_DIRECT_RECLAIM,
	BALLOON_STAT_COUNT,
};

/* balloon_stat_name() - as Firecracker's API names it: "swap_in" ... "direct_reclaim" */
const char *balloon_stat_name(enum balloon_stat stat);

/*
 * struct balloon_config
 * @target_mib:	what the guest is asked to give up at first
 * @deflate_on_oom: it may take pages back when it is out of memory
 * @reporting:	it tells of free pages, which are given to the host until it uses them
 * @stats_s:	it is asked for its statistics every so many seconds; 0: never
 */
struct balloon_config {
	uint32_t target_mib;
	uint32_t stats_s;
	bool deflate_on_oom;
	bool reporting;
};

/*
 * struct balloon_stats - what is known
 * @target_pages, @actual_pages: what the guest is asked for, and what it says it gave
 * @present:	bit per enum balloon_stat: the guest's last report had it
 * @values:	bytes for memory, counts for events. From the guest, so untrusted
 * @released_bytes: given back to the host since the start, for the same page each time
 */
struct balloon_stats {
	uint32_t target_pages;
	uint32_t actual_pages;
	uint32_t stats_s;
	uint32_t present;
	uint64_t values[BALLOON_STAT_COUNT];
	uint64_t released_bytes;
};

/* What it counts, in virtio_dev's counters. */
enum balloon_counter {
	BALLOON_INFLATES, /* requests */
	BALLOON_DEFLATES,
	BALLOON_REPORTS_OF_STATS,
	BALLOON_STATS_BROKEN,
	BALLOON_BROKEN, /* any other queue's ring or request */
	BALLOON_FREE_PAGES_REPORTS,
	BALLOON_FREE_PAGES_BYTES, /* given back because of them */
	BALLOON_COUNTERS,
};

/*
 * balloon_new() - make a balloon
 * @loop, @mem:	outlive it; all of @mem is there
 * @reclaim:	taken over on success: the device frees it
 * @ret:	owned by the caller: (*ret)->ops->free(*ret) after its slot is gone
 *
 * Return: 0, -EINVAL if @config's target is more than the guest's memory, or -errno.
 */
int balloon_new(struct loop *loop, const struct guest_mem *mem, struct reclaim *reclaim,
	const struct balloon_config *config, struct virtio_dev **ret);

/*
 * balloon_set_target() - ask the guest for another size
 * @mib:	0 to the guest's memory
 *
 * Return: 0 or -EINVAL. Context: loop.
 */
int balloon_set_target(struct virtio_dev *dev, uint32_t mib);

/*
 * balloon_set_polling() - ask for statistics at another interval
 * @seconds:	0: no more, for now
 *
 * Return: 0; -ENOTSUP if the balloon was made without statistics, which the guest learns only at
 * its start; -errno. Context: loop.
 */
int balloon_set_polling(struct virtio_dev *dev, uint32_t seconds);

/* balloon_get_stats() - Context: loop. */
void balloon_get_stats(const struct virtio_dev *dev, struct balloon_stats *ret);
