// SPDX-License-Identifier: Apache-2.0
// A network device between a guest's driver and a host that are both the test; for one test
// program.
#pragma once

#include "base/cleanup.h"
#include "base/loop.h"
#include "devices/net.h"
#include "devices/net_queue.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/fake_nic.h"
#include "tests/lib/loop_step.h"

#include <check.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <time.h>

#define RX 0
#define TX 1
#define CTRL 4
#define NET_BIT(n) (UINT64_C(1) << (n))
#define FEATURES                                                                                   \
	(NET_BIT(VIRTIO_RING_F_EVENT_IDX) | NET_BIT(VIRTIO_NET_F_MRG_RXBUF) |                      \
		NET_BIT(VIRTIO_NET_F_CSUM) | NET_BIT(VIRTIO_NET_F_HOST_TSO4) |                     \
		NET_BIT(VIRTIO_NET_F_HOST_TSO6) | NET_BIT(VIRTIO_NET_F_CTRL_VQ) |                  \
		NET_BIT(VIRTIO_NET_F_MQ) | NET_BIT(VIRTIO_NET_F_STATUS))
#define GSO (FEATURES | NET_BIT(VIRTIO_NET_F_GUEST_CSUM) | NET_BIT(VIRTIO_NET_F_GUEST_TSO4))

static const uint8_t mac[6] = {2, 3, 4, 5, 6, 7};
static struct loop loop;
static struct fake_driver f;
static struct fake_nic *host;
static struct virtio_dev *dev;
static bool host_freed;

/* Reset, and come back with these features. */
static inline void restart(uint64_t features)
{
	if (f.dev)
		fake_driver_reset(&f);
	memset(f.ram, 0, FAKE_RAM_SIZE);
	f.next_gpa = FAKE_RAM_GPA;
	f.queue_signals = f.config_signals = 0;
	ck_assert_int_eq(fake_driver_start(&f, dev, features), 0);
}

static inline void setup(void)
{
	ck_assert_int_eq(loop_init(&loop), 0);
	fake_driver_init(&f);
	host = fake_nic_new(2, NIC_CSUM | NIC_TSO4 | NIC_TSO6);
	host->freed = &host_freed;
	ck_assert_int_eq(
		net_new(&loop, &host->nic,
			&(struct net_config){.mac = {2, 3, 4, 5, 6, 7}, .mtu = 1400}, &dev),
		0);
	restart(FEATURES);
}

static inline void teardown(void)
{
	fake_driver_reset(&f);
	dev->ops->free(dev);
	ck_assert(host_freed);
	fake_driver_fini(&f);
	loop_fini(&loop);
}

/* Put a frame into the first tx queue. */
static inline void add_frame(const struct virtio_net_hdr_v1 *header, uint32_t len, uint8_t fill)
{
	uint64_t gpa = fake_alloc(&f, NIC_HEADER + len, 16);

	memcpy(fake_ptr(&f, gpa), header, NIC_HEADER);
	if (len)
		memset(fake_ptr(&f, gpa + NIC_HEADER), fill, len);
	fake_add(&f.queues[TX], &(struct fake_buf){gpa, NIC_HEADER + len, false}, 1);
}

static inline void send_frame(const struct virtio_net_hdr_v1 *header, uint32_t len, uint8_t fill)
{
	add_frame(header, len, fill);
	fake_kick(&f, TX);
}

/* Offer @count buffers of @len bytes, one after the other. Return: the first. */
static inline uint64_t post(unsigned int queue, unsigned int count, uint32_t len)
{
	uint64_t first = fake_alloc(&f, (uint64_t)count * len, 1);

	for (unsigned int i = 0; i < count; i++)
		fake_add(&f.queues[queue], &(struct fake_buf){first + (uint64_t)i * len, len, true},
			1);
	return first;
}

static inline uint32_t used_len(unsigned int queue)
{
	uint32_t id, len;

	ck_assert(fake_used(&f.queues[queue], &id, &len));
	return len;
}

static inline void no_used(unsigned int queue)
{
	uint32_t id, len;

	ck_assert(!fake_used(&f.queues[queue], &id, &len));
}
