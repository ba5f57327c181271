// SPDX-License-Identifier: Apache-2.0
// virtio-vsock: the device and its queues. Spec: virtio 1.2 5.10
#include "devices/vsock.h"

#include "base/cleanup.h"
#include "devices/backend/stream.h"
#include "devices/vsock_conn.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Theory of operation
 *
 * Every event, a kick or a host socket that became ready, ends in vsock_rx_run(): it pops guest
 * buffers while there is something to put into them, refusals first, then the connections on the
 * rx list, one packet each in turn. Without guest buffers everything stays where it is, the
 * host's data in the host's sockets; the guest's next kick of the rx queue goes on from there.
 *
 * The tx queue is served until it is empty, whatever the rx queue does, so that two sides that
 * each wait for the other's buffers can't lock up; only a guest that lets VSOCK_REPLIES_MAX
 * refusals pile up waits. Interrupts are sent once a round.
 */

#define VSOCK_QUEUE_SIZE 256
#define VSOCK_EVENT_QUEUE_SIZE 4
/* Chains served before other sources have their turn. */
#define VSOCK_BUDGET 256
/* At the end of the VM, how long slow hosts may take to read what the guest had sent. */
#define VSOCK_LINGER_MS 2000

static struct vsock *to_vsock(struct virtio_dev *dev)
{
	return container_of(dev, struct vsock, dev);
}

void vsock_reap(struct vsock *vsock)
{
	struct vsock_conn *conn;

	while ((conn = LIST_FIRST(&vsock->dead))) {
		LIST_REMOVE(conn, all_link);
		free(conn);
	}
}

/* The guest forgets every connection; what it had sent still goes to the host. */
static void vsock_forget_all(struct vsock *vsock)
{
	struct vsock_conn *conn = LIST_FIRST(&vsock->all), *next;

	for (; conn; conn = next) {
		next = LIST_NEXT(conn, all_link);
		if (conn->state != VSOCK_LINGER)
			vsock_conn_forget(conn);
	}
	vsock->reply_count = 0;
	vsock->tx_stalled = false;
}

static void vsock_broken(struct vsock *vsock, const char *why)
{
	vsock->active = false;
	virtio_dev_broken(&vsock->dev, why);
	vsock_forget_all(vsock);
}

void vsock_iov_store(const struct iovec *iov, const void *data, size_t n)
{
	const uint8_t *src = data;

	for (; n; iov++) {
		size_t part = iov->iov_len < n ? iov->iov_len : n;

		memcpy(iov->iov_base, src, part);
		src += part;
		n -= part;
	}
}

struct virtio_vsock_hdr vsock_header(
	const struct vsock *vsock, uint32_t host_port, uint32_t guest_port, enum virtio_vsock_op op)
{
	return (struct virtio_vsock_hdr){
		.src_cid = htole64(VMADDR_CID_HOST),
		.dst_cid = htole64(vsock->guest_cid),
		.src_port = htole32(host_port),
		.dst_port = htole32(guest_port),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
		.op = htole16((uint16_t)op),
		.buf_alloc = htole32(VSOCK_BUF),
	};
}

/* Put the oldest refusal into the chain. Return: bytes written. */
static int vsock_fill_reply(struct vsock *vsock, const struct virtq_chain *chain)
{
	const struct vsock_reply *reply = &vsock->replies[vsock->reply_head];
	struct virtio_vsock_hdr hdr =
		vsock_header(vsock, reply->host_port, reply->guest_port, VIRTIO_VSOCK_OP_RST);

	hdr.src_cid = htole64(reply->cid);
	hdr.type = htole16(reply->type);
	hdr.buf_alloc = 0;
	vsock_iov_store(chain->iov + chain->out_count, &hdr, sizeof(hdr));
	vsock->reply_head = (vsock->reply_head + 1) % VSOCK_REPLIES_MAX;
	vsock->reply_count--;
	return sizeof(hdr);
}

/* Put the next connection's packet into the chain, and move that connection to the end. */
static int vsock_fill_next(struct vsock *vsock, struct virtq_chain *chain)
{
	struct vsock_conn *conn = TAILQ_FIRST(&vsock->rx);
	int n = vsock_conn_fill(conn, chain);

	if (conn->queued)
		TAILQ_REMOVE(&vsock->rx, conn, rx_link);
	conn->queued = false;
	/* While there is more to read, what the loop watches stays as it is, see conn_on_event().
	 */
	if (conn->readable)
		vsock_conn_queue(conn);
	else
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

static void vsock_signal(struct vsock *vsock)
{
	/* Both are asked, since asking is what remembers. One interrupt serves them all. */
	bool rx = virtq_should_signal(&vsock->queues[VSOCK_RX]);
	bool tx = virtq_should_signal(&vsock->queues[VSOCK_TX]);

	if (rx || tx)
		vsock->dev.transport->signal_queue(&vsock->dev, rx ? VSOCK_RX : VSOCK_TX);
}

void vsock_rx_run(struct vsock *vsock)
{
	struct virtq *q = &vsock->queues[VSOCK_RX];
	unsigned int budget = VSOCK_BUDGET;

	while (vsock->active && (vsock->reply_count || !TAILQ_EMPTY(&vsock->rx))) {
		int n;

		if (!budget--) {
			vsock->dev.transport->notify_later(&vsock->dev, VSOCK_RX);
			break;
		}
		n = vsock_pop_rx(vsock);
		if (n == 0)
			break;
		if (n < 0 || vsock->chain.in_len < sizeof(struct virtio_vsock_hdr)) {
			vsock_broken(vsock, n < 0 ? "bad rx ring" : "rx buffer too small");
			return;
		}
		if (vsock->reply_count)
			n = vsock_fill_reply(vsock, &vsock->chain);
		else
			n = vsock_fill_next(vsock, &vsock->chain);
		if (n < 0) {
			vsock_broken(vsock, "rx buffer too small");
			return;
		}
		if (n == 0)
			virtq_unpop(q);
		else
			virtq_push(q, vsock->chain.head, (uint32_t)n);
	}
	if (!vsock->active)
		return;
	vsock_signal(vsock);
	if (vsock->tx_stalled && vsock->reply_count < VSOCK_REPLIES_MAX) {
		vsock->tx_stalled = false;
		vsock->dev.transport->notify_later(&vsock->dev, VSOCK_TX);
	}
}

/* Answer a packet that belongs to no connection. There is room. */
static void vsock_refuse(struct vsock *vsock, const struct virtio_vsock_hdr *hdr)
{
	unsigned int pos = (vsock->reply_head + vsock->reply_count) % VSOCK_REPLIES_MAX;

	vsock->replies[pos] = (struct vsock_reply){
		.cid = le64toh(hdr->dst_cid),
		.host_port = le32toh(hdr->dst_port),
		.guest_port = le32toh(hdr->src_port),
		.type = le16toh(hdr->type),
	};
	vsock->reply_count++;
}

/* The guest wants to connect. */
static void vsock_request(struct vsock *vsock, const struct virtio_vsock_hdr *hdr)
{
	uint32_t host_port = le32toh(hdr->dst_port), guest_port = le32toh(hdr->src_port);
	struct vsock_conn *conn = NULL;
	int fd = -1;

	if (vsock->count < VSOCK_CONNS_MAX)
		fd = vsock->backend->ops->connect(vsock->backend, host_port);
	if (fd >= 0)
		conn = vsock_conn_new(vsock, fd, host_port, guest_port, VSOCK_ESTABLISHED);
	if (!conn) {
		if (fd >= 0)
			close(fd);
		vsock_refuse(vsock, hdr);
		return;
	}
	conn->peer_buf_alloc = le32toh(hdr->buf_alloc);
	conn->peer_fwd_cnt = le32toh(hdr->fwd_cnt);
	vsock_conn_settle(conn);
}

/* One packet from the guest; @hdr is a copy, the iovecs hold the payload's len bytes or more. */
static void vsock_packet(struct vsock *vsock, const struct virtio_vsock_hdr *hdr, struct iovec *iov,
	unsigned int count)
{
	uint16_t op = le16toh(hdr->op);
	struct vsock_conn *conn = NULL;

	/* Nobody to answer. */
	if (le64toh(hdr->src_cid) != vsock->guest_cid)
		return;
	if (le64toh(hdr->dst_cid) == VMADDR_CID_HOST &&
		le16toh(hdr->type) == VIRTIO_VSOCK_TYPE_STREAM) {
		conn = vsock_conn_find(vsock, le32toh(hdr->dst_port), le32toh(hdr->src_port));
		if (conn) {
			vsock_conn_packet(conn, hdr, iov, count);
			return;
		}
		if (op == VIRTIO_VSOCK_OP_REQUEST) {
			vsock_request(vsock, hdr);
			return;
		}
	}
	if (op != VIRTIO_VSOCK_OP_RST)
		vsock_refuse(vsock, hdr);
}

/* Serve the chain just popped from the tx queue. Return: 0 or -EPROTO. */
static int vsock_serve_tx(struct vsock *vsock)
{
	struct virtq_chain *chain = &vsock->chain;
	struct iovec *iov = chain->iov;
	struct virtio_vsock_hdr hdr;
	unsigned int count = chain->out_count;
	uint8_t *out = (uint8_t *)&hdr;
	size_t left = sizeof(hdr);

	if (chain->out_len < sizeof(hdr))
		return -EPROTO;
	while (left) {
		size_t part = iov->iov_len < left ? iov->iov_len : left;

		memcpy(out, iov->iov_base, part);
		out += part;
		left -= part;
		iov->iov_base = (uint8_t *)iov->iov_base + part;
		iov->iov_len -= part;
		if (!iov->iov_len) {
			iov++;
			count--;
		}
	}
	if (le32toh(hdr.len) > chain->out_len - sizeof(hdr))
		return -EPROTO;
	vsock_packet(vsock, &hdr, iov, count);
	return 0;
}

static void vsock_tx_run(struct vsock *vsock)
{
	struct virtq *q = &vsock->queues[VSOCK_TX];
	unsigned int budget = VSOCK_BUDGET;

	virtq_quiet(q);
	for (;;) {
		int r;

		if (vsock->reply_count == VSOCK_REPLIES_MAX) {
			vsock->tx_stalled = true;
			return;
		}
		if (!budget--) {
			vsock->dev.transport->notify_later(&vsock->dev, VSOCK_TX);
			return;
		}
		r = virtq_pop(q, &vsock->chain);
		if (r == 0) {
			if (!virtq_listen(q))
				return;
			virtq_quiet(q);
			continue;
		}
		if (r < 0 || vsock_serve_tx(vsock) < 0) {
			vsock_broken(vsock, r < 0 ? "bad tx ring" : "bad packet length");
			return;
		}
		virtq_push(q, vsock->chain.head, 0);
	}
}

static void vsock_notify(struct virtio_dev *dev, unsigned int queue)
{
	struct vsock *vsock = to_vsock(dev);

	if (queue == VSOCK_TX && !vsock->tx_stalled)
		vsock_tx_run(vsock);
	if (queue == VSOCK_RX && vsock->active)
		virtq_quiet(&vsock->queues[VSOCK_RX]);
	vsock_rx_run(vsock);
	vsock_reap(vsock);
}

static int vsock_activate(struct virtio_dev *dev)
{
	struct vsock *vsock = to_vsock(dev);

	if (!vsock->queues[VSOCK_RX].ready || !vsock->queues[VSOCK_TX].ready)
		return -EPROTO;
	vsock->active = true;
	vsock_rx_run(vsock);
	vsock_reap(vsock);
	return 0;
}

static void vsock_reset(struct virtio_dev *dev)
{
	struct vsock *vsock = to_vsock(dev);

	vsock->active = false;
	vsock_forget_all(vsock);
	vsock_reap(vsock);
}

/* Take the packets the guest has put into the queue, so that none is lost at the end. */
static void vsock_quiesce(struct virtio_dev *dev)
{
	struct vsock *vsock = to_vsock(dev);

	if (vsock->active && !vsock->tx_stalled)
		vsock_tx_run(vsock);
	if (vsock->active)
		vsock_signal(vsock);
	vsock_reap(vsock);
}

static void vsock_read_config(
	struct virtio_dev *dev, unsigned int offset, void *data, unsigned int len)
{
	const struct vsock *vsock = to_vsock(dev);

	virtio_config_copy(&vsock->config, sizeof(vsock->config), offset, data, len);
}

/* Write out what lingers, waiting for slow hosts until @deadline_ms. */
static void vsock_linger(struct vsock *vsock, uint64_t deadline_ms)
{
	struct vsock_conn *conn;

	while ((conn = LIST_FIRST(&vsock->all))) {
		struct pollfd pfd = {.fd = conn->fd, .events = POLLOUT};
		uint64_t now = vsock_now_ms();

		vsock_conn_flush(conn);
		if (!ring_used(&conn->ring) || now >= deadline_ms)
			vsock_conn_destroy(conn);
		else
			poll(&pfd, 1, (int)(deadline_ms - now));
	}
	vsock_reap(vsock);
}

static void vsock_free(struct virtio_dev *dev)
{
	struct vsock *vsock = to_vsock(dev);

	vsock_forget_all(vsock);
	vsock_linger(vsock, vsock_now_ms() + VSOCK_LINGER_MS);
	loop_timer_fini(vsock->loop, &vsock->timer);
	stream_backend_free(vsock->backend);
	free(vsock);
}

static const struct virtio_dev_ops vsock_ops = {
	.name = "virtio-vsock",
	.activate = vsock_activate,
	.notify = vsock_notify,
	.reset = vsock_reset,
	.read_config = vsock_read_config,
	.quiesce = vsock_quiesce,
	.free = vsock_free,
};

int vsock_new(struct loop *loop, uint64_t guest_cid, struct stream_backend *backend,
	struct virtio_dev **ret)
{
	struct vsock *vsock;
	int r;

	if (guest_cid <= VMADDR_CID_HOST || guest_cid >= UINT32_MAX)
		return -EINVAL;
	vsock = calloc(1, sizeof(*vsock));
	if (!vsock)
		return -ENOMEM;
	vsock->dev = (struct virtio_dev){
		.ops = &vsock_ops,
		.id = VIRTIO_ID_VSOCK,
		.features = 1U << VIRTIO_RING_F_INDIRECT_DESC | 1U << VIRTIO_RING_F_EVENT_IDX,
		.queues = vsock->queues,
		.queue_count = VSOCK_QUEUES,
	};
	vsock->queues[VSOCK_RX].size_max = VSOCK_QUEUE_SIZE;
	vsock->queues[VSOCK_TX].size_max = VSOCK_QUEUE_SIZE;
	vsock->queues[VSOCK_EVENT].size_max = VSOCK_EVENT_QUEUE_SIZE;
	vsock->config.guest_cid = htole64(guest_cid);
	vsock->loop = loop;
	vsock->guest_cid = guest_cid;
	vsock->timeout_ms = VSOCK_TIMEOUT_MS;
	vsock->next_host_port = VSOCK_HOST_PORT_FIRST;
	LIST_INIT(&vsock->all);
	LIST_INIT(&vsock->dead);
	for (unsigned int i = 0; i < VSOCK_HASH_SIZE; i++)
		LIST_INIT(&vsock->hash[i]);
	TAILQ_INIT(&vsock->rx);
	TAILQ_INIT(&vsock->timers);
	r = loop_timer_init(loop, &vsock->timer, vsock_on_timeout);
	if (r < 0)
		goto fail;
	backend->incoming = vsock_incoming;
	backend->ctx = vsock;
	r = backend->ops->start(backend);
	if (r < 0)
		goto fail;
	vsock->backend = backend;
	*ret = &vsock->dev;
	return 0;
fail:
	loop_timer_fini(loop, &vsock->timer);
	free(vsock);
	return r;
}
