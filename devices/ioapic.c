// SPDX-License-Identifier: Apache-2.0
// An I/O APIC.
#include "devices/ioapic.h"

#include "base/le.h"

#include <string.h>

#define OFFSET_SELECT 0x00
#define OFFSET_WINDOW 0x10

enum {
	REG_ID = 0x00,
	REG_VERSION = 0x01,
	REG_ARBITRATION = 0x02,
	REG_ENTRIES = 0x10,
};

/* The chip's own version, which has no register for the end of an interrupt. */
#define VERSION 0x11u
#define LAST_PIN_SHIFT 16
#define ID_SHIFT 24

#define ENTRY_VECTOR 0xffull
#define ENTRY_DELIVERY (7ull << 8)
#define ENTRY_LOGICAL (1ull << 11)
#define ENTRY_STATUS (1ull << 12)
#define ENTRY_REMOTE_IRR (1ull << 14)
#define ENTRY_MASK (1ull << 16)
#define ENTRY_DEST (0xffull << 56)
/* What a guest can write: neither the two status bits nor what is reserved. */
#define ENTRY_LOW_WRITABLE ((ENTRY_MASK << 1) - 1 - ENTRY_STATUS - ENTRY_REMOTE_IRR)
#define ENTRY_HIGH_WRITABLE (ENTRY_DEST >> 32)

#define MSI_ADDRESS 0xfee00000u
#define MSI_DEST_SHIFT 12
#define MSI_LOGICAL (1u << 2)

enum {
	DELIVERY_FIXED = 0,
	DELIVERY_LOWEST = 1,
	DELIVERY_NMI = 4,
};

/* Return: whether the pin sends anything. */
static bool entry_msi(uint64_t entry, struct ioapic_msi *ret)
{
	unsigned int delivery = (unsigned int)((entry & ENTRY_DELIVERY) >> 8);

	if (entry & ENTRY_MASK)
		return false;
	/* SMI, INIT and "from the PIC" have no use for a line of a device. */
	if (delivery != DELIVERY_FIXED && delivery != DELIVERY_LOWEST && delivery != DELIVERY_NMI)
		return false;
	ret->address = MSI_ADDRESS | (uint32_t)(entry >> 56) << MSI_DEST_SHIFT |
		       (entry & ENTRY_LOGICAL ? MSI_LOGICAL : 0);
	ret->data = (uint32_t)(entry & (ENTRY_VECTOR | ENTRY_DELIVERY));
	return true;
}

static void set_entry(struct ioapic *ioapic, unsigned int pin, uint64_t entry)
{
	struct ioapic_msi was = {0}, is = {0};
	bool did = entry_msi(ioapic->entries[pin], &was), does = entry_msi(entry, &is);

	ioapic->entries[pin] = entry;
	if (did != does || was.address != is.address || was.data != is.data)
		ioapic->route(ioapic->ctx, pin, does ? &is : NULL);
}

/* The pin whose entry is selected; no such pin where none is. */
static unsigned int selected_pin(const struct ioapic *ioapic)
{
	return ioapic->select < REG_ENTRIES ? IOAPIC_PINS_MAX
					    : (unsigned int)(ioapic->select - REG_ENTRIES) / 2;
}

static uint32_t read_register(const struct ioapic *ioapic)
{
	unsigned int pin = selected_pin(ioapic);

	switch (ioapic->select) {
	case REG_ID:
	case REG_ARBITRATION:
		return (uint32_t)ioapic->id << ID_SHIFT;
	case REG_VERSION:
		return VERSION | (ioapic->pins - 1) << LAST_PIN_SHIFT;
	default:
		if (pin >= ioapic->pins)
			return 0;
		return (uint32_t)(ioapic->entries[pin] >> (ioapic->select % 2 ? 32 : 0));
	}
}

static void write_register(struct ioapic *ioapic, uint32_t value)
{
	unsigned int pin = selected_pin(ioapic);
	uint64_t entry;

	if (ioapic->select == REG_ID) {
		ioapic->id = (uint8_t)(value >> ID_SHIFT);
		return;
	}
	if (pin >= ioapic->pins)
		return;
	entry = ioapic->entries[pin];
	if (ioapic->select % 2)
		entry = (entry & UINT32_MAX) | (value & ENTRY_HIGH_WRITABLE) << 32;
	else
		entry = (entry & ENTRY_DEST) | (value & ENTRY_LOW_WRITABLE);
	set_entry(ioapic, pin, entry);
}

static void ioapic_read(void *dev, uint64_t offset, void *data, unsigned int len)
{
	struct ioapic *ioapic = dev;

	memset(data, 0, len);
	pthread_mutex_lock(&ioapic->lock);
	if (offset == OFFSET_SELECT)
		*(uint8_t *)data = ioapic->select;
	else if (offset == OFFSET_WINDOW && len == 4)
		le32_store(data, read_register(ioapic));
	pthread_mutex_unlock(&ioapic->lock);
}

static void ioapic_write(void *dev, uint64_t offset, const void *data, unsigned int len)
{
	struct ioapic *ioapic = dev;

	pthread_mutex_lock(&ioapic->lock);
	if (offset == OFFSET_SELECT)
		ioapic->select = *(const uint8_t *)data;
	else if (offset == OFFSET_WINDOW && len == 4)
		write_register(ioapic, le32_load(data));
	pthread_mutex_unlock(&ioapic->lock);
}

const struct bus_ops ioapic_bus_ops = {.read = ioapic_read, .write = ioapic_write};

void ioapic_init(struct ioapic *ioapic,
	void (*route)(void *ctx, unsigned int pin, const struct ioapic_msi *msi), void *ctx)
{
	*ioapic = (struct ioapic){.pins = IOAPIC_PINS_MAX, .route = route, .ctx = ctx};
	pthread_mutex_init(&ioapic->lock, NULL);
	for (unsigned int pin = 0; pin < IOAPIC_PINS_MAX; pin++)
		ioapic->entries[pin] = ENTRY_MASK;
}
