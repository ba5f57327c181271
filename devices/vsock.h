// SPDX-License-Identifier: Apache-2.0
// virtio-vsock: stream connections between guest and host.
#pragma once

#include <stdint.h>

struct loop;
struct stream_backend;
struct virtio_dev;

/*
 * Connections at once, all kinds; what the guest asks for beyond is refused. As many as
 * Firecracker's, which clients expect; each holds a descriptor, a page or two of memory while its
 * host keeps up, and VSOCK_BUF bytes (a message more for SEQPACKET) when it doesn't.
 */
#define VSOCK_CONNS_MAX 1023
/* How long the guest may take to answer a host's connection. */
#define VSOCK_TIMEOUT_MS 2000

/* What it counts, in virtio_dev's counters; rx is to the guest, tx from it. */
enum vsock_counter {
	VSOCK_RX_NOTIFIES,
	VSOCK_TX_NOTIFIES,
	VSOCK_RX_BROKEN,
	VSOCK_TX_BROKEN,
	VSOCK_EVENT_BROKEN,
	VSOCK_RX_PACKETS, /* of all kinds */
	VSOCK_RX_BYTES,   /* of payload */
	VSOCK_TX_PACKETS,
	VSOCK_TX_BYTES,
	VSOCK_CONNS_ADDED,
	VSOCK_CONNS_KILLED, /* the guest didn't answer in time */
	VSOCK_CONNS_REMOVED,
	VSOCK_READ_FAILS, /* of the host's sockets */
	VSOCK_WRITE_FAILS,
	VSOCK_COUNTERS,
};

/*
 * vsock_new() - make a vsock device
 * @loop:	outlives the device
 * @guest_cid:	3 or more, below 2^32 - 1
 * @backend:	taken over on success: the device frees it; it starts to listen now. Until the
 *		guest's driver is ready, a host's connection waits, up to VSOCK_TIMEOUT_MS
 * @ret:	owned by the caller: (*ret)->ops->free(*ret) after its slot is gone
 *
 * Freeing waits up to two seconds for hosts that are slow to read what the guest sent.
 * Each connection is a descriptor: the process needs RLIMIT_NOFILE above VSOCK_CONNS_MAX.
 *
 * Return: 0, -EINVAL for a bad CID, or -errno.
 */
int vsock_new(struct loop *loop, uint64_t guest_cid, struct stream_backend *backend,
	struct virtio_dev **ret);
