// SPDX-License-Identifier: Apache-2.0
// ACPI tables of a hardware-reduced machine: no PM timer, no fixed power button.
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/le.h"
#include "devices/ged.h"
#include "devices/guest_mem.h"
#include "devices/rtc.h"
#include "vmm/arch/arch.h"
#include "vmm/arch/x86_64/aml.h"
#include "vmm/arch/x86_64/irqchip.h"
#include "vmm/arch/x86_64/layout.h"
#include "vmm/arch/x86_64/tables.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TABLE_HEADER_LEN 36
#define TABLE_CHECKSUM 9
#define TABLE_LENGTH 4
#define RSDP_LEN 36
#define FADT_LEN 276

/* FADT flags (table 5.10). */
#define FADT_WBINVD (1u << 0)
#define FADT_PWR_BUTTON (1u << 4)
#define FADT_SLP_BUTTON (1u << 5)
#define FADT_RESET_REG_SUP (1u << 10)
#define FADT_HW_REDUCED_ACPI (1u << 20)
/* FADT IA-PC boot architecture flags (table 5.11). */
#define FADT_8042 (1u << 1)
#define FADT_VGA_NOT_PRESENT (1u << 2)
#define FADT_CMOS_RTC_NOT_PRESENT (1u << 5)

/* MADT flag: there is a PIC, too. */
#define MADT_PCAT_COMPAT (1u << 0)
/* A button's notification, and the generation ID's (5.6.6). */
#define NOTIFY_CHANGED 0x80

#define GAS_SYSTEM_IO 1
#define GAS_ACCESS_BYTE 1

/* The four bytes before and after a table's body that say who made it. */
#define OEM_ID "HULL  "
#define OEM_TABLE_ID "HULLVM  "
#define CREATOR_ID "HULL"

static uint8_t checksum(const uint8_t *data, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + data[i]);
	return (uint8_t)-sum;
}

/* The common head (5.2.6); length and checksum come with table_end(). Return: where it starts. */
static size_t table_begin(struct buf *buf, const char *signature, uint8_t revision)
{
	uint8_t head[TABLE_HEADER_LEN] = {0};
	size_t start = buf->len;

	memcpy(head, signature, 4);
	head[8] = revision;
	memcpy(head + 10, OEM_ID, 6);
	memcpy(head + 16, OEM_TABLE_ID, 8);
	le32_store(head + 24, 1);
	memcpy(head + 28, CREATOR_ID, 4);
	le32_store(head + 32, 1);
	if (buf_add(buf, head, sizeof(head)) < 0)
		buf->max = 0;
	return start;
}

static void table_end(struct buf *buf, size_t start)
{
	static const uint8_t zero[8];
	uint8_t *table = buf->data + start;
	size_t len = buf->len - start;

	if (!aml_ok(buf))
		return;
	le32_store(table + TABLE_LENGTH, (uint32_t)len);
	table[TABLE_CHECKSUM] = checksum(table, len);
	/* The next table starts at a multiple of 8. */
	if (buf_add(buf, zero, -buf->len & 7) < 0)
		buf->max = 0;
}

static void add_bytes(struct buf *buf, const void *data, size_t len)
{
	if (buf_add(buf, data, len) < 0)
		buf->max = 0;
}

static void write_slot(struct buf *buf, const struct tables *tables, unsigned int slot)
{
	char name[5];
	uint32_t device, crs;

	snprintf(name, sizeof(name), "VR%02u", slot % 100);
	device = aml_begin_device(buf, name);
	aml_name_string(buf, "_HID", "LNRO0005");
	aml_name_int(buf, "_UID", slot);
	crs = aml_begin_crs(buf);
	aml_crs_mem32(buf, (uint32_t)arch_slot_gpa(slot), LAYOUT_SLOT_SIZE);
	aml_crs_interrupt(buf, irqchip_slot_gsi(tables->pic, slot));
	aml_end_crs(buf, crs);
	aml_end(buf, device);
}

static void write_keyboard(struct buf *buf)
{
	uint32_t crs, device = aml_begin_device(buf, "KBD_");

	aml_name_eisaid(buf, "_HID", "PNP0303");
	crs = aml_begin_crs(buf);
	aml_crs_io(buf, PORT_I8042_DATA, 1);
	aml_crs_io(buf, PORT_I8042_COMMAND, 1);
	aml_crs_irq(buf, LAYOUT_GSI_KEYBOARD);
	aml_end_crs(buf, crs);
	aml_end(buf, device);
}

static void write_rtc(struct buf *buf)
{
	uint32_t crs, device = aml_begin_device(buf, "RTC_");

	aml_name_eisaid(buf, "_HID", "PNP0B00");
	crs = aml_begin_crs(buf);
	aml_crs_io(buf, PORT_RTC, RTC_SIZE);
	aml_end_crs(buf, crs);
	aml_end(buf, device);
}

/* What happens to the machine from outside, and the device that tells of it. */
static void write_events(struct buf *buf)
{
	static const uint64_t generation[] = {
		LAYOUT_GENERATION & UINT32_MAX, LAYOUT_GENERATION >> 32};
	uint32_t device, crs, method;

	device = aml_begin_device(buf, "PWRB");
	aml_name_eisaid(buf, "_HID", "PNP0C0C");
	aml_name_int(buf, "_UID", 0);
	aml_end(buf, device);

	/* Microsoft's "Virtual Machine Generation ID". */
	device = aml_begin_device(buf, "VGEN");
	aml_name_string(buf, "_HID", "HULL0001");
	aml_name_string(buf, "_CID", "VM_Gen_Counter");
	aml_name_string(buf, "_DDN", "VM_Gen_Counter");
	aml_name_package(buf, "ADDR", generation, 2);
	aml_end(buf, device);

	device = aml_begin_device(buf, "GED_");
	aml_name_string(buf, "_HID", "ACPI0013");
	aml_name_int(buf, "_UID", 0);
	crs = aml_begin_crs(buf);
	aml_crs_interrupt(buf, LAYOUT_GSI_EVENTS);
	aml_end_crs(buf, crs);
	aml_io_byte(buf, "EVTR", "EVTS", PORT_EVENTS);
	method = aml_begin_method(buf, "_EVT", 1);
	aml_load_local0(buf, "EVTS");
	aml_notify_if_local0(buf, GED_POWER_BUTTON, "PWRB", NOTIFY_CHANGED);
	aml_notify_if_local0(buf, GED_GENERATION, "VGEN", NOTIFY_CHANGED);
	aml_end(buf, method);
	aml_end(buf, device);
}

static void write_dsdt(struct buf *buf, const struct tables *tables)
{
	static const uint64_t s5[] = {SLEEP_TYPE_S5, 0, 0, 0};
	size_t start = table_begin(buf, "DSDT", 6);
	uint32_t scope, device, crs;

	scope = aml_begin_scope(buf, "\\_SB_");
	device = aml_begin_device(buf, "COM1");
	aml_name_eisaid(buf, "_HID", "PNP0501");
	aml_name_int(buf, "_UID", 0);
	crs = aml_begin_crs(buf);
	aml_crs_io(buf, PORT_COM1, PORT_COM1_LEN);
	aml_crs_irq(buf, LAYOUT_GSI_COM1);
	aml_end_crs(buf, crs);
	aml_end(buf, device);

	device = aml_begin_device(buf, "PEVT");
	aml_name_string(buf, "_HID", "QEMU0001");
	aml_name_int(buf, "_STA", 0xf);
	crs = aml_begin_crs(buf);
	aml_crs_io(buf, PORT_PVPANIC, 1);
	aml_end_crs(buf, crs);
	aml_end(buf, device);

	write_keyboard(buf);
	if (tables->rtc)
		write_rtc(buf);
	write_events(buf);
	for (unsigned int i = 0; i < tables->slots; i++)
		write_slot(buf, tables, i);
	aml_end(buf, scope);
	aml_name_package(buf, "_S5_", s5, sizeof(s5) / sizeof(s5[0]));
	table_end(buf, start);
}

static void store_gas(uint8_t *p, uint16_t port)
{
	p[0] = GAS_SYSTEM_IO;
	p[1] = 8;
	p[3] = GAS_ACCESS_BYTE;
	le64_store(p + 4, port);
}

static void write_fadt(struct buf *buf, const struct tables *tables, uint64_t dsdt)
{
	size_t start = table_begin(buf, "FACP", 6);
	uint8_t body[FADT_LEN] = {0};
	uint16_t boot = FADT_8042 | FADT_VGA_NOT_PRESENT;

	if (!tables->rtc)
		boot |= FADT_CMOS_RTC_NOT_PRESENT;

	/* Offsets are from the table's start, as table 5.9 gives them. */
	le16_store(body + 109, boot);
	le32_store(body + 112, FADT_WBINVD | FADT_PWR_BUTTON | FADT_SLP_BUTTON |
				       FADT_RESET_REG_SUP | FADT_HW_REDUCED_ACPI);
	store_gas(body + 116, PORT_RESET);
	body[128] = RESET_VALUE;
	body[131] = 5; /* minor version */
	le64_store(body + 140, dsdt);
	store_gas(body + 244, PORT_SLEEP_CONTROL);
	store_gas(body + 256, PORT_SLEEP_STATUS);
	memcpy(body + 268, "HULL\0\0\0", 8); /* hypervisor vendor */
	add_bytes(buf, body + TABLE_HEADER_LEN, FADT_LEN - TABLE_HEADER_LEN);
	table_end(buf, start);
}

static void write_madt(struct buf *buf, const struct tables *tables)
{
	size_t start = table_begin(buf, "APIC", 5);
	uint8_t body[8] = {0};
	uint8_t ioapic[12] = {1, 12, 0};

	le32_store(body, LAYOUT_LAPIC);
	le32_store(body + 4, tables->pic ? MADT_PCAT_COMPAT : 0);
	add_bytes(buf, body, sizeof(body));
	for (unsigned int i = 0; i < tables->cpus; i++) {
		uint8_t lapic[8] = {0, 8, (uint8_t)i, (uint8_t)i, 1};

		add_bytes(buf, lapic, sizeof(lapic));
	}
	le32_store(ioapic + 4, LAYOUT_IOAPIC);
	add_bytes(buf, ioapic, sizeof(ioapic));
	table_end(buf, start);
}

static void write_xsdt(struct buf *buf, const uint64_t *tables, unsigned int count)
{
	size_t start = table_begin(buf, "XSDT", 1);

	for (unsigned int i = 0; i < count; i++) {
		uint8_t entry[8];

		le64_store(entry, tables[i]);
		add_bytes(buf, entry, sizeof(entry));
	}
	table_end(buf, start);
}

static void store_rsdp(uint8_t *p, uint64_t xsdt)
{
	memset(p, 0, RSDP_LEN);
	memcpy(p, "RSD PTR ", 8);
	memcpy(p + 9, OEM_ID, 6);
	p[15] = 2;
	le32_store(p + 20, RSDP_LEN);
	le64_store(p + 24, xsdt);
	p[8] = checksum(p, 20);
	p[32] = checksum(p, RSDP_LEN);
}

int acpi_write(const struct guest_mem *mem, const struct tables *tables, uint64_t *ret_rsdp,
	struct err *err)
{
	uint8_t *area = guest_mem_ptr(mem, LAYOUT_ACPI, LAYOUT_ACPI_SIZE);
	struct buf buf = BUF_INIT(LAYOUT_ACPI_SIZE);
	uint8_t rsdp[RSDP_LEN] = {0};
	uint64_t base = LAYOUT_ACPI, listed[2], dsdt, xsdt;

	if (!area)
		return err_set(err, -EINVAL, "acpi: no memory at 0x%llx", LAYOUT_ACPI);
	/* The RSDP comes first, where old kernels search for it, at a multiple of 16. */
	add_bytes(&buf, rsdp, sizeof(rsdp));
	add_bytes(&buf, rsdp, -buf.len & 7);
	dsdt = base + buf.len;
	write_dsdt(&buf, tables);
	listed[0] = base + buf.len;
	write_fadt(&buf, tables, dsdt);
	listed[1] = base + buf.len;
	write_madt(&buf, tables);
	xsdt = base + buf.len;
	write_xsdt(&buf, listed, 2);
	if (!aml_ok(&buf)) {
		buf_fini(&buf);
		return err_set(err, -ENOMEM, "acpi: the tables don't fit");
	}
	store_rsdp(buf.data, xsdt);
	memcpy(area, buf.data, buf.len);
	buf_fini(&buf);
	*ret_rsdp = base;
	return 0;
}
