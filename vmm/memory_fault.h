// SPDX-License-Identifier: Apache-2.0
// Files that are mapped into guest memory and become shorter meanwhile.
#pragma once

#include <stddef.h>

struct err;

/*
 * memory_fault_watch() - survive the end of a file in guest memory
 * @ram, @size:	guest memory, in whole pages; NULL and 0 to stop watching
 *
 * Who touches a page of a file behind the file's end gets SIGBUS, which would end the monitor with
 * all that it should have put in order. From here on such a page reads as zeroes, and a line on
 * stderr says so, once. There is one guest memory in a process.
 *
 * Return: 0 or -errno with @err set. Context: before other threads run.
 */
int memory_fault_watch(void *ram, size_t size, struct err *err);
