// SPDX-License-Identifier: Apache-2.0
// A raw host file or block device, and what can be done with it.
#pragma once

#include "devices/backend/disk.h"

/* Indices of struct disk_host's descriptors. */
enum {
	DISK_FD_BUFFERED,
	DISK_FD_DIRECT,
	DISK_FD_COUNT,
};

/*
 * struct disk_host - an opened disk
 * @fds:	two descriptions of the same file; without direct I/O the second is -1. What direct
 *		I/O can't take, odd buffers or lengths, goes through the first: the kernel keeps
 *		both views the same, so there is no need for bounce buffers
 * @memory_mask, @offset_mask: bits that direct I/O wants to be zero in addresses, and in offsets
 *		and lengths
 * @no_punch, @no_zero: the file system said that it can't make holes, or zeroed ranges
 */
struct disk_host {
	int fds[DISK_FD_COUNT];
	uint64_t memory_mask;
	uint64_t offset_mask;
	bool no_punch;
	bool no_zero;
};

/*
 * disk_host_open() - open, check and lock
 * @fd:		an inherited descriptor, taken over, or -1: open @name
 * @ret, @disk:	set only on success; of @disk all but ops
 *
 * Return: 0, or -errno with @err set.
 */
int disk_host_open(int fd, const char *name, const struct disk_options *options,
	struct disk_host *ret, struct disk *disk, struct err *err);

void disk_host_close(struct disk_host *host);

/* disk_host_size() - Return: bytes, or -errno. */
int64_t disk_host_size(const struct disk_host *host);

/* disk_host_refresh() - disk_ops.refresh for a backend. */
int disk_host_refresh(const struct disk_host *host, struct disk *disk);

/* The backends; each takes over @host on success. Return: 0 or -errno. */
int disk_file_new(const struct disk_host *host, const struct disk *disk, struct disk **ret);
int disk_uring_new(struct loop *loop, const struct disk_host *host, const struct disk *disk,
	struct disk **ret);
