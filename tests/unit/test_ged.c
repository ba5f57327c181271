// SPDX-License-Identifier: Apache-2.0
// Tests of devices/ged.h.
#include "devices/ged.h"

#include "devices/irq.h"
#include "tests/lib/suite.h"

static struct irq irq;
static struct ged ged;
static struct bus bus;

static uint64_t edges(void)
{
	uint64_t count;

	return read(irq.fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static uint8_t take(void)
{
	uint8_t value = 0x55;

	ck_assert(bus_read(&bus, 0, &value, 1));
	return value;
}

static void setup(void)
{
	bus = (struct bus){0};
	ck_assert_int_eq(irq_init(&irq), 0);
	ged_init(&ged, &irq);
	ck_assert_int_eq(bus_add(&bus, 0, GED_SIZE, &ged_bus_ops, &ged), 0);
}

static void teardown(void)
{
	irq_fini(&irq);
}

START_TEST(an_event_is_told_once)
{
	ck_assert_uint_eq(take(), 0);
	ged_raise(&ged, GED_POWER_BUTTON);
	ck_assert_uint_eq(edges(), 1);
	ck_assert_uint_eq(take(), GED_POWER_BUTTON);
	ck_assert_uint_eq(take(), 0);
}
END_TEST

START_TEST(events_gather)
{
	ged_raise(&ged, GED_GENERATION);
	ged_raise(&ged, GED_GENERATION);
	ged_raise(&ged, GED_POWER_BUTTON);
	ck_assert_uint_eq(edges(), 3);
	ck_assert_uint_eq(take(), GED_POWER_BUTTON | GED_GENERATION);
}
END_TEST

START_TEST(a_guest_can_only_read)
{
	uint8_t ones = 0xff;

	ck_assert(bus_write(&bus, 0, &ones, 1));
	ck_assert_uint_eq(take(), 0);
	ck_assert_uint_eq(edges(), 0);
}
END_TEST

SUITE_CASES(
	"ged", setup, teardown, {an_event_is_told_once}, {events_gather}, {a_guest_can_only_read})
