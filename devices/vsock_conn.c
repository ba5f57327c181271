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

/* syscalls: loop: close, recvfrom, sendmsg, shutdown */

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
	uint32_t guest_port, enum vsock_state state, uint16_t type)
{
	struct vsock_conn *conn;

	if (vsock->count >= VSOCK_CONNS_MAX)
		return NULL;
	/* Not zeroed as a whole: that would touch the ring's pages. */
	conn = malloc(sizeof(*conn));
	if (!conn)
		return NULL;
	memset(conn, 0, offsetof(struct vsock_conn, data));
	if (type == VIRTIO_VSOCK_TYPE_SEQPACKET) {
		conn->seq = malloc(sizeof(*conn->seq));
		if (!conn->seq) {
			free(conn);
			return NULL;
		}
		memset(conn->seq, 0, offsetof(struct vsock_messages, in));
	}
	conn->type = type;
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
	vsock->counters[VSOCK_CONNS_ADDED]++;
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
	conn->vsock->counters[VSOCK_CONNS_REMOVED]++;
}

void vsock_conn_reset(struct vsock_conn *conn)
{
	if (conn->state != VSOCK_CONNECTING && conn->state != VSOCK_ESTABLISHED)
		return;
	conn_close(conn);
	ring_consume(&conn->ring, ring_used(&conn->ring));
	if (conn->seq)
		vsock_message_forget(conn->seq);
	if (conn->timed)
		TAILQ_REMOVE(&conn->vsock->timers, conn, timer_link);
	conn->timed = false;
	conn->state = VSOCK_RESET;
	vsock_conn_settle(conn);
}

void vsock_conn_forget(struct vsock_conn *conn)
{
	if (conn->state != VSOCK_ESTABLISHED || !vsock_conn_pending(conn)) {
		vsock_conn_destroy(conn);
		return;
	}
	conn_unlink(conn);
	conn->state = VSOCK_LINGER;
	vsock_conn_settle(conn);
}

uint32_t vsock_conn_credit(const struct vsock_conn *conn)
{
	uint32_t in_flight = conn->sent_cnt - conn->peer_fwd_cnt;

	return in_flight < conn->peer_buf_alloc ? conn->peer_buf_alloc - in_flight : 0;
}

bool vsock_conn_has_input(const struct vsock_conn *conn)
{
	return ((conn->readable && !conn->host_eof) || (conn->seq && conn->seq->in_len)) &&
	       !(conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV);
}

bool vsock_conn_pending(const struct vsock_conn *conn)
{
	return conn->seq ? conn->seq->end_count : ring_used(&conn->ring);
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
		       (vsock_conn_has_input(conn) &&
			       (vsock_conn_credit(conn) || !conn->credit_asked));
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

	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		vsock_conn_flush(conn);
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		conn->readable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		conn->host_ends = true;
	if (events & (EPOLLHUP | EPOLLERR))
		conn->host_hup = true;
	vsock_conn_settle(conn);
	vsock_rx_run(vsock);
	vsock_reap(vsock);
}

/* Watch the host's end while it is open, and its readiness to take more while more waits. */
static void conn_watch(struct vsock_conn *conn)
{
	struct loop *loop = conn->vsock->loop;
	bool open = conn->state == VSOCK_ESTABLISHED;
	uint32_t events = EPOLLET;
	int r;

	if (conn->fd < 0 || (!open && conn->state != VSOCK_LINGER))
		return;
	if (open)
		events |= EPOLLIN | EPOLLRDHUP;
	if (vsock_conn_pending(conn))
		events |= EPOLLOUT;
	if (conn->src.fn)
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

/* Act upon what has come to an end. Return: false if the connection has, too. */
static bool conn_settle_ends(struct vsock_conn *conn)
{
	if (vsock_conn_pending(conn))
		return true;
	if (conn->state == VSOCK_LINGER) {
		vsock_conn_destroy(conn);
		return false;
	}
	if (conn->state != VSOCK_ESTABLISHED)
		return true;
	if (conn->guest_shut == VSOCK_SHUTDOWN_BOTH) {
		vsock_conn_reset(conn);
		return false;
	}
	if ((conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) && !conn->write_shut) {
		shutdown(conn->fd, SHUT_WR);
		conn->write_shut = true;
	}
	return true;
}

void vsock_conn_settle(struct vsock_conn *conn)
{
	uint32_t told_free;

	if (conn->state == VSOCK_DEAD || !conn_settle_ends(conn))
		return;
	if (conn->state == VSOCK_ESTABLISHED) {
		/* All that the host had sent comes first. */
		if (conn->host_hup && conn->host_eof)
			conn->shut_want = VSOCK_SHUTDOWN_BOTH;
		if (conn->host_hup && conn->shut_sent == VSOCK_SHUTDOWN_BOTH)
			vsock_wait_for_guest(conn);
		told_free =
			VSOCK_BUF - (conn->fwd_cnt + ring_used(&conn->ring) - conn->told_fwd_cnt);
		if (conn->fwd_cnt != conn->told_fwd_cnt && told_free < VSOCK_BUF / 2)
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
	if (conn->seq)
		vsock_message_forget(conn->seq);
}

uint32_t vsock_conn_send(struct vsock_conn *conn, struct iovec *iov, unsigned int count)
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
	if (errno != EAGAIN && errno != ENOBUFS) {
		conn->vsock->counters[VSOCK_WRITE_FAILS]++;
		conn_deafen(conn);
	}
	return 0;
}

void vsock_conn_flush(struct vsock_conn *conn)
{
	struct iovec iov[2];

	if (conn->seq) {
		vsock_message_flush(conn);
		return;
	}
	while (ring_used(&conn->ring)) {
		int count = ring_read_iov(&conn->ring, iov);
		uint32_t n = vsock_conn_send(conn, iov, (unsigned int)count);

		if (!n)
			return;
		ring_consume(&conn->ring, n);
	}
}

void vsock_conn_write(struct vsock_conn *conn, struct iovec *iov, unsigned int count, uint32_t len)
{
	uint32_t sent = 0, left = len;
	unsigned int used = 0;

	while (used < count && left) {
		if (iov[used].iov_len > left)
			iov[used].iov_len = left;
		left -= (uint32_t)iov[used++].iov_len;
	}
	if (!conn->host_deaf && !ring_used(&conn->ring))
		sent = vsock_conn_send(conn, iov, used);
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
		if (conn->seq)
			vsock_message_write(
				conn, iov, count, len, le32toh(hdr->flags) & VIRTIO_VSOCK_SEQ_EOM);
		else
			vsock_conn_write(conn, iov, count, len);
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

void vsock_conn_take_credit(struct vsock_conn *conn, const struct virtio_vsock_hdr *hdr)
{
	conn->peer_buf_alloc = le32toh(hdr->buf_alloc);
	conn->peer_fwd_cnt = le32toh(hdr->fwd_cnt);
	/* Asked once, a guest without room answers so at once: asking again then would never end.
	 */
	if (vsock_conn_credit(conn))
		conn->credit_asked = false;
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
	vsock_conn_take_credit(conn, hdr);
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
