// SPDX-License-Identifier: Apache-2.0
// virtio-vsock, to the guest: which packet is next, and the host's data straight into its buffers.
#include "devices/vsock_conn.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* syscalls: loop: recvmsg */

/*
 * Theory of operation
 *
 * A guest's buffers are small (Linux offers 4 KiB), a read from a socket is not cheap. So as many
 * chains are popped as the data will fill, probably, and one recvmsg() spans them all:
 *
 *     chain 0            chain 1            chain 2         (popped for nothing: put back)
 *     [header][data   ]  [header][data   ]  [header][data ]  [            ]
 *              ^----------------^------------------^---- one array of iovecs
 *
 * How much it will be is guessed from the last time: a read that filled all it was given asks for
 * four times as much next time, one that didn't for what it got, or a quarter of what it asked for.
 */

/* Chains served before other sources have their turn. */
#define VSOCK_BUDGET 256
/* Bytes of the first read of a connection: a guest buffer's worth. */
#define VSOCK_GATHER_FIRST 3072
/* Bytes of the largest read: what a UNIX socket holds by default. */
#define VSOCK_GATHER_LAST (256 * 1024)

void vsock_iov_store(const struct iovec *iov, size_t skip, const void *data, size_t n)
{
	const uint8_t *src = data;

	for (; n; iov++) {
		size_t part = iov->iov_len - (skip < iov->iov_len ? skip : iov->iov_len);

		if (part > n)
			part = n;
		if (part)
			memcpy((uint8_t *)iov->iov_base + skip, src, part);
		skip -= skip < iov->iov_len ? skip : iov->iov_len;
		src += part;
		n -= part;
	}
}

/* Every packet to the guest begins here. */
static struct virtio_vsock_hdr rx_header(struct vsock *vsock, uint64_t src_cid, uint32_t host_port,
	uint32_t guest_port, uint16_t type)
{
	vsock->counters[VSOCK_RX_PACKETS]++;
	return (struct virtio_vsock_hdr){
		.src_cid = htole64(src_cid),
		.dst_cid = htole64(vsock->guest_cid),
		.src_port = htole32(host_port),
		.dst_port = htole32(guest_port),
		.type = htole16(type),
	};
}

/* Put the oldest refusal into the chain. */
static void vsock_fill_reply(struct vsock *vsock, const struct virtq_chain *chain)
{
	const struct vsock_reply *reply = &vsock->replies[vsock->reply_head];
	struct virtio_vsock_hdr hdr =
		rx_header(vsock, reply->cid, reply->host_port, reply->guest_port, reply->type);

	hdr.op = htole16(VIRTIO_VSOCK_OP_RST);
	vsock_iov_store(chain->iov + chain->out_count, 0, &hdr, sizeof(hdr));
	vsock->reply_head = (vsock->reply_head + 1) % VSOCK_REPLIES_MAX;
	vsock->reply_count--;
	virtq_push(&vsock->queues[VSOCK_RX], chain->head, sizeof(hdr));
}

/* A header of this connection's; every packet tells our credit. */
static struct virtio_vsock_hdr conn_header(
	struct vsock_conn *conn, enum virtio_vsock_op op, uint32_t len)
{
	struct virtio_vsock_hdr hdr = rx_header(
		conn->vsock, VMADDR_CID_HOST, conn->host_port, conn->guest_port, conn->type);

	hdr.op = htole16((uint16_t)op);
	hdr.len = htole32(len);
	hdr.buf_alloc = htole32(VSOCK_BUF);
	hdr.fwd_cnt = htole32(conn->fwd_cnt);
	conn->told_fwd_cnt = conn->fwd_cnt;
	conn->vsock->counters[VSOCK_RX_BYTES] += len;
	conn->owe &= ~VSOCK_OWE_CREDIT;
	return hdr;
}

static void gather_start(struct vsock_gather *g)
{
	g->count = g->iov_count = 0;
	g->room = 0;
}

/*
 * Add the data part of a popped chain.
 *
 * Return: false, and nothing changed, if there is none, or no place. The first always finds one.
 */
static bool gather_add(struct vsock_gather *g, const struct virtq_chain *chain)
{
	const struct iovec *iov = chain->iov + chain->out_count;
	uint32_t room = chain->in_len - (uint32_t)sizeof(struct virtio_vsock_hdr), left;
	size_t skip = sizeof(struct virtio_vsock_hdr);
	struct vsock_gathered *slot = &g->chains[g->count];

	if (!room || g->count == VSOCK_GATHER_CHAINS ||
		g->iov_count + chain->in_count > VSOCK_GATHER_IOVS)
		return false;
	/* Only the first chain is still there as a whole when headers are written. */
	if (g->count && iov->iov_len < skip)
		return false;
	*slot = (struct vsock_gathered){.hdr = iov->iov_base, .head = chain->head};
	if (room > VSOCK_PACKET_MAX)
		room = VSOCK_PACKET_MAX;
	slot->room = room;
	for (left = room; left; iov++) {
		size_t part = iov->iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		part -= skip;
		if (part > left)
			part = left;
		g->iov[g->iov_count++] = (struct iovec){(uint8_t *)iov->iov_base + skip, part};
		skip = 0;
		left -= (uint32_t)part;
	}
	g->room += room;
	g->count++;
	return true;
}

/* Pop more chains until @want bytes have room, then cut the room to @limit. */
static void gather_more(struct vsock *vsock, uint32_t want, uint32_t limit)
{
	struct vsock_gather *g = &vsock->gather;
	struct virtq *q = &vsock->queues[VSOCK_RX];
	uint32_t excess;

	/* A bad ring is met again by the next pop. */
	while (g->room < want && virtq_pop(q, &g->next) == 1) {
		if (g->next.in_len < sizeof(struct virtio_vsock_hdr) || !gather_add(g, &g->next)) {
			virtq_unpop(q);
			break;
		}
	}
	for (excess = g->room > limit ? g->room - limit : 0; excess;) {
		struct iovec *last = &g->iov[g->iov_count - 1];
		uint32_t part = last->iov_len < excess ? (uint32_t)last->iov_len : excess;

		last->iov_len -= part;
		excess -= part;
		g->iov_count -= !last->iov_len;
	}
	if (g->room > limit)
		g->room = limit;
}

/* Give the gathered chains to the guest with @n bytes in them; those left empty are put back. */
static unsigned int gather_push(
	struct vsock_conn *conn, const struct virtq_chain *first, uint32_t n)
{
	struct vsock *vsock = conn->vsock;
	struct vsock_gather *g = &vsock->gather;
	struct virtq *q = &vsock->queues[VSOCK_RX];
	unsigned int pushed = 0;

	for (; n; pushed++) {
		const struct vsock_gathered *slot = &g->chains[pushed];
		uint32_t len = slot->room < n ? slot->room : n;
		struct virtio_vsock_hdr hdr = conn_header(conn, VIRTIO_VSOCK_OP_RW, len);

		if (pushed)
			memcpy(slot->hdr, &hdr, sizeof(hdr));
		else
			vsock_iov_store(first->iov + first->out_count, 0, &hdr, sizeof(hdr));
		virtq_push(q, slot->head, (uint32_t)sizeof(hdr) + len);
		n -= len;
	}
	/* The first is the caller's. */
	for (unsigned int i = pushed ? pushed : 1; i < g->count; i++)
		virtq_unpop(q);
	return pushed;
}

/* The host's data has come to an end, by @n as recvmsg() gave it. */
static void conn_read_end(struct vsock_conn *conn, ssize_t n)
{
	conn->readable = false;
	if (n < 0 && errno == EAGAIN)
		return;
	conn->host_eof = true;
	conn->vsock->counters[VSOCK_READ_FAILS] += n < 0;
	conn->shut_want |= n < 0 ? VSOCK_SHUTDOWN_BOTH : VIRTIO_VSOCK_SHUTDOWN_SEND;
}

/*
 * Read from the host into this chain and further ones.
 *
 * Return: the number of chains given to the guest; 0 if there is nothing now, or no more will come
 * (host_eof); -EPROTO.
 */
static int conn_read(struct vsock_conn *conn, const struct virtq_chain *chain)
{
	struct vsock_gather *g = &conn->vsock->gather;
	uint32_t credit = vsock_conn_credit(conn);
	struct msghdr msg = {.msg_iov = g->iov};
	ssize_t n;

	gather_start(g);
	if (!gather_add(g, chain))
		return -EPROTO;
	if (conn->gather < VSOCK_GATHER_FIRST)
		conn->gather = VSOCK_GATHER_FIRST;
	gather_more(conn->vsock, credit < conn->gather ? credit : conn->gather, credit);
	msg.msg_iovlen = g->iov_count;
	do
		n = recvmsg(conn->fd, &msg, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		gather_push(conn, chain, 0);
		conn_read_end(conn, n);
		return 0;
	}
	/* Less than asked for: nothing is left, unless it's the end, of which no edge tells twice.
	 */
	conn->readable = (uint32_t)n == g->room || conn->host_ends;
	conn->sent_cnt += (uint32_t)n;
	if ((uint32_t)n < g->room)
		conn->gather = conn->gather / 4 > (uint32_t)n ? conn->gather / 4 : (uint32_t)n;
	else if (g->room >= conn->gather && conn->gather < VSOCK_GATHER_LAST)
		conn->gather *= 4;
	return (int)gather_push(conn, chain, (uint32_t)n);
}

/* Fill the chain with the next piece of a message. Return: as conn_read(). */
static int conn_read_message(struct vsock_conn *conn, const struct virtq_chain *chain)
{
	struct vsock_messages *seq = conn->seq;
	uint32_t room = chain->in_len - (uint32_t)sizeof(struct virtio_vsock_hdr);
	uint32_t credit = vsock_conn_credit(conn);
	struct virtio_vsock_hdr hdr;
	int r;

	if (!room)
		return -EPROTO;
	if (!seq->in_len) {
		r = vsock_message_read(conn);
		if (r <= 0)
			return r;
	}
	if (room > VSOCK_PACKET_MAX)
		room = VSOCK_PACKET_MAX;
	if (room > credit)
		room = credit;
	if (room > seq->in_len - seq->in_pos)
		room = seq->in_len - seq->in_pos;
	hdr = conn_header(conn, VIRTIO_VSOCK_OP_RW, room);
	vsock_iov_store(chain->iov + chain->out_count, sizeof(hdr), seq->in + seq->in_pos, room);
	seq->in_pos += room;
	conn->sent_cnt += room;
	if (seq->in_pos == seq->in_len) {
		hdr.flags = htole32(VIRTIO_VSOCK_SEQ_EOM);
		seq->in_pos = seq->in_len = 0;
	}
	vsock_iov_store(chain->iov + chain->out_count, 0, &hdr, sizeof(hdr));
	virtq_push(&conn->vsock->queues[VSOCK_RX], chain->head, (uint32_t)sizeof(hdr) + room);
	return 1;
}

/* The op of the packet without data that is due, or VIRTIO_VSOCK_OP_INVALID. */
static enum virtio_vsock_op conn_next_op(struct vsock_conn *conn)
{
	if (conn->state == VSOCK_RESET)
		return VIRTIO_VSOCK_OP_RST;
	if (conn->state == VSOCK_CONNECTING) {
		conn->owe &= ~VSOCK_OWE_REQUEST;
		return VIRTIO_VSOCK_OP_REQUEST;
	}
	if (conn->owe & VSOCK_OWE_RESPONSE) {
		conn->owe &= ~VSOCK_OWE_RESPONSE;
		return VIRTIO_VSOCK_OP_RESPONSE;
	}
	if (vsock_conn_has_input(conn) && !vsock_conn_credit(conn) && !conn->credit_asked) {
		conn->credit_asked = true;
		return VIRTIO_VSOCK_OP_CREDIT_REQUEST;
	}
	if (conn->shut_want != conn->shut_sent) {
		conn->shut_sent = conn->shut_want;
		return VIRTIO_VSOCK_OP_SHUTDOWN;
	}
	if (conn->owe & VSOCK_OWE_CREDIT)
		return VIRTIO_VSOCK_OP_CREDIT_UPDATE;
	return VIRTIO_VSOCK_OP_INVALID;
}

/*
 * Give the connection's next packet to the guest, in the chain just popped and perhaps more.
 *
 * Return: the number of chains given; 0: there is nothing after all, the chain is not used;
 * -EPROTO: the buffer can't hold any data.
 */
static int conn_fill(struct vsock_conn *conn, const struct virtq_chain *chain)
{
	struct virtio_vsock_hdr hdr;
	enum virtio_vsock_op op;
	int n;

	if (conn->state == VSOCK_ESTABLISHED && !(conn->owe & VSOCK_OWE_RESPONSE) &&
		vsock_conn_has_input(conn) && vsock_conn_credit(conn)) {
		n = conn->seq ? conn_read_message(conn, chain) : conn_read(conn, chain);
		if (n)
			return n;
	}
	op = conn_next_op(conn);
	if (op == VIRTIO_VSOCK_OP_INVALID)
		return 0;
	hdr = conn_header(conn, op, 0);
	if (op == VIRTIO_VSOCK_OP_SHUTDOWN)
		hdr.flags = htole32(conn->shut_sent);
	vsock_iov_store(chain->iov + chain->out_count, 0, &hdr, sizeof(hdr));
	virtq_push(&conn->vsock->queues[VSOCK_RX], chain->head, sizeof(hdr));
	if (op == VIRTIO_VSOCK_OP_RST)
		vsock_conn_destroy(conn);
	return 1;
}

/* The next connection's packet, and that connection to the end. Return: as conn_fill(). */
static int vsock_fill_next(struct vsock *vsock, const struct virtq_chain *chain)
{
	struct vsock_conn *conn = TAILQ_FIRST(&vsock->rx);
	int n = conn_fill(conn, chain);

	if (conn->queued)
		TAILQ_REMOVE(&vsock->rx, conn, rx_link);
	conn->queued = false;
	vsock_conn_settle(conn);
	return n;
}

/* Pop an rx buffer. Return: 1, 0 when there is none and a kick will tell of the next, -EPROTO. */
static int vsock_pop_rx(struct vsock *vsock)
{
	struct virtq *q = &vsock->queues[VSOCK_RX];
	int r = virtq_pop(q, &vsock->chain);

	if (r == 0 && virtq_listen(q))
		r = virtq_pop(q, &vsock->chain);
	return r;
}

void vsock_signal(struct vsock *vsock)
{
	/* Both are asked, since asking is what remembers. One interrupt serves them all. */
	bool rx = virtq_should_signal(&vsock->queues[VSOCK_RX]);
	bool tx = virtq_should_signal(&vsock->queues[VSOCK_TX]);

	if (!rx && !tx)
		return;
	vsock->dev.signals++;
	vsock->dev.transport->signal_queue(&vsock->dev, rx ? VSOCK_RX : VSOCK_TX);
}

void vsock_rx_run(struct vsock *vsock)
{
	unsigned int served = 0;

	while (vsock->active && (vsock->reply_count || !TAILQ_EMPTY(&vsock->rx))) {
		int n;

		if (served >= VSOCK_BUDGET) {
			vsock->dev.transport->notify_later(&vsock->dev, VSOCK_RX);
			break;
		}
		n = vsock_pop_rx(vsock);
		if (n == 0)
			break;
		if (n < 0 || vsock->chain.in_len < sizeof(struct virtio_vsock_hdr)) {
			vsock->counters[VSOCK_RX_BROKEN]++;
			vsock_broken(vsock, n < 0 ? "bad rx ring" : "rx buffer too small");
			return;
		}
		if (vsock->reply_count) {
			vsock_fill_reply(vsock, &vsock->chain);
			n = 1;
		} else {
			n = vsock_fill_next(vsock, &vsock->chain);
		}
		if (n < 0) {
			vsock->counters[VSOCK_RX_BROKEN]++;
			vsock_broken(vsock, "rx buffer too small");
			return;
		}
		if (n == 0)
			virtq_unpop(&vsock->queues[VSOCK_RX]);
		/* Finding nothing counts too. */
		served += n ? (unsigned int)n : 1;
	}
	if (!vsock->active)
		return;
	vsock_signal(vsock);
	if (vsock->tx_stalled && vsock->reply_count < VSOCK_REPLIES_MAX) {
		vsock->tx_stalled = false;
		vsock->dev.transport->notify_later(&vsock->dev, VSOCK_TX);
	}
}
