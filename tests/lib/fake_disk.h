// SPDX-License-Identifier: Apache-2.0
// A disk in an array that fails or answers late when told to.
#pragma once

#include "devices/backend/disk.h"

#define FAKE_DISK_PENDING_MAX 512
#define FAKE_DISK_OPS (DISK_WRITE_ZEROES + 1)

/*
 * struct fake_disk - the disk
 * @error:	negative errno that every request gets, 0 for none
 * @defer:	requests wait for fake_disk_complete()
 * @counts:	requests so far, by enum disk_op; @durable: how many of them were to be durable
 * @unmapped:	how many write-zeroes might unmap
 * @commits:	calls so far
 * @next_capacity: what refresh finds, 0: an error
 * @freed:	set when the device frees it, if not NULL
 */
struct fake_disk {
	struct disk disk;
	uint8_t *data;
	int error;
	bool defer;
	unsigned int counts[FAKE_DISK_OPS];
	unsigned int durable;
	unsigned int unmapped;
	unsigned int commits;
	uint64_t next_capacity;
	unsigned int pending_count;
	struct disk_req *pending[FAKE_DISK_PENDING_MAX];
	bool *freed;
};

/* A zeroed disk of @sectors. Its memory goes with disk_free(). */
struct fake_disk *fake_disk_new(uint64_t sectors, bool read_only);
/* Answer all that wait, newest first, as one batch. */
void fake_disk_complete(struct fake_disk *fd);
/* How many requests there were. */
unsigned int fake_disk_total(const struct fake_disk *fd);
