// SPDX-License-Identifier: Apache-2.0
// A 64-bit ELF kernel: checked, and mapped or read into guest memory.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;
struct guest_mem;

/*
 * struct elf_kernel - what a loaded kernel says of itself, all guest-physical
 * @entry:	e_entry
 * @pvh_entry:	of the XEN_ELFNOTE_PHYS32_ENTRY note, or 0
 * @end:	behind the last byte of its last segment, bss included
 */
struct elf_kernel {
	uint64_t entry;
	uint64_t pvh_entry;
	uint64_t end;
};

/* elf_kernel_probe() - does the file begin like an ELF file? @head: its first 4 bytes. */
bool elf_kernel_probe(const uint8_t *head);

/*
 * elf_kernel_load() - put every PT_LOAD segment of @fd at its physical address
 * @fd:		regular file, hostile; @path only for messages
 * @size:	of the file, in bytes
 * @machine:	wanted e_machine
 * @base:	segments must lie at or above this gpa
 *
 * Segments that aren't to be written to and are page-aligned in file and memory are mapped
 * privately, so that microVMs share them through the page cache; the rest is read.
 *
 * Return: 0 or -errno with @err set. Spec: ELF-64 object file format 1.5, PVH boot ABI of Xen.
 */
int elf_kernel_load(struct guest_mem *mem, int fd, const char *path, uint64_t size,
	uint16_t machine, uint64_t base, struct elf_kernel *ret, struct err *err);
