// SPDX-License-Identifier: Apache-2.0
// Tests of base/io.h.
#include "base/io.h"

#include "base/cleanup.h"
#include "tests/lib/suite.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

START_TEST(full_read_tells_a_short_file)
{
	char data[8];
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(io_write_full(p[1], "abc", 3), 0);
	close(p[1]);
	ck_assert_int_eq(io_read_full(p[0], data, 4), -ENODATA);
	close(p[0]);
}
END_TEST

START_TEST(descriptor_arrives_close_on_exec)
{
	char data[4];
	int s[2], fd;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s), 0);
	ck_assert_int_eq(io_send_fd(s[0], "ab", 2, s[0]), 2);
	ck_assert_int_eq(io_recv_fd(s[1], data, sizeof(data), &fd), 2);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	ck_assert_int_eq(io_send_fd(s[0], "ab", 2, -1), 2);
	ck_assert_int_eq(io_recv_fd(s[1], data, sizeof(data), &fd), 2);
	ck_assert_int_eq(fd, -1);
	close(s[0]);
	ck_assert_int_eq(io_recv_fd(s[1], data, sizeof(data), &fd), 0);
	close(s[1]);
}
END_TEST

START_TEST(long_message_is_refused_and_its_descriptor_closed)
{
	char data[2];
	int s[2], p[2], fd;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s), 0);
	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(io_send_fd(s[0], "abc", 3, p[1]), 3);
	close(p[1]);
	ck_assert_int_eq(io_recv_fd(s[1], data, sizeof(data), &fd), -EPROTO);
	ck_assert_int_eq(fd, -1);
	/* No writer is left, so the pipe ends. */
	ck_assert_int_eq(read(p[0], data, 1), 0);
	close(p[0]);
	close(s[0]);
	close(s[1]);
}
END_TEST

START_TEST(closed_standard_descriptors)
{
	struct stat null, st;
	int one = dup(STDOUT_FILENO), fd;

	ck_assert_int_eq(stat("/dev/null", &null), 0);
	close(STDIN_FILENO);
	close(STDERR_FILENO);
	ck_assert_int_eq(io_open_standard(), 0);
	for (int i = 0; i <= STDERR_FILENO; i += 2) {
		ck_assert_int_eq(fstat(i, &st), 0);
		ck_assert(S_ISCHR(st.st_mode) && st.st_rdev == null.st_rdev);
	}
	/* Nothing else is changed or left. */
	fd = dup(STDOUT_FILENO);
	ck_assert_int_eq(fd, one + 1);
}
END_TEST

SUITE("io", closed_standard_descriptors, full_read_tells_a_short_file,
	descriptor_arrives_close_on_exec, long_message_is_refused_and_its_descriptor_closed)
