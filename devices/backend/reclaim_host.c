// SPDX-License-Identifier: Apache-2.0
// Guest memory given back to the host's kernel.
#include "devices/backend/reclaim.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "devices/guest_mem.h"

#include <assert.h>
#include <sys/mman.h>

/*
 * syscalls: loop: madvise(2 == MADV_DONTDUMP), madvise(2 == MADV_DONTNEED),
 * mmap(2 & PROT_EXEC == 0)
 */

/* Addresses [start, end). */
struct span {
	uintptr_t start;
	uintptr_t end;
};

/*
 * struct reclaim_host
 * @listed:	@files is filled
 * @files:	what is still mapped from files, sorted by nothing, none overlapping
 */
struct reclaim_host {
	struct reclaim base;
	const struct guest_mem *mem;
	size_t page_size;
	bool listed;
	unsigned int file_count;
	struct span files[RECLAIM_FILES_MAX];
	struct log_limit log_limit;
};

static struct reclaim_host *to_host(struct reclaim *reclaim)
{
	return container_of(reclaim, struct reclaim_host, base);
}

static void list_files(struct reclaim_host *host)
{
	const struct guest_mem *mem = host->mem;

	static_assert(GUEST_MEM_FILES_MAX <= RECLAIM_FILES_MAX, "all fit");
	for (unsigned int i = 0; i < mem->file_count; i++) {
		uintptr_t start = (uintptr_t)mem->files[i].hva;

		host->files[host->file_count++] = (struct span){start, start + mem->files[i].len};
	}
	host->listed = true;
}

/* Take [@start, @end) out of file @i, within which it lies. Return: false if there is no room. */
static bool cut_file(struct reclaim_host *host, unsigned int i, uintptr_t start, uintptr_t end)
{
	struct span *file = &host->files[i];

	if (start > file->start && end < file->end) {
		if (host->file_count == RECLAIM_FILES_MAX)
			return false;
		host->files[host->file_count++] = (struct span){end, file->end};
		file->end = start;
	} else if (start > file->start) {
		file->end = start;
	} else if (end < file->end) {
		file->start = end;
	} else {
		*file = host->files[--host->file_count];
	}
	return true;
}

static void release_file(struct reclaim_host *host, unsigned int i, uint8_t *hva, size_t len)
{
	if (!cut_file(host, i, (uintptr_t)hva, (uintptr_t)hva + len))
		return;
	/* As the rest of guest memory is. On failure the guest has lost what it gave away. */
	if (mmap(hva, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) {
		if (log_limit_pass(&host->log_limit))
			log_warn("balloon: %zu bytes of guest memory can't be replaced: errno %d",
				len, errno);
		return;
	}
	madvise(hva, len, MADV_DONTDUMP);
}

static void release_anonymous(struct reclaim_host *host, uint8_t *hva, size_t len)
{
	if (madvise(hva, len, MADV_DONTNEED) < 0 && log_limit_pass(&host->log_limit))
		log_warn("balloon: %zu bytes of guest memory can't be given back: errno %d", len,
			errno);
}

/* The file that begins first at or behind @at, or holds it; file_count if there is none. */
static unsigned int next_file(const struct reclaim_host *host, uintptr_t at)
{
	unsigned int best = host->file_count;

	for (unsigned int i = 0; i < host->file_count; i++)
		if (host->files[i].end > at &&
			(best == host->file_count ||
				host->files[i].start < host->files[best].start))
			best = i;
	return best;
}

/* Whole pages; each round ends at the beginning or the end of a file, or at the end. */
static void release_pages(struct reclaim_host *host, uint8_t *hva, size_t len)
{
	uintptr_t base = (uintptr_t)hva, at = base, end = base + len;

	while (at < end) {
		unsigned int i = next_file(host, at);
		uintptr_t stop = end;

		if (i < host->file_count && host->files[i].start <= at) {
			if (host->files[i].end < end)
				stop = host->files[i].end;
			release_file(host, i, hva + (at - base), stop - at);
		} else {
			if (i < host->file_count && host->files[i].start < end)
				stop = host->files[i].start;
			release_anonymous(host, hva + (at - base), stop - at);
		}
		at = stop;
	}
}

static void host_release(struct reclaim *reclaim, uint8_t *hva, size_t len)
{
	struct reclaim_host *host = to_host(reclaim);
	size_t before = -(uintptr_t)hva & (host->page_size - 1);

	if (!host->listed)
		list_files(host);
	if (len < before)
		return;
	len = (len - before) & ~(host->page_size - 1);
	release_pages(host, hva + before, len);
}

static void host_free(struct reclaim *reclaim)
{
	free(to_host(reclaim));
}

static const struct reclaim_ops host_ops = {
	.release = host_release,
	.free = host_free,
};

int reclaim_host_new(const struct guest_mem *mem, size_t page_size, struct reclaim **ret)
{
	struct reclaim_host *host = calloc(1, sizeof(*host));

	if (!host)
		return -ENOMEM;
	host->base.ops = &host_ops;
	host->mem = mem;
	host->page_size = page_size;
	*ret = &host->base;
	return 0;
}
