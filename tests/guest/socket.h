// SPDX-License-Identifier: Apache-2.0
// The guest's side of virtio-vsock: packets, and one connection at a time.
#pragma once

#include "tests/guest/virtio.h"

#include <linux/virtio_vsock.h>

#define SOCKET_RX 0u
#define SOCKET_TX 1u
#define SOCKET_HEADER 44u
/* What this side says it can buffer. */
#define SOCKET_CREDIT 65536u

/* socket_header() - a header of the guest's for a connection; @len: bytes of payload behind it. */
void socket_header(struct virtio_vsock_hdr *hdr, const struct vdev *dev, uint16_t op,
	uint32_t guest_port, uint32_t host_port, uint32_t len);

/* socket_fill_rx() - give the device @count buffers of @size bytes each, entries 0 up. */
void socket_fill_rx(struct vq *queues, unsigned int count, uint32_t size);

/* socket_send() - a packet by descriptor 0 of the tx queue; waits until it is taken. */
bool socket_send(struct vq *queues, uint16_t op, uint32_t guest_port, uint32_t host_port,
	const void *data, uint32_t len);

/*
 * socket_receive() - wait for the next packet from the host
 *
 * Return: it, in its buffer, which goes back with the next call of socket_recycle(); NULL if none
 * came.
 */
const struct virtio_vsock_hdr *socket_receive(struct vq *queues);
void socket_recycle(struct vq *queues);

/* socket_expect() - receive until a packet of @op for @guest_port comes; others are dropped. */
const struct virtio_vsock_hdr *socket_expect(struct vq *queues, uint16_t op, uint32_t guest_port);

/* socket_prove() - connect to the host's echo port, send, get it back, close. */
void socket_prove(struct vq *queues);
