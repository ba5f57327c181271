// SPDX-License-Identifier: Apache-2.0
// Huge pages where the guest writes all of them.
#include "vmm/dense_memory.h"

#include "devices/guest_mem.h"

#include <stddef.h>
#include <sys/mman.h>

/* syscalls: start: madvise */

static uint64_t nearest(uint64_t gpa)
{
	return (gpa + HUGE_PAGE / 2) & ~(HUGE_PAGE - 1);
}

void dense_memory(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	uint64_t from = nearest(gpa), size = nearest(gpa + len) - from;
	uint8_t *hva = size ? guest_mem_ptr(mem, from, size) : NULL;

	/* A host without them has small pages, which do. */
	if (hva)
		(void)madvise(hva, size, MADV_HUGEPAGE);
}
