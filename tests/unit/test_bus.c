// SPDX-License-Identifier: Apache-2.0
// Tests of devices/bus.h.
#include "devices/bus.h"

#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>

/* Remembers the last access. */
struct probe {
	uint64_t offset;
	unsigned int len;
	unsigned int reads, writes;
};

static void probe_read(void *dev, uint64_t offset, void *data, unsigned int len)
{
	struct probe *p = dev;

	p->offset = offset;
	p->len = len;
	p->reads++;
	memset(data, 0x5a, len);
}

static void probe_write(void *dev, uint64_t offset, const void *data, unsigned int len)
{
	struct probe *p = dev;

	p->offset = offset;
	p->len = len;
	p->writes++;
}

static const struct bus_ops probe_ops = {.read = probe_read, .write = probe_write};
static const struct bus_ops deaf_ops = {0};

START_TEST(finds_the_right_device)
{
	struct probe probes[8] = {0};
	struct bus bus = {0};
	uint32_t value = 0;

	/* Out of order, with gaps. */
	for (unsigned int i = 0; i < 8; i++) {
		unsigned int slot = i * 5 % 8;

		ck_assert_int_eq(bus_add(&bus, 0x1000 * slot, 0x800, &probe_ops, &probes[slot]), 0);
	}
	for (unsigned int i = 0; i < 8; i++) {
		ck_assert(bus_read(&bus, 0x1000 * i + 0x7fc, &value, 4));
		ck_assert_uint_eq(value, 0x5a5a5a5a);
		ck_assert_uint_eq(probes[i].reads, 1);
		ck_assert_uint_eq(probes[i].offset, 0x7fc);
		ck_assert_uint_eq(probes[i].len, 4);
		ck_assert(!bus_read(&bus, 0x1000 * i + 0x800, &value, 4));
	}
}
END_TEST

START_TEST(unclaimed_reads_as_ones)
{
	struct probe probe = {0};
	struct bus bus = {0};
	uint64_t value = 0;

	bus_add(&bus, 0x1000, 0x10, &probe_ops, &probe);
	ck_assert(!bus_read(&bus, 0xfff, &value, 1));
	ck_assert_uint_eq(value, 0xff);
	ck_assert(!bus_read(&bus, 0x100c, &value, 8));
	ck_assert_uint_eq(value, UINT64_MAX);
	ck_assert(!bus_read(&bus, 0xffc, &value, 8));
	ck_assert(!bus_read(&bus, UINT64_MAX, &value, 8));
	ck_assert(!bus_write(&bus, 0x100f, &value, 2));
	ck_assert_uint_eq(probe.reads + probe.writes, 0);
}
END_TEST

START_TEST(odd_widths_are_nobodys)
{
	struct probe probe = {0};
	struct bus bus = {0};
	uint8_t data[16];

	bus_add(&bus, 0, 0x100, &probe_ops, &probe);
	for (unsigned int len = 0; len <= 16; len++) {
		bool legal = len == 1 || len == 2 || len == 4 || len == 8;

		ck_assert_int_eq(bus_read(&bus, 0, data, len), legal);
		ck_assert_int_eq(bus_write(&bus, 0, data, len), legal);
	}
}
END_TEST

START_TEST(missing_ops)
{
	struct bus bus = {0};
	uint16_t value = 0;

	bus_add(&bus, 0, 2, &deaf_ops, NULL);
	ck_assert(bus_read(&bus, 0, &value, 2));
	ck_assert_uint_eq(value, 0xffff);
	ck_assert(bus_write(&bus, 0, &value, 2));
}
END_TEST

START_TEST(add_refuses)
{
	struct bus bus = {0};

	ck_assert_int_eq(bus_add(&bus, 0x10, 0x10, &deaf_ops, NULL), 0);
	ck_assert_int_eq(bus_add(&bus, 0x1f, 1, &deaf_ops, NULL), -EEXIST);
	ck_assert_int_eq(bus_add(&bus, 0x10, 1, &deaf_ops, NULL), -EEXIST);
	ck_assert_int_eq(bus_add(&bus, 0, 0x11, &deaf_ops, NULL), -EEXIST);
	ck_assert_int_eq(bus_add(&bus, 0, 0x100, &deaf_ops, NULL), -EEXIST);
	ck_assert_int_eq(bus_add(&bus, 0x40, 0, &deaf_ops, NULL), -EINVAL);
	ck_assert_int_eq(bus_add(&bus, UINT64_MAX, 2, &deaf_ops, NULL), -EINVAL);
	ck_assert_int_eq(bus_add(&bus, 0, 0x10, &deaf_ops, NULL), 0);
	ck_assert_int_eq(bus_add(&bus, 0x20, 0x10, &deaf_ops, NULL), 0);
	for (unsigned int i = 3; i < BUS_RANGES_MAX; i++)
		ck_assert_int_eq(bus_add(&bus, 0x1000 * i, 1, &deaf_ops, NULL), 0);
	ck_assert_int_eq(bus_add(&bus, 0x30, 1, &deaf_ops, NULL), -ENOSPC);
}
END_TEST

SUITE("bus", finds_the_right_device, unclaimed_reads_as_ones, odd_widths_are_nobodys, missing_ops,
	add_refuses)
