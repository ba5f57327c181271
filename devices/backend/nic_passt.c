// SPDX-License-Identifier: Apache-2.0
// passt, or another user-space network, as the host's end of a network device.
#include "devices/backend/nic_passt.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "devices/backend/nic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

/* syscalls: loop: close, recvmsg, sendmsg; start: connect, fcntl, getsockopt, socket */

/*
 * Theory of operation
 *
 * Both ways the stream is what QEMU's socket network speaks:
 *
 *     [length  ][frame          ][length  ][frame ] ...
 *      4 bytes   "length" bytes
 *      big-endian, without itself
 *
 * One call reads a frame into the caller's room, and the next frame's length along with it:
 *
 *     known: length n    recvmsg -> [n bytes of room][next length]
 *
 * When the stream stops in the middle of a frame, what has come is kept here, and the frame is
 * completed here; in the same way, what the socket doesn't take of a frame that is being sent is
 * kept, and nothing more is taken until it has gone. So to the device a frame comes or goes whole.
 *
 * The peer is trusted no more than any network: a length that no frame has ends the connection.
 */

/* struct passt_rx - receiving
 * @head, @head_len: the length before the frame, as far as it has come
 * @frame, @frame_len: the frame's beginning, where it came in pieces
 */
struct passt_rx {
	uint8_t head[4];
	uint32_t head_len;
	uint32_t frame_len;
	uint8_t frame[NIC_FRAME_MAX];
};

/* struct passt_tx - the rest of a frame that is being sent: @data from @pos to @len */
struct passt_tx {
	uint32_t pos, len;
	uint8_t data[4 + NIC_FRAME_MAX];
};

struct nic_passt {
	struct nic nic;
	struct loop *loop;
	struct loop_source src;
	int fd;
	bool gone;
	char name[sizeof(((struct sockaddr_un *)NULL)->sun_path) + sizeof("passt ''")];
	struct iovec iov[NIC_IOVS_MAX + 1];
	struct passt_rx rx;
	struct passt_tx tx;
};

static struct nic_passt *to_passt(struct nic *nic)
{
	return container_of(nic, struct nic_passt, nic);
}

static int passt_gone(struct nic_passt *passt, const char *why)
{
	if (!passt->gone)
		log_debug("%s: %s", passt->name, why);
	passt->gone = true;
	return -ENETDOWN;
}

/*
 * Read into @iov.
 *
 * Return: bytes, 1 up; -EAGAIN, -ENETDOWN.
 */
static ssize_t passt_read(struct nic_passt *passt, struct iovec *iov, unsigned int count)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = count};
	ssize_t n;

	do
		n = recvmsg(passt->fd, &msg, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return n;
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	return passt_gone(passt, n ? strerror(errno) : "the other side has closed");
}

/* Return: the length of the frame that comes next; -EAGAIN, -ENETDOWN. */
static ssize_t passt_length(struct nic_passt *passt)
{
	struct passt_rx *rx = &passt->rx;
	uint32_t len;

	while (rx->head_len < sizeof(rx->head)) {
		struct iovec iov = {rx->head + rx->head_len, sizeof(rx->head) - rx->head_len};
		ssize_t n = passt_read(passt, &iov, 1);

		if (n < 0)
			return n;
		rx->head_len += (uint32_t)n;
	}
	memcpy(&len, rx->head, sizeof(len));
	len = ntohl(len);
	if (len < NIC_FRAME_MIN || len > NIC_FRAME_MAX) {
		char why[64];

		snprintf(why, sizeof(why), "a frame of %u bytes", len);
		return passt_gone(passt, why);
	}
	return (ssize_t)len;
}

/* Move @n bytes between @data and the iovecs, from their byte @skip on, as far as they reach. */
static void move(const struct iovec *iov, unsigned int count, size_t skip, uint8_t *data, size_t n,
	bool to_iov)
{
	for (unsigned int i = 0; i < count && n; i++) {
		uint8_t *base = iov[i].iov_base;
		size_t part = iov[i].iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		part = part - skip < n ? part - skip : n;
		if (to_iov)
			memcpy(base + skip, data, part);
		else
			memcpy(data, base + skip, part);
		data += part;
		n -= part;
		skip = 0;
	}
}

/* The part of @iov from byte @skip on, at most @n bytes, into passt->iov. Return: iovecs. */
static unsigned int window(struct nic_passt *passt, const struct iovec *iov, unsigned int count,
	size_t skip, size_t *n)
{
	unsigned int used = 0;
	size_t left = *n;

	for (unsigned int i = 0; i < count && left; i++) {
		size_t part = iov[i].iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		part = part - skip < left ? part - skip : left;
		passt->iov[used++] = (struct iovec){(uint8_t *)iov[i].iov_base + skip, part};
		left -= part;
		skip = 0;
	}
	*n -= left;
	return used;
}

/* A header that asks for nothing, and where the frame ends: in the room or where that ends. */
static ssize_t passt_finish(const struct iovec *iov, unsigned int count, size_t len)
{
	uint8_t header[NIC_HEADER] = {0};
	size_t room = 0;

	for (unsigned int i = 0; i < count; i++)
		room += iov[i].iov_len;
	move(iov, count, 0, header, sizeof(header), true);
	return (ssize_t)(len + NIC_HEADER < room ? len + NIC_HEADER : room);
}

/* Complete a frame that came in pieces, or that there is too little room for. */
static ssize_t receive_kept(
	struct nic_passt *passt, const struct iovec *iov, unsigned int count, size_t len)
{
	struct passt_rx *rx = &passt->rx;

	while (rx->frame_len < len) {
		struct iovec rest = {rx->frame + rx->frame_len, len - rx->frame_len};
		ssize_t n = passt_read(passt, &rest, 1);

		if (n < 0)
			return n;
		rx->frame_len += (uint32_t)n;
	}
	move(iov, count, NIC_HEADER, rx->frame, len, true);
	rx->frame_len = rx->head_len = 0;
	return passt_finish(iov, count, len);
}

static ssize_t passt_receive(
	struct nic *nic, unsigned int pair, const struct iovec *iov, unsigned int count)
{
	struct nic_passt *passt = to_passt(nic);
	struct passt_rx *rx = &passt->rx;
	ssize_t len, n;
	size_t room;
	unsigned int used;

	if (passt->gone)
		return -ENETDOWN;
	len = passt_length(passt);
	if (len < 0)
		return len;
	room = (size_t)len;
	used = window(passt, iov, count, NIC_HEADER, &room);
	if (rx->frame_len || room < (size_t)len)
		return receive_kept(passt, iov, count, (size_t)len);
	passt->iov[used++] = (struct iovec){rx->head, sizeof(rx->head)};
	n = passt_read(passt, passt->iov, used);
	if (n < 0)
		return n;
	if (n < len) {
		move(iov, count, NIC_HEADER, rx->frame, (size_t)n, false);
		rx->frame_len = (uint32_t)n;
		return receive_kept(passt, iov, count, (size_t)len);
	}
	rx->head_len = (uint32_t)(n - len);
	return passt_finish(iov, count, (size_t)len);
}

/* Wait for room in the socket only while something waits for it: each read of the peer's would
 * wake us otherwise. */
static void passt_want_room(struct nic_passt *passt, bool want)
{
	if (passt->src.fd >= 0)
		loop_mod(passt->loop, &passt->src, EPOLLIN | EPOLLET | (want ? EPOLLOUT : 0));
}

/* Return: bytes sent; -EAGAIN, -ENETDOWN. */
static ssize_t passt_write(struct nic_passt *passt, struct iovec *iov, unsigned int count)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = count};
	ssize_t n;

	do
		n = sendmsg(passt->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno != EAGAIN)
		return passt_gone(passt, strerror(errno));
	passt_want_room(passt, true);
	return -EAGAIN;
}

/* Send the rest of a frame. Return: 0 if none is left; -EAGAIN, -ENETDOWN. */
static int passt_flush(struct nic_passt *passt)
{
	struct passt_tx *tx = &passt->tx;

	while (tx->pos < tx->len) {
		struct iovec iov = {tx->data + tx->pos, tx->len - tx->pos};
		ssize_t n = passt_write(passt, &iov, 1);

		if (n < 0)
			return (int)n;
		tx->pos += (uint32_t)n;
	}
	tx->pos = tx->len = 0;
	return 0;
}

static int passt_send(
	struct nic *nic, unsigned int pair, const struct iovec *iov, unsigned int count)
{
	struct nic_passt *passt = to_passt(nic);
	struct passt_tx *tx = &passt->tx;
	uint8_t head[4];
	size_t len = 0;
	uint32_t wire;
	ssize_t n;
	int r;

	if (passt->gone)
		return -ENETDOWN;
	r = passt_flush(passt);
	if (r < 0)
		return r;
	for (unsigned int i = 1; i < count; i++)
		len += iov[i].iov_len;
	wire = htonl((uint32_t)len);
	memcpy(head, &wire, sizeof(head));
	/* The header asks for nothing, for nothing was negotiated: the length takes its place. */
	passt->iov[0] = (struct iovec){head, sizeof(head)};
	memcpy(passt->iov + 1, iov + 1, (count - 1) * sizeof(*iov));
	n = passt_write(passt, passt->iov, count);
	if (n < 0)
		return (int)n;
	len += sizeof(head);
	if ((size_t)n == len)
		return 0;
	/* A stream's other side would take the next length for data. */
	memcpy(tx->data, head, sizeof(head));
	move(iov + 1, count - 1, 0, tx->data + sizeof(head), len - sizeof(head), false);
	tx->pos = (uint32_t)n;
	tx->len = (uint32_t)len;
	passt_want_room(passt, true);
	return 0;
}

static void on_event(struct loop_source *src, uint32_t events)
{
	struct nic_passt *passt = container_of(src, struct nic_passt, src);

	if (events & EPOLLOUT) {
		passt_want_room(passt, false);
		passt_flush(passt);
	}
	passt->nic.ready(passt->nic.ctx, 0);
}

static int passt_set(struct nic *nic, unsigned int pairs, unsigned int offloads)
{
	struct nic_passt *passt = to_passt(nic);

	if (!pairs) {
		loop_del(passt->loop, &passt->src);
		return 0;
	}
	if (passt->gone)
		return -ENETDOWN;
	if (passt->src.fd >= 0)
		return 0;
	return loop_add(
		passt->loop, &passt->src, passt->fd, EPOLLIN | EPOLLOUT | EPOLLET, on_event);
}

static void passt_free(struct nic *nic)
{
	struct nic_passt *passt = to_passt(nic);

	loop_del(passt->loop, &passt->src);
	close(passt->fd);
	free(passt);
}

static const struct nic_ops passt_ops = {
	.set = passt_set,
	.receive = passt_receive,
	.send = passt_send,
	.free = passt_free,
};

int nic_passt_from_fd(struct loop *loop, int fd, struct nic **ret, struct err *err)
{
	struct nic_passt *passt;
	socklen_t len = sizeof(int);
	int type = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM)
		return err_set(err, -EINVAL, "passt fd=%d: is not a stream socket", fd);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_errno(err, errno, "passt fd=%d", fd);
	passt = calloc(1, sizeof(*passt));
	if (!passt)
		return err_errno(err, ENOMEM, "passt fd=%d", fd);
	snprintf(passt->name, sizeof(passt->name), "passt fd=%d", fd);
	passt->nic = (struct nic){
		.ops = &passt_ops, .name = passt->name, .pairs = 1, .frame_max = NIC_FRAME_MAX};
	passt->loop = loop;
	passt->src.fd = -1;
	passt->fd = fd;
	*ret = &passt->nic;
	return 0;
}

int nic_passt_connect(struct loop *loop, const char *path, struct nic **ret, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP_FD int fd = -1;
	int r;

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG,
			"passt '%s': longer than a UNIX socket's %zu bytes", path,
			sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, errno, "passt '%s'", path);
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_errno(err, errno, "passt '%s': connecting", path);
	r = nic_passt_from_fd(loop, fd, ret, err);
	if (r < 0)
		return r;
	fd = -1;
	snprintf(to_passt(*ret)->name, sizeof(to_passt(*ret)->name), "passt '%s'", path);
	return 0;
}
