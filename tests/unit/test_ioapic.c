// SPDX-License-Identifier: Apache-2.0
// Tests of devices/ioapic.h.
#include "devices/ioapic.h"

#include "tests/lib/suite.h"

#include <string.h>

#define BASE 0xfec00000ull
#define MASKED (1u << 16)

static struct ioapic ioapic;
static struct bus bus;
static unsigned int calls, last_pin;
static bool sends;
static struct ioapic_msi last;

static void on_route(void *ctx, unsigned int pin, const struct ioapic_msi *msi)
{
	ck_assert_ptr_eq(ctx, &bus);
	calls++;
	last_pin = pin;
	sends = msi;
	if (msi)
		last = *msi;
}

static void setup(void)
{
	bus = (struct bus){0};
	calls = 0;
	ioapic_init(&ioapic, on_route, &bus);
	ck_assert_int_eq(bus_add(&bus, BASE, IOAPIC_SIZE, &ioapic_bus_ops, &ioapic), 0);
}

static void set(uint32_t reg, uint32_t value)
{
	bus_write(&bus, BASE, &reg, 4);
	bus_write(&bus, BASE + 0x10, &value, 4);
}

static uint32_t get(uint32_t reg)
{
	uint32_t value = 0x55555555;

	bus_write(&bus, BASE, &reg, 4);
	ck_assert(bus_read(&bus, BASE + 0x10, &value, 4));
	return value;
}

START_TEST(all_pins_are_masked)
{
	ck_assert_uint_eq(get(1), 0x11 | (IOAPIC_PINS_MAX - 1) << 16);
	for (uint32_t pin = 0; pin < IOAPIC_PINS_MAX; pin++) {
		ck_assert_uint_eq(get(0x10 + 2 * pin), MASKED);
		ck_assert_uint_eq(get(0x11 + 2 * pin), 0);
	}
	ck_assert_uint_eq(calls, 0);
}
END_TEST

START_TEST(an_entry_becomes_a_message)
{
	/* As Linux does: the destination first, masked, then the mask is lifted. */
	set(0x11 + 2 * 28, 0x3fu << 24);
	set(0x10 + 2 * 28, MASKED | 0x61);
	ck_assert_uint_eq(calls, 0);
	set(0x10 + 2 * 28, 0x61);
	ck_assert_uint_eq(calls, 1);
	ck_assert(sends);
	ck_assert_uint_eq(last_pin, 28);
	ck_assert_uint_eq(last.address, 0xfee3f000);
	ck_assert_uint_eq(last.data, 0x61);
	/* Another destination by the logical, lowest-priority mode. */
	set(0x10 + 2 * 28, 0x61 | 1 << 8 | 1 << 11);
	ck_assert_uint_eq(last.address, 0xfee3f004);
	ck_assert_uint_eq(last.data, 0x161);
	set(0x11 + 2 * 28, 0x80u << 24);
	ck_assert_uint_eq(last.address, 0xfee80004);
	ck_assert_uint_eq(calls, 3);
	set(0x10 + 2 * 28, MASKED | 0x61);
	ck_assert_uint_eq(calls, 4);
	ck_assert(!sends);
}
END_TEST

START_TEST(what_changes_nothing_is_not_told)
{
	set(0x10, 0x30);
	ck_assert_uint_eq(calls, 1);
	set(0x10, 0x30);
	/* Trigger and polarity: every line is an edge. */
	set(0x10, 0x30 | 1 << 13 | 1 << 15);
	ck_assert_uint_eq(calls, 1);
	ck_assert_uint_eq(get(0x10), 0x30 | 1 << 13 | 1 << 15);
}
END_TEST

START_TEST(odd_deliveries_send_nothing)
{
	static const uint32_t modes[] = {2, 3, 5, 6, 7};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		set(0x10, 0x30 | modes[i] << 8);
	ck_assert_uint_eq(calls, 0);
	set(0x10, 0x30 | 4 << 8);
	ck_assert_uint_eq(calls, 1);
	ck_assert_uint_eq(last.data, 0x430);
}
END_TEST

START_TEST(status_and_reserved_bits_stay)
{
	set(0x10, 0xffffffff);
	ck_assert_uint_eq(get(0x10), 0x1afff);
	set(0x11, 0xffffffff);
	ck_assert_uint_eq(get(0x11), 0xff000000);
	set(0, 0xffffffff);
	ck_assert_uint_eq(get(0), 0xff000000);
	ck_assert_uint_eq(get(2), 0xff000000);
	set(1, 0xffffffff);
	ck_assert_uint_eq(get(1), 0x11 | (IOAPIC_PINS_MAX - 1) << 16);
}
END_TEST

START_TEST(registers_that_do_not_exist)
{
	static uint64_t before[IOAPIC_PINS_MAX];

	memcpy(before, ioapic.entries, sizeof(before));
	for (uint32_t reg = 3; reg < 0x100; reg++) {
		if (reg >= 0x10 && reg < 0x10 + 2 * IOAPIC_PINS_MAX)
			continue;
		set(reg, 0x30);
		ck_assert_uint_eq(get(reg), 0);
	}
	ck_assert_uint_eq(calls, 0);
	ck_assert_mem_eq(ioapic.entries, before, sizeof(before));
}
END_TEST

START_TEST(fewer_pins)
{
	ioapic.pins = 6;
	ck_assert_uint_eq(get(1), 0x11 | 5 << 16);
	set(0x10 + 2 * 6, 0x30);
	ck_assert_uint_eq(get(0x10 + 2 * 6), 0);
	ck_assert_uint_eq(calls, 0);
	set(0x10 + 2 * 5, 0x30);
	ck_assert_uint_eq(calls, 1);
}
END_TEST

START_TEST(odd_widths_and_offsets)
{
	uint64_t value = 0x30;

	set(0x10, MASKED);
	for (unsigned int len = 1; len <= 8; len *= 2)
		for (uint64_t offset = 1; offset + len <= IOAPIC_SIZE; offset++)
			if (offset != 0x10 || len != 4)
				bus_write(&bus, BASE + offset, &value, len);
	ck_assert_uint_eq(calls, 0);
	ck_assert(bus_read(&bus, BASE + 0x10, &value, 8));
	ck_assert_uint_eq(value, 0);
}
END_TEST

SUITE_CASES("ioapic", setup, NULL, {all_pins_are_masked}, {an_entry_becomes_a_message},
	{what_changes_nothing_is_not_told}, {odd_deliveries_send_nothing},
	{status_and_reserved_bits_stay}, {registers_that_do_not_exist}, {fewer_pins},
	{odd_widths_and_offsets})
