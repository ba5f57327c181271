// SPDX-License-Identifier: Apache-2.0
// The guest's side of virtio-net.
#include "tests/guest/ether.h"

/* What tests may use as they like (IEEE 802, local experiments): the host echoes it. */
#define ETHERTYPE_ECHO 0x88b5u
#define NUMBER_AT 16u

void ether_fill_rx(struct vq *queues, unsigned int count, uint32_t size)
{
	struct vq *rx = &queues[ETHER_RX];

	for (unsigned int i = 0; i < count && i < rx->size; i++) {
		vq_desc(rx, i, arena(size, 64), size, VRING_DESC_F_WRITE, 0);
		vq_put(rx, (uint16_t)i);
	}
	vq_kick(rx);
}

uint64_t ether_frame(uint8_t *frame)
{
	static uint64_t number;
	static const uint8_t begin[ETHER_MIN] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, ETHERTYPE_ECHO >> 8, ETHERTYPE_ECHO & 0xff};

	number++;
	memset(frame, 0x3c, ETHER_LEN);
	memcpy(frame, begin, sizeof(begin));
	memcpy(frame + NUMBER_AT, &number, sizeof(number));
	return number;
}

uint64_t ether_put(struct vq *queues, unsigned int desc)
{
	struct vq *tx = &queues[ETHER_TX];
	uint8_t *packet = arena(ETHER_HEADER + ETHER_LEN, 8);
	uint64_t number = ether_frame(packet + ETHER_HEADER);

	vq_desc(tx, desc, packet, ETHER_HEADER + ETHER_LEN, 0, 0);
	vq_put(tx, (uint16_t)desc);
	return number;
}

bool ether_expect(struct vq *queues, uint64_t number)
{
	struct vq *rx = &queues[ETHER_RX];
	uint32_t id = 0, len = 0;

	while (vq_wait(rx, &id, &len) && id < rx->size) {
		const uint8_t *frame = (const uint8_t *)rx->desc[id].addr + ETHER_HEADER;
		bool same = len == ETHER_HEADER + ETHER_LEN && frame[12] == ETHERTYPE_ECHO >> 8 &&
			    frame[5] == 2 && frame[11] == 1 &&
			    !memcmp(frame + NUMBER_AT, &number, sizeof(number)) &&
			    frame[ETHER_LEN - 1] == 0x3c;

		vq_submit(rx, (uint16_t)id);
		if (same)
			return true;
	}
	return false;
}

void ether_prove(struct vq *queues)
{
	struct vq *tx = &queues[ETHER_TX];
	uint32_t id = 1, len = 1;
	uint64_t number;

	ether_fill_rx(queues, 4, 2048);
	number = ether_put(queues, 0);
	vq_kick(tx);
	if (!vq_wait(tx, &id, &len))
		check_fail("%s: a frame isn't sent", tx->dev->name);
	else if (id || len)
		check_fail("%s: a frame that was sent gives id %u, len %u", tx->dev->name, id, len);
	else if (!ether_expect(queues, number))
		check_fail("%s: a frame doesn't come back", tx->dev->name);
}
