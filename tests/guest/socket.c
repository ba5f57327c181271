// SPDX-License-Identifier: Apache-2.0
// The guest's side of virtio-vsock.
#include "tests/guest/socket.h"

#include "tests/guest/use.h"

#include <linux/vm_sockets.h>

/* The packet that socket_receive() gave last. */
static uint32_t last_id;
static bool last_held;

void socket_header(struct virtio_vsock_hdr *hdr, const struct vdev *dev, uint16_t op,
	uint32_t guest_port, uint32_t host_port, uint32_t len)
{
	/* The device's own CID is its config space. */
	uint64_t cid = mmio_read32(dev->base + VIRTIO_MMIO_CONFIG);

	*hdr = (struct virtio_vsock_hdr){
		.src_cid = cid,
		.dst_cid = VMADDR_CID_HOST,
		.src_port = guest_port,
		.dst_port = host_port,
		.len = len,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.buf_alloc = SOCKET_CREDIT,
	};
}

void socket_fill_rx(struct vq *queues, unsigned int count, uint32_t size)
{
	struct vq *rx = &queues[SOCKET_RX];

	last_held = false;
	for (unsigned int i = 0; i < count && i < rx->size; i++) {
		vq_desc(rx, i, arena(size, 64), size, VRING_DESC_F_WRITE, 0);
		vq_put(rx, (uint16_t)i);
	}
	vq_kick(rx);
}

bool socket_send(struct vq *queues, uint16_t op, uint32_t guest_port, uint32_t host_port,
	const void *data, uint32_t len)
{
	struct vq *tx = &queues[SOCKET_TX];
	uint8_t *packet = arena(SOCKET_HEADER + len, 8);

	socket_header((void *)packet, tx->dev, op, guest_port, host_port, len);
	if (len)
		memcpy(packet + SOCKET_HEADER, data, len);
	vq_desc(tx, 0, packet, SOCKET_HEADER + len, 0, 0);
	vq_submit(tx, 0);
	return vq_wait(tx, NULL, NULL);
}

void socket_recycle(struct vq *queues)
{
	if (last_held)
		vq_submit(&queues[SOCKET_RX], (uint16_t)last_id);
	last_held = false;
}

const struct virtio_vsock_hdr *socket_receive(struct vq *queues)
{
	struct vq *rx = &queues[SOCKET_RX];
	uint32_t id = 0, len = 0;

	socket_recycle(queues);
	if (!vq_wait(rx, &id, &len) || id >= rx->size || len < SOCKET_HEADER)
		return NULL;
	last_id = id;
	last_held = true;
	return (const void *)rx->desc[id].addr;
}

const struct virtio_vsock_hdr *socket_expect(struct vq *queues, uint16_t op, uint32_t guest_port)
{
	const struct virtio_vsock_hdr *hdr;

	while ((hdr = socket_receive(queues)))
		if (hdr->op == op && hdr->dst_port == guest_port)
			return hdr;
	return NULL;
}

void socket_prove(struct vq *queues)
{
	static const char text[] = "from the guest and back";
	static uint32_t port = 20000;
	const struct virtio_vsock_hdr *hdr;

	port++;
	socket_fill_rx(queues, 8, 4096);
	if (!socket_send(queues, VIRTIO_VSOCK_OP_REQUEST, port, ECHO_PORT, NULL, 0)) {
		check_fail("virtio-vsock: a packet is not taken");
		return;
	}
	if (!socket_expect(queues, VIRTIO_VSOCK_OP_RESPONSE, port)) {
		check_fail("virtio-vsock: no connection to the host");
		return;
	}
	if (!socket_send(queues, VIRTIO_VSOCK_OP_RW, port, ECHO_PORT, text, sizeof(text)))
		check_fail("virtio-vsock: data is not taken");
	hdr = socket_expect(queues, VIRTIO_VSOCK_OP_RW, port);
	if (!hdr || hdr->len != sizeof(text) || memcmp(hdr + 1, text, sizeof(text)))
		check_fail("virtio-vsock: the echo is wrong");
	if (!socket_send(queues, VIRTIO_VSOCK_OP_RST, port, ECHO_PORT, NULL, 0))
		check_fail("virtio-vsock: a reset is not taken");
}
