// SPDX-License-Identifier: Apache-2.0
// Tests of devices/net.h: the control queue, and what it has set when saved and loaded.
#include "devices/net.h"

#include "base/buf.h"
#include "tests/lib/net_guest.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>

#define OFFLOADS (GSO | NET_BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))

/* @data goes to the control queue. Return: the answer. */
static uint8_t command(uint8_t class, uint8_t cmd, const void *data, uint32_t len)
{
	uint64_t gpa = fake_alloc(&f, 16 + len, 16);
	const struct fake_buf bufs[] = {
		{gpa, 2, false}, {gpa + 16, len, false}, {gpa + 2, 1, true}};
	const struct fake_buf empty[] = {{gpa, 2, false}, {gpa + 2, 1, true}};
	uint8_t *p = fake_ptr(&f, gpa);

	p[0] = class;
	p[1] = cmd;
	p[2] = 0xee;
	if (len)
		memcpy(p + 16, data, len);
	fake_add(&f.queues[CTRL], len ? bufs : empty, len ? 3 : 2);
	fake_kick(&f, CTRL);
	ck_assert_uint_eq(used_len(CTRL), 1);
	return p[2];
}

/* {class, command, data, length, answer} */
static const struct {
	uint8_t class, cmd;
	uint8_t data[24];
	uint32_t len;
	uint8_t answer;
} commands[] = {
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, {1}, 1, VIRTIO_NET_OK},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, {0}, 1, VIRTIO_NET_OK},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, {2}, 1, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, {1}, 2, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, {1}, 0, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST + 1, {1}, 1, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, {0}, 8, VIRTIO_NET_OK},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, {2}, 20, VIRTIO_NET_OK},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, {[4] = 2}, 20, VIRTIO_NET_OK},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, {2}, 19, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, {2}, 21, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, {2}, 15, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, {0xff, 0xff, 0xff, 0xff}, 20,
		VIRTIO_NET_ERR},
	/* Times six it would be 2. */
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, {0xab, 0xaa, 0xaa, 0xaa}, 8,
		VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, {0}, 3, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, {2, 9, 9, 9, 9, 9}, 6, VIRTIO_NET_OK},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, {3, 9, 9, 9, 9, 9}, 6, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, {2, 9, 9, 9, 9, 9}, 5, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, {2}, 2, VIRTIO_NET_OK},
	{VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, {0}, 2, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, {3}, 2, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, {2}, 3, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET + 1, {2}, 2, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, {2}, 8, VIRTIO_NET_OK},
	{VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, {0}, 8, VIRTIO_NET_OK},
	/* TSO6 was not negotiated, MRG_RXBUF is no offload. */
	{VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, {2, 1}, 8,
		VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, {0, 0x80}, 8,
		VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, {2}, 4,
		VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, {1, 0}, 2, VIRTIO_NET_ERR},
	{200, 0, {0}, 1, VIRTIO_NET_ERR},
};

START_TEST(control)
{
	restart(OFFLOADS);
	ck_assert_uint_eq(
		command(commands[_i].class, commands[_i].cmd, commands[_i].data, commands[_i].len),
		commands[_i].answer);
	ck_assert(!atomic_load(&dev->broken));
}
END_TEST

START_TEST(control_without_answer)
{
	fake_add(&f.queues[CTRL], &(struct fake_buf){fake_alloc(&f, 16, 16), 3, false}, 1);
	fake_kick(&f, CTRL);
	ck_assert(atomic_load(&dev->broken));
}
END_TEST

START_TEST(control_without_command)
{
	uint64_t gpa = fake_alloc(&f, 16, 16);
	const struct fake_buf bufs[] = {{gpa, 1, false}, {gpa + 1, 1, true}};

	fake_add(&f.queues[CTRL], bufs, 2);
	fake_kick(&f, CTRL);
	ck_assert(atomic_load(&dev->broken));
}
END_TEST

/* Without pairs the control queue is the third, and further queues mean nothing. */
START_TEST(control_queue_without_pairs)
{
	uint64_t gpa;
	const uint8_t *p;

	restart(FEATURES & ~NET_BIT(VIRTIO_NET_F_MQ));
	gpa = fake_alloc(&f, 16, 16);
	p = fake_ptr(&f, gpa);
	*(uint8_t *)fake_ptr(&f, gpa + 3) = 0xee;
	fake_add(&f.queues[2], (const struct fake_buf[]){{gpa, 3, false}, {gpa + 3, 1, true}}, 2);
	fake_kick(&f, CTRL);
	fake_kick(&f, 3);
	no_used(2);
	fake_kick(&f, 2);
	ck_assert_uint_eq(used_len(2), 1);
	ck_assert_uint_eq(p[3], VIRTIO_NET_OK);
}
END_TEST

START_TEST(pairs)
{
	static const uint8_t two[2] = {2}, one[2] = {1};

	ck_assert_uint_eq(host->pairs, 1);
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_MQ, 0, two, 2), VIRTIO_NET_OK);
	ck_assert_uint_eq(host->pairs, 2);
	post(2, 8, 2048);
	fake_nic_arrive(host, 1, 100, 7);
	fake_nic_ready(host, 1);
	ck_assert_uint_eq(used_len(2), NIC_HEADER + 100);
	fake_add(&f.queues[3], &(struct fake_buf){fake_alloc(&f, 100, 16), 100, false}, 1);
	fake_kick(&f, 3);
	ck_assert_uint_eq(host->sent_count, 1);
	ck_assert_uint_eq(host->sent[0].pair, 1);
	/* Back to one: gathered buffers go back, kicks are not heard. */
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_MQ, 0, one, 2), VIRTIO_NET_OK);
	ck_assert_uint_eq(dev->queues[2].last_avail, 1);
	fake_add(&f.queues[3], &(struct fake_buf){fake_alloc(&f, 100, 16), 100, false}, 1);
	fake_kick(&f, 3);
	ck_assert_uint_eq(host->sent_count, 1);
}
END_TEST

START_TEST(pairs_that_the_host_refuses)
{
	static const uint8_t two[2] = {2};

	host->set_error = -EPERM;
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_MQ, 0, two, 2), VIRTIO_NET_ERR);
	host->set_error = 0;
	send_frame(&(struct virtio_net_hdr_v1){0}, 60, 1);
	ck_assert_uint_eq(host->sent_count, 1);
}
END_TEST

START_TEST(pairs_without_queues)
{
	static const uint8_t two[2] = {2};

	virtq_stop(&dev->queues[3]);
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_MQ, 0, two, 2), VIRTIO_NET_ERR);
}
END_TEST

START_TEST(offloads)
{
	static const uint8_t csum[8] = {2}, nothing[8] = {0};
	const uint64_t ecn = NET_BIT(VIRTIO_NET_F_GUEST_ECN);

	ck_assert_uint_eq(host->offloads, 0);
	restart(OFFLOADS);
	ck_assert_uint_eq(host->offloads, NIC_CSUM | NIC_TSO4);
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, csum, 8), VIRTIO_NET_OK);
	ck_assert_uint_eq(host->offloads, NIC_CSUM);
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, nothing, 8), VIRTIO_NET_OK);
	ck_assert_uint_eq(host->offloads, 0);
	/* Each stands on another. */
	restart(OFFLOADS & ~NET_BIT(VIRTIO_NET_F_GUEST_CSUM));
	ck_assert_uint_eq(host->offloads, 0);
	restart((OFFLOADS | ecn) & ~NET_BIT(VIRTIO_NET_F_GUEST_TSO4));
	ck_assert_uint_eq(host->offloads, NIC_CSUM);
	restart(OFFLOADS | NET_BIT(NET_F_GUEST_USO4));
	ck_assert_uint_eq(host->offloads, NIC_CSUM | NIC_TSO4);
	restart(OFFLOADS | ecn | NET_BIT(NET_F_GUEST_USO4) | NET_BIT(NET_F_GUEST_USO6));
	ck_assert_uint_eq(host->offloads, NIC_CSUM | NIC_TSO4 | NIC_ECN | NIC_USO);
}
END_TEST

static void read_mac(uint8_t ret[6])
{
	for (unsigned int i = 0; i < 6; i++)
		dev->ops->read_config(dev, i, ret + i, 1);
}

START_TEST(address)
{
	static const uint8_t other[6] = {2, 9, 9, 9, 9, 9};
	uint8_t got[6];

	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, other, 6),
		VIRTIO_NET_OK);
	read_mac(got);
	ck_assert_mem_eq(got, other, 6);
	/* A reset gives back the first. */
	restart(FEATURES);
	read_mac(got);
	ck_assert_mem_eq(got, mac, 6);
}
END_TEST

/* Saved and loaded */

START_TEST(saved_and_loaded)
{
	static const uint8_t two[2] = {2}, csum[8] = {2}, other[6] = {2, 9, 9, 9, 9, 9};
	struct buf state = BUF_INIT(4096);
	uint8_t got[6];

	restart(OFFLOADS);
	command(VIRTIO_NET_CTRL_MQ, 0, two, 2);
	command(VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, csum, 8);
	command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, other, 6);
	dev->ops->quiesce(dev);
	ck_assert_int_eq(dev->ops->save(dev, &state), 0);
	fake_driver_reset(&f);
	ck_assert_int_eq(dev->ops->load(dev, state.data, state.len), 0);
	f.next_gpa = FAKE_RAM_GPA;
	memset(f.ram, 0, FAKE_RAM_SIZE);
	ck_assert_int_eq(fake_driver_start(&f, dev, OFFLOADS), 0);
	ck_assert_uint_eq(host->pairs, 2);
	ck_assert_uint_eq(host->offloads, NIC_CSUM);
	read_mac(got);
	ck_assert_mem_eq(got, other, 6);
	buf_fini(&state);
}
END_TEST

/* {offset, value} that spoil a saved state; 0xff as the offset: one byte less */
static const uint8_t spoilt[][2] = {{0, 0}, {0, 3}, {1, 1}, {2, 1}, {5, 0x80}, {12, 1}, {0xff, 0}};

START_TEST(bad_state)
{
	struct buf state = BUF_INIT(4096);

	ck_assert_int_eq(dev->ops->save(dev, &state), 0);
	fake_driver_reset(&f);
	ck_assert_int_eq(dev->ops->load(dev, state.data, state.len), 0);
	if (spoilt[_i][0] == 0xff)
		state.len--;
	else
		state.data[spoilt[_i][0]] = spoilt[_i][1];
	ck_assert_int_eq(dev->ops->load(dev, state.data, state.len), -EINVAL);
	buf_fini(&state);
}
END_TEST

SUITE_CASES("net_control", setup, teardown, {control, ARRAY_SIZE(commands)},
	{control_without_answer}, {control_without_command}, {control_queue_without_pairs}, {pairs},
	{pairs_that_the_host_refuses}, {pairs_without_queues}, {offloads}, {address},
	{saved_and_loaded}, {bad_state, ARRAY_SIZE(spoilt)})
