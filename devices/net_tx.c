// SPDX-License-Identifier: Apache-2.0
// virtio-net, from the guest: frames straight out of its memory. Spec: virtio 1.2 5.1.6.2
#include "devices/net_queue.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/*
 * Theory of operation
 *
 *     readable
 *     [header][frame]     where one descriptor ends and the next begins means nothing
 *      12 bytes
 *
 * The header is copied out, checked, and its copy goes to the nic; the frame is left where it is.
 * A frame that nothing can be done with is thrown away, as a switch would; only a chain that is no
 * frame at all breaks the device. A frame is gone when send() returns, so nothing is ever in
 * flight.
 */

/* Split the header off: its copy, then the rest of the chain, in net->iov. Return: how many. */
static unsigned int tx_split(struct net *net)
{
	const struct virtq_chain *chain = &net->chain;
	uint8_t *out = (uint8_t *)&net->header;
	size_t left = sizeof(net->header);
	unsigned int count = 1;

	net->iov[0] = (struct iovec){&net->header, sizeof(net->header)};
	for (unsigned int i = 0; i < chain->out_count; i++) {
		struct iovec iov = chain->iov[i];
		size_t part = iov.iov_len < left ? iov.iov_len : left;

		if (part) {
			memcpy(out, iov.iov_base, part);
			out += part;
			left -= part;
		}
		if (iov.iov_len > part)
			net->iov[count++] =
				(struct iovec){(uint8_t *)iov.iov_base + part, iov.iov_len - part};
	}
	return count;
}

/* Does the header ask for what was negotiated, within the frame of @len bytes? Clears the fields
 * that mean nothing on this way. */
static bool header_check(const struct net *net, struct virtio_net_hdr_v1 *header, uint32_t len)
{
	static const struct {
		uint8_t type;
		uint8_t feature;
	} kinds[] = {
		{VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_F_HOST_TSO4},
		{VIRTIO_NET_HDR_GSO_TCPV6, VIRTIO_NET_F_HOST_TSO6},
		{NET_HDR_GSO_UDP_L4, NET_F_HOST_USO},
	};
	uint8_t gso = header->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	uint32_t end = (uint32_t)le16toh(header->csum_start) + le16toh(header->csum_offset) + 2;
	bool known = false;

	header->num_buffers = 0;
	header->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	if (header->flags && (!virtio_dev_has(&net->dev, VIRTIO_NET_F_CSUM) || end > len))
		return false;
	if (!header->flags)
		header->csum_start = header->csum_offset = 0;
	if (header->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		header->hdr_len = header->gso_size = 0;
		return true;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		known |= gso == kinds[i].type && virtio_dev_has(&net->dev, kinds[i].feature);
	if ((header->gso_type & VIRTIO_NET_HDR_GSO_ECN) &&
		!virtio_dev_has(&net->dev, VIRTIO_NET_F_HOST_ECN))
		known = false;
	return known && header->flags && header->gso_size && le16toh(header->hdr_len) <= len;
}

/* Send the chain just popped. Return: 0 if it is done with; -EAGAIN, -ENETDOWN; -EPROTO. */
static int tx_one(struct net *net, unsigned int pair)
{
	const struct virtq_chain *chain = &net->chain;
	unsigned int count;
	uint32_t len;
	int r;

	if (chain->in_count || chain->out_len < NIC_HEADER)
		return -EPROTO;
	count = tx_split(net);
	len = chain->out_len - NIC_HEADER;
	if (net->down || len < NIC_FRAME_MIN || len > NIC_FRAME_MAX ||
		!header_check(net, &net->header, len)) {
		net->counters[net->down ? NET_TX_FAILED : NET_TX_MALFORMED]++;
		return 0;
	}
	r = net->nic->ops->send(net->nic, pair, net->iov, count);
	if (r == -EAGAIN)
		return r;
	net->counters[r < 0 ? NET_TX_FAILED : NET_TX_PACKETS]++;
	if (r == -ENETDOWN)
		return r;
	if (r == 0)
		net->counters[NET_TX_BYTES] += len;
	rate_limit_charge(&net->tx_limit, len);
	return 0;
}

/* Return: 1 if more may be waiting although no kick will tell; 0; -EPROTO. */
static int tx_take(struct net *net, unsigned int pair)
{
	struct virtq *q = &net->queues[net_tx_queue(pair)];

	virtq_quiet(q);
	for (unsigned int budget = NET_BUDGET; budget; budget--) {
		int r;

		/* What is refused here stays in the queue, without kicks, until resumed. */
		if (!rate_limit_ready(&net->tx_limit)) {
			net->counters[NET_TX_THROTTLED]++;
			return 0;
		}
		r = virtq_pop(q, &net->chain);
		if (r == 0) {
			if (!virtq_listen(q))
				return 0;
			virtq_quiet(q);
			continue;
		}
		if (r > 0)
			r = tx_one(net, pair);
		if (r == -EAGAIN) {
			virtq_unpop(q);
			net->pairs[pair].tx_blocked = true;
			return 0;
		}
		if (r == -ENETDOWN)
			net_down(net);
		else if (r < 0)
			return r;
		virtq_push(q, net->chain.head, 0);
	}
	return 1;
}

void net_tx_run(struct net *net, unsigned int pair)
{
	int r;

	if (!net->active || net->pairs[pair].tx_blocked)
		return;
	r = tx_take(net, pair);
	if (r < 0) {
		net_broken(net, "bad frame to send");
		return;
	}
	virtio_dev_signal(&net->dev, net_tx_queue(pair));
	if (r > 0)
		net->dev.transport->notify_later(&net->dev, net_tx_queue(pair));
}
