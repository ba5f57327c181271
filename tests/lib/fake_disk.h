// SPDX-License-Identifier: Apache-2.0
// A disk in an array that fails, comes up short, or answers late when told to.
#pragma once

#include "devices/backend/disk.h"

#define FAKE_DISK_PENDING_MAX 16

struct fake_request {
	disk_done_fn *done;
	void *ctx;
	int64_t result;
};

/*
 * struct fake_disk - the disk
 * @error:	negative errno that every request gets, 0 for none
 * @short_by:	bytes missing from each result
 * @defer:	requests wait for fake_disk_complete()
 * @freed:	set when the device frees it, if not NULL
 */
struct fake_disk {
	struct disk disk;
	uint8_t *data;
	int error;
	int64_t short_by;
	bool defer;
	unsigned int reads, writes, flushes;
	unsigned int pending_count;
	struct fake_request pending[FAKE_DISK_PENDING_MAX];
	bool *freed;
};

/* A zeroed disk of @sectors. Its memory goes with disk_free(). */
struct fake_disk *fake_disk_new(uint64_t sectors, bool read_only);
/* Answer all that wait, newest first. */
void fake_disk_complete(struct fake_disk *fd);
