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
 * of either, and there are as many pins as devices: each of the 24 slots has its own.
 *
 * With a PIC or PIT asked for, all controllers are KVM's, because its PIT and PIC come only with
 * its I/O APIC. That has 24 pins, of which five are taken (timer, keyboard, cascade, serial and
 * events; the free one is COM2's), which leaves 18 in a row for the slots: slots 18 to 23 share the
 * lines of slots 0 to 5. Sharing an edge is safe here: a virtio device sets its interrupt status
 * before it sends its edge, and the guest asks every device of a line at each one, so an edge that
 * merges with another is not lost. It costs a needless register read per neighbour, though.
 *
 *	GSI 1 keyboard, 4 serial, 5 to 22 slots 0 to 17, 23 events, 24 to 29 slots 18 to 23
 */
#define IRQCHIP_GSI_SLOTS 5u
#define IRQCHIP_SLOTS_LOW 18u
#define IRQCHIP_GSI_SLOTS_HIGH 24u
/* Of KVM's own I/O APIC. */
#define IRQCHIP_KVM_PINS 24u

struct err;
struct vm;

/* struct irqchip - @routed has a bit for each pin that sends a message, which is in @msi */
struct irqchip {
	struct vm *vm;
	struct ioapic ioapic;
	uint32_t routed;
	struct ioapic_msi msi[IOAPIC_PINS];
};

/* irqchip_slot_gsi(), irqchip_pins() - with KVM's I/O APIC (@pic) or ours */
static inline uint32_t irqchip_slot_gsi(bool pic, unsigned int slot)
{
	if (slot < IRQCHIP_SLOTS_LOW)
		return IRQCHIP_GSI_SLOTS + slot;
	return (pic ? IRQCHIP_GSI_SLOTS : IRQCHIP_GSI_SLOTS_HIGH) + slot - IRQCHIP_SLOTS_LOW;
}

static inline unsigned int irqchip_pins(bool pic)
{
	return pic ? IRQCHIP_KVM_PINS : IOAPIC_PINS;
}

/*
 * irqchip_init() - create the controllers, before the first vCPU
 * @pic, @pit:	KVM's, if asked for; @pit needs @pic
 *
 * Our I/O APIC is put on the VM's bus. Return: 0 or -errno with @err set.
 */
int irqchip_init(struct irqchip *chip, struct vm *vm, bool pic, bool pit, struct err *err);
