// SPDX-License-Identifier: Apache-2.0
// Tests of devices/rtc.h.
#include "devices/rtc.h"

#include "tests/lib/suite.h"

#include <time.h>

static struct rtc rtc;
static struct bus bus;

static void setup(void)
{
	bus = (struct bus){0};
	rtc = (struct rtc){0};
	ck_assert_int_eq(bus_add(&bus, 0x70, RTC_SIZE, &rtc_bus_ops, &rtc), 0);
}

static uint8_t get(uint8_t index)
{
	uint8_t value = 0x55;

	bus_write(&bus, 0x70, &index, 1);
	ck_assert(bus_read(&bus, 0x71, &value, 1));
	return value;
}

static int number(uint8_t index)
{
	uint8_t value = get(index);

	ck_assert_uint_le(value & 0xf, 9);
	ck_assert_uint_le(value >> 4, 9);
	return (value >> 4) * 10 + (value & 0xf);
}

START_TEST(tells_the_time)
{
	time_t now, told;
	struct tm tm = {0}, check;

	setup();
	now = time(NULL);
	tm.tm_sec = number(0x00);
	tm.tm_min = number(0x02);
	tm.tm_hour = number(0x04);
	tm.tm_mday = number(0x07);
	tm.tm_mon = number(0x08) - 1;
	tm.tm_year = number(0x32) * 100 + number(0x09) - 1900;
	told = timegm(&tm);
	/* Unless a field turned over between two reads, which shows as too early. */
	ck_assert_int_ge(told, now - 60);
	ck_assert_int_le(told, now + 5);
	ck_assert_ptr_nonnull(gmtime_r(&told, &check));
	ck_assert_int_eq(number(0x06), check.tm_wday + 1);
}
END_TEST

START_TEST(is_settled_in_bcd_and_24_hours)
{
	setup();
	ck_assert_uint_eq(get(0x0a) & 0x80, 0);
	ck_assert_uint_eq(get(0x0b), 0x02);
	ck_assert_uint_eq(get(0x0d), 0x80);
	/* Bit 7 of the index is the NMI mask's. */
	ck_assert_uint_eq(get(0x8b), 0x02);
}
END_TEST

START_TEST(has_no_memory)
{
	uint8_t value = 0x12;

	setup();
	for (unsigned int i = 0x33; i < 0x80; i++) {
		ck_assert_uint_eq(get((uint8_t)i), 0);
		bus_write(&bus, 0x71, &value, 1);
		ck_assert_uint_eq(get((uint8_t)i), 0);
	}
}
END_TEST

SUITE("rtc", tells_the_time, is_settled_in_bcd_and_24_hours, has_no_memory)
