// SPDX-License-Identifier: Apache-2.0
// Attacks devices/serial.h: any accesses in any order, with input, and states to load.
#include "devices/serial.h"

#include "base/buf.h"
#include "devices/irq.h"

#include <fcntl.h>
#include <linux/serial_reg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * The input: steps of two bytes. The first: bits 0 to 2 the register, bits 3 and 4 the width, bits
 * 5 to 7 what to do with the second (0 to 3 write it, 4 and 5 read, 6 set the limit, 7 save, change
 * one byte, and load). The port begins as a driver leaves it that uses interrupts.
 */
#define STEPS_MAX 4096

static struct loop loop;
static struct irq irq;

static void save_and_load(struct serial *s, uint8_t where, uint8_t value)
{
	struct buf buf = BUF_INIT(1024);

	if (serial_save(s, &buf) < 0)
		abort();
	if (serial_load(s, buf.data, buf.len) < 0)
		abort();
	buf.data[where % buf.len] = value;
	serial_load(s, buf.data, buf.len);
	buf_fini(&buf);
}

static void step(struct serial *s, uint8_t what, uint8_t value)
{
	unsigned int reg = what & 7, len = 1U << (what >> 3 & 3);
	const struct rate_bucket_config limit = {.size = value, .refill_ms = 3600000};
	uint8_t data[8];

	memset(data, value, sizeof(data));
	/* The bus lets no access straddle the end. */
	if (reg + len > SERIAL_SIZE)
		len = 1;
	switch (what >> 5) {
	case 4:
	case 5:
		serial_bus_ops.read(s, reg, data, len);
		break;
	case 6:
		serial_set_limit(s, &limit);
		break;
	case 7:
		save_and_load(s, (uint8_t)(what & 31), value);
		break;
	default:
		serial_bus_ops.write(s, reg, data, len);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t start[][2] = {{UART_LCR, UART_LCR_WLEN8},
		{UART_FCR, UART_FCR_ENABLE_FIFO}, {UART_IER, UART_IER_RDI | UART_IER_THRI},
		{UART_MCR, UART_MCR_OUT2 | UART_MCR_DTR | UART_MCR_RTS}};
	static int null = -1;
	struct serial s;
	uint64_t count;

	if (null < 0) {
		null = open("/dev/null", O_WRONLY | O_CLOEXEC | O_NONBLOCK);
		if (null < 0 || loop_init(&loop) < 0 || irq_init(&irq) < 0)
			abort();
	}
	if (serial_init(&s, &loop, &irq, null, -1) < 0)
		abort();
	for (size_t i = 0; i < sizeof(start) / sizeof(start[0]); i++)
		serial_bus_ops.write(&s, start[i][0], &start[i][1], 1);
	for (unsigned int i = 0; i < STEPS_MAX && size >= 2; i++, data += 2, size -= 2)
		step(&s, data[0], data[1]);
	if (ring_used(&s.in) > SERIAL_IN_MAX)
		abort();
	serial_fini(&s);
	/* So that the counter never fills. */
	if (read(irq.fd, &count, sizeof(count)) < 0 && size > SIZE_MAX / 2)
		abort();
	return 0;
}
