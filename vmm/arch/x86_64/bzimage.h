// SPDX-License-Identifier: Apache-2.0
// The Linux x86 boot protocol: bzImage files and the zero page.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;
struct guest_mem;

/* Bytes of a bzImage that hold the setup header, and the zero page's size. */
#define BZIMAGE_HEAD_LEN 4096
#define ZERO_PAGE_LEN 4096

/*
 * struct bzimage - a checked and loaded bzImage
 * @entry:	gpa of its 64-bit entry
 * @end:	behind the memory that it needs before it reads its memory map (init_size)
 * @cmdline_max:	longest command line, without the NUL
 * @initrd_max:	highest gpa an initrd may reach
 */
struct bzimage {
	uint64_t entry;
	uint64_t end;
	uint32_t cmdline_max;
	uint64_t initrd_max;
};

/* bzimage_probe() - is this the head of one? @head: BZIMAGE_HEAD_LEN bytes. */
bool bzimage_probe(const uint8_t *head);

/*
 * bzimage_load() - place the protected-mode part, copy the setup header into the zero page
 * @fd, @size, @path:	the file, hostile
 * @zero_page:		ZERO_PAGE_LEN bytes of guest memory, already zero
 *
 * Return: 0 or -errno with @err set. Spec: Linux Documentation/arch/x86/boot.rst, 2.12 or newer.
 */
int bzimage_load(struct guest_mem *mem, int fd, uint64_t size, const char *path, uint8_t *zero_page,
	struct bzimage *ret, struct err *err);
