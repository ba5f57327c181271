// SPDX-License-Identifier: Apache-2.0
// Parts of host files brought into the monitor or into guest memory.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct err;
struct guest_mem;

/*
 * file_open() - open a regular file for reading
 * @what:	names its role in messages: "kernel", "initrd"
 * @ret_size:	in bytes, more than 0
 *
 * Return: a descriptor that the caller closes, or -errno with @err set.
 */
int file_open(const char *what, const char *path, uint64_t *ret_size, struct err *err);

/*
 * file_adopt() - the same for a file that was inherited open
 * @fd:		taken over in any case
 * @name:	for messages
 */
int file_adopt(const char *what, const char *name, int fd, uint64_t *ret_size, struct err *err);

/* file_read() - read exactly @n bytes at @offset. Return: 0, -ENODATA past the end, -errno. */
int file_read(int fd, uint64_t offset, void *data, size_t n);

/*
 * file_place() - make guest memory [@gpa, @gpa + @len) hold the file's bytes at @offset
 *
 * Whole pages at a page-aligned @offset and @gpa are mapped privately in place of the RAM there, so
 * that microVMs share what they don't write to; the rest is read. What is mapped is noted in @mem.
 * RAM behind the last byte keeps what it had. What the guest will write to is better read, with
 * file_read(): a page of a mapping costs two faults and a copy.
 *
 * Return: 0, -EFAULT if that isn't all RAM, -ENODATA past the end of the file, -errno.
 * Context: before the first vCPU runs.
 */
int file_place(struct guest_mem *mem, int fd, uint64_t offset, uint64_t len, uint64_t gpa);
