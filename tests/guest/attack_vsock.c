// SPDX-License-Identifier: Apache-2.0
// Attack: vsock packets that no driver would send, credit that is ignored, connections without end.
#include "tests/guest/socket.h"
#include "tests/guest/use.h"

#include <linux/virtio_ids.h>
#include <linux/vm_sockets.h>

/* The host accepts no connection at this port, and reads nothing: they wait in its backlog. */
#define DEAF_PORT 7001u
/* Most connections of the device (devices/vsock.h). */
#define CONNECTIONS_MAX 1023u
/* Most answers that wait for buffers (devices/vsock_conn.h). */
#define REPLIES_MAX 128u
#define PIECE 4096u

static struct vq queues[QUEUES_MAX];
static struct vdev *dev;
static const uint32_t witness = 500;

/* One connection that does what is right, and must not notice what the others do. */
static bool begin(const char *name)
{
	check_begin("virtio-vsock: %s", name);
	arena_reset();
	if (!vdev_start(dev, 0, queues)) {
		check_fail("the device doesn't start");
		return false;
	}
	socket_fill_rx(queues, RING_SIZE, PIECE + SOCKET_HEADER);
	if (!socket_send(queues, VIRTIO_VSOCK_OP_REQUEST, witness, ECHO_PORT, NULL, 0) ||
		!socket_expect(queues, VIRTIO_VSOCK_OP_RESPONSE, witness)) {
		check_fail("no connection to the host");
		return false;
	}
	return true;
}

static void expect_witness(void)
{
	static const char text[] = "still here";
	const struct virtio_vsock_hdr *hdr;

	if (check_failed())
		return;
	if (!socket_send(queues, VIRTIO_VSOCK_OP_RW, witness, ECHO_PORT, text, sizeof(text)))
		check_fail("another connection's packet isn't taken");
	hdr = socket_expect(queues, VIRTIO_VSOCK_OP_RW, witness);
	if (!hdr || hdr->len != sizeof(text) || memcmp(hdr + 1, text, sizeof(text)))
		check_fail("another connection stands still");
	if (vdev_status(dev) != STATUS_RUNNING)
		check_fail("the device is broken, status 0x%x", vdev_status(dev));
}

static void end(void)
{
	expect_witness();
	prove(dev);
	prove_others(dev);
	check_end();
}

/* A packet as it is, by descriptor 0. */
static bool send_raw(const struct virtio_vsock_hdr *hdr, uint32_t payload)
{
	struct vq *tx = &queues[SOCKET_TX];
	uint8_t *packet = arena(SOCKET_HEADER + payload, 8);

	memcpy(packet, hdr, SOCKET_HEADER);
	vq_desc(tx, 0, packet, SOCKET_HEADER + payload, 0, 0);
	vq_submit(tx, 0);
	return vq_wait(tx, NULL, NULL);
}

static bool connect_to(uint32_t guest_port, uint32_t host_port)
{
	return socket_send(queues, VIRTIO_VSOCK_OP_REQUEST, guest_port, host_port, NULL, 0) &&
	       socket_expect(queues, VIRTIO_VSOCK_OP_RESPONSE, guest_port);
}

/* Packets with one field that is wrong; to an open connection at port 600, or to none at 601. */

static void field_op(struct virtio_vsock_hdr *hdr)
{
	hdr->op = 0x7777;
}

static void field_op_0(struct virtio_vsock_hdr *hdr)
{
	hdr->op = VIRTIO_VSOCK_OP_INVALID;
}

static void field_request_again(struct virtio_vsock_hdr *hdr)
{
	hdr->op = VIRTIO_VSOCK_OP_REQUEST;
}

static void field_response(struct virtio_vsock_hdr *hdr)
{
	hdr->op = VIRTIO_VSOCK_OP_RESPONSE;
}

static void field_type(struct virtio_vsock_hdr *hdr)
{
	hdr->type = 0x55;
}

static void field_src_cid(struct virtio_vsock_hdr *hdr)
{
	hdr->src_cid += 1;
}

static void field_src_cid_host(struct virtio_vsock_hdr *hdr)
{
	hdr->src_cid = VMADDR_CID_HOST;
}

static void field_src_cid_high(struct virtio_vsock_hdr *hdr)
{
	hdr->src_cid |= 1ull << 32;
}

static void field_dst_cid(struct virtio_vsock_hdr *hdr)
{
	hdr->dst_cid = 99;
}

static void field_dst_cid_high(struct virtio_vsock_hdr *hdr)
{
	hdr->dst_cid |= 1ull << 63;
}

static void field_flags(struct virtio_vsock_hdr *hdr)
{
	hdr->flags = UINT32_MAX;
}

static void field_shutdown_flags(struct virtio_vsock_hdr *hdr)
{
	hdr->op = VIRTIO_VSOCK_OP_SHUTDOWN;
	hdr->flags = UINT32_MAX;
}

static void field_shutdown_nothing(struct virtio_vsock_hdr *hdr)
{
	hdr->op = VIRTIO_VSOCK_OP_SHUTDOWN;
}

static void field_buf_alloc_0(struct virtio_vsock_hdr *hdr)
{
	hdr->buf_alloc = 0;
}

static void field_buf_alloc_max(struct virtio_vsock_hdr *hdr)
{
	hdr->buf_alloc = UINT32_MAX;
}

static void field_fwd_cnt(struct virtio_vsock_hdr *hdr)
{
	hdr->fwd_cnt = 0x80000000;
}

static void field_fwd_cnt_back(struct virtio_vsock_hdr *hdr)
{
	hdr->fwd_cnt = UINT32_MAX;
}

static void field_ports(struct virtio_vsock_hdr *hdr)
{
	hdr->src_port = hdr->dst_port = UINT32_MAX;
}

static void odd_packet(const char *name, void (*spoil)(struct virtio_vsock_hdr *hdr))
{
	struct virtio_vsock_hdr hdr;

	if (begin(name) && connect_to(600, ECHO_PORT)) {
		for (uint32_t port = 600; port < 602; port++) {
			for (unsigned int times = 0; times < 3; times++) {
				socket_header(&hdr, dev, VIRTIO_VSOCK_OP_RW, port, ECHO_PORT, 8);
				spoil(&hdr);
				if (!send_raw(&hdr, 8))
					check_fail("the packet isn't taken");
			}
		}
	}
	end();
}

static void odd_packets(void)
{
	odd_packet("an operation that nobody knows", field_op);
	odd_packet("operation 0", field_op_0);
	odd_packet("a request for an open connection", field_request_again);
	odd_packet("an answer that nobody waits for", field_response);
	odd_packet("a type that nobody knows", field_type);
	odd_packet("another guest's address", field_src_cid);
	odd_packet("the host's own address", field_src_cid_host);
	odd_packet("an address of more than 32 bits", field_src_cid_high);
	odd_packet("to another guest", field_dst_cid);
	odd_packet("to an address of more than 32 bits", field_dst_cid_high);
	odd_packet("all flags", field_flags);
	odd_packet("a shutdown with all flags", field_shutdown_flags);
	odd_packet("a shutdown of nothing", field_shutdown_nothing);
	odd_packet("a buffer of 0", field_buf_alloc_0);
	odd_packet("a buffer of 4 GiB", field_buf_alloc_max);
	odd_packet("more confirmed than was sent", field_fwd_cnt);
	odd_packet("confirmed counts back", field_fwd_cnt_back);
	odd_packet("ports of 32 bits", field_ports);
}

/* Packets that are no packets: the device asks for a reset. */
static void bad_packet(const char *name, uint32_t chain_len, uint32_t packet_len)
{
	struct vq *tx = &queues[SOCKET_TX];

	if (begin(name) && connect_to(600, ECHO_PORT)) {
		struct virtio_vsock_hdr *hdr = arena(PIECE, 8);

		socket_header(hdr, dev, VIRTIO_VSOCK_OP_RW, 600, ECHO_PORT, packet_len);
		vq_desc(tx, 0, hdr, chain_len, 0, 0);
		vq_submit(tx, 0);
		if (!WAIT_FOR(vdev_status(dev) & STATUS_NEEDS_RESET))
			check_fail("the device doesn't ask for a reset");
	}
	prove(dev);
	prove_others(dev);
	check_end();
}

static void small_rx_buffer(uint32_t size, uint16_t flags)
{
	check_begin("virtio-vsock: rx buffers of %u bytes%s", size,
		flags ? "" : " that can't be written");
	arena_reset();
	if (vdev_start(dev, 0, queues)) {
		for (unsigned int i = 0; i < 4; i++) {
			vq_desc(&queues[SOCKET_RX], i, arena(size, 8), size, flags, 0);
			vq_put(&queues[SOCKET_RX], (uint16_t)i);
		}
		vq_kick(&queues[SOCKET_RX]);
		socket_send(queues, VIRTIO_VSOCK_OP_REQUEST, 600, ECHO_PORT, NULL, 0);
		if (!WAIT_FOR(vdev_status(dev) & STATUS_NEEDS_RESET))
			check_fail("the device doesn't ask for a reset");
	}
	prove(dev);
	prove_others(dev);
	check_end();
}

/* More than the credit, to a host that doesn't read: it must be cut off, and nothing may grow. */
static void ignore_credit(void)
{
	static uint8_t piece[PIECE];
	const struct virtio_vsock_hdr *hdr;
	uint32_t sent = 0;
	bool cut = false;

	if (begin("credit is ignored") && connect_to(600, DEAF_PORT)) {
		struct vq *rx = &queues[SOCKET_RX];

		while (!cut && sent < (64u << 20)) {
			arena_choose(ARENA_PROOF);
			arena_reset();
			if (!socket_send(queues, VIRTIO_VSOCK_OP_RW, 600, DEAF_PORT, piece, PIECE))
				check_fail("data isn't taken after %u bytes", sent);
			arena_choose(ARENA_TEST);
			if (check_failed())
				break;
			sent += PIECE;
			while (!cut && shared16(&rx->used->idx) != rx->used_seen) {
				hdr = socket_receive(queues);
				cut = hdr && hdr->dst_port == 600 && hdr->op == VIRTIO_VSOCK_OP_RST;
			}
		}
		if (!cut)
			check_fail("%u bytes were taken from a guest that has no credit", sent);
		if (sent < 65536)
			check_fail("cut off after %u bytes, which it may send", sent);
	}
	end();
}

static void batch_of_requests(struct vq *tx, struct virtio_vsock_hdr *hdrs, uint32_t port)
{
	for (unsigned int i = 0; i < tx->size; i++) {
		socket_header(&hdrs[i], dev, VIRTIO_VSOCK_OP_REQUEST, port + i, DEAF_PORT, 0);
		vq_desc(tx, i, &hdrs[i], SOCKET_HEADER, 0, 0);
		vq_put(tx, (uint16_t)i);
	}
	vq_kick(tx);
}

/* A connection from each port, none ever closed. Those beyond the limit are refused, not forgotten.
 */
static void many_connections(uint32_t total)
{
	struct vq *tx = &queues[SOCKET_TX];
	uint32_t open = 0, refused = 0, answered = 0;

	if (begin("connections without end")) {
		struct virtio_vsock_hdr *hdrs = arena(sizeof(*hdrs) * tx->size, 8);

		for (uint32_t port = 0; port < total && !check_failed(); port += tx->size) {
			batch_of_requests(tx, hdrs, 100000 + port);
			for (; answered < port + tx->size; answered++) {
				const struct virtio_vsock_hdr *hdr = socket_receive(queues);

				if (!hdr) {
					check_fail("no answer to request %u", answered);
					break;
				}
				open += hdr->op == VIRTIO_VSOCK_OP_RESPONSE;
				refused += hdr->op == VIRTIO_VSOCK_OP_RST;
			}
			for (unsigned int i = 0; i < tx->size; i++)
				if (!check_failed() && !vq_wait(tx, NULL, NULL))
					check_fail("a request isn't taken");
		}
		if (!check_failed() && open + refused != total)
			check_fail("%u open, %u refused, of %u", open, refused, total);
		/* The witness is one of them. */
		if (open != CONNECTIONS_MAX - 1)
			check_fail("%u connections are open", open);
	}
	end();
}

/* Refusals for which the guest gives no buffers: the device must stop taking packets, not pile up.
 */
static void no_rx_buffers(void)
{
	struct vq *tx = &queues[SOCKET_TX];
	uint32_t taken = 0, refused = 0;

	check_begin("virtio-vsock: packets without end, and no buffers for the answers");
	arena_reset();
	if (vdev_start(dev, 0, queues)) {
		struct virtio_vsock_hdr *hdr = arena(sizeof(*hdr), 8);
		uint64_t until = rt_ticks() + 100 * TICKS_SHORT;

		socket_header(hdr, dev, VIRTIO_VSOCK_OP_RW, 601, ECHO_PORT, 0);
		vq_desc(tx, 0, hdr, SOCKET_HEADER, 0, 0);
		for (unsigned int i = 0; i < tx->size; i++)
			vq_put(tx, 0);
		while (rt_ticks() < until && taken <= REPLIES_MAX + RING_SIZE) {
			while (tx->used_seen != shared16(&tx->used->idx)) {
				tx->used_seen++;
				taken++;
				vq_put(tx, 0);
			}
			vq_kick(tx);
		}
		if (!taken || taken > REPLIES_MAX + RING_SIZE)
			check_fail("%u packets were taken", taken);
		prove_others(dev);
		/* With buffers all of it goes on. */
		socket_fill_rx(queues, RING_SIZE, PIECE);
		while (refused < taken && socket_receive(queues))
			refused++;
		if (refused < taken)
			check_fail("%u answers to %u packets", refused, taken);
	}
	prove(dev);
	check_end();
}

void guest_main(void)
{
	vdev_find_all();
	dev = vdev_by_id(VIRTIO_ID_VSOCK);
	odd_packets();
	bad_packet("a header cut short", SOCKET_HEADER - 1, 0);
	bad_packet("a length of more than the chain", SOCKET_HEADER + 8, 9);
	bad_packet("a length of 4 GiB", SOCKET_HEADER + 8, UINT32_MAX);
	small_rx_buffer(SOCKET_HEADER - 1, VRING_DESC_F_WRITE);
	small_rx_buffer(PIECE, 0);
	ignore_credit();
	no_rx_buffers();
	/* A slow monitor is still right when it gets beyond its limit. */
	many_connections(word_in(rt_cmdline, "few") ? 4096 : 65536);
}
