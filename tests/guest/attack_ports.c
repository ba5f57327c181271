// SPDX-License-Identifier: Apache-2.0
// Attack: every I/O port in all widths, string I/O, and a serial port that is misused.
#include "tests/guest/use.h"
#include "vmm/arch/x86_64/layout.h"

#include <linux/serial_reg.h>

/* Ports at which any write may mean the end of the VM, which is what they are for. */
static bool is_fatal(uint32_t port, unsigned int width)
{
	static const uint16_t fatal[] = {PORT_I8042_COMMAND, PORT_PVPANIC, PORT_SLEEP_CONTROL,
		PORT_SLEEP_STATUS, PORT_RESET};

	for (unsigned int i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		if (port <= fatal[i] && fatal[i] < port + width)
			return true;
	return false;
}

static void prove_all(void)
{
	for (unsigned int d = 0; d < device_count; d++)
		prove(&devices[d]);
}

/* As the console's driver leaves it: 8N1, no interrupts, no loopback. */
static void restore_serial(void)
{
	outb(PORT_COM1 + UART_LCR, UART_LCR_WLEN8);
	outb(PORT_COM1 + UART_IER, 0);
	outb(PORT_COM1 + UART_MCR, 0);
	outb(PORT_COM1 + UART_FCR, UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
	/* Whatever was printed meanwhile ends here. */
	say("\n");
}

static uint32_t in(uint16_t port, unsigned int width)
{
	return width == 1 ? inb(port) : width == 2 ? inw(port) : inl(port);
}

static void out(uint16_t port, unsigned int width, uint32_t value)
{
	if (width == 1)
		outb(port, (uint8_t)value);
	else if (width == 2)
		outw(port, (uint16_t)value);
	else
		outl(port, value);
}

static void sweep(unsigned int width, uint32_t from, uint32_t to, uint32_t step)
{
	check_begin("ports 0x%x to 0x%x, %u bytes wide", from, to, width);
	for (uint32_t port = from; port < to; port += step) {
		uint32_t value = in((uint16_t)port, width);

		if (is_fatal(port, width))
			continue;
		out((uint16_t)port, width, value);
		out((uint16_t)port, width, 0xffffffff);
	}
	restore_serial();
	prove_all();
	check_end();
}

static void string_in(uint16_t port, unsigned int width, uint64_t count, void *to)
{
	if (width == 1)
		__asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(port) : "memory");
	else if (width == 2)
		__asm__ volatile("rep insw" : "+D"(to), "+c"(count) : "d"(port) : "memory");
	else
		__asm__ volatile("rep insl" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}

static void string_out(uint16_t port, unsigned int width, uint64_t count, const void *from)
{
	if (width == 1)
		__asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(port) : "memory");
	else if (width == 2)
		__asm__ volatile("rep outsw" : "+S"(from), "+c"(count) : "d"(port) : "memory");
	else
		__asm__ volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(port) : "memory");
}

/* Long strings, to and from memory that crosses pages and is not aligned. */
static void strings(unsigned int width)
{
	static const uint16_t ports[] = {0, PORT_I8042_DATA, 0x70, 0x80, 0x3f0, PORT_COM1,
		PORT_COM1 + UART_LSR, PORT_COM1 + 7, 0x400, 0xcf8, 0xffff};
	uint8_t *memory;

	arena_reset();
	memory = (uint8_t *)arena(16384, 4096) + 4093;
	check_begin("string I/O, %u bytes wide", width);
	for (unsigned int i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		memory[4096 * width] = 0x5a;
		string_in(ports[i], width, 4096 / width, memory);
		if (memory[4096 * width] != 0x5a)
			check_fail("port 0x%x: more came than was asked for", ports[i]);
		if (!is_fatal(ports[i], width))
			string_out(ports[i], width, 1024 / width, memory);
		/* A string that begins in RAM and ends in registers. */
		string_in(ports[i], width, 8, (void *)(rt_ram.low_end - 4 * width));
	}
	restore_serial();
	prove_all();
	check_end();
}

static void serial_loopback(void)
{
	unsigned int got = 0;

	check_begin("a serial port in loopback that overflows");
	outb(PORT_COM1 + UART_MCR, UART_MCR_LOOP);
	for (unsigned int i = 0; i < 1000; i++)
		outb(PORT_COM1, (uint8_t)i);
	if (!(inb(PORT_COM1 + UART_LSR) & UART_LSR_OE))
		check_fail("no overrun is told");
	while (got < 1000 && (inb(PORT_COM1 + UART_LSR) & UART_LSR_DR)) {
		if (inb(PORT_COM1) != (uint8_t)got)
			check_fail("byte %u came back wrong", got);
		got++;
	}
	if (!got || got == 1000)
		check_fail("%u of 1000 bytes came back", got);
	restore_serial();
	check_end();
}

/* All registers, all values, both banks; at the end it is a console again. */
static void serial_registers(void)
{
	check_begin("all values in all registers of the serial port");
	for (uint16_t reg = 1; reg < PORT_COM1_LEN; reg++) {
		for (unsigned int value = 0; value < 256; value += 5) {
			outb(PORT_COM1 + UART_LCR, value & 1 ? UART_LCR_DLAB : UART_LCR_WLEN8);
			outb((uint16_t)(PORT_COM1 + reg), (uint8_t)value);
			inb(PORT_COM1 + UART_IIR);
			inb(PORT_COM1 + UART_LSR);
			inb(PORT_COM1 + UART_MSR);
		}
	}
	restore_serial();
	outb(PORT_COM1 + UART_SCR, 0x5a);
	if (inb(PORT_COM1 + UART_SCR) != 0x5a)
		check_fail("the scratch register doesn't hold");
	check_end();
}

void guest_main(void)
{
	vdev_find_all();
	for (unsigned int width = 1; width <= 4; width *= 2) {
		strings(width);
		sweep(width, 0, 0x800, 1);
		sweep(width, 0x800, 0x10000, word_in(rt_cmdline, "all") ? 1 : 41);
	}
	serial_loopback();
	serial_registers();
}
