// SPDX-License-Identifier: Apache-2.0
// Guest RAM regions.
#include "devices/guest_mem.h"

#include <errno.h>
#include <stddef.h>

int guest_mem_add(struct guest_mem *mem, uint64_t gpa, uint64_t len, void *hva)
{
	uint64_t end;

	if (!len || !hva || __builtin_add_overflow(gpa, len, &end))
		return -EINVAL;
	if (mem->count == GUEST_MEM_REGIONS_MAX)
		return -ENOSPC;
	for (unsigned int i = 0; i < mem->count; i++) {
		const struct guest_mem_region *r = &mem->regions[i];

		if (gpa < r->gpa + r->len && r->gpa < end)
			return -EEXIST;
	}
	mem->regions[mem->count++] = (struct guest_mem_region){.gpa = gpa, .len = len, .hva = hva};
	return 0;
}

void *guest_mem_ptr(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	if (!len)
		return NULL;
	for (unsigned int i = 0; i < mem->count; i++) {
		const struct guest_mem_region *r = &mem->regions[i];

		/* Differences, not sums: gpa + len may wrap. */
		if (gpa >= r->gpa && gpa - r->gpa < r->len && len <= r->len - (gpa - r->gpa))
			return r->hva + (gpa - r->gpa);
	}
	return NULL;
}
