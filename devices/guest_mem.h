// SPDX-License-Identifier: Apache-2.0
// Guest RAM as the devices see it: the one way from a guest-physical address to bytes.
#pragma once

#include <stdint.h>

/* Below and above the 32-bit hole, and two to spare for hot-plugged or special memory. */
#define GUEST_MEM_REGIONS_MAX 4

/*
 * struct guest_mem_region - a stretch of RAM
 * @gpa:	first guest-physical address
 * @len:	bytes, not 0; gpa + len doesn't wrap
 * @hva:	where it is mapped here; not owned
 */
struct guest_mem_region {
	uint64_t gpa;
	uint64_t len;
	uint8_t *hva;
};

/* Parts of kernels and initrds that are mapped; a file with more of them is read. */
#define GUEST_MEM_FILES_MAX 16

/* struct guest_mem_file - RAM that shows a file's pages privately; whole pages */
struct guest_mem_file {
	uint8_t *hva;
	uint64_t len;
};

/*
 * struct guest_mem - all RAM of one VM
 *
 * Zero-initialise. Filled before any vCPU or device runs, read-only afterwards: no lock.
 */
struct guest_mem {
	unsigned int count;
	struct guest_mem_region regions[GUEST_MEM_REGIONS_MAX];
	unsigned int file_count;
	struct guest_mem_file files[GUEST_MEM_FILES_MAX];
};

/*
 * guest_mem_add() - add a region
 * @gpa, @len:	as in struct guest_mem_region
 * @hva:	a mapping of @len bytes that outlives @mem
 *
 * Return: 0, -EINVAL for an empty or wrapping region, -EEXIST if it overlaps one, -ENOSPC.
 */
int guest_mem_add(struct guest_mem *mem, uint64_t gpa, uint64_t len, void *hva);

/*
 * guest_mem_ptr() - reach guest bytes
 * @gpa:	untrusted
 * @len:	bytes, untrusted
 *
 * The guest may change the bytes at any moment: read each once into a local, check that, use that.
 *
 * Return: the first byte, or NULL unless all @len bytes are RAM of one region (@len 0: NULL).
 * Context: any thread.
 */
void *guest_mem_ptr(const struct guest_mem *mem, uint64_t gpa, uint64_t len);
