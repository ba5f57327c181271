// SPDX-License-Identifier: Apache-2.0
// Tests of devices/serial.h: where output goes, also when nobody takes it.
#include "devices/serial.h"

#include "tests/lib/loop_step.h"
#include "tests/lib/serial_guest.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>

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

SUITE("serial_output", line_goes_out_at_once, slow_pipe, slow_socket, regular_file,
	what_is_left_at_the_end_is_counted, pseudo_terminal_master, reader_goes_away,
	limited_output, fifo_with_late_reader, full_disk)
