// SPDX-License-Identifier: Apache-2.0
// What virtio-net asks of its host side: Ethernet frames, both ways.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * Theory of operation
 *
 * A frame has a struct virtio_net_hdr_v1 before it, in host byte order (which is the guest's), so
 * that checksums and segmentation are left to whoever needs them, perhaps nobody:
 *
 *     guest sends:     device --send(pair, [header][frame])--> host
 *     host sends:      backend --ready(pair)--> device calls receive(pair) until -EAGAIN
 *
 * The header that send() gets is the device's own copy, checked against what was negotiated; the
 * frame is guest memory, which may change at any time.
 *
 * A host's end that is gone (a tap device deleted, a peer that closed its socket) is told by
 * -ENETDOWN from then on, and by ready() if it happens while nothing is sent.
 *
 * All of it runs on the loop.
 */

struct nic;

/* The header before each frame. */
#define NIC_HEADER 12
/* Largest frame: 64 KiB of IP in an Ethernet header with two VLAN tags. */
#define NIC_FRAME_MAX (65535 + 14 + 8)
#define NIC_FRAME_MIN 14
#define NIC_PAIRS_MAX 8
/* Most iovecs of one frame: IOV_MAX, less one that a backend may put before them. */
#define NIC_IOVS_MAX 1023

/* Offloads: frames of one side that need work by the other. */
#define NIC_CSUM (1u << 0) /* checksum incomplete */
#define NIC_TSO4 (1u << 1) /* TCP over IPv4 longer than the MTU */
#define NIC_TSO6 (1u << 2)
#define NIC_ECN (1u << 3) /* the same, with ECN's CWR flag */
#define NIC_USO (1u << 4) /* UDP, IPv4 and IPv6 */

/*
 * struct nic_ops - the operations of a backend
 * @set:	serve the first @pairs queue pairs (0: stop, ready() isn't called any more), and
 *pass on frames to receive() that need the offloads in @offloads, no others. ready() follows for
 *what is there already. 0, or -errno and what was set before stands
 * @receive:	fill the iovecs (1 to NIC_IOVS_MAX) with the next frame and its header. Bytes
 *filled, at least NIC_HEADER + NIC_FRAME_MIN; a longer frame is cut: then all are filled. -EAGAIN:
 *none, ready() will tell; -ENETDOWN; -EBADMSG: a frame was lost
 * @send:	iov[0] is the header, the @count - 1 others (1 to NIC_IOVS_MAX - 1) the frame, its
 *		length from NIC_FRAME_MIN to NIC_FRAME_MAX. 0; -EAGAIN: no room, ready() will tell;
 *		-ENETDOWN; another -errno: this frame was not taken and will not be
 * @free:	stop, and give back what was opened or taken over
 */
struct nic_ops {
	int (*set)(struct nic *nic, unsigned int pairs, unsigned int offloads);
	ssize_t (*receive)(
		struct nic *nic, unsigned int pair, const struct iovec *iov, unsigned int count);
	int (*send)(
		struct nic *nic, unsigned int pair, const struct iovec *iov, unsigned int count);
	void (*free)(struct nic *nic);
};

/*
 * struct nic - embedded first in each backend
 * @name:	for log lines
 * @pairs:	queue pairs that it can serve, 1 to NIC_PAIRS_MAX
 * @offloads:	NIC_* that it can do, both ways
 * @frame_max:	longest frame that receive() gives where no offload makes it longer
 * @ready, @ctx: set by the device before set(): receive() or send() may go on
 */
struct nic {
	const struct nic_ops *ops;
	const char *name;
	unsigned int pairs;
	unsigned int offloads;
	uint32_t frame_max;
	void (*ready)(void *ctx, unsigned int pair);
	void *ctx;
};

static inline void nic_free(struct nic *nic)
{
	if (nic)
		nic->ops->free(nic);
}
