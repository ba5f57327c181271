// SPDX-License-Identifier: Apache-2.0
// An I/O APIC: turns interrupt lines into the messages that the guest has chosen for them.
#pragma once

#include "devices/bus.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 * The 82093AA, seen through a select register and a data window, has one 64-bit entry a pin:
 *
 *	63      56 55          17 16   15      14  13       12  11   10   8 7      0
 *	| dest    | reserved     |mask|trigger|irr|polarity|sts|mode|deliv. | vector |
 *
 * Nothing passes through this code when an interrupt is raised: whenever an entry changes what its
 * pin does, the owner is told the message that the pin now sends, and has the line's eventfd send
 * it. Therefore every line is an edge, whatever the guest writes for trigger and polarity, and an
 * edge on a masked pin is lost, as it is on the chip.
 *
 * Spec: Intel 82093AA datasheet; message format: Intel SDM 3A 10.11.
 */

/* Five for a PC's own lines, and one for each of 24 virtio slots. */
#define IOAPIC_PINS_MAX 29

/* Bytes of its page that hold registers: select at 0x00, window at 0x10. */
#define IOAPIC_SIZE 0x1000

/* struct ioapic_msi - the write by which an interrupt reaches a local APIC */
struct ioapic_msi {
	uint32_t address;
	uint32_t data;
};

/*
 * struct ioapic
 * @pins:	how many there are, from 1 to IOAPIC_PINS_MAX; may be changed until the guest runs
 * @lock:	guards the registers, and is held in @route
 * @route:	pin @pin now sends @msi, or nothing if that is NULL; called on changes only
 */
struct ioapic {
	unsigned int pins;
	pthread_mutex_t lock;
	void (*route)(void *ctx, unsigned int pin, const struct ioapic_msi *msi);
	void *ctx;
	uint8_t select;
	uint8_t id;
	uint64_t entries[IOAPIC_PINS_MAX];
};

/* ioapic_init() - all there can be, masked, which @route isn't told. */
void ioapic_init(struct ioapic *ioapic,
	void (*route)(void *ctx, unsigned int pin, const struct ioapic_msi *msi), void *ctx);

/* For bus_add() in memory with the struct ioapic as its device, IOAPIC_SIZE bytes. */
extern const struct bus_ops ioapic_bus_ops;
