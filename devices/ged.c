// SPDX-License-Identifier: Apache-2.0
// The register behind ACPI's generic event device.
#include "devices/ged.h"

#include "devices/irq.h"

/* syscalls: loop, vcpu: write */

static void ged_read(void *dev, uint64_t offset, void *data, unsigned int len)
{
	struct ged *ged = dev;

	*(uint8_t *)data = atomic_exchange(&ged->pending, 0);
}

const struct bus_ops ged_bus_ops = {.read = ged_read};

void ged_init(struct ged *ged, const struct irq *irq)
{
	ged->irq = irq;
	atomic_store(&ged->pending, 0);
}

void ged_raise(struct ged *ged, uint8_t events)
{
	/* The bit first: who sees the edge finds it. Partner: the exchange in ged_read(). */
	atomic_fetch_or(&ged->pending, events);
	irq_raise(ged->irq);
}
