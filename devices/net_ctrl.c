// SPDX-License-Identifier: Apache-2.0
// virtio-net's control queue. Spec: virtio 1.2 5.1.6.5
#include "devices/net_queue.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/*
 * Theory of operation
 *
 *     readable                writable
 *     [class cmd][data ...]   [ack]
 *      1     1                 1 byte, 0 is OK
 *
 * Nothing is filtered on the way to the guest, so the receive modes and address tables need only
 * be understood, not kept: a driver must filter whatever comes all the same.
 */

/* Longest command whose contents matter; of address tables only the count is looked at. */
#define CTRL_DATA_MAX 16

/* One command, copied. @len: of its data, of which @data holds the beginning. */
struct ctrl {
	uint8_t class;
	uint8_t cmd;
	uint32_t len;
	uint8_t data[CTRL_DATA_MAX];
};

/* Copy up to @n bytes from offset @skip of the readable part. */
static void ctrl_copy(const struct virtq_chain *chain, size_t skip, void *ret, size_t n)
{
	uint8_t *out = ret;

	for (unsigned int i = 0; i < chain->out_count && n; i++) {
		const struct iovec *iov = &chain->iov[i];
		size_t part;

		if (skip >= iov->iov_len) {
			skip -= iov->iov_len;
			continue;
		}
		part = iov->iov_len - skip < n ? iov->iov_len - skip : n;
		memcpy(out, (const uint8_t *)iov->iov_base + skip, part);
		out += part;
		n -= part;
		skip = 0;
	}
}

/* Two tables, unicast and multicast: le32 count, then so many addresses of six bytes. */
static bool mac_table_valid(const struct virtq_chain *chain, uint32_t len)
{
	/* Class and command. */
	size_t offset = 2;

	for (int table = 0; table < 2; table++) {
		uint32_t entries = 0;

		if (len < sizeof(entries))
			return false;
		ctrl_copy(chain, offset, &entries, sizeof(entries));
		entries = le32toh(entries);
		len -= (uint32_t)sizeof(entries);
		if (entries > len / 6)
			return false;
		len -= entries * 6;
		offset += sizeof(entries) + (size_t)entries * 6;
	}
	return !len;
}

static bool ctrl_mac(struct net *net, const struct virtq_chain *chain, const struct ctrl *ctrl)
{
	if (ctrl->cmd == VIRTIO_NET_CTRL_MAC_TABLE_SET)
		return mac_table_valid(chain, ctrl->len);
	if (ctrl->cmd != VIRTIO_NET_CTRL_MAC_ADDR_SET || ctrl->len != sizeof(net->mac) ||
		(ctrl->data[0] & 1))
		return false;
	virtio_dev_change_config(&net->dev, net->config.mac, ctrl->data, sizeof(net->config.mac));
	return true;
}

static bool ctrl_pairs(struct net *net, const struct ctrl *ctrl)
{
	uint16_t pairs;

	if (!virtio_dev_has(&net->dev, VIRTIO_NET_F_MQ) ||
		ctrl->cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET || ctrl->len != sizeof(pairs))
		return false;
	memcpy(&pairs, ctrl->data, sizeof(pairs));
	pairs = le16toh(pairs);
	if (!pairs || pairs > net->nic->pairs)
		return false;
	for (unsigned int i = 0; i < pairs; i++)
		if (!net->queues[net_rx_queue(i)].ready || !net->queues[net_tx_queue(i)].ready)
			return false;
	return net_apply(net, pairs, net->offloads) == 0;
}

static bool ctrl_offloads(struct net *net, const struct ctrl *ctrl)
{
	uint64_t offloads;

	if (!virtio_dev_has(&net->dev, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) ||
		ctrl->cmd != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET || ctrl->len != sizeof(offloads))
		return false;
	memcpy(&offloads, ctrl->data, sizeof(offloads));
	offloads = le64toh(offloads);
	return !(offloads & ~net_offloads_possible(net)) &&
	       net_apply(net, net->pair_count, offloads) == 0;
}

static bool ctrl_serve(struct net *net, const struct virtq_chain *chain, const struct ctrl *ctrl)
{
	switch (ctrl->class) {
	case VIRTIO_NET_CTRL_RX:
		return ctrl->cmd <= VIRTIO_NET_CTRL_RX_NOBCAST && ctrl->len == 1 &&
		       ctrl->data[0] <= 1;
	case VIRTIO_NET_CTRL_MAC:
		return ctrl_mac(net, chain, ctrl);
	case VIRTIO_NET_CTRL_MQ:
		return ctrl_pairs(net, ctrl);
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
		return ctrl_offloads(net, ctrl);
	default:
		return false;
	}
}

/* Return: 0, or -EPROTO if the chain is no command. */
static int ctrl_one(struct net *net)
{
	const struct virtq_chain *chain = &net->chain;
	struct ctrl ctrl = {0};
	uint8_t *ack;

	if (chain->out_len < 2 || !chain->in_len)
		return -EPROTO;
	ctrl_copy(chain, 0, &ctrl.class, 1);
	ctrl_copy(chain, 1, &ctrl.cmd, 1);
	ctrl.len = chain->out_len - 2;
	ctrl_copy(chain, 2, ctrl.data, sizeof(ctrl.data));
	ack = chain->iov[chain->out_count].iov_base;
	*ack = ctrl_serve(net, chain, &ctrl) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
	return 0;
}

void net_ctrl_run(struct net *net)
{
	unsigned int queue = net_ctrl_queue(net);
	struct virtq *q = &net->queues[queue];
	unsigned int budget = NET_BUDGET;
	int r = 1;

	virtq_quiet(q);
	while (budget && net->active) {
		budget--;
		r = virtq_pop(q, &net->chain);
		if (r == 0) {
			if (!virtq_listen(q))
				break;
			virtq_quiet(q);
			continue;
		}
		if (r < 0 || ctrl_one(net) < 0) {
			net_broken(net, r < 0 ? "bad control ring" : "bad control command");
			return;
		}
		virtq_push(q, net->chain.head, 1);
	}
	virtio_dev_signal(&net->dev, queue);
	if (r != 0 && net->active)
		net->dev.transport->notify_later(&net->dev, queue);
}
