// SPDX-License-Identifier: Apache-2.0
// Tests of devices/i8042.h.
#include "devices/i8042.h"

#include "devices/irq.h"
#include "tests/lib/suite.h"

#include <errno.h>

#define DATA 0x60
#define COMMAND 0x64

static struct irq irq;
static struct i8042 kbd;
static struct bus bus;
static unsigned int resets;

static void on_reset(void *ctx)
{
	ck_assert_ptr_eq(ctx, &bus);
	resets++;
}

static void setup(void)
{
	bus = (struct bus){0};
	resets = 0;
	ck_assert_int_eq(irq_init(&irq), 0);
	i8042_init(&kbd, &irq, on_reset, &bus);
	ck_assert_int_eq(bus_add(&bus, DATA, 1, &i8042_data_ops, &kbd), 0);
	ck_assert_int_eq(bus_add(&bus, COMMAND, 1, &i8042_command_ops, &kbd), 0);
}

static void teardown(void)
{
	irq_fini(&irq);
}

static uint8_t in(uint16_t port)
{
	uint8_t value = 0x5a;

	ck_assert(bus_read(&bus, port, &value, 1));
	return value;
}

static void out(uint16_t port, uint8_t value)
{
	ck_assert(bus_write(&bus, port, &value, 1));
}

static uint64_t edges(void)
{
	uint64_t count;

	return read(irq.fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

/* The next answer; there must be one. */
static uint8_t take(void)
{
	ck_assert_uint_eq(in(COMMAND)&1, 1);
	return in(DATA);
}

static void nothing(void)
{
	ck_assert_uint_eq(in(COMMAND)&1, 0);
}

START_TEST(controller_tests_pass)
{
	nothing();
	/* Bit 1, "input full", would make a driver wait. */
	ck_assert_uint_eq(in(COMMAND)&2, 0);
	out(COMMAND, 0xaa);
	ck_assert_uint_eq(take(), 0x55);
	out(COMMAND, 0xab);
	ck_assert_uint_eq(take(), 0x00);
	out(COMMAND, 0xd0);
	ck_assert_uint_eq(take() & 1, 1);
	nothing();
}
END_TEST

START_TEST(there_is_no_mouse)
{
	out(COMMAND, 0xa9);
	ck_assert_uint_eq(take(), 0x01);
	/* What is looped comes back as from the keyboard: no auxiliary bit. */
	out(COMMAND, 0xd3);
	out(DATA, 0x5a);
	ck_assert_uint_eq(in(COMMAND)&0x21, 0x01);
	ck_assert_uint_eq(take(), 0x5a);
	out(COMMAND, 0xd4);
	out(DATA, 0xf2);
	nothing();
}
END_TEST

START_TEST(control_byte_is_kept)
{
	out(COMMAND, 0x60);
	out(DATA, 0x74);
	out(COMMAND, 0x20);
	ck_assert_uint_eq(take(), 0x74);
	out(COMMAND, 0xae);
	out(COMMAND, 0xa7);
	out(COMMAND, 0x20);
	ck_assert_uint_eq(take(), 0x64);
	out(COMMAND, 0xad);
	out(COMMAND, 0xa8);
	out(COMMAND, 0x20);
	ck_assert_uint_eq(take(), 0x54);
}
END_TEST

START_TEST(keyboard_answers)
{
	out(DATA, 0xff);
	ck_assert_uint_eq(take(), 0xfa);
	ck_assert_uint_eq(take(), 0xaa);
	out(DATA, 0xf2);
	ck_assert_uint_eq(take(), 0xfa);
	ck_assert_uint_eq(take(), 0xab);
	ck_assert_uint_eq(take(), 0x83);
	out(DATA, 0xf0);
	ck_assert_uint_eq(take(), 0xfa);
	out(DATA, 0x00);
	ck_assert_uint_eq(take(), 0xfa);
	ck_assert_uint_eq(take(), 0x02);
	out(DATA, 0xed);
	ck_assert_uint_eq(take(), 0xfa);
	out(DATA, 0xff); /* LEDs, not a reset */
	ck_assert_uint_eq(take(), 0xfa);
	nothing();
	out(DATA, 0xee);
	ck_assert_uint_eq(take(), 0xee);
	out(DATA, 0x01);
	ck_assert_uint_eq(take(), 0xfe);
	nothing();
}
END_TEST

START_TEST(each_byte_is_an_edge)
{
	out(DATA, 0xf2);
	ck_assert_uint_eq(edges(), 1);
	in(DATA);
	ck_assert_uint_eq(edges(), 1);
	in(DATA);
	ck_assert_uint_eq(edges(), 1);
	in(DATA);
	ck_assert_uint_eq(edges(), 0);
	in(DATA);
	ck_assert_uint_eq(edges(), 0);
	/* Switched off, and on with a byte waiting. */
	out(COMMAND, 0x60);
	out(DATA, 0x04);
	out(DATA, 0xee);
	ck_assert_uint_eq(edges(), 0);
	out(COMMAND, 0x60);
	out(DATA, 0x05);
	ck_assert_uint_eq(edges(), 1);
}
END_TEST

static void expect_keys(const uint8_t *keys, size_t n)
{
	ck_assert_int_eq(i8042_ctrl_alt_del(&kbd), 0);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(take(), keys[i]);
	nothing();
}

START_TEST(ctrl_alt_del_in_both_sets)
{
	static const uint8_t set_2[] = {
		0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0, 0x71, 0xf0, 0x11, 0xf0, 0x14};
	static const uint8_t set_1[] = {0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d};

	expect_keys(set_2, sizeof(set_2));
	out(COMMAND, 0x60);
	out(DATA, 0x45);
	expect_keys(set_1, sizeof(set_1));
}
END_TEST

START_TEST(ctrl_alt_del_needs_a_reader)
{
	ck_assert_int_eq(i8042_ctrl_alt_del(&kbd), 0);
	ck_assert_int_eq(i8042_ctrl_alt_del(&kbd), 0);
	ck_assert_int_eq(i8042_ctrl_alt_del(&kbd), -EBUSY);
	for (unsigned int i = 0; i < 22; i++)
		take();
	nothing();
	out(DATA, 0xf5);
	ck_assert_uint_eq(take(), 0xfa);
	ck_assert_int_eq(i8042_ctrl_alt_del(&kbd), -ENODEV);
	out(DATA, 0xf4);
	ck_assert_uint_eq(take(), 0xfa);
	out(COMMAND, 0xad);
	ck_assert_int_eq(i8042_ctrl_alt_del(&kbd), -ENODEV);
	out(COMMAND, 0xae);
	ck_assert_int_eq(i8042_ctrl_alt_del(&kbd), 0);
}
END_TEST

START_TEST(resets_the_machine)
{
	out(COMMAND, 0xff);
	out(COMMAND, 0xfd);
	ck_assert_uint_eq(resets, 0);
	out(COMMAND, 0xfe);
	ck_assert_uint_eq(resets, 1);
	out(COMMAND, 0xd1);
	out(DATA, 0x03);
	ck_assert_uint_eq(resets, 1);
	out(COMMAND, 0xd1);
	out(DATA, 0x02);
	ck_assert_uint_eq(resets, 2);
	/* The parameter is taken once. */
	out(DATA, 0xfe);
	ck_assert_uint_eq(resets, 2);
}
END_TEST

START_TEST(a_guest_that_never_reads)
{
	for (unsigned int i = 0; i < 1000; i++)
		out(DATA, 0xf2);
	for (unsigned int i = 0; i < I8042_QUEUE_MAX; i++)
		take();
	nothing();
}
END_TEST

START_TEST(every_byte_everywhere)
{
	/* Each command, and each byte after it. */
	for (unsigned int command = 0; command < 0x100; command++)
		for (unsigned int byte = 0; byte < 0x100; byte++) {
			out(COMMAND, (uint8_t)command);
			out(DATA, (uint8_t)byte);
			in(DATA);
			ck_assert_uint_le(kbd.count, I8042_QUEUE_MAX);
		}
}
END_TEST

SUITE_CASES("i8042", setup, teardown, {controller_tests_pass}, {there_is_no_mouse},
	{control_byte_is_kept}, {keyboard_answers}, {each_byte_is_an_edge},
	{ctrl_alt_del_in_both_sets}, {ctrl_alt_del_needs_a_reader}, {resets_the_machine},
	{a_guest_that_never_reads}, {every_byte_everywhere})
