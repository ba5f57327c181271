// SPDX-License-Identifier: Apache-2.0
// Parts of guest memory of which the guest is known to write nearly every page.
#pragma once

#include <stdint.h>

/* What one entry of a page directory maps: in a host's and a guest's tables. */
#define HUGE_PAGE (2ull << 20)

struct guest_mem;

/*
 * dense_memory() - have [@gpa, @gpa + @len) made of transparent huge pages, where the host has any
 *
 * A page that the guest meets for the first time costs an exit and a fault of the host's; a huge
 * one costs that once instead of 512 times, and no memory beyond what the guest would take anyway.
 * Whole 2 MiB blocks at least half of which are in the range are meant; none of them, if they
 * aren't all RAM.
 *
 * Context: before anything is written there.
 */
void dense_memory(const struct guest_mem *mem, uint64_t gpa, uint64_t len);
