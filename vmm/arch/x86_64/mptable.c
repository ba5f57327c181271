// SPDX-License-Identifier: Apache-2.0
// The MultiProcessor tables, for kernels without ACPI.
#include "base/err.h"
#include "base/le.h"
#include "devices/guest_mem.h"
#include "vmm/arch/x86_64/irqchip.h"
#include "vmm/arch/x86_64/layout.h"
#include "vmm/arch/x86_64/tables.h"

#include <errno.h>
#include <string.h>

#define FLOATING_LEN 16
#define CONFIG_HEADER_LEN 44
#define CPU_ENTRY_LEN 20
#define ENTRY_LEN 8

enum {
	ENTRY_CPU = 0,
	ENTRY_BUS = 1,
	ENTRY_IOAPIC = 2,
	ENTRY_INTERRUPT = 3,
	ENTRY_LOCAL = 4,
};

#define CPU_ENABLED 1
#define CPU_BOOT 2
#define IOAPIC_ENABLED 1
#define APIC_VERSION 0x14
/* Family 6, with FPU and APIC: what the specification wants filled in and no kernel reads. */
#define CPU_SIGNATURE 0x600
#define CPU_FEATURES 0x201

enum {
	INT_VECTORED = 0,
	INT_NMI = 1,
	INT_EXTINT = 3,
};

#define BUS_ISA 0
#define APIC_ALL 0xff

static uint8_t checksum(const uint8_t *data, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + data[i]);
	return (uint8_t)-sum;
}

static uint8_t *add_interrupt(
	uint8_t *p, uint8_t entry, uint8_t type, uint8_t irq, uint8_t apic, uint8_t pin)
{
	const uint8_t bytes[ENTRY_LEN] = {entry, type, 0, 0, BUS_ISA, irq, apic, pin};

	memcpy(p, bytes, sizeof(bytes));
	return p + sizeof(bytes);
}

int mptable_write(const struct guest_mem *mem, const struct tables *tables, struct err *err)
{
	uint8_t *floating = guest_mem_ptr(mem, LAYOUT_MPTABLE, LAYOUT_MPTABLE_SIZE);
	unsigned int cpus = tables->cpus, pins = irqchip_pins(tables->pic, tables->slots);
	uint8_t ioapic_id = (uint8_t)cpus, *config, *p;
	uint16_t entries = (uint16_t)(cpus + 2 + pins + 2);

	if (!floating)
		return err_set(err, -EINVAL, "mptable: no memory at 0x%llx", LAYOUT_MPTABLE);
	config = floating + FLOATING_LEN;
	p = config + CONFIG_HEADER_LEN;
	for (unsigned int i = 0; i < cpus; i++, p += CPU_ENTRY_LEN) {
		memset(p, 0, CPU_ENTRY_LEN);
		p[0] = ENTRY_CPU;
		p[1] = (uint8_t)i;
		p[2] = APIC_VERSION;
		p[3] = (uint8_t)(CPU_ENABLED | (i ? 0 : CPU_BOOT));
		le32_store(p + 4, CPU_SIGNATURE);
		le32_store(p + 8, CPU_FEATURES);
	}
	memcpy(p, (const uint8_t[ENTRY_LEN]){ENTRY_BUS, BUS_ISA, 'I', 'S', 'A', ' ', ' ', ' '},
		ENTRY_LEN);
	p += ENTRY_LEN;
	memcpy(p, (const uint8_t[4]){ENTRY_IOAPIC, ioapic_id, APIC_VERSION, IOAPIC_ENABLED}, 4);
	le32_store(p + 4, LAYOUT_IOAPIC);
	p += ENTRY_LEN;
	for (unsigned int pin = 0; pin < pins; pin++)
		p = add_interrupt(
			p, ENTRY_INTERRUPT, INT_VECTORED, (uint8_t)pin, ioapic_id, (uint8_t)pin);
	p = add_interrupt(p, ENTRY_LOCAL, INT_EXTINT, 0, 0, 0);
	p = add_interrupt(p, ENTRY_LOCAL, INT_NMI, 0, APIC_ALL, 1);

	memset(config, 0, CONFIG_HEADER_LEN);
	memcpy(config, "PCMP", 4);
	le16_store(config + 4, (uint16_t)(p - config));
	config[6] = 4; /* specification 1.4 */
	memcpy(config + 8, "HULL    HULLVM      ", 20);
	le16_store(config + 34, entries);
	le32_store(config + 36, LAYOUT_LAPIC);
	config[7] = checksum(config, (size_t)(p - config));

	memset(floating, 0, FLOATING_LEN);
	memcpy(floating, "_MP_", 4);
	le32_store(floating + 4, (uint32_t)LAYOUT_MPTABLE + FLOATING_LEN);
	floating[8] = 1; /* 16 bytes long */
	floating[9] = 4;
	floating[10] = checksum(floating, FLOATING_LEN);
	return 0;
}
