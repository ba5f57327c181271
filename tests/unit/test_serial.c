// SPDX-License-Identifier: Apache-2.0
// Tests of devices/serial.h.
#include "devices/serial.h"

#include "base/buf.h"
#include "devices/irq.h"
#include "tests/lib/loop_step.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/serial_reg.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>

#define IIR_64BYTE_FIFO 0x20

static struct loop loop;
static struct irq irq;
static struct serial s;

static void setup(int out_fd, int in_fd)
{
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(irq_init(&irq), 0);
	ck_assert_int_eq(serial_init(&s, &loop, &irq, out_fd, in_fd), 0);
}

static void teardown(void)
{
	serial_fini(&s);
	irq_fini(&irq);
	loop_fini(&loop);
}

static uint8_t in(uint64_t reg)
{
	uint8_t value = 0xff;

	serial_bus_ops.read(&s, reg, &value, 1);
	return value;
}

static void out(uint64_t reg, uint8_t value)
{
	serial_bus_ops.write(&s, reg, &value, 1);
}

static void print(const char *text)
{
	for (; *text; text++)
		out(UART_TX, (uint8_t)*text);
}

/* Edges since the last call. */
static uint64_t edges(void)
{
	uint64_t count = 0;

	if (read(irq.fd, &count, sizeof(count)) < 0)
		return 0;
	return count;
}

static void expect_text(int fd, const char *text)
{
	char buf[256];

	ck_assert_int_eq(read(fd, buf, sizeof(buf)), (int)strlen(text));
	ck_assert_mem_eq(buf, text, strlen(text));
}

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

START_TEST(line_goes_out_at_once)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	setup(fds[1], -1);
	print("one\r\n");
	expect_text(fds[0], "one\r\n");
	/* A prompt waits for the timer. */
	print("login: ");
	ck_assert_uint_eq(s.timer_set, true);
	nanosleep(&(struct timespec){.tv_nsec = 3 * SERIAL_FLUSH_MS * 1000000}, NULL);
	loop_step(&loop);
	expect_text(fds[0], "login: ");
	/* The flags that others share are as they were. */
	ck_assert_int_eq(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	print("the end");
	teardown();
	expect_text(fds[0], "the end");
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* Print until bytes are lost, and see that what was kept arrives in order. */
static void slow_reader(int out_fd, int reader)
{
	static char kept[4 << 20];
	size_t printed = 0, got = 0, wrong = 0;
	uint64_t dropped;

	setup(out_fd, -1);
	while (!serial_dropped(&s)) {
		char line[32];

		snprintf(line, sizeof(line), "%09zu\n", printed / 10);
		print(line);
		printed += 10;
		if (printed % 5000 == 0)
			loop_step(&loop);
		ck_assert_uint_lt(printed, sizeof(kept));
	}
	dropped = serial_dropped(&s);
	for (int i = 0; i < 1000 && got < printed - dropped; i++) {
		ssize_t n = read(reader, kept + got, sizeof(kept) - got);

		if (n > 0)
			got += (size_t)n;
		else
			serial_flush(&s);
		loop_step(&loop);
	}
	ck_assert_uint_eq(got, printed - dropped);
	for (size_t i = 0; i + 10 <= got; i += 10)
		wrong += strtoul(kept + i, NULL, 10) != i / 10;
	ck_assert_uint_eq(wrong, 0);
	/* It goes on. */
	print("again\n");
	loop_step(&loop);
	serial_flush(&s);
	expect_text(reader, "again\n");
	teardown();
}

START_TEST(slow_pipe)
{
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	slow_reader(fds[1], fds[0]);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(slow_socket)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	slow_reader(fds[1], fds[0]);
	ck_assert_int_eq(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(regular_file)
{
	char path[] = "/tmp/hull-serial-XXXXXX", buf[32] = "";
	int fd = mkstemp(path);

	ck_assert_int_eq(write(fd, "before\n", 7), 7);
	setup(fd, -1);
	print("after\n");
	teardown();
	/* Written where the descriptor stood, which a new open would not do. */
	ck_assert_int_eq(pread(fd, buf, sizeof(buf), 0), 13);
	ck_assert_str_eq(buf, "before\nafter\n");
	close(fd);
	unlink(path);
}
END_TEST

START_TEST(what_is_left_at_the_end_is_counted)
{
	static const char full[65536];
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	while (write(fds[1], full, sizeof(full)) > 0)
		;
	setup(fds[1], -1);
	print("nobody reads\n");
	ck_assert_uint_eq(serial_dropped(&s), 0);
	ck_assert_uint_eq(serial_fini(&s), 13);
	irq_fini(&irq);
	loop_fini(&loop);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(pseudo_terminal_master)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
	char name[64], buf[32];
	struct termios raw;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(grantpt(fd) | unlockpt(fd), 0);
	ck_assert_int_eq(ptsname_r(fd, name, sizeof(name)), 0);
	slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	/* Without its echo, which would come back as input. */
	ck_assert_int_eq(tcgetattr(slave, &raw), 0);
	cfmakeraw(&raw);
	ck_assert_int_eq(tcsetattr(slave, TCSANOW, &raw), 0);
	setup(fd, fd);
	ck_assert_int_eq(s.out_kind, SERIAL_OUT_POLL);
	print("hello\n");
	nanosleep(&(struct timespec){.tv_nsec = 3 * SERIAL_FLUSH_MS * 1000000}, NULL);
	loop_step(&loop);
	/* The kernel carries it from one end to the other in its own time. */
	ck_assert_int_eq(poll(&(struct pollfd){.fd = slave, .events = POLLIN}, 1, 10000), 1);
	ck_assert_int_eq(read(slave, buf, sizeof(buf)), 6);
	/* Both ways over one descriptor. */
	ck_assert_int_eq(write(slave, "x", 1), 1);
	ck_assert_int_eq(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 10000), 1);
	for (int i = 0; i < 100 && !(in(UART_LSR)&UART_LSR_DR); i++)
		loop_step(&loop);
	while (in(UART_LSR)&UART_LSR_DR)
		buf[0] = (char)in(UART_RX);
	ck_assert_int_eq(buf[0], 'x');
	teardown();
	close(slave);
	close(fd);
}
END_TEST

START_TEST(reader_goes_away)
{
	uint64_t counts[SERIAL_COUNTERS];
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	setup(fds[1], -1);
	close(fds[0]);
	print("12345\n");
	print("12345\n");
	ck_assert_uint_eq(serial_dropped(&s), 12);
	serial_count(&s, counts);
	ck_assert_uint_eq(counts[SERIAL_DROPPED], 12);
	ck_assert_uint_eq(counts[SERIAL_ERRORS], 1);
	ck_assert_uint_eq(counts[SERIAL_WRITES], 12);
	ck_assert_uint_eq(counts[SERIAL_LIMITED], 0);
	loop_step(&loop);
	teardown();
	close(fds[1]);
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

/* Beyond the limit bytes are lost, and counted; without one all go. */
START_TEST(limited_output)
{
	const struct rate_bucket_config limit = {.size = 4, .refill_ms = 3600000, .burst = 2};
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	setup(fds[1], -1);
	serial_set_limit(&s, &limit);
	print("12345678\n");
	serial_flush(&s);
	expect_text(fds[0], "123456");
	ck_assert_uint_eq(serial_dropped(&s), 3);
	ck_assert_uint_eq(s.counters[SERIAL_LIMITED], 3);
	serial_set_limit(&s, NULL);
	print("all\n");
	expect_text(fds[0], "all\n");
	teardown();
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* As vmm/console.c opens it: written before anybody reads, and after a reader went. */
START_TEST(fifo_with_late_reader)
{
	char path[] = "/tmp/hull-serial-XXXXXX";
	int writer, reader;

	ck_assert_ptr_nonnull(mkdtemp(path));
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	writer = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	setup(writer, -1);
	print("early\n");
	for (int i = 0; i < 2; i++) {
		reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		expect_text(reader, i ? "between\n" : "early\n");
		close(reader);
		print("between\n");
	}
	ck_assert_uint_eq(serial_dropped(&s), 0);
	teardown();
	close(writer);
	unlink(path);
}
END_TEST

/* A full disk costs what was written meanwhile, no more. */
START_TEST(full_disk)
{
	int full = open("/dev/full", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	int file = memfd_create("console", MFD_CLOEXEC);
	char buf[16];

	setup(full, -1);
	print("lost\n");
	ck_assert_uint_eq(serial_dropped(&s), 5);
	/* There is room again. */
	ck_assert_int_ge(dup2(file, s.out_fd), 0);
	print("kept\n");
	ck_assert_int_eq(pread(file, buf, sizeof(buf), 0), 5);
	ck_assert_uint_eq(serial_dropped(&s), 5);
	teardown();
	close(full);
	close(file);
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

SUITE("serial", limited_output, fifo_with_late_reader, full_disk, save_and_load, every_width,
	registers, detected_as_16550a, modem_changes, loopback, wide_access, line_goes_out_at_once,
	slow_pipe, slow_socket, regular_file, pseudo_terminal_master,
	what_is_left_at_the_end_is_counted, reader_goes_away, input_interrupts, transmit_interrupts,
	input_from_pipe, input_from_file, input_from_null)
