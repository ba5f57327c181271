// SPDX-License-Identifier: Apache-2.0
// Tests of devices/serial.h: registers, interrupts, input, saving and loading.
#include "devices/serial.h"

#include "base/buf.h"
#include "tests/lib/loop_step.h"
#include "tests/lib/serial_guest.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/serial_reg.h>
#include <string.h>

#define IIR_64BYTE_FIFO 0x20

START_TEST(registers)
{
	setup(-1, -1);
	out(UART_SCR, 0xa5);
	ck_assert_uint_eq(in(UART_SCR), 0xa5);
	out(UART_IER, 0xff);
	ck_assert_uint_eq(in(UART_IER), 0x0f);
	out(UART_IER, 0);
	out(UART_MCR, 0xff);
	ck_assert_uint_eq(in(UART_MCR), 0x1f);
	out(UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	out(UART_DLL, 0x01);
	out(UART_DLM, 0x02);
	ck_assert_uint_eq(in(UART_DLL), 1);
	ck_assert_uint_eq(in(UART_DLM), 2);
	ck_assert_uint_eq(in(UART_LCR), UART_LCR_DLAB | UART_LCR_WLEN8);
	out(UART_LCR, 0);
	ck_assert_uint_eq(in(UART_IER), 0);
	ck_assert_uint_eq(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	teardown();
}
END_TEST

/* What Linux does to find out what it has. */
START_TEST(detected_as_16550a)
{
	setup(-1, -1);
	ck_assert_uint_eq(in(UART_IIR), UART_IIR_NO_INT);
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	ck_assert_uint_eq(in(UART_MSR)&0xf0, UART_MSR_DCD | UART_MSR_CTS);
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1 | UART_MCR_DTR);
	ck_assert_uint_eq(in(UART_MSR)&0xf0, UART_MSR_RI | UART_MSR_DSR);
	out(UART_MCR, 0);
	ck_assert_uint_eq(in(UART_MSR)&0xf0, UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS);
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	ck_assert_uint_eq(in(UART_IIR) >> 6, 3);
	/* Not a 16750. */
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
	ck_assert_uint_eq(in(UART_IIR)&IIR_64BYTE_FIFO, 0);
	out(UART_FCR, 0);
	ck_assert_uint_eq(in(UART_IIR) >> 6, 0);
	/* The transmit interrupt comes back when it is enabled again. */
	for (int i = 0; i < 2; i++) {
		out(UART_IER, UART_IER_THRI);
		ck_assert_uint_eq(in(UART_IIR), UART_IIR_THRI);
		ck_assert_uint_eq(in(UART_IIR), UART_IIR_NO_INT);
		out(UART_IER, 0);
	}
	teardown();
}
END_TEST

START_TEST(modem_changes)
{
	setup(-1, -1);
	out(UART_MCR, UART_MCR_LOOP);
	ck_assert_uint_eq(in(UART_MSR), UART_MSR_DCTS | UART_MSR_DDSR | UART_MSR_DDCD);
	ck_assert_uint_eq(in(UART_MSR), 0);
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1);
	ck_assert_uint_eq(in(UART_MSR), UART_MSR_RI);
	out(UART_MCR, UART_MCR_LOOP);
	ck_assert_uint_eq(in(UART_MSR), UART_MSR_TERI);
	teardown();
}
END_TEST

START_TEST(loopback)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	setup(fds[1], -1);
	out(UART_MCR, UART_MCR_LOOP);
	print("ab\n");
	ck_assert_uint_eq(in(UART_LSR)&UART_LSR_DR, UART_LSR_DR);
	ck_assert_uint_eq(in(UART_RX), 'a');
	ck_assert_uint_eq(in(UART_RX), 'b');
	ck_assert_uint_eq(in(UART_RX), '\n');
	ck_assert_uint_eq(in(UART_LSR)&UART_LSR_DR, 0);
	for (int i = 0; i <= SERIAL_IN_MAX; i++)
		out(UART_TX, 1);
	ck_assert_uint_eq(in(UART_LSR)&UART_LSR_OE, UART_LSR_OE);
	ck_assert_uint_eq(in(UART_LSR)&UART_LSR_OE, 0);
	out(UART_FCR, UART_FCR_CLEAR_RCVR);
	ck_assert_uint_eq(in(UART_LSR)&UART_LSR_DR, 0);
	/* Nothing came out. */
	ck_assert_int_eq(read(fds[0], (char[1]){0}, 1), -1);
	teardown();
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(wide_access)
{
	uint32_t value = 0xffffffff;

	setup(-1, -1);
	serial_bus_ops.read(&s, 0, &value, 4);
	ck_assert_uint_eq(value, 0xffffffff);
	value = 0;
	serial_bus_ops.write(&s, UART_SCR, &value, 1);
	value = 0x11111111;
	serial_bus_ops.write(&s, 4, &value, 4);
	ck_assert_uint_eq(in(UART_MCR), 0);
	teardown();
}
END_TEST

/* Every register, every width: nothing but 8-bit accesses does anything. */
START_TEST(every_width)
{
	setup(-1, -1);
	for (unsigned int len = 2; len <= 8; len *= 2) {
		for (uint64_t reg = 0; reg + len <= SERIAL_SIZE; reg++) {
			uint64_t value = 0x0f0f0f0f0f0f0f0f, got = UINT64_MAX;

			serial_bus_ops.write(&s, reg, &value, len);
			serial_bus_ops.read(&s, reg, &got, len);
			ck_assert_uint_eq(got, UINT64_MAX);
		}
	}
	ck_assert_uint_eq(in(UART_IER) | in(UART_LCR) | in(UART_MCR) | in(UART_SCR), 0);
	ck_assert_uint_eq(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	teardown();
}
END_TEST

START_TEST(input_interrupts)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	setup(-1, fds[0]);
	out(UART_IER, UART_IER_RDI);
	ck_assert_int_eq(write(fds[1], "a", 1), 1);
	loop_step(&loop);
	/* OUT2 connects the line. */
	ck_assert_uint_eq(edges(), 0);
	out(UART_MCR, UART_MCR_OUT2);
	ck_assert_uint_eq(edges(), 1);
	ck_assert_uint_eq(in(UART_IIR), UART_IIR_RDI);
	/* No new edge while the line is up. */
	ck_assert_int_eq(write(fds[1], "b", 1), 1);
	loop_step(&loop);
	ck_assert_uint_eq(edges(), 0);
	ck_assert_uint_eq(in(UART_RX), 'a');
	ck_assert_uint_eq(in(UART_RX), 'b');
	ck_assert_uint_eq(in(UART_IIR), UART_IIR_NO_INT);
	ck_assert_int_eq(write(fds[1], "c", 1), 1);
	loop_step(&loop);
	ck_assert_uint_eq(edges(), 1);
	ck_assert_uint_eq(in(UART_RX), 'c');
	teardown();
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(transmit_interrupts)
{
	setup(-1, -1);
	out(UART_MCR, UART_MCR_OUT2);
	out(UART_IER, UART_IER_THRI);
	ck_assert_uint_eq(edges(), 1);
	ck_assert_uint_eq(in(UART_IIR), UART_IIR_THRI);
	/* A burst is one interrupt. */
	print("0123456789abcdef");
	ck_assert_uint_eq(edges(), 1);
	ck_assert_uint_eq(in(UART_IIR), UART_IIR_THRI);
	ck_assert_uint_eq(in(UART_IIR), UART_IIR_NO_INT);
	teardown();
}
END_TEST

/* More input than the FIFO holds, and then its end. */
static void much_input(int in_fd, int feed)
{
	char text[1000];
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 26);
	ck_assert_int_eq(write(feed, text, sizeof(text)), (int)sizeof(text));
	if (feed != in_fd)
		close(feed);
	else
		lseek(feed, 0, SEEK_SET);
	setup(-1, in_fd);
	for (unsigned int i = 0; i < sizeof(text); i++) {
		if (!(in(UART_LSR)&UART_LSR_DR))
			loop_step(&loop);
		wrong += in(UART_RX) != (uint8_t)text[i];
	}
	ck_assert_uint_eq(wrong, 0);
	loop_step(&loop);
	ck_assert_uint_eq(in(UART_LSR)&UART_LSR_DR, 0);
	ck_assert(s.in_eof);
	teardown();
	close(in_fd);
}

START_TEST(input_from_pipe)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	much_input(fds[0], fds[1]);
}
END_TEST

START_TEST(input_from_file)
{
	char path[] = "/tmp/hull-serial-XXXXXX";
	int fd = mkstemp(path);

	unlink(path);
	much_input(fd, fd);
}
END_TEST

START_TEST(input_from_null)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setup(-1, fd);
	loop_step(&loop);
	ck_assert_uint_eq(in(UART_LSR)&UART_LSR_DR, 0);
	teardown();
	close(fd);
}
END_TEST

START_TEST(save_and_load)
{
	struct buf buf = BUF_INIT(1024);
	uint8_t value;
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	setup(-1, fds[0]);
	out(UART_LCR, UART_LCR_DLAB);
	out(UART_DLL, 1);
	out(UART_LCR, UART_LCR_WLEN8);
	out(UART_SCR, 0x77);
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	ck_assert_int_eq(write(fds[1], "keys", 4), 4);
	loop_step(&loop);
	out(UART_IER, UART_IER_RDI | UART_IER_THRI);
	out(UART_MCR, UART_MCR_OUT2);
	ck_assert_int_eq(serial_save(&s, &buf), 0);
	teardown();
	close(fds[0]);
	close(fds[1]);

	setup(-1, -1);
	/* Each byte of the head that can be wrong, and the length. */
	ck_assert_int_eq(serial_load(&s, buf.data, buf.len - 1), -EINVAL);
	ck_assert_int_eq(serial_load(&s, buf.data, 3), -EINVAL);
	for (unsigned int i = 0; i < 12; i++) {
		if (i == 1 || i == 3 || i == 5 || i == 6)
			continue;
		value = buf.data[i];
		buf.data[i] = 0xff;
		ck_assert_int_eq(serial_load(&s, buf.data, buf.len), -EINVAL);
		buf.data[i] = value;
	}
	ck_assert_uint_eq(edges(), 0);
	ck_assert_int_eq(serial_load(&s, buf.data, buf.len), 0);
	/* What the guest waits for comes again. */
	ck_assert_uint_eq(edges(), 1);
	ck_assert_uint_eq(in(UART_IIR), UART_IIR_RDI | 0xc0);
	ck_assert_uint_eq(in(UART_SCR), 0x77);
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(in(UART_RX), (uint8_t) "keys"[i]);
	ck_assert_uint_eq(in(UART_IIR), UART_IIR_THRI | 0xc0);
	out(UART_LCR, UART_LCR_DLAB);
	ck_assert_uint_eq(in(UART_DLL), 1);
	teardown();
	buf_fini(&buf);
}
END_TEST

SUITE("serial", registers, detected_as_16550a, modem_changes, loopback, wide_access, every_width,
	input_interrupts, transmit_interrupts, input_from_pipe, input_from_file, input_from_null,
	save_and_load)
