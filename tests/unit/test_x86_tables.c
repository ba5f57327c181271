// SPDX-License-Identifier: Apache-2.0
// Tests of the ACPI and MP tables: checksums, lengths, links, and what a guest finds in them.
#include "vmm/arch/x86_64/tables.h"

#include "base/err.h"
#include "base/le.h"
#include "devices/guest_mem.h"
#include "tests/lib/suite.h"
#include "vmm/arch/arch.h"
#include "vmm/arch/x86_64/irqchip.h"
#include "vmm/arch/x86_64/layout.h"

#include <stdbool.h>
#include <string.h>

static uint8_t ram[1 << 20];
static struct guest_mem mem;

static const struct tables largest = {.cpus = 64, .slots = ARCH_SLOTS_MAX, .rtc = true};

static uint8_t sum(const uint8_t *p, size_t n)
{
	uint8_t total = 0;

	while (n--)
		total = (uint8_t)(total + *p++);
	return total;
}

static const uint8_t *table(uint64_t gpa, const char *signature)
{
	const uint8_t *p = guest_mem_ptr(&mem, gpa, 36);

	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(gpa % 8, 0);
	ck_assert_mem_eq(p, signature, 4);
	ck_assert_ptr_nonnull(guest_mem_ptr(&mem, gpa, le32_load(p + 4)));
	ck_assert_uint_eq(sum(p, le32_load(p + 4)), 0);
	ck_assert_mem_eq(p + 10, "HULL  HULLVM  ", 14);
	return p;
}

static void setup(void)
{
	memset(ram, 0, sizeof(ram));
	memset(&mem, 0, sizeof(mem));
	ck_assert_int_eq(guest_mem_add(&mem, 0, sizeof(ram), ram), 0);
}

/* What acpi_write() made. */
static struct {
	const uint8_t *fadt, *madt, *dsdt;
} acpi;

static void write_acpi(const struct tables *tables)
{
	const uint8_t *rsdp, *xsdt;
	struct err err;
	uint64_t at;

	ck_assert_msg(acpi_write(&mem, tables, &at, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(at % 16, 0);
	rsdp = guest_mem_ptr(&mem, at, 36);
	ck_assert_mem_eq(rsdp, "RSD PTR ", 8);
	ck_assert_uint_eq(sum(rsdp, 20), 0);
	ck_assert_uint_eq(sum(rsdp, 36), 0);
	ck_assert_uint_eq(rsdp[15], 2);
	xsdt = table(le64_load(rsdp + 24), "XSDT");
	ck_assert_uint_eq(le32_load(xsdt + 4), 36 + 2 * 8);
	acpi.fadt = table(le64_load(xsdt + 36), "FACP");
	acpi.madt = table(le64_load(xsdt + 44), "APIC");
	acpi.dsdt = table(le64_load(acpi.fadt + 140), "DSDT");
}

static const uint8_t *in_dsdt(const void *bytes, size_t n)
{
	return memmem(acpi.dsdt, le32_load(acpi.dsdt + 4), bytes, n);
}

START_TEST(fadt_of_a_hardware_reduced_machine)
{
	write_acpi(&(struct tables){.cpus = 4, .slots = 3});
	ck_assert_uint_eq(le32_load(acpi.fadt + 4), 276);
	/* Neither VGA nor a clock, but a keyboard controller. */
	ck_assert_uint_eq(le16_load(acpi.fadt + 109), 1 << 5 | 1 << 2 | 1 << 1);
	ck_assert_uint_eq(le32_load(acpi.fadt + 112), 1 << 20 | 1 << 10 | 1 << 5 | 1 << 4 | 1);
	ck_assert_uint_eq(le64_load(acpi.fadt + 120), PORT_RESET);
	ck_assert_uint_eq(le64_load(acpi.fadt + 248), PORT_SLEEP_CONTROL);
	ck_assert_uint_eq(le64_load(acpi.fadt + 260), PORT_SLEEP_STATUS);
	write_acpi(&(struct tables){.cpus = 1, .rtc = true});
	ck_assert_uint_eq(le16_load(acpi.fadt + 109), 1 << 2 | 1 << 1);
}
END_TEST

START_TEST(madt_has_every_cpu)
{
	static const unsigned int counts[] = {1, 2, 3, 4, 8, 63, 64};
	unsigned int cpus = counts[_i];
	const uint8_t *p;

	write_acpi(&(struct tables){.cpus = cpus, .slots = 1, .pic = cpus == 8});
	ck_assert_uint_eq(le32_load(acpi.madt + 4), 44 + cpus * 8 + 12);
	ck_assert_uint_eq(le32_load(acpi.madt + 36), 0xfee00000);
	ck_assert_uint_eq(le32_load(acpi.madt + 40), cpus == 8);
	p = acpi.madt + 44;
	for (unsigned int i = 0; i < cpus; i++, p += 8) {
		const uint8_t lapic[8] = {0, 8, (uint8_t)i, (uint8_t)i, 1, 0, 0, 0};

		ck_assert_mem_eq(p, lapic, 8);
	}
	ck_assert_mem_eq(p, ((const uint8_t[]){1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0}), 12);
}
END_TEST

/* The 32-bit memory range and the interrupt of a slot, as its _CRS has them. */
static void expect_slot(unsigned int slot, uint32_t gpa, uint32_t gsi)
{
	uint8_t bytes[21] = {0x86, 9, 0, 1};
	char name[5] = {'V', 'R', (char)('0' + slot / 10), (char)('0' + slot % 10), 0};
	const uint8_t *device = in_dsdt(name, 4);

	le32_store(bytes + 4, gpa);
	le32_store(bytes + 8, 0x1000);
	memcpy(bytes + 12, (const uint8_t[]){0x89, 6, 0, 3, 1}, 5);
	le32_store(bytes + 17, gsi);
	ck_assert_ptr_nonnull(device);
	ck_assert_ptr_nonnull(memmem(device, 80, bytes, sizeof(bytes)));
}

START_TEST(dsdt_has_every_slot)
{
	write_acpi(&(struct tables){.cpus = 1, .slots = 3});
	expect_slot(0, 0xc0001000, 5);
	expect_slot(2, 0xc0003000, 7);
	ck_assert_ptr_null(in_dsdt("VR03", 4));
	write_acpi(&largest);
	for (unsigned int i = 0; i < ARCH_SLOTS_MAX; i++)
		expect_slot(i, 0xc0001000 + i * 0x1000, 5 + i);
	write_acpi(&(struct tables){.cpus = 1, .slots = ARCH_SLOTS_MAX, .pic = true});
	for (unsigned int i = 0; i < ARCH_SLOTS_MAX; i++)
		expect_slot(i, 0xc0001000 + i * 0x1000, 5 + i % 19);
}
END_TEST

START_TEST(each_line_has_one_use)
{
	uint32_t used = 1 << LAYOUT_GSI_KEYBOARD | 1 << LAYOUT_GSI_COM1 | 1 << LAYOUT_GSI_EVENTS;

	for (unsigned int i = 0; i < ARCH_SLOTS_MAX; i++) {
		uint32_t gsi = irqchip_slot_gsi(false, i);

		ck_assert_uint_lt(gsi, irqchip_pins(false, ARCH_SLOTS_MAX));
		ck_assert_uint_eq(used & 1u << gsi, 0);
		used |= 1u << gsi;
		ck_assert_uint_lt(irqchip_slot_gsi(true, i), irqchip_pins(true, ARCH_SLOTS_MAX));
		ck_assert_uint_ne(irqchip_slot_gsi(true, i), LAYOUT_GSI_EVENTS);
	}
}
END_TEST

START_TEST(dsdt_has_events)
{
	/* Package {0x000df000, 0}, the integers in their shortest forms. */
	static const uint8_t address[] = {'A', 'D', 'D', 'R', 0x12, 0x8a, 0x00, 0x00, 0x02, 0x0c,
		0x00, 0xf0, 0x0d, 0x00, 0x00};
	/* If (Local0 & 1) { Notify (PWRB, 0x80) } */
	static const uint8_t button[] = {0xa0, 0x8e, 0x00, 0x00, 0x7b, 0x60, 0x01, 0x00, 0x86, 'P',
		'W', 'R', 'B', 0x0a, 0x80};

	write_acpi(&(struct tables){.cpus = 1});
	ck_assert_ptr_nonnull(in_dsdt("VM_Gen_Counter", 15));
	ck_assert_ptr_nonnull(in_dsdt(address, sizeof(address)));
	ck_assert_ptr_nonnull(in_dsdt("ACPI0013", 9));
	ck_assert_ptr_nonnull(in_dsdt(button, 4));
	ck_assert_ptr_nonnull(in_dsdt(button + 4, sizeof(button) - 4));
	ck_assert_ptr_null(in_dsdt("RTC_", 4));
	write_acpi(&largest);
	ck_assert_ptr_nonnull(in_dsdt("RTC_", 4));
}
END_TEST

START_TEST(mp_table_sums_up)
{
	const struct tables tables = {.cpus = _i ? 64 : 1, .slots = 2, .pic = !_i};
	unsigned int pins = _i ? 5 + 2 : 24;
	const uint8_t *floating = ram + LAYOUT_MPTABLE, *config, *p;
	struct err err;

	ck_assert_int_eq(mptable_write(&mem, &tables, &err), 0);
	ck_assert_mem_eq(floating, "_MP_", 4);
	ck_assert_uint_eq(sum(floating, 16), 0);
	config = guest_mem_ptr(&mem, le32_load(floating + 4), 44);
	ck_assert_mem_eq(config, "PCMP", 4);
	ck_assert_uint_eq(sum(config, le16_load(config + 4)), 0);
	ck_assert_uint_eq(le16_load(config + 4), 44 + tables.cpus * 20 + 8 * (2 + pins + 2));
	ck_assert_uint_eq(le16_load(config + 34), tables.cpus + 2 + pins + 2);
	p = config + 44;
	for (unsigned int i = 0; i < tables.cpus; i++, p += 20) {
		ck_assert_uint_eq(p[0], 0);
		ck_assert_uint_eq(p[1], i);
		ck_assert_uint_eq(p[3], i ? 1 : 3);
	}
	ck_assert_mem_eq(p, "\1\0ISA   ", 8);
	/* The I/O APIC's id is none of the CPUs'. */
	ck_assert_uint_eq(p[8], 2);
	ck_assert_uint_eq(p[9], tables.cpus);
	p += 16;
	for (unsigned int pin = 0; pin < pins; pin++, p += 8)
		ck_assert_mem_eq(p,
			((const uint8_t[]){
				3, 0, 0, 0, 0, (uint8_t)pin, (uint8_t)tables.cpus, (uint8_t)pin}),
			8);
}
END_TEST

/* Whether bytes from @from up to @to are as they were; an assertion for each would take seconds. */
static bool untouched(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (ram[i] != 0x5a)
			return false;
	return true;
}

START_TEST(the_tables_keep_to_their_places)
{
	struct err err;

	memset(ram, 0x5a, sizeof(ram));
	write_acpi(&largest);
	ck_assert_int_eq(mptable_write(&mem, &largest, &err), 0);
	ck_assert(untouched(0, LAYOUT_ACPI));
	/* What follows the MP table, the reset vector first. */
	ck_assert(untouched(LAYOUT_MPTABLE + LAYOUT_MPTABLE_SIZE, sizeof(ram)));
	/* The generation ID is in a page of its own that the memory map reserves. */
	ck_assert_uint_ge(LAYOUT_GENERATION, LAYOUT_EBDA);
	ck_assert_uint_le(LAYOUT_GENERATION + 4096, LAYOUT_ACPI);
	ck_assert_uint_eq(LAYOUT_GENERATION % 4096, 0);
}
END_TEST

START_TEST(no_room_is_an_error)
{
	struct err err;
	uint64_t at;

	memset(&mem, 0, sizeof(mem));
	ck_assert_int_eq(guest_mem_add(&mem, 0, LAYOUT_ACPI, ram), 0);
	ck_assert_int_lt(acpi_write(&mem, &largest, &at, &err), 0);
	ck_assert_int_lt(mptable_write(&mem, &largest, &err), 0);
}
END_TEST

SUITE_CASES("x86_tables", setup, NULL, {fadt_of_a_hardware_reduced_machine},
	{madt_has_every_cpu, 7}, {dsdt_has_every_slot}, {each_line_has_one_use}, {dsdt_has_events},
	{mp_table_sums_up, 2}, {the_tables_keep_to_their_places}, {no_room_is_an_error})
