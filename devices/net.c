// SPDX-License-Identifier: Apache-2.0
// virtio-net: the device. Spec: virtio 1.2 5.1
#include "devices/net.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/le.h"
#include "base/log.h"
#include "devices/net_queue.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

/*
 * Theory of operation
 *
 *     queue   0    1    2    3  ...   2N           (2, if the driver doesn't know of pairs)
 *             rx0  tx0  rx1  tx1      control
 *
 * Pairs beyond the first are served once the driver has switched them on. Which pair a frame comes
 * in by is the nic's choice: a tap device picks the one that its connection was last sent from.
 *
 * Nothing is copied: see net_rx.c and net_tx.c. Nothing is in flight either: a frame is sent or
 * received within one call, so the queues hold all state but for the chains gathered for
 * receiving, which can be put back.
 */

/* What a spec-abiding driver without mergeable buffers offers where frames may be segmented late:
 * virtio 1.2 5.1.6.3.1. */
#define NET_ROOM_GSO 65562

#define BIT(n) (UINT64_C(1) << (n))

#define NET_GUEST_OFFLOADS                                                                         \
	(BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) |                             \
		BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN) |                       \
		BIT(NET_F_GUEST_USO4) | BIT(NET_F_GUEST_USO6))

static struct net *to_net(struct virtio_dev *dev)
{
	return container_of(dev, struct net, dev);
}

/* The features that stand for what the nic can do. */
static uint64_t offload_features(unsigned int offloads)
{
	static const struct {
		unsigned int offload;
		uint64_t features;
	} table[] = {
		{NIC_CSUM, BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) |
				   BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)},
		{NIC_TSO4, BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO4)},
		{NIC_TSO6, BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_GUEST_TSO6)},
		{NIC_ECN, BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_GUEST_ECN)},
		{NIC_USO, BIT(NET_F_HOST_USO) | BIT(NET_F_GUEST_USO4) | BIT(NET_F_GUEST_USO6)},
	};
	uint64_t features = 0;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (offloads & table[i].offload)
			features |= table[i].features;
	return features;
}

/* What the nic may pass on to a guest that has these features on. Each stands on checksums. */
static unsigned int guest_offloads(uint64_t features)
{
	unsigned int offloads = NIC_CSUM;

	if (!(features & BIT(VIRTIO_NET_F_GUEST_CSUM)))
		return 0;
	if (features & BIT(VIRTIO_NET_F_GUEST_TSO4))
		offloads |= NIC_TSO4;
	if (features & BIT(VIRTIO_NET_F_GUEST_TSO6))
		offloads |= NIC_TSO6;
	if ((features & BIT(VIRTIO_NET_F_GUEST_ECN)) && (offloads & (NIC_TSO4 | NIC_TSO6)))
		offloads |= NIC_ECN;
	/* A nic knows one kind of it, for both versions of IP. */
	if ((features & BIT(NET_F_GUEST_USO4)) && (features & BIT(NET_F_GUEST_USO6)))
		offloads |= NIC_USO;
	return offloads;
}

uint64_t net_offloads_possible(const struct net *net)
{
	return net->dev.driver_features & NET_GUEST_OFFLOADS;
}

int net_apply(struct net *net, unsigned int pairs, uint64_t offloads)
{
	unsigned int passed = guest_offloads(offloads), old = net->pair_count;
	int r;

	if (net->down)
		return -ENETDOWN;
	r = net->nic->ops->set(net->nic, pairs, passed);
	if (r < 0)
		return r;
	for (unsigned int i = pairs; i < old; i++) {
		net_rx_put_back(net, i);
		net->pairs[i].rx_ready = net->pairs[i].tx_blocked = false;
	}
	net->pair_count = pairs;
	net->offloads = offloads;
	net->want = NIC_HEADER + net->nic->frame_max;
	if ((passed & (NIC_TSO4 | NIC_TSO6 | NIC_USO)) || net->want > NET_ROOM_GSO)
		net->want = NET_ROOM_GSO;
	return 0;
}

static void set_link(struct net *net, bool up)
{
	uint16_t status = htole16(up ? VIRTIO_NET_S_LINK_UP : 0);

	virtio_dev_change_config(
		&net->dev, &net->config.status, &status, sizeof(net->config.status));
}

void net_down(struct net *net)
{
	if (net->down)
		return;
	net->down = true;
	log_warn("virtio-net: %s: the host's end is gone: link down", net->nic->name);
	net->nic->ops->set(net->nic, 0, 0);
	set_link(net, false);
	for (unsigned int i = 0; i < net->pair_count; i++) {
		net->pairs[i].rx_ready = net->pairs[i].tx_blocked = false;
		/* Whatever waits is thrown away by the next run. */
		net->dev.transport->notify_later(&net->dev, net_tx_queue(i));
	}
}

/* The nic falls silent, and what was gathered is forgotten. */
static void stop(struct net *net)
{
	net->active = false;
	net->nic->ops->set(net->nic, 0, 0);
	rate_limit_stop(&net->rx_limit);
	rate_limit_stop(&net->tx_limit);
	for (unsigned int i = 0; i < net->nic->pairs; i++) {
		net_rx_forget(&net->pairs[i]);
		net->pairs[i].rx_ready = net->pairs[i].tx_blocked = false;
	}
}

void net_broken(struct net *net, const char *why)
{
	net->counters[NET_BROKEN]++;
	stop(net);
	virtio_dev_broken(&net->dev, why);
}

/* The nic can go on. */
static void on_ready(void *ctx, unsigned int pair)
{
	struct net *net = ctx;
	struct net_pair *p = &net->pairs[pair];

	net->counters[NET_NIC_READY]++;
	p->rx_ready = true;
	net_rx_run(net, pair);
	if (p->tx_blocked) {
		p->tx_blocked = false;
		net_tx_run(net, pair);
	}
}

static void on_rx_limit(struct rate_limit *limit)
{
	struct net *net = container_of(limit, struct net, rx_limit);

	net->counters[NET_RX_RESUMED]++;
	for (unsigned int i = 0; i < net->pair_count; i++)
		net_rx_run(net, i);
}

static void on_tx_limit(struct rate_limit *limit)
{
	struct net *net = container_of(limit, struct net, tx_limit);

	net->counters[NET_TX_RESUMED]++;
	for (unsigned int i = 0; i < net->pair_count; i++)
		net_tx_run(net, i);
}

static void net_notify(struct virtio_dev *dev, unsigned int queue)
{
	struct net *net = to_net(dev);

	if (!net->active)
		return;
	if (virtio_dev_has(dev, VIRTIO_NET_F_CTRL_VQ) && queue == net_ctrl_queue(net)) {
		net_ctrl_run(net);
		return;
	}
	if (queue / 2 >= net->pair_count)
		return;
	if (queue % 2) {
		uint64_t before = net->counters[NET_TX_PACKETS];

		net->counters[NET_TX_NOTIFIES]++;
		net_tx_run(net, queue / 2);
		net->counters[NET_TX_EMPTY] += net->counters[NET_TX_PACKETS] == before;
	} else {
		net->counters[NET_RX_NOTIFIES]++;
		virtq_quiet(&net->queues[queue]);
		net_rx_run(net, queue / 2);
	}
}

static int net_activate(struct virtio_dev *dev)
{
	struct net *net = to_net(dev);
	unsigned int pairs = net->loaded ? net->pair_count : 1;
	uint64_t offloads = net_offloads_possible(net);
	int r;

	if (net->loaded)
		offloads &= net->offloads;
	net->loaded = false;
	for (unsigned int i = 0; i < pairs; i++)
		if (!net->queues[net_rx_queue(i)].ready || !net->queues[net_tx_queue(i)].ready)
			return -EPROTO;
	net->pair_count = pairs;
	net->active = true;
	r = net_apply(net, pairs, offloads);
	if (r == -ENETDOWN) {
		net_down(net);
		return 0;
	}
	net->active = r == 0;
	return r < 0 ? -EPROTO : 0;
}

static void net_reset(struct virtio_dev *dev)
{
	struct net *net = to_net(dev);

	stop(net);
	net->loaded = false;
	net->pair_count = 1;
	if (memcmp(net->config.mac, net->mac, sizeof(net->mac)) != 0)
		virtio_dev_change_config(dev, net->config.mac, net->mac, sizeof(net->mac));
}

static void net_quiesce(struct virtio_dev *dev)
{
	struct net *net = to_net(dev);

	/* All that a queue can hold; what the limit or the nic refuses stays in it. */
	for (unsigned int i = 0; i < net->pair_count; i++)
		for (unsigned int n = 0; n < NET_QUEUE_SIZE && net->active; n += NET_BUDGET)
			net_tx_run(net, i);
	/* A frame held is lost, which a network may do. */
	for (unsigned int i = 0; i < net->pair_count && net->active; i++)
		net_rx_put_back(net, i);
}

/*
 * 0 le16 pairs in use, 2 le16 reserved, 4 le64 guest offloads, 12 address
 */
#define NET_STATE_SIZE 18

static int net_save(struct virtio_dev *dev, struct buf *out)
{
	const struct net *net = to_net(dev);
	uint8_t state[NET_STATE_SIZE];

	le16_store(state, (uint16_t)net->pair_count);
	le16_store(state + 2, 0);
	le64_store(state + 4, net->offloads);
	memcpy(state + 12, net->config.mac, sizeof(net->config.mac));
	return buf_add(out, state, sizeof(state));
}

static int net_load(struct virtio_dev *dev, const void *data, size_t len)
{
	struct net *net = to_net(dev);
	const uint8_t *state = data;
	uint16_t pairs;

	if (len != NET_STATE_SIZE)
		return -EINVAL;
	pairs = le16_load(state);
	if (!pairs || pairs > net->nic->pairs || le16_load(state + 2) ||
		(le64_load(state + 4) & ~(uint64_t)NET_GUEST_OFFLOADS) || (state[12] & 1))
		return -EINVAL;
	net->pair_count = pairs;
	net->offloads = le64_load(state + 4);
	net->loaded = true;
	virtio_dev_change_config(dev, net->config.mac, state + 12, sizeof(net->config.mac));
	return 0;
}

static void net_read_config(
	struct virtio_dev *dev, unsigned int offset, void *data, unsigned int len)
{
	const struct net *net = to_net(dev);

	virtio_config_copy(
		&net->config, offsetof(struct virtio_net_config, speed), offset, data, len);
}

static void net_free(struct virtio_dev *dev)
{
	struct net *net = to_net(dev);

	nic_free(net->nic);
	rate_limit_fini(&net->rx_limit);
	rate_limit_fini(&net->tx_limit);
	free(net);
}

static const struct virtio_dev_ops net_ops = {
	.name = "virtio-net",
	.activate = net_activate,
	.notify = net_notify,
	.reset = net_reset,
	.read_config = net_read_config,
	.quiesce = net_quiesce,
	.save = net_save,
	.load = net_load,
	.free = net_free,
};

int net_new(struct loop *loop, struct nic *nic, const struct net_config *config,
	struct virtio_dev **ret)
{
	struct net *net = calloc(1, sizeof(*net) + nic->pairs * sizeof(net->pairs[0]));

	if (!net)
		return -ENOMEM;
	net->dev = (struct virtio_dev){
		.ops = &net_ops,
		.id = VIRTIO_ID_NET,
		.features = BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX) |
			    BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS) |
			    BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_CTRL_VQ) |
			    BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) |
			    BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) | offload_features(nic->offloads) |
			    (config->mtu ? BIT(VIRTIO_NET_F_MTU) : 0) |
			    (nic->pairs > 1 ? BIT(VIRTIO_NET_F_MQ) : 0),
		.queues = net->queues,
		.queue_count = 2 * nic->pairs + 1,
		.counters = net->counters,
	};
	for (unsigned int i = 0; i < net->dev.queue_count; i++)
		net->queues[i].size_max = NET_QUEUE_SIZE;
	net->nic = nic;
	nic->ready = on_ready;
	nic->ctx = net;
	net->pair_count = 1;
	memcpy(net->mac, config->mac, sizeof(net->mac));
	memcpy(net->config.mac, config->mac, sizeof(net->config.mac));
	net->config.status = htole16(VIRTIO_NET_S_LINK_UP);
	net->config.max_virtqueue_pairs = htole16((uint16_t)nic->pairs);
	net->config.mtu = htole16(config->mtu);
	rate_limit_init(&net->rx_limit, loop, on_rx_limit);
	rate_limit_init(&net->tx_limit, loop, on_tx_limit);
	*ret = &net->dev;
	return 0;
}

int net_set_limits(struct virtio_dev *dev, const struct rate_limit_config *rx,
	const struct rate_limit_config *tx)
{
	struct net *net = to_net(dev);
	int r = rx ? rate_limit_prepare(&net->rx_limit, rx) : 0;

	if (!r && tx)
		r = rate_limit_prepare(&net->tx_limit, tx);
	if (!r && rx)
		r = rate_limit_set(&net->rx_limit, rx);
	if (!r && tx)
		r = rate_limit_set(&net->tx_limit, tx);
	return r;
}
