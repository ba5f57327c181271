// SPDX-License-Identifier: Apache-2.0
// Tests of devices/backend/nic_passt.h: frames through a stream, and a peer that breaks the rules.
#include "devices/backend/nic_passt.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "devices/backend/nic.h"
#include "tests/lib/loop_step.h"
#include "tests/lib/suite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct loop loop;
static struct nic *nic;
static int peer;
static unsigned int readies;
static uint8_t room[NIC_HEADER + NIC_FRAME_MAX];

static void on_ready(void *ctx, unsigned int pair)
{
	ck_assert_uint_eq(pair, 0);
	readies++;
}

static void setup(void)
{
	int fds[2];

	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ck_assert_int_eq(nic_passt_from_fd(&loop, fds[0], &nic, NULL), 0);
	peer = fds[1];
	nic->ready = on_ready;
	readies = 0;
	ck_assert_int_eq(nic->ops->set(nic, 1, 0), 0);
	loop_step(&loop);
	memset(room, 0xee, sizeof(room));
}

static void teardown(void)
{
	nic_free(nic);
	if (peer >= 0)
		close(peer);
	loop_fini(&loop);
}

static void put(const void *data, size_t len)
{
	ck_assert_int_eq(send(peer, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void put_length(uint32_t len)
{
	len = htonl(len);
	put(&len, sizeof(len));
}

static void put_fill(size_t len, uint8_t fill)
{
	static uint8_t data[NIC_FRAME_MAX];

	memset(data, fill, len);
	put(data, len);
}

static ssize_t receive(size_t len)
{
	/* In pieces, the header's end among them. */
	const struct iovec iov[] = {{room, 5}, {room + 5, 20}, {room + 25, len - 25}};

	return nic->ops->receive(nic, 0, iov, 3);
}

static void expect_frame(uint32_t len, uint8_t fill)
{
	static const uint8_t header[NIC_HEADER];

	ck_assert_int_eq(receive(sizeof(room)), NIC_HEADER + (ssize_t)len);
	ck_assert_mem_eq(room, header, NIC_HEADER);
	for (uint32_t i = 0; i < len; i++)
		ck_assert_uint_eq(room[NIC_HEADER + i], fill);
	memset(room, 0xee, sizeof(room));
}

static void expect_none(void)
{
	ck_assert_int_eq(receive(sizeof(room)), -EAGAIN);
}

START_TEST(what_it_is)
{
	ck_assert_uint_eq(nic->pairs, 1);
	ck_assert_uint_eq(nic->offloads, 0);
	ck_assert_uint_eq(nic->frame_max, NIC_FRAME_MAX);
}
END_TEST

START_TEST(receives)
{
	readies = 0;
	put_length(60);
	put_fill(60, 1);
	put_length(1500);
	put_fill(1500, 2);
	loop_step(&loop);
	ck_assert_uint_ge(readies, 1);
	expect_frame(60, 1);
	expect_frame(1500, 2);
	expect_none();
	put_length(NIC_FRAME_MAX);
	put_fill(NIC_FRAME_MAX, 3);
	expect_frame(NIC_FRAME_MAX, 3);
	put_length(NIC_FRAME_MIN);
	put_fill(NIC_FRAME_MIN, 4);
	expect_frame(NIC_FRAME_MIN, 4);
	expect_none();
}
END_TEST

/* Each byte on its own. */
START_TEST(receives_bytes)
{
	uint32_t len = htonl(20);

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 4; i++) {
			put((uint8_t *)&len + i, 1);
			expect_none();
		}
		for (int i = 0; i < 19; i++) {
			put("x", 1);
			expect_none();
		}
		put("x", 1);
		expect_frame(20, 'x');
	}
}
END_TEST

/* A frame ends and a part of the next length is there. */
START_TEST(receives_part_of_the_next)
{
	uint32_t len = htonl(30);

	put_length(20);
	put_fill(20, 1);
	put(&len, 3);
	expect_frame(20, 1);
	expect_none();
	put((uint8_t *)&len + 3, 1);
	put_fill(10, 2);
	expect_none();
	put_fill(20, 2);
	put_length(40);
	put_fill(40, 3);
	expect_frame(30, 2);
	expect_frame(40, 3);
}
END_TEST

START_TEST(too_little_room)
{
	put_length(1000);
	put_fill(1000, 1);
	put_length(60);
	put_fill(60, 2);
	ck_assert_int_eq(receive(500), 500);
	ck_assert_uint_eq(room[499], 1);
	ck_assert_uint_eq(room[500], 0xee);
	memset(room, 0xee, sizeof(room));
	expect_frame(60, 2);
}
END_TEST

static const uint32_t bad_lengths[] = {0, 13, NIC_FRAME_MAX + 1, 0x80000000, UINT32_MAX};

START_TEST(bad_length)
{
	put_length(60);
	put_fill(60, 1);
	put_length(bad_lengths[_i]);
	put_fill(60, 2);
	expect_frame(60, 1);
	ck_assert_int_eq(receive(sizeof(room)), -ENETDOWN);
	/* For good. */
	put_length(60);
	put_fill(60, 1);
	ck_assert_int_eq(receive(sizeof(room)), -ENETDOWN);
	ck_assert_int_eq(nic->ops->set(nic, 0, 0), 0);
	ck_assert_int_eq(nic->ops->set(nic, 1, 0), -ENETDOWN);
}
END_TEST

START_TEST(peer_closes)
{
	put_length(60);
	put_fill(60, 1);
	close(peer);
	peer = -1;
	readies = 0;
	loop_step(&loop);
	ck_assert_uint_ge(readies, 1);
	expect_frame(60, 1);
	ck_assert_int_eq(receive(sizeof(room)), -ENETDOWN);
}
END_TEST

START_TEST(peer_closes_within_a_frame)
{
	put_length(60);
	put_fill(59, 1);
	close(peer);
	peer = -1;
	ck_assert_int_eq(receive(sizeof(room)), -ENETDOWN);
}
END_TEST

static int send_frame(uint32_t len, uint8_t fill)
{
	static uint8_t frame[NIC_FRAME_MAX];
	uint8_t header[NIC_HEADER] = {0};
	const struct iovec iov[] = {{header, sizeof(header)}, {frame, 7}, {frame + 7, len - 7}};

	memset(frame, fill, len);
	return nic->ops->send(nic, 0, iov, 3);
}

static void take(void *data, size_t len)
{
	ck_assert_int_eq(recv(peer, data, len, MSG_WAITALL | MSG_DONTWAIT), (ssize_t)len);
}

static void expect_sent(uint32_t len, uint8_t fill)
{
	static uint8_t frame[NIC_FRAME_MAX];
	uint32_t wire;

	take(&wire, sizeof(wire));
	ck_assert_uint_eq(ntohl(wire), len);
	take(frame, len);
	for (uint32_t i = 0; i < len; i++)
		ck_assert_uint_eq(frame[i], fill);
}

START_TEST(sends)
{
	ck_assert_int_eq(send_frame(60, 1), 0);
	ck_assert_int_eq(send_frame(NIC_FRAME_MAX, 2), 0);
	expect_sent(60, 1);
	expect_sent(NIC_FRAME_MAX, 2);
}
END_TEST

/* Until the socket is full; then no frame is lost, cut or doubled, however slowly it is read. */
START_TEST(sends_to_a_slow_peer)
{
	unsigned int sent = 0, got = 0;
	uint8_t wire[4], *frame = room;

	while (send_frame(30000, (uint8_t)sent) == 0)
		sent++;
	ck_assert_uint_gt(sent, 1);
	while (got < 100) {
		size_t have = 0;

		while (have < sizeof(wire) + 30000) {
			uint8_t *at = have < 4 ? wire + have : frame + have - 4;
			size_t want = have < 4 ? 4 - have : 30004 - have;
			ssize_t n = recv(peer, at, want < 7000 ? want : 7000, MSG_DONTWAIT);

			if (n < 0) {
				ck_assert_int_eq(errno, EAGAIN);
				n = 0;
			}
			have += (size_t)n;
			readies = 0;
			loop_step(&loop);
			while (readies && send_frame(30000, (uint8_t)sent) == 0)
				sent++;
		}
		ck_assert_uint_eq(wire[2] << 8 | wire[3], 30000);
		ck_assert_uint_eq(frame[0], got & 0xff);
		ck_assert_uint_eq(frame[29999], got & 0xff);
		got++;
	}
}
END_TEST

START_TEST(sends_to_nobody)
{
	close(peer);
	peer = -1;
	ck_assert_int_eq(send_frame(60, 1), -ENETDOWN);
	ck_assert_int_eq(send_frame(60, 1), -ENETDOWN);
}
END_TEST

START_TEST(stopped)
{
	ck_assert_int_eq(nic->ops->set(nic, 0, 0), 0);
	readies = 0;
	put_length(60);
	put_fill(60, 1);
	loop_step(&loop);
	ck_assert_uint_eq(readies, 0);
	ck_assert_int_eq(nic->ops->set(nic, 1, 0), 0);
	loop_step(&loop);
	ck_assert_uint_ge(readies, 1);
	expect_frame(60, 1);
}
END_TEST

START_TEST(bad_sockets)
{
	char path[300];
	struct nic *other;
	struct err err;
	int fds[2];

	ck_assert_int_eq(nic_passt_connect(&loop, "/no/such/socket", &other, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "/no/such/socket"));
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_eq(nic_passt_connect(&loop, path, &other, &err), -ENAMETOOLONG);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	ck_assert_int_eq(nic_passt_from_fd(&loop, fds[0], &other, &err), -EINVAL);
	close(fds[0]);
	close(fds[1]);
	ck_assert_int_eq(nic_passt_from_fd(&loop, loop.epfd, &other, &err), -EINVAL);
}
END_TEST

START_TEST(connects)
{
	char dir[] = "/tmp/test-nic-XXXXXX";
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct nic *other;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/passt", dir);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(nic_passt_connect(&loop, addr.sun_path, &other, NULL), 0);
	ck_assert_ptr_nonnull(strstr(other->name, addr.sun_path));
	nic_free(other);
	close(fd);
	unlink(addr.sun_path);
	rmdir(dir);
}
END_TEST

SUITE_CASES("nic_passt", setup, teardown, {what_it_is}, {receives}, {receives_bytes},
	{receives_part_of_the_next}, {too_little_room}, {bad_length, ARRAY_SIZE(bad_lengths)},
	{peer_closes}, {peer_closes_within_a_frame}, {sends}, {sends_to_a_slow_peer},
	{sends_to_nobody}, {stopped}, {bad_sockets}, {connects})
