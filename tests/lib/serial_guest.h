// SPDX-License-Identifier: Apache-2.0
// A serial port whose guest is the test; for one test program.
#pragma once

#include "base/loop.h"
#include "devices/irq.h"
#include "devices/serial.h"
#include "tests/lib/loop_step.h"

#include <check.h>
#include <linux/serial_reg.h>
#include <string.h>
#include <unistd.h>

static struct loop loop;
static struct irq irq;
static struct serial s;

static inline void setup(int out_fd, int in_fd)
{
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(irq_init(&irq), 0);
	ck_assert_int_eq(serial_init(&s, &loop, &irq, out_fd, in_fd), 0);
}

static inline void teardown(void)
{
	serial_fini(&s);
	irq_fini(&irq);
	loop_fini(&loop);
}

static inline uint8_t in(uint64_t reg)
{
	uint8_t value = 0xff;

	serial_bus_ops.read(&s, reg, &value, 1);
	return value;
}

static inline void out(uint64_t reg, uint8_t value)
{
	serial_bus_ops.write(&s, reg, &value, 1);
}

static inline void print(const char *text)
{
	for (; *text; text++)
		out(UART_TX, (uint8_t)*text);
}

/* Edges since the last call. */
static inline uint64_t edges(void)
{
	uint64_t count = 0;

	if (read(irq.fd, &count, sizeof(count)) < 0)
		return 0;
	return count;
}

static inline void expect_text(int fd, const char *text)
{
	char buf[256];

	ck_assert_int_eq(read(fd, buf, sizeof(buf)), (int)strlen(text));
	ck_assert_mem_eq(buf, text, strlen(text));
}
