// SPDX-License-Identifier: Apache-2.0
// A bus: which device answers a guest's access to an I/O port or to memory that is not RAM.
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* 24 virtio slots, the platform's own registers, and room. */
#define BUS_RANGES_MAX 64

/*
 * struct bus_ops - how a device answers
 * @read:	fill @len bytes of @data; it comes filled with 0xff
 * @write:	take @len bytes
 *
 * @dev is what bus_add() was given. @offset is from the range's base; @offset + @len lies within
 * the range. @len is 1, 2, 4 or 8; @data is in guest order (little-endian) and need not be
 * aligned. A NULL op reads as 0xff or ignores the write.
 *
 * Context: any vCPU thread, several at once.
 */
struct bus_ops {
	void (*read)(void *dev, uint64_t offset, void *data, unsigned int len);
	void (*write)(void *dev, uint64_t offset, const void *data, unsigned int len);
};

struct bus_range {
	uint64_t base;
	uint64_t len;
	const struct bus_ops *ops;
	void *dev;
};

/*
 * struct bus - ranges sorted by base, none overlapping
 *
 * Zero-initialise. Filled before vCPUs start, read-only afterwards: no lock.
 */
struct bus {
	unsigned int count;
	struct bus_range ranges[BUS_RANGES_MAX];
};

/*
 * bus_add() - claim [@base, @base + @len)
 * @ops, @dev:	not owned; outlive the bus
 *
 * Return: 0, -EINVAL for an empty or wrapping range, -EEXIST on overlap, -ENOSPC.
 */
int bus_add(struct bus *bus, uint64_t base, uint64_t len, const struct bus_ops *ops, void *dev);

/*
 * bus_read() / bus_write() - one guest access
 * @addr:	untrusted
 * @len:	bytes; widths other than 1, 2, 4 and 8 are claimed by nobody
 *
 * An access must lie wholly inside one range. What nobody claims reads as 0xff bytes, and its
 * writes go nowhere.
 *
 * Return: whether a device claimed it.
 * Context: any vCPU thread.
 */
bool bus_read(const struct bus *bus, uint64_t addr, void *data, unsigned int len);
bool bus_write(const struct bus *bus, uint64_t addr, const void *data, unsigned int len);
