// SPDX-License-Identifier: Apache-2.0
// The interrupt controllers.
#pragma once

#include "devices/ioapic.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 * The local APICs are always KVM's. Usually the I/O APIC is ours (devices/ioapic.h): KVM then knows
 * each line, a GSI, as the message that the guest has chosen for it (KVM_SET_GSI_ROUTING), and an
 * eventfd bound to it is delivered right where it is written. There is no PIC, KVM holds no state
 * of either, and each of the 24 slots has a pin of its own. Pins behind the last slot in use don't
 * exist: a guest reads and writes each one a few times as it starts, and every access is an exit.
 *
 * With a PIC or PIT asked for, all controllers are KVM's, because its PIT and PIC come only with
 * its I/O APIC. That has 24 pins, of which five are taken (timer, keyboard, cascade, events,
 * serial), which leaves 19 for the slots: slots 19 to 23 share the lines of slots 0 to 4. Sharing
 * an edge is safe here: a virtio device sets its interrupt status before it sends its edge, and the
 * guest asks every device of a line at each one, so an edge that merges with another is not lost.
 * It costs a needless register read per neighbour, though.
 *
 *	GSI 1 keyboard, 3 events (COM2's on a PC), 4 serial, 5 and up slots
 */
#define IRQCHIP_GSI_SLOTS 5u
/* Of KVM's own I/O APIC, and the slots that have a pin of it to themselves. */
#define IRQCHIP_KVM_PINS 24u
#define IRQCHIP_KVM_SLOTS (IRQCHIP_KVM_PINS - IRQCHIP_GSI_SLOTS)

struct err;
struct vm;

/* struct irqchip - @routed has a bit for each pin that sends a message, which is in @msi */
struct irqchip {
	struct vm *vm;
	struct ioapic ioapic;
	uint32_t routed;
	struct ioapic_msi msi[IOAPIC_PINS_MAX];
};

/* irqchip_slot_gsi(), irqchip_pins() - with KVM's I/O APIC (@pic) or ours; @slots are in use */
static inline uint32_t irqchip_slot_gsi(bool pic, unsigned int slot)
{
	return IRQCHIP_GSI_SLOTS + (pic ? slot % IRQCHIP_KVM_SLOTS : slot);
}

static inline unsigned int irqchip_pins(bool pic, unsigned int slots)
{
	return pic ? IRQCHIP_KVM_PINS : IRQCHIP_GSI_SLOTS + slots;
}

/*
 * irqchip_init() - create the controllers, before the first vCPU
 * @pic, @pit:	KVM's, if asked for; @pit needs @pic
 *
 * Our I/O APIC is put on the VM's bus. Return: 0 or -errno with @err set.
 */
int irqchip_init(struct irqchip *chip, struct vm *vm, bool pic, bool pit, struct err *err);
