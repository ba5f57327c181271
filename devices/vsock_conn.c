// SPDX-License-Identifier: Apache-2.0
// One vsock connection.
#include "devices/vsock_conn.h"

#include "base/cleanup.h"
#include "devices/backend/stream.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Unread input thrown away before closing, in pieces of VSOCK_BUF: beyond a socket's buffer. */
#define VSOCK_DRAIN_READS 8

static struct vsock_conn_list *conn_bucket(
	struct vsock *vsock, uint32_t host_port, uint32_t guest_port)
{
	uint32_t hash = host_port * 0x9e3779b1U ^ guest_port * 0x85ebca6bU;

	return &vsock->hash[hash >> 16 & (VSOCK_HASH_SIZE - 1)];
}

struct vsock_conn *vsock_conn_find(struct vsock *vsock, uint32_t host_port, uint32_t guest_port)
{
	struct vsock_conn *conn;

	LIST_FOREACH(conn, conn_bucket(vsock, host_port, guest_port), hash_link)
	if (conn->host_port == host_port && conn->guest_port == guest_port)
		return conn;
	return NULL;
}

struct vsock_conn *vsock_conn_new(struct vsock *vsock, int fd, uint32_t host_port,
	uint32_t guest_port, enum vsock_state state)
{
	struct vsock_conn *conn;

	if (vsock->count >= VSOCK_CONNS_MAX)
		return NULL;
	/* Not zeroed as a whole: that would touch the ring's pages. */
	conn = malloc(sizeof(*conn));
	if (!conn)
		return NULL;
	memset(conn, 0, offsetof(struct vsock_conn, data));
	conn->vsock = vsock;
	conn->state = state;
	conn->fd = fd;
	conn->src.fd = -1;
	conn->host_port = host_port;
	conn->guest_port = guest_port;
	conn->owe = state == VSOCK_CONNECTING ? VSOCK_OWE_REQUEST : VSOCK_OWE_RESPONSE;
	ring_init(&conn->ring, conn->data, VSOCK_BUF);
	LIST_INSERT_HEAD(&vsock->all, conn, all_link);
	LIST_INSERT_HEAD(conn_bucket(vsock, host_port, guest_port), conn, hash_link);
	conn->hashed = true;
	vsock->count++;
	return conn;
}

static void conn_unhash(struct vsock_conn *conn)
{
	if (conn->hashed)
		LIST_REMOVE(conn, hash_link);
	conn->hashed = false;
}

static void conn_unlink(struct vsock_conn *conn)
{
	struct vsock *vsock = conn->vsock;

	conn_unhash(conn);
	if (conn->queued)
		TAILQ_REMOVE(&vsock->rx, conn, rx_link);
	if (conn->timed)
		TAILQ_REMOVE(&vsock->timers, conn, timer_link);
	conn->queued = conn->timed = false;
}

static void conn_close(struct vsock_conn *conn)
{
	if (conn->fd < 0)
		return;
	loop_del(conn->vsock->loop, &conn->src);
	/*
	 * Closing a UNIX socket with unread input gives its peer ECONNRESET in place of the end of
	 * file that the guest meant. No more can come after the shutdown, so read what is there.
	 */
	shutdown(conn->fd, SHUT_RDWR);
	for (int i = 0; i < VSOCK_DRAIN_READS; i++)
		if (recv(conn->fd, conn->data, sizeof(conn->data), MSG_DONTWAIT) <= 0)
			break;
	close(conn->fd);
	conn->fd = -1;
}

void vsock_conn_destroy(struct vsock_conn *conn)
{
	if (conn->state == VSOCK_DEAD)
		return;
	conn_unlink(conn);
	conn_close(conn);
	conn->state = VSOCK_DEAD;
	LIST_REMOVE(conn, all_link);
	LIST_INSERT_HEAD(&conn->vsock->dead, conn, all_link);
	conn->vsock->count--;
}

void vsock_conn_reset(struct vsock_conn *conn)
{
	if (conn->state != VSOCK_CONNECTING && conn->state != VSOCK_ESTABLISHED)
		return;
	conn_close(conn);
	ring_consume(&conn->ring, ring_used(&conn->ring));
	if (conn->timed)
		TAILQ_REMOVE(&conn->vsock->timers, conn, timer_link);
	conn->timed = false;
	conn->state = VSOCK_RESET;
	vsock_conn_settle(conn);
}

void vsock_conn_forget(struct vsock_conn *conn)
{
	if (conn->state != VSOCK_ESTABLISHED || !ring_used(&conn->ring)) {
		vsock_conn_destroy(conn);
		return;
	}
	conn_unlink(conn);
	conn->state = VSOCK_LINGER;
	vsock_conn_settle(conn);
}

/* How many bytes the guest has room for. */
static uint32_t conn_credit(const struct vsock_conn *conn)
{
	uint32_t in_flight = conn->sent_cnt - conn->peer_fwd_cnt;

	return in_flight < conn->peer_buf_alloc ? conn->peer_buf_alloc - in_flight : 0;
}

/* Is there host data that could go to the guest, but for credit? */
static bool conn_has_input(const struct vsock_conn *conn)
{
	return conn->readable && !conn->host_eof && !(conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV);
}

static bool conn_has_packet(const struct vsock_conn *conn)
{
	switch (conn->state) {
	case VSOCK_RESET:
		return true;
	case VSOCK_CONNECTING:
		return conn->owe;
	case VSOCK_ESTABLISHED:
		return conn->owe || conn->shut_want != conn->shut_sent ||
		       (conn_has_input(conn) && (conn_credit(conn) || !conn->credit_asked));
	case VSOCK_LINGER:
	case VSOCK_DEAD:
		break;
	}
	return false;
}

void vsock_conn_queue(struct vsock_conn *conn)
{
	if (conn->queued || !conn_has_packet(conn))
		return;
	TAILQ_INSERT_TAIL(&conn->vsock->rx, conn, rx_link);
	conn->queued = true;
}

static void conn_on_event(struct loop_source *src, uint32_t events)
{
	struct vsock_conn *conn = container_of(src, struct vsock_conn, src);
	struct vsock *vsock = conn->vsock;

	if (ring_used(&conn->ring) && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)))
		vsock_conn_flush(conn);
	if (!conn->host_eof && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
		conn->readable = true;
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		conn->host_hup = true;
		conn->shut_want = VSOCK_SHUTDOWN_BOTH;
	}
	/* Mostly all of it goes to the guest at once, and there is no need to stop watching. */
	vsock_conn_queue(conn);
	vsock_rx_run(vsock);
	vsock_conn_settle(conn);
	vsock_rx_run(vsock);
	vsock_reap(vsock);
}

/* Watch what we can act upon, and nothing that would be reported without end. */
static void conn_watch(struct vsock_conn *conn)
{
	struct loop *loop = conn->vsock->loop;
	bool open = conn->state == VSOCK_ESTABLISHED;
	uint32_t events = 0;
	int r = 0;

	if (open && !conn->readable && !conn->host_eof &&
		!(conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV))
		events |= EPOLLIN;
	if (ring_used(&conn->ring))
		events |= EPOLLOUT;
	/* After its end of file a host that goes away altogether is seen by EPOLLHUP. */
	if (conn->fd < 0 || (!events && !(open && conn->host_eof && !conn->host_hup)))
		loop_del(loop, &conn->src);
	else if (conn->src.fn)
		r = loop_mod(loop, &conn->src, events);
	else
		r = loop_add(loop, &conn->src, conn->fd, events, conn_on_event);
	if (r < 0) {
		/* Not a socket, or no memory in the kernel. */
		if (open)
			vsock_conn_reset(conn);
		else
			vsock_conn_destroy(conn);
	}
}

void vsock_conn_settle(struct vsock_conn *conn)
{
	uint32_t told_free;

	if (conn->state == VSOCK_DEAD)
		return;
	if (conn->state == VSOCK_LINGER && !ring_used(&conn->ring)) {
		vsock_conn_destroy(conn);
		return;
	}
	if (conn->state == VSOCK_ESTABLISHED && !ring_used(&conn->ring)) {
		if (conn->guest_shut == VSOCK_SHUTDOWN_BOTH) {
			vsock_conn_reset(conn);
			return;
		}
		if ((conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) && !conn->write_shut) {
			shutdown(conn->fd, SHUT_WR);
			conn->write_shut = true;
		}
	}
	if (conn->state == VSOCK_ESTABLISHED && conn->fwd_cnt != conn->told_fwd_cnt) {
		told_free =
			VSOCK_BUF - (conn->fwd_cnt + ring_used(&conn->ring) - conn->told_fwd_cnt);
		if (told_free < VSOCK_BUF / 2)
			conn->owe |= VSOCK_OWE_CREDIT;
	}
	vsock_conn_queue(conn);
	conn_watch(conn);
}

/* The host takes no more data: drop what is there, and tell the guest. */
static void conn_deafen(struct vsock_conn *conn)
{
	conn->host_deaf = true;
	conn->shut_want |= VIRTIO_VSOCK_SHUTDOWN_RCV;
	conn->fwd_cnt += ring_used(&conn->ring);
	ring_consume(&conn->ring, ring_used(&conn->ring));
}

/* One non-blocking send. Return: bytes, 0 if the socket is full or failed (then it is deaf). */
static uint32_t conn_send(struct vsock_conn *conn, struct iovec *iov, unsigned int count)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = count};
	ssize_t n;

	do
		n = sendmsg(conn->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0) {
		conn->fwd_cnt += (uint32_t)n;
		return (uint32_t)n;
	}
	if (errno != EAGAIN && errno != ENOBUFS)
		conn_deafen(conn);
	return 0;
}

void vsock_conn_flush(struct vsock_conn *conn)
{
	struct iovec iov[2];

	while (ring_used(&conn->ring)) {
		int count = ring_read_iov(&conn->ring, iov);
		uint32_t n = conn_send(conn, iov, (unsigned int)count);

		if (!n)
			return;
		ring_consume(&conn->ring, n);
	}
}

/* @len bytes from the guest, at the front of @iov; there is room for them in the ring. */
static void conn_write(struct vsock_conn *conn, struct iovec *iov, unsigned int count, uint32_t len)
{
	uint32_t sent = 0, left = len;
	unsigned int used = 0;

	while (used < count && left) {
		if (iov[used].iov_len > left)
			iov[used].iov_len = left;
		left -= (uint32_t)iov[used++].iov_len;
	}
	if (!conn->host_deaf && !ring_used(&conn->ring))
		sent = conn_send(conn, iov, used);
	if (conn->host_deaf) {
		conn->fwd_cnt += len - sent;
		return;
	}
	for (unsigned int i = 0; i < used; i++) {
		uint32_t n = (uint32_t)iov[i].iov_len, skip = sent < n ? sent : n;

		sent -= skip;
		ring_put(&conn->ring, (uint8_t *)iov[i].iov_base + skip, n - skip);
	}
}

/* The guest has taken a connection of the host's. */
static void conn_accepted(struct vsock_conn *conn)
{
	struct stream_backend *backend = conn->vsock->backend;

	TAILQ_REMOVE(&conn->vsock->timers, conn, timer_link);
	conn->timed = false;
	conn->state = VSOCK_ESTABLISHED;
	if (backend->ops->accepted(backend, conn->fd, conn->host_port) < 0)
		vsock_conn_reset(conn);
}

/* An established connection's packet. Return: false if the guest broke the protocol. */
static bool conn_established_packet(struct vsock_conn *conn, const struct virtio_vsock_hdr *hdr,
	struct iovec *iov, unsigned int count)
{
	uint32_t len = le32toh(hdr->len);

	switch (le16toh(hdr->op)) {
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		conn->guest_shut |= le32toh(hdr->flags) & VSOCK_SHUTDOWN_BOTH;
		if (conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV)
			shutdown(conn->fd, SHUT_RD);
		return true;
	case VIRTIO_VSOCK_OP_RW:
		/* The ring's room is the guest's credit. */
		if ((conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) || len > ring_free(&conn->ring))
			return false;
		conn_write(conn, iov, count, len);
		return true;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		return true;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		conn->owe |= VSOCK_OWE_CREDIT;
		return true;
	default:
		return false;
	}
}

void vsock_conn_packet(struct vsock_conn *conn, const struct virtio_vsock_hdr *hdr,
	struct iovec *iov, unsigned int count)
{
	uint16_t op = le16toh(hdr->op);
	bool legal;

	if (op == VIRTIO_VSOCK_OP_RST) {
		vsock_conn_forget(conn);
		return;
	}
	/* RST is on its way to the guest. */
	if (conn->state == VSOCK_RESET)
		return;
	conn->peer_buf_alloc = le32toh(hdr->buf_alloc);
	conn->peer_fwd_cnt = le32toh(hdr->fwd_cnt);
	conn->credit_asked = false;
	if (conn->state == VSOCK_CONNECTING) {
		legal = op == VIRTIO_VSOCK_OP_RESPONSE && !(conn->owe & VSOCK_OWE_REQUEST);
		if (legal)
			conn_accepted(conn);
	} else {
		legal = conn_established_packet(conn, hdr, iov, count);
	}
	if (!legal)
		vsock_conn_reset(conn);
	vsock_conn_settle(conn);
}

/*
 * Read from the host into the chain, behind the header.
 *
 * Return: bytes; 0 if there are none now, or no more will come (host_eof); -EPROTO.
 */
static int conn_read(struct vsock_conn *conn, struct virtq_chain *chain)
{
	struct iovec *iov = chain->iov + chain->out_count, whole;
	uint32_t room = chain->in_len - (uint32_t)sizeof(struct virtio_vsock_hdr);
	size_t skip = sizeof(struct virtio_vsock_hdr);
	uint32_t left;
	unsigned int used = 0;
	ssize_t n;

	if (!room)
		return -EPROTO;
	if (room > VSOCK_PACKET_MAX)
		room = VSOCK_PACKET_MAX;
	if (room > conn_credit(conn))
		room = conn_credit(conn);
	while (skip >= iov->iov_len)
		skip -= (iov++)->iov_len;
	whole = *iov;
	iov->iov_base = (uint8_t *)iov->iov_base + skip;
	iov->iov_len -= skip;
	for (left = room; left; used++) {
		if (iov[used].iov_len > left)
			iov[used].iov_len = left;
		left -= (uint32_t)iov[used].iov_len;
	}
	do {
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = used};

		n = recvmsg(conn->fd, &msg, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	/* Whole again, for the header. */
	*iov = whole;
	if (n > 0) {
		/* Less than asked for: nothing is left, probably. */
		conn->readable = n == room;
		conn->sent_cnt += (uint32_t)n;
		return (int)n;
	}
	conn->readable = false;
	if (n < 0 && errno == EAGAIN)
		return 0;
	conn->host_eof = true;
	conn->shut_want |= n < 0 ? VSOCK_SHUTDOWN_BOTH : VIRTIO_VSOCK_SHUTDOWN_SEND;
	return 0;
}

/* Choose the next packet of an established connection. Return: its op, or -EPROTO. */
static int conn_next_op(struct vsock_conn *conn, struct virtq_chain *chain, uint32_t *ret_len)
{
	int n;

	if (conn->owe & VSOCK_OWE_RESPONSE) {
		conn->owe &= ~VSOCK_OWE_RESPONSE;
		return VIRTIO_VSOCK_OP_RESPONSE;
	}
	if (conn_has_input(conn)) {
		if (conn_credit(conn)) {
			n = conn_read(conn, chain);
			if (n < 0)
				return n;
			*ret_len = (uint32_t)n;
			if (n > 0)
				return VIRTIO_VSOCK_OP_RW;
		} else if (!conn->credit_asked) {
			conn->credit_asked = true;
			return VIRTIO_VSOCK_OP_CREDIT_REQUEST;
		}
	}
	if (conn->shut_want != conn->shut_sent) {
		conn->shut_sent = conn->shut_want;
		return VIRTIO_VSOCK_OP_SHUTDOWN;
	}
	if (conn->owe & VSOCK_OWE_CREDIT)
		return VIRTIO_VSOCK_OP_CREDIT_UPDATE;
	return VIRTIO_VSOCK_OP_INVALID;
}

int vsock_conn_fill(struct vsock_conn *conn, struct virtq_chain *chain)
{
	struct virtio_vsock_hdr hdr;
	uint32_t len = 0;
	int op;

	if (conn->state == VSOCK_RESET) {
		op = VIRTIO_VSOCK_OP_RST;
	} else if (conn->state == VSOCK_CONNECTING) {
		conn->owe &= ~VSOCK_OWE_REQUEST;
		op = VIRTIO_VSOCK_OP_REQUEST;
	} else {
		op = conn_next_op(conn, chain, &len);
	}
	if (op <= 0)
		return op;
	hdr = vsock_header(conn->vsock, conn->host_port, conn->guest_port, (uint16_t)op);
	hdr.len = htole32(len);
	hdr.fwd_cnt = htole32(conn->fwd_cnt);
	if (op == VIRTIO_VSOCK_OP_SHUTDOWN)
		hdr.flags = htole32(conn->shut_sent);
	/* Every packet tells our credit. */
	conn->told_fwd_cnt = conn->fwd_cnt;
	conn->owe &= ~VSOCK_OWE_CREDIT;
	vsock_iov_store(chain->iov + chain->out_count, &hdr, sizeof(hdr));
	if (op == VIRTIO_VSOCK_OP_RST)
		vsock_conn_destroy(conn);
	return (int)(sizeof(hdr) + len);
}
