// SPDX-License-Identifier: Apache-2.0
// virtio-vsock: the device and its queues. Spec: virtio 1.2 5.10
#include "devices/vsock.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/le.h"
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

/* syscalls: loop: clock_gettime, close, poll */

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

/* Chains served before other sources have their turn. */
#define VSOCK_BUDGET 256
#define VSOCK_QUEUE_SIZE 256
#define VSOCK_EVENT_QUEUE_SIZE 4
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
		free(conn->seq);
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
	vsock->batch.conn = NULL;
}

void vsock_broken(struct vsock *vsock, const char *why)
{
	vsock->active = false;
	virtio_dev_broken(&vsock->dev, why);
	vsock_forget_all(vsock);
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
	uint16_t type = le16toh(hdr->type);
	struct vsock_conn *conn = NULL;
	int fd = -1;

	if (vsock->count < VSOCK_CONNS_MAX)
		fd = vsock->backend->ops->connect(
			vsock->backend, host_port, type == VIRTIO_VSOCK_TYPE_SEQPACKET);
	if (fd >= 0)
		conn = vsock_conn_new(vsock, fd, host_port, guest_port, VSOCK_ESTABLISHED, type);
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

static bool vsock_type_known(const struct vsock *vsock, uint16_t type)
{
	return type == VIRTIO_VSOCK_TYPE_STREAM ||
	       (type == VIRTIO_VSOCK_TYPE_SEQPACKET &&
		       virtio_dev_has(&vsock->dev, VIRTIO_VSOCK_F_SEQPACKET));
}

/* One packet from the guest; @hdr is a copy, the iovecs hold the payload's len bytes or more. */
static void vsock_packet(struct vsock *vsock, struct vsock_conn *conn,
	const struct virtio_vsock_hdr *hdr, struct iovec *iov, unsigned int count)
{
	uint16_t op = le16toh(hdr->op);

	/* Nobody to answer. */
	if (le64toh(hdr->src_cid) != vsock->guest_cid)
		return;
	if (conn) {
		vsock_conn_packet(conn, hdr, iov, count);
		return;
	}
	if (op == VIRTIO_VSOCK_OP_REQUEST && le64toh(hdr->dst_cid) == VMADDR_CID_HOST &&
		vsock_type_known(vsock, le16toh(hdr->type)) &&
		!vsock_conn_find(vsock, le32toh(hdr->dst_port), le32toh(hdr->src_port)))
		vsock_request(vsock, hdr);
	else if (op != VIRTIO_VSOCK_OP_RST)
		vsock_refuse(vsock, hdr);
}

/* The connection a packet belongs to, or NULL. */
static struct vsock_conn *vsock_packet_conn(struct vsock *vsock, const struct virtio_vsock_hdr *hdr)
{
	struct vsock_conn *conn;

	if (le64toh(hdr->src_cid) != vsock->guest_cid || le64toh(hdr->dst_cid) != VMADDR_CID_HOST)
		return NULL;
	conn = vsock_conn_find(vsock, le32toh(hdr->dst_port), le32toh(hdr->src_port));
	return conn && conn->type == le16toh(hdr->type) ? conn : NULL;
}

/* Take the header off the front of the chain's iovecs. Return: how many are left, from @ret_iov. */
static unsigned int vsock_take_header(
	struct virtq_chain *chain, struct virtio_vsock_hdr *hdr, struct iovec **ret_iov)
{
	struct iovec *iov = chain->iov;
	unsigned int count = chain->out_count;
	uint8_t *out = (uint8_t *)hdr;
	size_t left = sizeof(*hdr);

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
	*ret_iov = iov;
	return count;
}

/* Pass the batch on to the host and give its chains back. */
static void vsock_batch_flush(struct vsock *vsock)
{
	struct vsock_batch *batch = &vsock->batch;
	struct vsock_conn *conn = batch->conn;

	if (!conn)
		return;
	batch->conn = NULL;
	vsock_conn_write(conn, batch->iov, batch->iov_count, batch->len);
	for (unsigned int i = 0; i < batch->count; i++)
		virtq_push(&vsock->queues[VSOCK_TX], batch->heads[i], 0);
	vsock_conn_settle(conn);
}

/* Is this packet stream data that needs nothing but to be sent? */
static bool vsock_batch_fits(const struct vsock *vsock, const struct vsock_conn *conn,
	const struct virtio_vsock_hdr *hdr, unsigned int iov_count)
{
	const struct vsock_batch *batch = &vsock->batch;
	uint32_t len = le32toh(hdr->len), room = VSOCK_BUF;

	if (!conn || conn->seq || le16toh(hdr->op) != VIRTIO_VSOCK_OP_RW || !len || len > room ||
		conn->state != VSOCK_ESTABLISHED || conn->host_deaf || ring_used(&conn->ring) ||
		(conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND))
		return false;
	return !batch->conn ||
	       (conn == batch->conn && batch->count < VSOCK_BATCH_PACKETS &&
		       batch->iov_count + iov_count <= VIRTQ_CHAIN_MAX && len <= room - batch->len);
}

/* Keep the packet, its chain too, for the next flush. */
static void vsock_batch_add(struct vsock *vsock, struct vsock_conn *conn,
	const struct virtio_vsock_hdr *hdr, const struct iovec *iov)
{
	struct vsock_batch *batch = &vsock->batch;
	uint32_t left = le32toh(hdr->len);

	if (!batch->conn) {
		batch->conn = conn;
		batch->count = batch->iov_count = 0;
		batch->len = 0;
	}
	vsock_conn_take_credit(conn, hdr);
	batch->heads[batch->count++] = vsock->chain.head;
	batch->len += left;
	for (; left; iov++) {
		uint32_t part = iov->iov_len < left ? (uint32_t)iov->iov_len : left;

		batch->iov[batch->iov_count++] = (struct iovec){iov->iov_base, part};
		left -= part;
	}
}

/* Serve the chain just popped from the tx queue. Return: 0 or -EPROTO. */
static int vsock_serve_tx(struct vsock *vsock)
{
	struct virtq_chain *chain = &vsock->chain;
	struct virtio_vsock_hdr hdr;
	struct vsock_conn *conn;
	struct iovec *iov;
	unsigned int count;

	if (chain->out_len < sizeof(hdr))
		return -EPROTO;
	count = vsock_take_header(chain, &hdr, &iov);
	if (le32toh(hdr.len) > chain->out_len - sizeof(hdr))
		return -EPROTO;
	vsock->counters[VSOCK_TX_PACKETS]++;
	vsock->counters[VSOCK_TX_BYTES] += le32toh(hdr.len);
	conn = vsock_packet_conn(vsock, &hdr);
	if (vsock->batch.conn && !vsock_batch_fits(vsock, conn, &hdr, count)) {
		vsock_batch_flush(vsock);
		/* The flush may have changed it. */
		conn = vsock_packet_conn(vsock, &hdr);
	}
	if (vsock_batch_fits(vsock, conn, &hdr, count)) {
		vsock_batch_add(vsock, conn, &hdr, iov);
		return 0;
	}
	vsock_packet(vsock, conn, &hdr, iov, count);
	virtq_push(&vsock->queues[VSOCK_TX], chain->head, 0);
	return 0;
}

/* Take packets while there are any. */
static void vsock_tx_take(struct vsock *vsock)
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
			vsock_batch_flush(vsock);
			vsock->counters[VSOCK_TX_BROKEN]++;
			vsock_broken(vsock, r < 0 ? "bad tx ring" : "bad packet length");
			return;
		}
	}
}

static void vsock_tx_run(struct vsock *vsock)
{
	vsock_tx_take(vsock);
	vsock_batch_flush(vsock);
}

/* Tell the guest that its connections are gone, if that is so and it has a buffer for it. */
static void vsock_event_run(struct vsock *vsock)
{
	const struct virtio_vsock_event event = {.id = htole32(VIRTIO_VSOCK_EVENT_TRANSPORT_RESET)};
	struct virtq *q = &vsock->queues[VSOCK_EVENT];
	const struct iovec *iov;
	int r;

	if (!vsock->event_owed)
		return;
	r = virtq_pop(q, &vsock->chain);
	if (r == 0 && virtq_listen(q))
		r = virtq_pop(q, &vsock->chain);
	if (r == 0)
		return;
	iov = vsock->chain.iov + vsock->chain.out_count;
	if (r < 0 || vsock->chain.in_len < sizeof(event)) {
		vsock->counters[VSOCK_EVENT_BROKEN]++;
		vsock_broken(vsock, r < 0 ? "bad event ring" : "event buffer too small");
		return;
	}
	vsock_iov_store(iov, 0, &event, sizeof(event));
	virtq_push(q, vsock->chain.head, sizeof(event));
	vsock->event_owed = false;
	virtio_dev_signal(&vsock->dev, VSOCK_EVENT);
}

static void vsock_notify(struct virtio_dev *dev, unsigned int queue)
{
	struct vsock *vsock = to_vsock(dev);

	vsock->counters[VSOCK_RX_NOTIFIES] += queue == VSOCK_RX;
	vsock->counters[VSOCK_TX_NOTIFIES] += queue == VSOCK_TX;
	if (queue == VSOCK_TX && !vsock->tx_stalled)
		vsock_tx_run(vsock);
	if (queue == VSOCK_RX && vsock->active)
		virtq_quiet(&vsock->queues[VSOCK_RX]);
	if (queue == VSOCK_EVENT)
		vsock_event_run(vsock);
	vsock_rx_run(vsock);
	vsock_reap(vsock);
}

static int vsock_activate(struct virtio_dev *dev)
{
	struct vsock *vsock = to_vsock(dev);

	if (!vsock->queues[VSOCK_RX].ready || !vsock->queues[VSOCK_TX].ready)
		return -EPROTO;
	vsock->active = true;
	vsock_event_run(vsock);
	vsock_rx_run(vsock);
	vsock_reap(vsock);
	return 0;
}

static void vsock_reset(struct virtio_dev *dev)
{
	struct vsock *vsock = to_vsock(dev);

	vsock->active = vsock->event_owed = false;
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

/*
 * Connections end with the process that holds their sockets, so little is left to save:
 *
 *     0 le64 guest CID, 8 le32 next host port
 */
#define VSOCK_STATE_SIZE 12

static int vsock_save(struct virtio_dev *dev, struct buf *out)
{
	const struct vsock *vsock = to_vsock(dev);
	uint8_t state[VSOCK_STATE_SIZE];

	le64_store(state, vsock->guest_cid);
	le32_store(state + 8, vsock->next_host_port);
	return buf_add(out, state, sizeof(state));
}

static int vsock_load(struct virtio_dev *dev, const void *data, size_t len)
{
	struct vsock *vsock = to_vsock(dev);
	const uint8_t *state = data;
	uint32_t port;

	if (len != VSOCK_STATE_SIZE || le64_load(state) != vsock->guest_cid)
		return -EINVAL;
	port = le32_load(state + 8);
	if (port < VSOCK_HOST_PORT_FIRST || port > VSOCK_HOST_PORT_LAST)
		return -EINVAL;
	vsock->next_host_port = port;
	vsock->event_owed = true;
	return 0;
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
		uint64_t now = clock_ms();

		vsock_conn_flush(conn);
		if (!vsock_conn_pending(conn) || now >= deadline_ms)
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
	vsock_linger(vsock, clock_ms() + VSOCK_LINGER_MS);
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
	.save = vsock_save,
	.load = vsock_load,
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
		.features = 1U << VIRTIO_RING_F_INDIRECT_DESC | 1U << VIRTIO_RING_F_EVENT_IDX |
			    (backend->seqpacket ? 1U << VIRTIO_VSOCK_F_SEQPACKET : 0),
		.queues = vsock->queues,
		.queue_count = VSOCK_QUEUES,
		.counters = vsock->counters,
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
