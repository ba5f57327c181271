// SPDX-License-Identifier: Apache-2.0
// SEQPACKET vsock connections: messages stay whole. Spec: virtio 1.2 5.10.6.4
#include "devices/vsock_conn.h"

#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* syscalls: loop: poll, recvfrom */

/*
 * Theory of operation
 *
 * A message is sent to a SEQPACKET socket in one piece or not at all, so what the guest sends
 * gathers in the ring until its last packet (EOM) is there. Where messages end is a bit for each
 * byte of the ring: there can be as many messages as bytes, and nothing more grows.
 *
 *     ring   [aaaaaaaabbbcccccc......]    a, b whole: to be sent; c not yet
 *     ends    0000000100100000
 *
 * To the guest, a message is read whole, since recvmsg() would drop the rest, and handed out as
 * the guest has buffers and credit for it.
 *
 * What UNIX sockets can't tell is lost: EOR marks, and empty messages, which are dropped.
 */

/* The bit for the byte at ring position @pos: in which byte, and where there. */
static uint8_t *message_bit(struct vsock_messages *seq, uint32_t pos, uint8_t *ret_mask)
{
	pos &= VSOCK_BUF - 1;
	*ret_mask = (uint8_t)(1U << pos % 8);
	return &seq->ends[pos / 8];
}

/* Length of the first message in the ring; there is a whole one. */
static uint32_t message_len(struct vsock_messages *seq, uint32_t head)
{
	uint32_t len = 0;
	uint8_t mask;

	for (;;) {
		const uint8_t *byte = message_bit(seq, head + len, &mask);

		len++;
		if (*byte & mask)
			return len;
		/* Nothing in the rest of this byte. */
		if (*byte < mask)
			len += 7 - (head + len - 1) % 8;
	}
}

void vsock_message_forget(struct vsock_messages *seq)
{
	if (seq->end_count)
		memset(seq->ends, 0, sizeof(seq->ends));
	seq->end_count = 0;
}

/* The host has closed, not sent an empty message. */
static bool message_host_closed(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLRDHUP};

	return poll(&pfd, 1, 0) > 0 && (pfd.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

int vsock_message_read(struct vsock_conn *conn)
{
	struct vsock_messages *seq = conn->seq;
	ssize_t n;

	do
		n = recv(conn->fd, seq->in, sizeof(seq->in), MSG_DONTWAIT | MSG_TRUNC);
	while ((n < 0 && errno == EINTR) || (n == 0 && !message_host_closed(conn->fd)));
	if (n > 0 && (size_t)n <= sizeof(seq->in) && (size_t)n <= conn->peer_buf_alloc) {
		seq->in_len = (uint32_t)n;
		seq->in_pos = 0;
		return 1;
	}
	if (n > 0) {
		log_debug("virtio-vsock: a message of %zd bytes is too big for guest port %u", n,
			conn->guest_port);
		vsock_conn_reset(conn);
		return 0;
	}
	conn->readable = false;
	if (n < 0 && errno == EAGAIN)
		return 0;
	conn->host_eof = true;
	conn->vsock->counters[VSOCK_READ_FAILS] += n < 0;
	conn->shut_want |= n < 0 ? VSOCK_SHUTDOWN_BOTH : VIRTIO_VSOCK_SHUTDOWN_SEND;
	return 0;
}

void vsock_message_flush(struct vsock_conn *conn)
{
	struct vsock_messages *seq = conn->seq;
	struct ring *ring = &conn->ring;
	struct iovec iov[2];
	uint8_t mask, *byte;

	while (seq->end_count) {
		uint32_t len = message_len(seq, ring->head);
		int count = ring_read_iov(ring, iov);

		if (iov[0].iov_len >= len) {
			iov[0].iov_len = len;
			count = 1;
		} else {
			iov[1].iov_len = len - iov[0].iov_len;
		}
		/* Full; or deaf, and the ring is empty. */
		if (!vsock_conn_send(conn, iov, (unsigned int)count))
			return;
		byte = message_bit(seq, ring->head + len - 1, &mask);
		*byte &= (uint8_t)~mask;
		ring_consume(ring, len);
		seq->end_count--;
	}
}

void vsock_message_write(
	struct vsock_conn *conn, struct iovec *iov, unsigned int count, uint32_t len, bool end)
{
	struct vsock_messages *seq = conn->seq;
	uint8_t mask, *byte;

	if (conn->host_deaf) {
		conn->fwd_cnt += len;
		return;
	}
	for (unsigned int i = 0; i < count && len; i++) {
		uint32_t n = iov[i].iov_len < len ? (uint32_t)iov[i].iov_len : len;

		ring_put(&conn->ring, iov[i].iov_base, n);
		len -= n;
	}
	if (!end || !ring_used(&conn->ring))
		return;
	byte = message_bit(seq, conn->ring.tail - 1, &mask);
	/* An end right behind an end is an empty message. */
	if (*byte & mask)
		return;
	*byte |= mask;
	seq->end_count++;
	vsock_message_flush(conn);
}
