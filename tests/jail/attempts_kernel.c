// SPDX-License-Identifier: Apache-2.0
// Attempts: sockets, and the kernel itself.
#include "tests/jail/attempts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* Sockets. */

static long socket_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long socket_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

static long socket_packet(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static long socket_alg(void)
{
	return socket(AF_ALG, SOCK_SEQPACKET, 0);
}

static long socket_vsock(void)
{
	return socket(AF_VSOCK, SOCK_STREAM, 0);
}

static long connect_tcp(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = attempts_target.port};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&addr, sizeof(addr));
}

static long connect_abstract(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(addr.sun_path + 1, attempts_target.name, strlen(attempts_target.name));
	return fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&addr, sizeof(addr));
}

/* The kernel. */

static long do_bpf(void)
{
	union bpf_attr attr = {.start_id = 0};

	return syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &attr, sizeof(attr));
}

static long do_add_key(void)
{
	return syscall(SYS_add_key, "user", "hull-probe", "x", 1, KEY_SPEC_PROCESS_KEYRING);
}

static long do_keyctl(void)
{
	return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1);
}

static long perf(void)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK};

	return syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0);
}

static long do_userfaultfd(void)
{
	return syscall(SYS_userfaultfd, O_CLOEXEC);
}

static long do_io_uring(void)
{
	struct io_uring_params params = {0};

	return syscall(SYS_io_uring_setup, 1, &params);
}

static long module(void)
{
	return syscall(SYS_init_module, "", 0, "");
}

static long do_syslog(void)
{
	char text[64];

	return syscall(SYS_syslog, 9 /* how much is unread */, text, sizeof(text));
}

static long set_time(void)
{
	/* The time zone that the kernel has anyway. */
	const struct timezone zone = {0};

	return syscall(SYS_settimeofday, NULL, &zone);
}

static long do_reboot(void)
{
	/* Not a command, so harmless; rights are looked at first. */
	return syscall(SYS_reboot, 0xfee1dead, 672274793, 0x12345678, NULL);
}

static long insert_input(void)
{
	return ioctl(attempts_target.tty, TIOCSTI, "x");
}

static const struct attempt rows[] = {
	{"AF_INET", socket_inet, CALL(socket), WITHOUT(DONE), BARE},
	{"AF_NETLINK", socket_netlink, CALL(socket), WITHOUT(DONE), BARE},
	{"AF_PACKET", socket_packet, CALL(socket), WITHOUT(NOT(EPERM))},
	{"AF_ALG", socket_alg, CALL(socket), WITHOUT({.done = true, .errnos = {EAFNOSUPPORT}})},
	{"AF_VSOCK", socket_vsock, CALL(socket), WITHOUT({.done = true, .errnos = {EAFNOSUPPORT}})},
	{"connect TCP", connect_tcp, CALL(socket), WITHOUT(NOT(ENETUNREACH, EACCES)), BARE},
	{"connect an abstract socket", connect_abstract, CALL(socket), LOOP_TOO(NOT(ECONNREFUSED)),
		BARE},

	{"bpf", do_bpf, CALL(bpf), WITHOUT(NOT(EPERM))},
	{"add_key", do_add_key, CALL(add_key), WITHOUT(DONE), BARE},
	{"keyctl", do_keyctl, CALL(keyctl), WITHOUT(DONE), BARE},
	{"perf_event_open", perf, CALL(perf_event_open), WITHOUT(NOT(EACCES, EPERM)),
		.bare_root = true},
	{"userfaultfd", do_userfaultfd, CALL(userfaultfd), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"io_uring_setup", do_io_uring, CALL(io_uring_setup), .loop = NOT(EPERM),
		WITHOUT({.done = true, .errnos = {ENOMEM}}), BARE},
	{"init_module", module, CALL(init_module), WITHOUT(NOT(EPERM, ENOSYS))},
	{"syslog", do_syslog, CALL(syslog), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"settimeofday", set_time, CALL(settimeofday), WITHOUT(NOT(EPERM))},
	{"reboot", do_reboot, CALL(reboot), WITHOUT(NOT(EPERM))},
	{"TIOCSTI", insert_input, CALL(ioctl), WITHOUT(NOT(EPERM, EIO))},
};

const struct attempts attempts_kernel = {rows, sizeof(rows) / sizeof(rows[0])};
