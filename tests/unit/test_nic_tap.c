// SPDX-License-Identifier: Apache-2.0
// Tests of devices/backend/nic_tap.h, in a network namespace of their own; skipped where that or
// /dev/net/tun is refused.
#include "devices/backend/nic_tap.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "devices/backend/nic.h"
#include "tests/lib/loop_step.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* meson's sign for a test that could not run. */
#define EXIT_SKIP 77

static struct loop loop;
static unsigned int readies;

static void on_ready(void *ctx, unsigned int pair)
{
	readies |= 1u << pair;
}

/* A queue of a tap device. Return: its descriptor, or -1. */
static int tap_queue(const char *name, int flags)
{
	struct ifreq ifr = {.ifr_flags = (short)flags};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	strcpy(ifr.ifr_name, name);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A device that stays. */
static void make_tap(const char *name, int flags)
{
	int fd = tap_queue(name, flags);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, TUNSETPERSIST, 1), 0);
	close(fd);
}

static void delete_tap(const char *name, int flags)
{
	int fd = tap_queue(name, flags);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, TUNSETPERSIST, 0), 0);
	close(fd);
}

static void interface_up(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {.ifr_flags = IFF_UP};

	strcpy(ifr.ifr_name, name);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
	close(fd);
}

static void setup(void)
{
	ck_assert_int_eq(loop_init(&loop), 0);
	readies = 0;
}

static void teardown(void)
{
	loop_fini(&loop);
}

#define TAP (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)

static int send_frame(struct nic *nic, unsigned int pair, uint32_t len)
{
	static uint8_t frame[2000];
	uint8_t header[NIC_HEADER] = {0};
	const struct iovec iov[] = {{header, sizeof(header)}, {frame, len}};

	memset(frame, 0xff, 6);
	frame[6] = 2;
	frame[12] = 0x88;
	frame[13] = 0xb5;
	return nic->ops->send(nic, pair, iov, 2);
}

START_TEST(by_name)
{
	uint8_t room[2048];
	const struct iovec iov = {room, sizeof(room)};
	struct nic *nic;
	struct err err;
	ssize_t n;

	make_tap("t0", IFF_TAP | IFF_NO_PI);
	ck_assert_int_eq(nic_tap_open(&loop, "t0", 1, &nic, &err), 0);
	nic->ready = on_ready;
	ck_assert_str_eq(nic->name, "t0");
	ck_assert_uint_eq(nic->pairs, 1);
	ck_assert_uint_eq(nic->frame_max, 1518);
	ck_assert_uint_eq(nic->offloads & NIC_TSO6, NIC_TSO6);
	ck_assert_int_eq(nic->ops->set(nic, 1, NIC_CSUM | NIC_TSO4 | NIC_TSO6 | NIC_ECN), 0);
	/* Not up: the frame is lost, the nic is not. */
	ck_assert_int_eq(send_frame(nic, 0, 60), -EIO);
	interface_up("t0");
	ck_assert_int_eq(send_frame(nic, 0, 60), 0);
	/* A device that comes up speaks of itself, IPv6's router solicitation at least. */
	for (int i = 0; i < 200 && !readies; i++)
		loop_step(&loop);
	n = nic->ops->receive(nic, 0, &iov, 1);
	ck_assert(n == -EAGAIN || n >= NIC_HEADER + NIC_FRAME_MIN);
	/* Somebody else's turn. */
	{
		struct nic *other;

		ck_assert_int_eq(nic_tap_open(&loop, "t0", 1, &other, &err), -EBUSY);
		ck_assert_ptr_nonnull(strstr(err.msg, "in use"));
	}
	nic_free(nic);
	delete_tap("t0", IFF_TAP | IFF_NO_PI);
}
END_TEST

START_TEST(bad_names)
{
	struct nic *nic;
	struct err err;

	ck_assert_int_eq(nic_tap_open(&loop, "nosuch", 1, &nic, &err), -ENODEV);
	ck_assert_ptr_nonnull(strstr(err.msg, "'nosuch'"));
	/* None was made. */
	ck_assert_uint_eq(if_nametoindex("nosuch"), 0);
	ck_assert_int_eq(nic_tap_open(&loop, "lo", 1, &nic, &err), -EINVAL);
	make_tap("t1", IFF_TAP | IFF_NO_PI);
	ck_assert_int_eq(nic_tap_open(&loop, "t1", 2, &nic, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "multi_queue"));
	delete_tap("t1", IFF_TAP | IFF_NO_PI);
	make_tap("t2", IFF_TUN | IFF_NO_PI);
	ck_assert_int_eq(nic_tap_open(&loop, "t2", 1, &nic, &err), -EINVAL);
	delete_tap("t2", IFF_TUN | IFF_NO_PI);
}
END_TEST

START_TEST(several_queues)
{
	struct nic *nic;
	struct err err;

	make_tap("t3", IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE);
	ck_assert_int_eq(nic_tap_open(&loop, "t3", 4, &nic, &err), 0);
	nic->ready = on_ready;
	ck_assert_uint_eq(nic->pairs, 4);
	interface_up("t3");
	ck_assert_int_eq(nic->ops->set(nic, 1, 0), 0);
	ck_assert_int_eq(nic->ops->set(nic, 3, NIC_CSUM), 0);
	loop_step(&loop);
	ck_assert_uint_eq(readies, 7);
	ck_assert_int_eq(send_frame(nic, 2, 60), 0);
	ck_assert_int_eq(nic->ops->set(nic, 2, 0), 0);
	ck_assert_int_eq(nic->ops->set(nic, 4, 0), 0);
	ck_assert_int_eq(send_frame(nic, 3, 60), 0);
	nic_free(nic);
	/* With one. */
	ck_assert_int_eq(nic_tap_open(&loop, "t3", 1, &nic, &err), 0);
	nic_free(nic);
	delete_tap("t3", IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE);
}
END_TEST

START_TEST(deleted)
{
	int fd = tap_queue("t4", TAP);
	uint8_t room[2048];
	const struct iovec iov = {room, sizeof(room)};
	int link = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct {
		uint32_t len;
		uint16_t type, flags;
		uint32_t seq, pid;
		uint8_t family, pad;
		uint16_t kind;
		int32_t index;
		uint32_t change[2];
	} request = {.len = 32, .type = 17 /* RTM_DELLINK */, .flags = 5};
	struct nic *nic;
	struct err err;
	ssize_t n;

	ck_assert_int_eq(nic_tap_from_fds(&loop, &fd, 1, &nic, &err), 0);
	nic->ready = on_ready;
	ck_assert_int_eq(nic->ops->set(nic, 1, 0), 0);
	loop_step(&loop);
	readies = 0;
	request.index = (int32_t)if_nametoindex("t4");
	ck_assert_int_eq(send(link, &request, sizeof(request), 0), sizeof(request));
	ck_assert_int_ge(recv(link, room, sizeof(room), 0), 0);
	loop_step(&loop);
	ck_assert_uint_eq(readies, 1);
	do
		n = nic->ops->receive(nic, 0, &iov, 1);
	while (n > 0);
	ck_assert_int_eq(n, -ENETDOWN);
	ck_assert_int_eq(send_frame(nic, 0, 60), -ENETDOWN);
	ck_assert_int_eq(nic->ops->set(nic, 1, NIC_CSUM), -ENETDOWN);
	nic_free(nic);
	close(link);
}
END_TEST

START_TEST(bad_descriptors)
{
	int good = tap_queue("t5", TAP), other = tap_queue("t6", TAP);
	int plain = tap_queue("t7", IFF_TAP | IFF_NO_PI),
	    tun = tap_queue("t8", IFF_TUN | IFF_NO_PI);
	const int two[] = {good, other};
	struct nic *nic;
	struct err err;

	ck_assert_int_eq(nic_tap_from_fds(&loop, &loop.epfd, 1, &nic, &err), -EINVAL);
	ck_assert_int_eq(nic_tap_from_fds(&loop, &plain, 1, &nic, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "IFF_VNET_HDR"));
	ck_assert_int_eq(nic_tap_from_fds(&loop, &tun, 1, &nic, &err), -EINVAL);
	ck_assert_int_eq(nic_tap_from_fds(&loop, two, 2, &nic, &err), -EINVAL);
	/* They are still the caller's. */
	ck_assert_int_ge(fcntl(good, F_GETFD), 0);
	ck_assert_int_eq(nic_tap_from_fds(&loop, &good, 1, &nic, &err), 0);
	nic_free(nic);
	close(other);
	close(plain);
	close(tun);
}
END_TEST

START_TEST(queues_of_two_devices)
{
	int fds[] = {
		tap_queue("t9", TAP | IFF_MULTI_QUEUE), tap_queue("t10", TAP | IFF_MULTI_QUEUE)};
	struct nic *nic;
	struct err err;

	ck_assert_int_eq(nic_tap_from_fds(&loop, fds, 2, &nic, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "belongs to"));
	close(fds[1]);
	fds[1] = tap_queue("t9", TAP | IFF_MULTI_QUEUE);
	ck_assert_int_eq(nic_tap_from_fds(&loop, fds, 2, &nic, &err), 0);
	ck_assert_uint_eq(nic->pairs, 2);
	nic_free(nic);
}
END_TEST

int main(void)
{
	const struct suite_case cases[] = {{by_name}, {bad_names}, {several_queues}, {deleted},
		{bad_descriptors}, {queues_of_two_devices}};
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 && unshare(CLONE_NEWNET) < 0) {
		printf("SKIP: no network namespace: %s\n", strerror(errno));
		return EXIT_SKIP;
	}
	fd = tap_queue("probe", TAP);
	if (fd < 0) {
		printf("SKIP: no tap device: %s\n", strerror(errno));
		return EXIT_SKIP;
	}
	close(fd);
	return suite_run("nic_tap", cases, ARRAY_SIZE(cases), setup, teardown);
}
