// SPDX-License-Identifier: Apache-2.0
// Attack: frames whose header lies, frames that are none, buffers that hold none, odd commands.
#include "tests/guest/ether.h"
#include "tests/guest/use.h"

#include <linux/virtio_ids.h>

/* Of virtio 1.3 5.1.3; not in every linux/virtio_net.h. */
#define NET_F_GUEST_USO4 54
#define NET_F_GUEST_USO6 55
#define NET_F_HOST_USO 56
#define GSO_UDP_L4 5u

#define OFFLOADS                                                                                   \
	(FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_CSUM) |                           \
		FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_TSO6) |                \
		FEATURE(VIRTIO_NET_F_HOST_ECN) | FEATURE(NET_F_HOST_USO) |                         \
		FEATURE(VIRTIO_NET_F_GUEST_TSO4) | FEATURE(VIRTIO_NET_F_GUEST_TSO6) |              \
		FEATURE(VIRTIO_NET_F_GUEST_ECN) | FEATURE(NET_F_GUEST_USO4) |                      \
		FEATURE(NET_F_GUEST_USO6))
#define CONTROL (FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
#define MERGEABLE FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define PAIRS FEATURE(VIRTIO_NET_F_MQ)

/* Of IPv4 with TCP, as the offloads have it. */
#define IP_AT 14u
#define TCP_AT 34u
#define TCP_SUM 16u
#define DATA_AT 54u
/* Of the frame that lies. */
#define LIE_LEN 4000u
#define KICKS 5000u

static struct vq queues[QUEUES_MAX];
static struct vdev *dev;

static bool begin(const char *what, const char *more, uint64_t features)
{
	check_begin("%s in slot %u: %s%s", dev->name, dev->slot, what, more);
	arena_reset();
	if (vdev_start(dev, features, queues))
		return true;
	check_fail("the device doesn't start, status 0x%x", vdev_status(dev));
	return false;
}

static void end(void)
{
	prove(dev);
	prove_others(dev);
	check_end();
}

/* It goes on as if nothing had been. */
static void expect_alive(void)
{
	ether_prove(queues);
	if (vdev_status(dev) != STATUS_RUNNING)
		check_fail("the device is broken, status 0x%x", vdev_status(dev));
}

static void expect_broken(void)
{
	if (!WAIT_FOR(vdev_status(dev) & STATUS_NEEDS_RESET))
		check_fail("the device doesn't ask for a reset");
}

/* A frame as it is, in one piece; the device must give it back, whatever becomes of it. */
static void send_raw(const void *packet, uint32_t len)
{
	struct vq *tx = &queues[ETHER_TX];
	uint32_t written = 1;

	vq_desc(tx, 0, packet, len, 0, 0);
	vq_submit(tx, 0);
	if (!vq_wait(tx, NULL, &written))
		check_fail("a frame of %u bytes isn't taken", len);
	else if (written)
		check_fail("%u bytes of a frame to send were written", written);
}

static void tcp_frame(uint8_t *frame, uint32_t len)
{
	static const uint8_t begins[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0,
		/* IPv4: length and checksum are left out. */
		0x45, 0, 0, 0, 0, 1, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
		/* TCP */
		0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0};

	memcpy(frame, begins, sizeof(begins));
	frame[IP_AT + 2] = (uint8_t)((len - IP_AT) >> 8);
	frame[IP_AT + 3] = (uint8_t)(len - IP_AT);
}

#define SUM .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = TCP_AT, .csum_offset = TCP_SUM
#define LIE(...)                                                                                   \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}

static const struct {
	const char *what;
	struct virtio_net_hdr_v1 header;
} lies[] = {
	{"a checksum from behind the frame",
		LIE(.flags = 1, .csum_start = LIE_LEN, .csum_offset = 0)},
	{"a checksum from the last byte",
		LIE(.flags = 1, .csum_start = LIE_LEN - 1, .csum_offset = 0)},
	{"a checksum's place behind the frame",
		LIE(.flags = 1, .csum_start = TCP_AT, .csum_offset = LIE_LEN)},
	{"a checksum's place that wraps",
		LIE(.flags = 1, .csum_start = 0xffff, .csum_offset = 0xffff)},
	{"a checksum over itself", LIE(.flags = 1, .csum_start = 0, .csum_offset = 0)},
	{"segments of no bytes", LIE(SUM, .gso_type = 1, .hdr_len = DATA_AT)},
	{"segments of a byte", LIE(SUM, .gso_type = 1, .gso_size = 1, .hdr_len = DATA_AT)},
	{"segments larger than the frame",
		LIE(SUM, .gso_type = 1, .gso_size = 0xffff, .hdr_len = DATA_AT)},
	{"segments without a checksum", LIE(.gso_type = 1, .gso_size = 1448, .hdr_len = DATA_AT)},
	{"segments of IPv6 in IPv4", LIE(SUM, .gso_type = 4, .gso_size = 1448, .hdr_len = DATA_AT)},
	{"a header longer than the frame",
		LIE(SUM, .gso_type = 1, .gso_size = 1448, .hdr_len = 0xffff)},
	{"a header as long as the frame",
		LIE(SUM, .gso_type = 1, .gso_size = 1448, .hdr_len = LIE_LEN)},
	{"a header of no bytes", LIE(SUM, .gso_type = 1, .gso_size = 1448)},
	{"fragments of UDP", LIE(SUM, .gso_type = 3, .gso_size = 1448, .hdr_len = DATA_AT)},
	{"segments of UDP that is TCP",
		LIE(SUM, .gso_type = GSO_UDP_L4, .gso_size = 1448, .hdr_len = DATA_AT)},
	{"segments of nothing, with ECN", LIE(SUM, .gso_type = 0x80, .gso_size = 1448)},
	{"segments of TCP with ECN",
		LIE(SUM, .gso_type = 0x81, .gso_size = 1448, .hdr_len = DATA_AT)},
	{"segments of a kind that nobody knows", LIE(SUM, .gso_type = 0x7f, .gso_size = 1448)},
	{"what only the host may say", LIE(.flags = 0xfe, .num_buffers = 0xffff)},
	{"all ones", LIE(.flags = 0xff, .gso_type = 0xff, .hdr_len = 0xffff, .gso_size = 0xffff,
			     .csum_start = 0xffff, .csum_offset = 0xffff, .num_buffers = 0xffff)},
};

static void headers(void)
{
	static const struct {
		const char *what;
		uint64_t features;
	} ways[] = {{" (nothing negotiated)", 0}, {" (offloads negotiated)", OFFLOADS}};

	for (unsigned int i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		for (unsigned int way = 0; way < 2; way++) {
			if (begin(lies[i].what, ways[way].what, ways[way].features)) {
				uint8_t *packet = arena(ETHER_HEADER + LIE_LEN, 8);

				memcpy(packet, &lies[i].header, ETHER_HEADER);
				tcp_frame(packet + ETHER_HEADER, LIE_LEN);
				send_raw(packet, ETHER_HEADER + LIE_LEN);
				/* A frame that is shorter than what it tells. */
				send_raw(packet, ETHER_HEADER + DATA_AT);
				send_raw(packet, ETHER_HEADER + ETHER_MIN);
				expect_alive();
			}
			end();
		}
	}
}

static void lengths(void)
{
	static const uint32_t odd[] = {1, 13, 14, 65535, 65536, 65557, 65558, 1u << 20};

	if (begin("frames of no and of any length", "", OFFLOADS)) {
		uint8_t *packet = arena(ETHER_HEADER + (1u << 20), 8);

		send_raw(packet, ETHER_HEADER);
		for (unsigned int i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
			send_raw(packet, ETHER_HEADER + odd[i]);
		expect_alive();
	}
	end();
}

/* Legal: where descriptors end means nothing. */
static void pieces(void)
{
	if (begin("a frame in as many pieces as the queue holds", "", 0)) {
		uint8_t *packet = arena(ETHER_HEADER + ETHER_LEN, 8);
		uint64_t number = ether_frame(packet + ETHER_HEADER);
		struct vq *tx = &queues[ETHER_TX];
		uint32_t last = tx->size - 1;

		for (unsigned int i = 0; i < last; i++)
			vq_desc(tx, i, packet + i, 1, VRING_DESC_F_NEXT, (uint16_t)(i + 1));
		vq_desc(tx, last, packet + last, ETHER_HEADER + ETHER_LEN - last, 0, 0);
		ether_fill_rx(queues, 4, 2048);
		vq_submit(tx, 0);
		if (!vq_wait(tx, NULL, NULL) || !ether_expect(queues, number))
			check_fail("the frame doesn't come back");
	}
	end();
}

static void no_frame(const char *what, uint32_t readable, uint32_t writable)
{
	if (begin(what, "", OFFLOADS)) {
		struct vq *tx = &queues[ETHER_TX];
		uint8_t *packet = arena(4096, 8);

		if (readable)
			vq_desc(tx, 0, packet, readable, writable ? VRING_DESC_F_NEXT : 0, 1);
		vq_desc(tx,
			readable && writable ? 1
			: readable           ? 2
					     : 0,
			packet + 2048, writable ? writable : 1, VRING_DESC_F_WRITE, 0);
		vq_submit(tx, 0);
		expect_broken();
	}
	end();
}

/* Have a frame come to rx buffers that can't take it. */
static void bad_buffers(const char *what, uint64_t features, uint32_t size, uint16_t flags)
{
	if (begin(what, features & MERGEABLE ? " (mergeable)" : "", features)) {
		struct vq *rx = &queues[ETHER_RX];

		for (unsigned int i = 0; i < rx->size; i++) {
			vq_desc(rx, i, arena(size, 8), size, flags, 0);
			vq_put(rx, (uint16_t)i);
		}
		vq_kick(rx);
		ether_put(queues, 0);
		vq_kick(&queues[ETHER_TX]);
		expect_broken();
	}
	end();
}

/* Too small for any frame, where each frame has one: it is lost, and so is the next. */
static void small_buffers(void)
{
	if (begin("receive buffers of a header and a byte", "", 0)) {
		struct vq *rx = &queues[ETHER_RX];

		ether_fill_rx(queues, rx->size, ETHER_HEADER + 1);
		for (unsigned int i = 0; i < 4; i++) {
			ether_put(queues, i);
			vq_kick(&queues[ETHER_TX]);
			if (!vq_wait(&queues[ETHER_TX], NULL, NULL))
				check_fail("a frame isn't sent");
		}
		for (uint64_t until = rt_ticks() + TICKS_SHORT; rt_ticks() < until;)
			shared_pause();
		if (shared16(&rx->used->idx) || vdev_status(dev) != STATUS_RUNNING)
			check_fail("%u buffers were used, status 0x%x", rx->used->idx,
				vdev_status(dev));
	}
	end();
}

/* One that is too small for the frame waits for the others. */
static void few_buffers(void)
{
	const uint32_t size = ETHER_HEADER + 8, need = 4;

	if (!(dev->features & MERGEABLE))
		return;
	if (begin("receive buffers that come one by one, each too small", "", MERGEABLE)) {
		struct vq *rx = &queues[ETHER_RX];
		const struct virtio_net_hdr_v1 *header = arena(size, 8);

		vq_desc(rx, 0, header, size, VRING_DESC_F_WRITE, 0);
		vq_submit(rx, 0);
		ether_put(queues, 0);
		vq_kick(&queues[ETHER_TX]);
		for (unsigned int i = 1; i < rx->size && !check_failed(); i++) {
			vq_desc(rx, i, arena(size, 8), size, VRING_DESC_F_WRITE, 0);
			vq_submit(rx, (uint16_t)i);
		}
		if (!WAIT_FOR(shared16(&rx->used->idx) >= need))
			check_fail("the frame doesn't come, used %u, status 0x%x", rx->used->idx,
				vdev_status(dev));
	}
	end();
}

/* A command; @len bytes behind class and command. Return: the answer, or 0x100 if that broke it. */
static uint32_t command(uint8_t class, uint8_t cmd, const void *data, uint32_t len)
{
	bool pairs = dev->features & PAIRS;
	struct vq *q = &queues[pairs ? dev->queue_count - 1 : 2];
	uint8_t *head = arena(2, 2), *ack = arena(1, 1);

	head[0] = class;
	head[1] = cmd;
	*ack = 0xee;
	vq_desc(q, 0, head, 2, VRING_DESC_F_NEXT, len ? 1 : 2);
	vq_desc(q, 1, data, len, VRING_DESC_F_NEXT, 2);
	vq_desc(q, 2, ack, 1, VRING_DESC_F_WRITE, 0);
	vq_submit(q, 0);
	if (vq_wait(q, NULL, NULL))
		return *ack;
	if (!(vdev_status(dev) & STATUS_NEEDS_RESET))
		check_fail("neither an answer nor NEEDS_RESET");
	return 0x100;
}

static const struct {
	const char *what;
	uint8_t class, cmd;
	uint32_t len;
	uint8_t data[16];
} commands[] = {
	{"of a class that nobody knows", 200, 0, 4, {0}},
	{"of a kind that nobody knows", VIRTIO_NET_CTRL_RX, 255, 1, {1}},
	{"without its data", VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 0, {0}},
	{"with a megabyte of data", VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 1u << 20, {1}},
	{"with 4 billion addresses", VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 8,
		{0xff, 0xff, 0xff, 0xff}},
	{"with addresses whose size wraps to 2", VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET,
		10, {0xab, 0xaa, 0xaa, 0x2a}},
	{"with group addresses whose size wraps", VIRTIO_NET_CTRL_MAC,
		VIRTIO_NET_CTRL_MAC_TABLE_SET, 10, {0, 0, 0, 0, 0xab, 0xaa, 0xaa, 0xaa}},
	{"with half a table", VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 7, {0}},
	{"with a table in a megabyte", VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 1u << 20,
		{1}},
	{"for a group's address", VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, 6, {3}},
	{"for 7 bytes of an address", VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, 7, {2}},
	{"for no pairs", VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2, {0}},
	{"for 65535 pairs", VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2, {0xff, 0xff}},
	{"for a pair more than there is", VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2,
		{3}},
	{"for all offloads", VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, 8,
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
};

static void odd_commands(void)
{
	for (unsigned int i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (begin("a command ", commands[i].what, OFFLOADS | CONTROL | PAIRS)) {
			uint8_t *data = arena(commands[i].len > 16 ? commands[i].len : 16, 8);
			uint32_t got;

			memcpy(data, commands[i].data, sizeof(commands[i].data));
			got = command(commands[i].class, commands[i].cmd, data, commands[i].len);
			if (got != VIRTIO_NET_ERR)
				check_fail("the answer is 0x%x", got);
			expect_alive();
		}
		end();
	}
}

static void no_command(const char *what, uint32_t readable, uint32_t writable)
{
	if (begin(what, "", CONTROL)) {
		/* Without pairs. */
		struct vq *q = &queues[2];
		uint8_t *data = arena(64, 8);

		vq_desc(q, 0, data, readable ? readable : writable,
			readable ? (writable ? VRING_DESC_F_NEXT : 0) : VRING_DESC_F_WRITE, 1);
		vq_desc(q, 1, data + 32, writable, VRING_DESC_F_WRITE, 0);
		vq_submit(q, 0);
		expect_broken();
	}
	end();
}

/* Queues of pairs that aren't switched on, of the control queue that wasn't negotiated, and none.
 */
static void odd_queues(void)
{
	if (begin("requests and kicks for queues that aren't used", "", 0)) {
		for (unsigned int i = 2; i < dev->queue_count; i++) {
			vq_desc(&queues[i], 0, arena(64, 8), 64, 0, 0);
			vq_submit(&queues[i], 0);
		}
		for (uint32_t value = dev->queue_count; value < 70000; value += 911)
			vdev_write(dev, VIRTIO_MMIO_QUEUE_NOTIFY, value);
		expect_alive();
		for (unsigned int i = 2; i < dev->queue_count; i++)
			if (shared16(&queues[i].used->idx))
				check_fail("queue %u is served", i);
	}
	end();
}

static void fill_tx(void)
{
	for (unsigned int i = 0; i < queues[ETHER_TX].size; i++)
		ether_put(queues, i);
}

static void reset_under_load(void)
{
	check_begin("%s in slot %u: resets with frames under way", dev->name, dev->slot);
	for (unsigned int round = 0; round < 20 && !check_failed(); round++) {
		const uint32_t size = 2048, count = RING_SIZE;
		uint8_t *buffers;

		arena_reset();
		buffers = arena(0, 64);
		if (!vdev_start(dev, OFFLOADS | MERGEABLE, queues)) {
			check_fail("the device doesn't start");
			break;
		}
		buffers = arena(size * count, 64);
		for (unsigned int i = 0; i < count; i++) {
			vq_desc(&queues[ETHER_RX], i, buffers + i * size, size, VRING_DESC_F_WRITE,
				0);
			vq_put(&queues[ETHER_RX], (uint16_t)i);
		}
		vq_kick(&queues[ETHER_RX]);
		fill_tx();
		vq_kick(&queues[ETHER_TX]);
		if (!vdev_reset(dev))
			check_fail("no reset");
		memset(buffers, 0xa5, size * count);
		for (uint64_t until = rt_ticks() + TICKS_SHORT; rt_ticks() < until;)
			shared_pause();
		for (unsigned int i = 0; i < size * count; i++)
			if (buffers[i] != 0xa5)
				check_fail("byte %u was written after the reset", i);
	}
	end();
}

static void kicks(void)
{
	if (begin("thousands of kicks, with frames to send and without", "", CONTROL)) {
		fill_tx();
		for (unsigned int i = 0; i < KICKS; i++)
			for (unsigned int q = 0; q < dev->queue_count; q++)
				vq_kick(&queues[q]);
		if (!WAIT_FOR(shared16(&queues[ETHER_TX].used->idx) == queues[ETHER_TX].size))
			check_fail("%u frames were sent", queues[ETHER_TX].used->idx);
		queues[ETHER_TX].used_seen = (uint16_t)queues[ETHER_TX].size;
	}
	end();
}

void guest_main(void)
{
	vdev_find_all();
	for (unsigned int d = 0; d < device_count; d++) {
		dev = &devices[d];
		if (dev->id != VIRTIO_ID_NET)
			continue;
		headers();
		lengths();
		pieces();
		no_frame("a frame of one byte, its header's", 1, 0);
		no_frame("a header cut short", ETHER_HEADER - 1, 0);
		no_frame("a frame to send with room to write", 100, 100);
		no_frame("a frame to send that can only be written", 0, 100);
		bad_buffers("receive buffers that can't be written", 0, 2048, 0);
		bad_buffers("receive buffers of a byte", 0, 1, VRING_DESC_F_WRITE);
		bad_buffers("receive buffers of a byte", MERGEABLE, 1, VRING_DESC_F_WRITE);
		bad_buffers("receive buffers a byte too short for the header", MERGEABLE,
			ETHER_HEADER - 1, VRING_DESC_F_WRITE);
		small_buffers();
		few_buffers();
		odd_commands();
		no_command("a command of one byte", 1, 1);
		no_command("a command without room for its answer", 16, 0);
		no_command("a command that is only an answer", 0, 16);
		odd_queues();
		reset_under_load();
		kicks();
	}
}
