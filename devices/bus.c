// SPDX-License-Identifier: Apache-2.0
// The bus.
#include "devices/bus.h"

#include <errno.h>
#include <string.h>

int bus_add(struct bus *bus, uint64_t base, uint64_t len, const struct bus_ops *ops, void *dev)
{
	unsigned int pos = 0;
	uint64_t end;

	if (!len || __builtin_add_overflow(base, len, &end))
		return -EINVAL;
	if (bus->count == BUS_RANGES_MAX)
		return -ENOSPC;
	while (pos < bus->count && bus->ranges[pos].base < base)
		pos++;
	if (pos > 0 && base - bus->ranges[pos - 1].base < bus->ranges[pos - 1].len)
		return -EEXIST;
	if (pos < bus->count && bus->ranges[pos].base < end)
		return -EEXIST;
	memmove(&bus->ranges[pos + 1], &bus->ranges[pos],
		(bus->count - pos) * sizeof(bus->ranges[0]));
	bus->ranges[pos] = (struct bus_range){.base = base, .len = len, .ops = ops, .dev = dev};
	bus->count++;
	return 0;
}

/* The range that holds all of the access, or NULL. */
static const struct bus_range *bus_find(const struct bus *bus, uint64_t addr, unsigned int len)
{
	unsigned int low = 0, high = bus->count;
	const struct bus_range *range;

	if (len != 1 && len != 2 && len != 4 && len != 8)
		return NULL;
	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (bus->ranges[mid].base <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return NULL;
	range = &bus->ranges[low - 1];
	if (addr - range->base >= range->len || len > range->len - (addr - range->base))
		return NULL;
	return range;
}

bool bus_read(const struct bus *bus, uint64_t addr, void *data, unsigned int len)
{
	const struct bus_range *range = bus_find(bus, addr, len);

	memset(data, 0xff, len);
	if (range && range->ops->read)
		range->ops->read(range->dev, addr - range->base, data, len);
	return range;
}

bool bus_write(const struct bus *bus, uint64_t addr, const void *data, unsigned int len)
{
	const struct bus_range *range = bus_find(bus, addr, len);

	if (range && range->ops->write)
		range->ops->write(range->dev, addr - range->base, data, len);
	return range;
}
