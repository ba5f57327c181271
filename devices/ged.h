// SPDX-License-Identifier: Apache-2.0
// The register behind ACPI's generic event device: which of the machine's events have happened.
#pragma once

#include "devices/bus.h"

#include <stdatomic.h>
#include <stdint.h>

struct irq;

/* One port, one byte. */
#define GED_SIZE 1

/* Bits of the register, as the DSDT's _EVT method tests them. */
#define GED_POWER_BUTTON (1u << 0)
#define GED_GENERATION (1u << 1) /* the VM generation ID has changed */

/*
 * struct ged
 * @pending:	what happened since the guest last read the register
 *
 * Reading the register clears it, so that an interrupt that comes for nothing does nothing: a
 * power button must not be pressed by accident.
 *
 * Spec: ACPI 6.5 5.6.9.
 */
struct ged {
	const struct irq *irq;
	atomic_uchar pending;
};

/* ged_init() - @irq outlives it. */
void ged_init(struct ged *ged, const struct irq *irq);

/* ged_raise() - @events (GED_*) have happened. Context: any thread. */
void ged_raise(struct ged *ged, uint8_t events);

/* For bus_add() at an I/O port with the struct ged as its device, GED_SIZE bytes. */
extern const struct bus_ops ged_bus_ops;
