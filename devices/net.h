// SPDX-License-Identifier: Apache-2.0
// virtio-net.
#pragma once

#include <stdint.h>

struct loop;
struct nic;
struct rate_limit_config;
struct virtio_dev;

/*
 * struct net_config - what the guest finds; trusted
 * @mac:	of one device, not a group
 * @mtu:	68 up; 0: the guest isn't told any
 */
struct net_config {
	uint8_t mac[6];
	uint16_t mtu;
};

/*
 * What it counts, in virtio_dev's counters; rx is to the guest, tx from it. Bytes are those of
 * frames, without the headers of virtio.
 */
enum net_counter {
	NET_BROKEN,    /* a ring, or a chain that is no frame */
	NET_NIC_READY, /* times that the nic told of frames, or of room */
	NET_RX_NOTIFIES,
	NET_RX_PACKETS,
	NET_RX_BYTES,
	NET_RX_FAILED,     /* frames lost: too large for what the guest offers, or misread */
	NET_RX_NO_BUFFERS, /* times that the guest had to offer more first */
	NET_RX_THROTTLED,  /* times that the rate limit stopped it */
	NET_RX_RESUMED,    /* times that it let it go on */
	NET_TX_NOTIFIES,
	NET_TX_EMPTY, /* notifies with nothing to send */
	NET_TX_PACKETS,
	NET_TX_BYTES,
	NET_TX_MALFORMED, /* frames that ask for what they can't */
	NET_TX_FAILED,    /* frames that the nic didn't take */
	NET_TX_THROTTLED,
	NET_TX_RESUMED,
	NET_COUNTERS,
};

/*
 * net_new() - make a network device
 * @loop:	outlives the device
 * @nic:	taken over on success: the device frees it. As many pairs and as many offloads as it
 *		has are offered to the guest
 * @ret:	owned by the caller: (*ret)->ops->free(*ret) after its slot is gone
 *
 * Return: 0 or -ENOMEM.
 */
int net_new(struct loop *loop, struct nic *nic, const struct net_config *config,
	struct virtio_dev **ret);

/*
 * net_set_limits() - change the limits, also while the guest runs
 * @rx, @tx:	of what the guest receives and sends, a frame an operation, all pairs together;
 *		NULL leaves that one as it is, all zero lifts it
 *
 * Return: 0, or -errno with neither changed. Context: loop.
 */
int net_set_limits(struct virtio_dev *dev, const struct rate_limit_config *rx,
	const struct rate_limit_config *tx);
