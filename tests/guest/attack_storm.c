// SPDX-License-Identifier: Apache-2.0
// Attack: storms. Each goes on until the host, which meanwhile measures how soon the monitor
// answers, types a byte.
#include "tests/guest/smp.h"
#include "tests/guest/use.h"
#include "vmm/arch/x86_64/layout.h"

#include <linux/serial_reg.h>
#include <linux/virtio_ids.h>

static struct vq queues[SLOTS_MAX][QUEUES_MAX];

static bool host_typed(void)
{
	if (!(inb(PORT_COM1 + UART_LSR) & UART_LSR_DR))
		return false;
	inb(PORT_COM1);
	return true;
}

/* Once a device refuses, all are started again. */
static void start_all(void)
{
	arena_reset();
	for (unsigned int d = 0; d < device_count; d++)
		if (!vdev_start(&devices[d], 0, queues[d]))
			check_fail("%s doesn't start", devices[d].name);
}

/* The work of a storm, again and again on both vCPUs. */

static void kick_all(void)
{
	for (unsigned int d = 0; d < device_count; d++)
		for (unsigned int i = 0; i < devices[d].queue_count; i++)
			vq_kick(&queues[d][i]);
}

static void kick_nothing(void)
{
	for (unsigned int d = 0; d < device_count; d++)
		for (uint32_t value = devices[d].queue_count; value < 100; value += 7)
			vdev_write(&devices[d], VIRTIO_MMIO_QUEUE_NOTIFY, value);
}

/* As many requests as each queue holds, put back as soon as they are done. */
static void refill_all(void)
{
	for (unsigned int d = 0; d < device_count; d++) {
		for (unsigned int u = 0; u < use_count; u++) {
			struct vq *q = &queues[d][uses[u].queue];

			if (!use_of(&uses[u], &devices[d]))
				continue;
			while ((uint16_t)(q->avail->idx - shared16(&q->used->idx)) < q->size)
				vq_put(q, 0);
			vq_kick(q);
		}
	}
}

static void reset_all(void)
{
	for (unsigned int d = 0; d < device_count; d++) {
		vdev_write(&devices[d], VIRTIO_MMIO_STATUS, 0);
		vdev_negotiate(&devices[d], 0);
		vdev_go(&devices[d]);
	}
}

/* Broken as often as possible: each time there is something to log. */
static void break_all(void)
{
	for (unsigned int d = 0; d < device_count; d++) {
		vdev_negotiate(&devices[d], 0);
		vdev_write(&devices[d], VIRTIO_MMIO_QUEUE_SEL, 0);
		vdev_write(&devices[d], VIRTIO_MMIO_QUEUE_NUM, 3);
		vdev_write(&devices[d], VIRTIO_MMIO_QUEUE_READY, 1);
		vdev_go(&devices[d]);
	}
}

static void print_noise(void)
{
	static char noise[1024];
	const char *from = noise;
	uint64_t count = sizeof(noise);

	memset(noise, '.', sizeof(noise));
	noise[sizeof(noise) - 1] = '\n';
	__asm__ volatile("rep outsb"
			 : "+S"(from), "+c"(count)
			 : "d"((uint16_t)PORT_COM1)
			 : "memory");
}

static void touch_everything(void)
{
	for (uint32_t at = 0; at < 0x1000; at += 64)
		mmio_read32(LAYOUT_SLOTS + at);
	for (uint16_t port = 0; port < 64; port++)
		inb(port);
	mmio_read32(LAYOUT_IOAPIC + 0x10);
}

static const struct storm {
	const char *name;
	void (*work)(void);
} storms[] = {
	{"kicks of empty queues", kick_all},
	{"kicks of queues that don't exist", kick_nothing},
	{"queues that are never empty", refill_all},
	{"resets", reset_all},
	{"broken devices", break_all},
	{"output", print_noise},
	{"register reads", touch_everything},
};

static void (*current)(void);

static void other(void)
{
	while (!smp_stopping())
		current();
}

static void build_all(void)
{
	struct request r;

	for (unsigned int d = 0; d < device_count; d++)
		for (unsigned int u = 0; u < use_count; u++)
			if (use_of(&uses[u], &devices[d]))
				uses[u].build(&queues[d][uses[u].queue], &r);
}

static void run(const struct storm *storm)
{
	uint64_t rounds = 0, until = rt_ticks() + 4 * TICKS_LONG;

	check_begin("a storm of %s", storm->name);
	start_all();
	build_all();
	current = storm->work;
	say("\nstorm %s\n", storm->name);
	smp_run(other);
	while (!host_typed()) {
		storm->work();
		rounds++;
		if (rt_ticks() > until) {
			check_fail("the host has said nothing");
			break;
		}
	}
	if (!smp_stop())
		check_fail("the second vCPU doesn't stop");
	/* The reader of the console catches up, or what comes next is dropped. */
	for (until = rt_ticks() + 100 * TICKS_SHORT; rt_ticks() < until;)
		shared_pause();
	say("\n");
	if (!rounds)
		check_fail("nothing was done");
	for (unsigned int d = 0; d < device_count; d++)
		prove(&devices[d]);
	check_end();
}

void guest_main(void)
{
	vdev_find_all();
	check_begin("a second vCPU");
	if (!smp_start())
		check_fail("it doesn't start");
	check_end();
	for (unsigned int i = 0; i < sizeof(storms) / sizeof(storms[0]); i++)
		run(&storms[i]);
}
