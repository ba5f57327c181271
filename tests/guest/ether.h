// SPDX-License-Identifier: Apache-2.0
// The guest's side of virtio-net: frames that the host sends back.
#pragma once

#include "tests/guest/virtio.h"

#include <linux/virtio_net.h>

#define ETHER_RX 0u
#define ETHER_TX 1u
/* Before each frame. */
#define ETHER_HEADER 12u
/* The least that a frame has. */
#define ETHER_MIN 14u
/* The length of the frames below. */
#define ETHER_LEN 60u

/* ether_fill_rx() - give the device @count buffers of @size bytes each, entries 0 up. */
void ether_fill_rx(struct vq *queues, unsigned int count, uint32_t size);

/*
 * ether_frame() - make a frame that the host will send back, its addresses swapped
 * @frame:	ETHER_LEN bytes
 *
 * Return: its number, by which it is known again.
 */
uint64_t ether_frame(uint8_t *frame);

/* ether_put() - make such a frame, with its header, available in entry @desc of the tx queue; no
 * kick. Return: its number. */
uint64_t ether_put(struct vq *queues, unsigned int desc);

/* ether_expect() - receive until that frame came back, in one buffer; others are dropped. */
bool ether_expect(struct vq *queues, uint64_t number);

/* ether_prove() - have a frame sent and sent back. */
void ether_prove(struct vq *queues);
