// SPDX-License-Identifier: Apache-2.0
// Each kind of device used as it is meant to be.
#include "tests/guest/use.h"

#include "tests/guest/ether.h"
#include "tests/guest/socket.h"

#include <linux/virtio_balloon.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

static void link_chain(struct vq *q, const struct request *r)
{
	for (unsigned int i = 0; i < r->count; i++) {
		q->desc[i].flags = i >= r->out_count ? VRING_DESC_F_WRITE : 0;
		if (i + 1 < r->count) {
			q->desc[i].flags |= VRING_DESC_F_NEXT;
			q->desc[i].next = (uint16_t)(i + 1);
		}
	}
}

static void build_blk(struct vq *q, struct request *ret)
{
	struct virtio_blk_outhdr *hdr = arena(sizeof(*hdr), 16);

	hdr->type = VIRTIO_BLK_T_IN;
	vq_desc(q, 0, hdr, sizeof(*hdr), 0, 0);
	vq_desc(q, 1, arena(512, 512), 512, 0, 0);
	vq_desc(q, 2, arena(1, 1), 1, 0, 0);
	*ret = (struct request){.count = 3, .out_count = 1};
	link_chain(q, ret);
}

/* A refusal of a connection that doesn't exist: taken, and nothing follows from it. */
static void build_vsock_tx(struct vq *q, struct request *ret)
{
	uint8_t *hdr = arena(SOCKET_HEADER, 8);

	socket_header((void *)hdr, q->dev, VIRTIO_VSOCK_OP_RST, 9999, ECHO_PORT, 0);
	vq_desc(q, 0, hdr, 20, 0, 0);
	vq_desc(q, 1, hdr + 20, SOCKET_HEADER - 20, 0, 0);
	*ret = (struct request){.count = 2, .out_count = 2};
	link_chain(q, ret);
}

static void build_vsock_rx(struct vq *q, struct request *ret)
{
	vq_desc(q, 0, arena(64, 8), 64, 0, 0);
	vq_desc(q, 1, arena(4096, 8), 4096, 0, 0);
	*ret = (struct request){.count = 2, .out_count = 0};
	link_chain(q, ret);
}

/* Data for a connection that doesn't exist is answered by a refusal, which wants an rx buffer. */
static void trigger_vsock_rx(struct vq *queues)
{
	struct vq *tx = &queues[SOCKET_TX];
	struct virtio_vsock_hdr *hdr = arena(sizeof(*hdr), 8);

	socket_header(hdr, tx->dev, VIRTIO_VSOCK_OP_RW, 9999, ECHO_PORT, 0);
	vq_desc(tx, 0, hdr, SOCKET_HEADER, 0, 0);
	vq_submit(tx, 0);
}

static void build_net_tx(struct vq *q, struct request *ret)
{
	uint8_t *packet = arena(ETHER_HEADER + ETHER_LEN, 8);

	ether_frame(packet + ETHER_HEADER);
	/* Nothing that the host sends back. */
	packet[ETHER_HEADER + 13] = 0xb6;
	vq_desc(q, 0, packet, ETHER_HEADER, 0, 0);
	vq_desc(q, 1, packet + ETHER_HEADER, ETHER_LEN, 0, 0);
	*ret = (struct request){.count = 2, .out_count = 2};
	link_chain(q, ret);
}

static void build_net_rx(struct vq *q, struct request *ret)
{
	vq_desc(q, 0, arena(64, 8), 64, 0, 0);
	vq_desc(q, 1, arena(4096, 8), 4096, 0, 0);
	*ret = (struct request){.count = 2, .out_count = 0};
	link_chain(q, ret);
}

/* A frame that comes back takes an rx buffer. */
static void trigger_net_rx(struct vq *queues)
{
	ether_put(queues, 0);
	vq_kick(&queues[ETHER_TX]);
}

static void build_rng(struct vq *q, struct request *ret)
{
	vq_desc(q, 0, arena(32, 8), 32, 0, 0);
	vq_desc(q, 1, arena(32, 8), 32, 0, 0);
	*ret = (struct request){.count = 2, .out_count = 0};
	link_chain(q, ret);
}

/* Two spare pages, a number in each buffer. */
static void build_balloon(struct vq *q, struct request *ret)
{
	uint32_t *pfns = arena(8, 8);

	pfns[0] = SPARE_PAGE >> VIRTIO_BALLOON_PFN_SHIFT;
	pfns[1] = pfns[0] + 1;
	vq_desc(q, 0, &pfns[0], 4, 0, 0);
	vq_desc(q, 1, &pfns[1], 4, 0, 0);
	*ret = (struct request){.count = 2, .out_count = 2};
	link_chain(q, ret);
}

static void build_reporting(struct vq *q, struct request *ret)
{
	vq_desc(q, 0, (void *)SPARE_PAGE, 4096, 0, 0);
	vq_desc(q, 1, (void *)(SPARE_PAGE + 8192), 4096, 0, 0);
	*ret = (struct request){.count = 2, .out_count = 0};
	link_chain(q, ret);
}

const struct use uses[] = {
	{VIRTIO_ID_BLOCK, 0, "requestq", 0, build_blk, NULL},
	{VIRTIO_ID_VSOCK, SOCKET_TX, "tx", 0, build_vsock_tx, NULL},
	{VIRTIO_ID_VSOCK, SOCKET_RX, "rx", 0, build_vsock_rx, trigger_vsock_rx},
	{VIRTIO_ID_NET, ETHER_TX, "tx", 0, build_net_tx, NULL},
	{VIRTIO_ID_NET, ETHER_RX, "rx", 0, build_net_rx, trigger_net_rx},
	{VIRTIO_ID_RNG, 0, "requestq", 0, build_rng, NULL},
	{VIRTIO_ID_BALLOON, 0, "inflateq", 0, build_balloon, NULL},
	{VIRTIO_ID_BALLOON, 1, "deflateq", 0, build_balloon, NULL},
	/* Without the statistics, which aren't accepted, it is the third. */
	{VIRTIO_ID_BALLOON, 2, "reporting_vq", FEATURE(VIRTIO_BALLOON_F_REPORTING), build_reporting,
		NULL},
};
const unsigned int use_count = sizeof(uses) / sizeof(uses[0]);

bool use_again(const struct vdev *dev)
{
	return word_in(rt_cmdline, "few") && vdev_by_id(dev->id) != dev;
}

bool use_of(const struct use *use, const struct vdev *dev)
{
	return use->id == dev->id && !(use->features & ~dev->features);
}

bool use_start(struct vdev *dev, const struct use *use, uint64_t features, struct vq *queues,
	struct request *ret)
{
	arena_reset();
	if (!vdev_start(dev, use->features | features, queues)) {
		check_fail("the device doesn't start, status 0x%x", vdev_status(dev));
		return false;
	}
	use->build(&queues[use->queue], ret);
	return true;
}

static void prove_blk(struct vq *queues)
{
	static uint32_t sector;
	struct virtio_blk_outhdr *hdr = arena(sizeof(*hdr), 16);
	uint64_t *data = arena(512, 512);
	uint8_t *status = arena(1, 1);
	struct vq *q = &queues[0];
	uint32_t id = 0, len = 0;

	sector = (sector + 37) % DISK_SECTORS;
	hdr->type = VIRTIO_BLK_T_IN;
	hdr->sector = sector;
	*status = 0xff;
	vq_desc(q, 0, hdr, sizeof(*hdr), VRING_DESC_F_NEXT, 1);
	vq_desc(q, 1, data, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
	vq_desc(q, 2, status, 1, VRING_DESC_F_WRITE, 0);
	vq_submit(q, 0);
	if (!vq_wait(q, &id, &len)) {
		check_fail("%s: no answer to a read", q->dev->name);
		return;
	}
	if (id || len != 513 || *status)
		check_fail("%s: a read gives id %u, len %u, status %u", q->dev->name, id, len,
			*status);
	for (unsigned int i = 0; i < 64; i++)
		if (data[i] != DISK_WORD(sector) + i)
			check_fail("%s: word %u of sector %u is 0x%lx", q->dev->name, i, sector,
				data[i]);
}

static void prove_rng(struct vq *queues)
{
	struct vq *q = &queues[0];
	uint8_t *data = arena(64, 8);
	uint32_t len = 0, set = 0;

	vq_desc(q, 0, data, 64, VRING_DESC_F_WRITE, 0);
	vq_submit(q, 0);
	if (!vq_wait(q, NULL, &len) || !len || len > 64) {
		check_fail("%s: %u bytes of 64", q->dev->name, len);
		return;
	}
	for (unsigned int i = 0; i < 64; i++)
		set += data[i] != 0;
	if (set < len / 2)
		check_fail("%s: %u of %u random bytes are 0", q->dev->name, len - set, len);
}

/* A page that was given away comes back empty. */
static void prove_balloon(struct vq *queues)
{
	volatile uint64_t *page = (void *)SPARE_PAGE;
	struct vq *q = &queues[0];
	struct request r;

	page[0] = page[511] = 0x5a5a5a5a;
	build_balloon(q, &r);
	vq_submit(q, 0);
	if (!vq_wait(q, NULL, NULL))
		check_fail("%s: pages aren't taken", q->dev->name);
	else if (page[0] || page[511])
		check_fail("%s: a page that was given away still holds 0x%lx", q->dev->name,
			page[0] | page[511]);
}

static const struct {
	uint32_t id;
	void (*prove)(struct vq *queues);
} proofs[] = {
	{VIRTIO_ID_BLOCK, prove_blk},
	{VIRTIO_ID_VSOCK, socket_prove},
	{VIRTIO_ID_NET, ether_prove},
	{VIRTIO_ID_RNG, prove_rng},
	{VIRTIO_ID_BALLOON, prove_balloon},
};

void prove(struct vdev *dev)
{
	enum arena before = arena_choose(ARENA_PROOF);
	struct vq queues[QUEUES_MAX];

	arena_reset();
	if (vdev_start(dev, 0, queues)) {
		for (unsigned int i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++)
			if (proofs[i].id == dev->id)
				proofs[i].prove(queues);
	} else {
		check_fail("%s doesn't start again, status 0x%x", dev->name, vdev_status(dev));
	}
	if (vdev_status(dev) & STATUS_NEEDS_RESET)
		check_fail("%s is broken after legal use", dev->name);
	if (!vdev_reset(dev))
		check_fail("%s doesn't reset, status 0x%x", dev->name, vdev_status(dev));
	arena_choose(before);
}

void prove_others(const struct vdev *dev)
{
	static unsigned int turn;

	if (device_count < 2)
		return;
	do
		turn = (turn + 1) % device_count;
	while (&devices[turn] == dev);
	prove(&devices[turn]);
}
