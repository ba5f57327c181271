// SPDX-License-Identifier: Apache-2.0
// virtio-net, to the guest: frames straight into its buffers. Spec: virtio 1.2 5.1.6.3, 5.1.6.4
#include "devices/net_queue.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/*
 * Theory of operation
 *
 * How long a frame is shows only when it has been read, and what isn't read of it is lost. So
 * chains are popped until there is room for the largest, and one receive() spans them all:
 *
 *     chain 0              chain 1            chain 2
 *     [header][frame   ]   [... frame     ]   [ ...           ]
 *      ^--------------------------------------------^ one array of iovecs
 *
 * Chains that the frame didn't reach stay gathered for the next one, so each is popped once.
 * Without mergeable buffers the first chain is all the room there is.
 *
 * When room is short although there was enough before, the guest will offer more and kick. From a
 * driver that never offers enough, the frame is first read into the device and copied: that path
 * is slow, but the frames such a driver expects do fit.
 *
 * Kicks are wanted only while buffers are short.
 */

/* Frames after which the guest is told, so that it works on them while we read on. */
#define RX_SIGNAL_EVERY 16

static bool mergeable(const struct net *net)
{
	return virtio_dev_has(&net->dev, VIRTIO_NET_F_MRG_RXBUF);
}

/* Move what is gathered to the front of the arrays. */
static void gather_compact(struct net_gather *g)
{
	memmove(g->chains, g->chains + g->first, g->count * sizeof(g->chains[0]));
	memmove(g->iov, g->iov + g->iov_first, g->iov_count * sizeof(g->iov[0]));
	g->first = g->iov_first = 0;
}

/* Return: false, and nothing changed, if there is no place. */
static bool gather_add(struct net_gather *g, const struct virtq_chain *chain)
{
	unsigned int end = g->iov_first + g->iov_count;

	if (g->count == NET_GATHER_CHAINS || g->iov_count + chain->in_count > NET_GATHER_IOVS)
		return false;
	if (g->first + g->count == NET_GATHER_CHAINS || end + chain->in_count > NET_GATHER_IOVS) {
		gather_compact(g);
		end = g->iov_count;
	}
	memcpy(g->iov + end, chain->iov, chain->in_count * sizeof(g->iov[0]));
	g->chains[g->first + g->count] = (struct net_buffer){
		.head = chain->head, .iovs = chain->in_count, .len = chain->in_len};
	g->count++;
	g->iov_count += chain->in_count;
	g->room += chain->in_len;
	return true;
}

/* Take the oldest chain out, for good. */
static struct net_buffer gather_take(struct net_gather *g)
{
	struct net_buffer buffer = g->chains[g->first++];

	g->count--;
	g->iov_first += buffer.iovs;
	g->iov_count -= buffer.iovs;
	g->room -= buffer.len;
	if (!g->count)
		g->first = g->iov_first = 0;
	return buffer;
}

/* Room for the next frame: all that is gathered, or the first chain. */
static size_t gather_room(const struct net *net, const struct net_gather *g)
{
	if (mergeable(net))
		return g->room;
	return g->count ? g->chains[g->first].len : 0;
}

/*
 * Pop chains until there is room for @want bytes.
 *
 * Return: 1 if there is; 0 if not; -EPROTO.
 */
static int gather_more(struct net *net, unsigned int pair, size_t want)
{
	struct net_gather *g = &net->pairs[pair].gather;
	struct virtq *q = &net->queues[net_rx_queue(pair)];
	struct virtq_chain *chain = &net->chain;

	while (gather_room(net, g) < want && (mergeable(net) || !g->count)) {
		int r = virtq_pop(q, chain);

		if (r <= 0)
			return r;
		if (chain->out_count || chain->in_len < NIC_HEADER)
			return -EPROTO;
		if (!gather_add(g, chain)) {
			virtq_unpop(q);
			return 0;
		}
	}
	return gather_room(net, g) >= want;
}

void net_rx_put_back(struct net *net, unsigned int pair)
{
	struct net_pair *p = &net->pairs[pair];
	struct virtq *q = &net->queues[net_rx_queue(pair)];

	for (unsigned int i = 0; i < p->gather.count; i++)
		virtq_unpop(q);
	net_rx_forget(p);
}

void net_rx_forget(struct net_pair *pair)
{
	struct net_gather *g = &pair->gather;

	g->first = g->count = g->iov_first = g->iov_count = 0;
	g->room = 0;
	g->enough = false;
	pair->held_len = 0;
}

static void store(const struct iovec *iov, size_t skip, const void *data, size_t n)
{
	const uint8_t *src = data;

	for (; n; iov++) {
		size_t part;

		if (skip >= iov->iov_len) {
			skip -= iov->iov_len;
			continue;
		}
		part = iov->iov_len - skip < n ? iov->iov_len - skip : n;
		memcpy((uint8_t *)iov->iov_base + skip, src, part);
		src += part;
		n -= part;
		skip = 0;
	}
}

/* Give the frame of @n bytes, header included, that is in the gathered room to the guest. */
static void deliver(struct net *net, unsigned int pair, size_t n)
{
	struct net_gather *g = &net->pairs[pair].gather;
	struct virtq *q = &net->queues[net_rx_queue(pair)];
	unsigned int count = 0;
	uint16_t buffers;

	for (size_t left = n; left; count++) {
		size_t len = g->chains[g->first + count].len;

		left -= left < len ? left : len;
	}
	buffers = htole16((uint16_t)count);
	store(g->iov + g->iov_first, offsetof(struct virtio_net_hdr_v1, num_buffers), &buffers,
		sizeof(buffers));
	net->counters[NET_RX_PACKETS]++;
	net->counters[NET_RX_BYTES] += n - NIC_HEADER;
	rate_limit_charge(&net->rx_limit, n - NIC_HEADER);
	/* The driver looks for the others as soon as it sees the first. */
	while (count--) {
		struct net_buffer buffer = gather_take(g);
		uint32_t len = buffer.len < n ? buffer.len : (uint32_t)n;

		n -= len;
		if (count)
			virtq_push_part(q, buffer.head, len);
		else
			virtq_push(q, buffer.head, len);
	}
}

/* Can the guest not offer more than it has? */
static bool gather_full(const struct net *net, unsigned int pair)
{
	const struct net_gather *g = &net->pairs[pair].gather;

	return !mergeable(net) || g->count == net->queues[net_rx_queue(pair)].size ||
	       g->iov_count + VIRTQ_CHAIN_MAX > NET_GATHER_IOVS;
}

/* Return: 1 if the frame held was passed on or thrown away; 0 if it waits for room; -EPROTO. */
static int deliver_held(struct net *net, unsigned int pair)
{
	struct net_pair *p = &net->pairs[pair];
	int r = gather_more(net, pair, p->held_len);

	if (r < 0 || (r == 0 && !gather_full(net, pair)) || !p->gather.count)
		return r;
	if (r == 1) {
		store(p->gather.iov + p->gather.iov_first, 0, p->held, p->held_len);
		deliver(net, pair, p->held_len);
	} else {
		net->counters[NET_RX_FAILED]++;
	}
	p->held_len = 0;
	return 1;
}

/*
 * Pass one frame on.
 *
 * Return: 1; 0 if there is none, or the limiter says no; -ENOBUFS if the guest is to offer buffers
 * first; -ENETDOWN; -EPROTO.
 */
static int rx_one(struct net *net, unsigned int pair)
{
	struct net_pair *p = &net->pairs[pair];
	struct net_gather *g = &p->gather;
	const struct iovec held = {p->held, sizeof(p->held)};
	ssize_t n;
	int r;

	if (!rate_limit_ready(&net->rx_limit)) {
		net->counters[NET_RX_THROTTLED]++;
		return 0;
	}
	if (p->held_len) {
		r = deliver_held(net, pair);
		return r ? r : -ENOBUFS;
	}
	r = gather_more(net, pair, net->want);
	if (r < 0)
		return r;
	if (!g->count || (r == 0 && g->enough && !gather_full(net, pair)))
		return -ENOBUFS;
	g->enough |= r;
	if (r == 1)
		n = net->nic->ops->receive(net->nic, pair, g->iov + g->iov_first,
			mergeable(net) ? g->iov_count : g->chains[g->first].iovs);
	else
		n = net->nic->ops->receive(net->nic, pair, &held, 1);
	if (n == -EAGAIN) {
		p->rx_ready = false;
		return 0;
	}
	if (n == -ENETDOWN)
		return -ENETDOWN;
	if (n < 0) {
		net->counters[NET_RX_FAILED]++;
		return 1;
	}
	if (r == 1) {
		/* The nic's frames have grown beyond what it told: this one is cut. */
		if ((size_t)n < gather_room(net, g) || (size_t)n <= net->want)
			deliver(net, pair, (size_t)n);
		else
			net->counters[NET_RX_FAILED]++;
		return 1;
	}
	p->held_len = (uint32_t)n;
	r = deliver_held(net, pair);
	return r ? r : -ENOBUFS;
}

void net_rx_run(struct net *net, unsigned int pair)
{
	struct net_pair *p = &net->pairs[pair];
	struct virtq *q = &net->queues[net_rx_queue(pair)];
	unsigned int budget = NET_BUDGET;
	int r = 1;

	while (net->active && q->ready && (p->rx_ready || p->held_len)) {
		if (!budget--) {
			net->dev.transport->notify_later(&net->dev, net_rx_queue(pair));
			break;
		}
		r = rx_one(net, pair);
		if (r == 1 && budget % RX_SIGNAL_EVERY == 0)
			virtio_dev_signal(&net->dev, net_rx_queue(pair));
		net->counters[NET_RX_NO_BUFFERS] += r == -ENOBUFS;
		if (r == -ENOBUFS && virtq_listen(q)) {
			virtq_quiet(q);
			continue;
		}
		if (r <= 0)
			break;
	}
	if (r == -EPROTO) {
		net_broken(net, "bad receive buffers");
		return;
	}
	if (r == -ENETDOWN)
		net_down(net);
	if (net->active)
		virtio_dev_signal(&net->dev, net_rx_queue(pair));
}
