// SPDX-License-Identifier: Apache-2.0
// The insides of virtio-net, shared by its files.
#pragma once

#include "devices/backend/nic.h"
#include "devices/net.h"
#include "devices/rate_limit.h"
#include "devices/virtio.h"
#include "devices/virtqueue.h"

#include <linux/virtio_net.h>

/* Of virtio 1.3 5.1.3 and 5.1.6; not in every linux/virtio_net.h. */
#define NET_F_GUEST_USO4 54
#define NET_F_GUEST_USO6 55
#define NET_F_HOST_USO 56
#define NET_HDR_GSO_UDP_L4 5

/* As many as Linux drivers make good use of. */
#define NET_QUEUE_SIZE 256
/* Frames handled before other sources have their turn. */
#define NET_BUDGET 64

/* Guest buffers taken out of the ring at a time: enough for the largest frame in the buffers that
 * drivers offer, which are a page or 1,500 bytes. */
#define NET_GATHER_CHAINS NET_QUEUE_SIZE
#define NET_GATHER_IOVS NIC_IOVS_MAX

/* struct net_buffer - one chain of the rx queue: its @iovs of @len bytes in all */
struct net_buffer {
	uint16_t head;
	uint16_t iovs;
	uint32_t len;
};

/*
 * struct net_gather - chains that were popped and wait for a frame
 * @first, @count: which of @chains; the oldest first
 * @iov_first, @iov_count: their iovecs, in that order
 * @room:	bytes
 * @enough:	there was once room for the largest frame: this driver offers that much
 */
struct net_gather {
	unsigned int first, count;
	unsigned int iov_first, iov_count;
	size_t room;
	bool enough;
	struct net_buffer chains[NET_GATHER_CHAINS];
	struct iovec iov[NET_GATHER_IOVS];
};

/*
 * struct net_pair - a receive and a transmit queue
 * @rx_ready:	the nic may have a frame: receive() hasn't said -EAGAIN since it was told
 * @tx_blocked:	send() said -EAGAIN; the frame is back in the queue
 * @held_len:	bytes in @held: a frame that was received although the guest offered less room than
 *		the largest needs, and doesn't fit either; 0: none
 */
struct net_pair {
	bool rx_ready;
	bool tx_blocked;
	uint32_t held_len;
	struct net_gather gather;
	uint8_t held[NIC_HEADER + NIC_FRAME_MAX];
};

/*
 * struct net - the device
 * @active:	between activate and reset, and not broken
 * @down:	the nic is gone for good: what the guest sends is thrown away
 * @loaded:	@offloads and @pair_count came from load() and stand through the next activate
 * @pair_count:	pairs in use
 * @offloads:	GUEST_* features (bits) that are switched on
 * @want:	room for the largest frame that the nic may give now, with its header
 * @chain:	being popped; here, because it is too large for a stack
 * @iov:	the frame being sent, behind the checked copy of its header
 */
struct net {
	struct virtio_dev dev;
	struct virtq queues[2 * NIC_PAIRS_MAX + 1];
	struct nic *nic;
	struct virtio_net_config config;
	uint8_t mac[6];
	bool active;
	bool down;
	bool loaded;
	unsigned int pair_count;
	uint64_t offloads;
	size_t want;
	struct rate_limit rx_limit, tx_limit;
	uint64_t counters[NET_COUNTERS];
	struct virtq_chain chain;
	struct virtio_net_hdr_v1 header;
	struct iovec iov[1 + VIRTQ_CHAIN_MAX];
	struct net_pair pairs[];
};

static inline unsigned int net_rx_queue(unsigned int pair)
{
	return 2 * pair;
}

static inline unsigned int net_tx_queue(unsigned int pair)
{
	return 2 * pair + 1;
}

/* The control queue follows the pairs that the driver knows of. */
static inline unsigned int net_ctrl_queue(const struct net *net)
{
	return virtio_dev_has(&net->dev, VIRTIO_NET_F_MQ) ? 2 * net->nic->pairs : 2;
}

/* net_broken() - as virtio_dev_broken(), and the nic rests too. */
void net_broken(struct net *net, const char *why);

/* net_down() - the nic said -ENETDOWN: log it, tell the guest. Once. */
void net_down(struct net *net);

/*
 * net_apply() - tell the nic pairs and offloads
 *
 * Return: 0 or -errno, then nothing is changed.
 */
int net_apply(struct net *net, unsigned int pairs, uint64_t offloads);

/* net_offloads_possible() - the bits of GUEST_* features that the driver accepted */
uint64_t net_offloads_possible(const struct net *net);

/* net_rx_run() - pass frames to the guest while there are any, and room. */
void net_rx_run(struct net *net, unsigned int pair);

/* net_rx_put_back() - return gathered chains to the ring, untouched; forget a held frame. */
void net_rx_put_back(struct net *net, unsigned int pair);

/* net_rx_forget() - as after activation, without touching the ring. */
void net_rx_forget(struct net_pair *pair);

/* net_tx_run() - send what the guest has in the queue. */
void net_tx_run(struct net *net, unsigned int pair);

/* net_ctrl_run() - answer the guest's commands. */
void net_ctrl_run(struct net *net);
