// SPDX-License-Identifier: Apache-2.0
// Tests of the ACPI and MP tables: checksums, lengths, links, and what a guest finds in them.
#include "vmm/arch/x86_64/tables.h"

#include "base/err.h"
#include "base/le.h"
#include "devices/guest_mem.h"
#include "tests/lib/suite.h"
#include "vmm/arch/x86_64/layout.h"

#include <string.h>

static uint8_t ram[1 << 20];
static struct guest_mem mem;

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
	ck_assert_mem_eq(p, signature, 4);
	ck_assert_uint_eq(sum(p, le32_load(p + 4)), 0);
	return p;
}

static void setup(void)
{
	memset(ram, 0, sizeof(ram));
	memset(&mem, 0, sizeof(mem));
	ck_assert_int_eq(guest_mem_add(&mem, 0, sizeof(ram), ram), 0);
}

START_TEST(acpi_tables_link_and_sum_up)
{
	const uint8_t *rsdp, *xsdt, *fadt, *madt, *dsdt;
	uint64_t at;
	struct err err;

	setup();
	ck_assert_int_eq(acpi_write(&mem, 4, 3, &at, &err), 0);
	rsdp = guest_mem_ptr(&mem, at, 36);
	ck_assert_uint_eq(at % 16, 0);
	ck_assert_mem_eq(rsdp, "RSD PTR ", 8);
	ck_assert_uint_eq(sum(rsdp, 20), 0);
	ck_assert_uint_eq(sum(rsdp, 36), 0);
	xsdt = table(le64_load(rsdp + 24), "XSDT");
	ck_assert_uint_eq(le32_load(xsdt + 4), 36 + 2 * 8);
	fadt = table(le64_load(xsdt + 36), "FACP");
	ck_assert_uint_eq(le32_load(fadt + 4), 276);
	ck_assert(le32_load(fadt + 112) & 1u << 20);
	ck_assert_uint_eq(le64_load(fadt + 120), PORT_RESET);
	ck_assert_uint_eq(le64_load(fadt + 248), PORT_SLEEP_CONTROL);
	madt = table(le64_load(xsdt + 44), "APIC");
	ck_assert_uint_eq(le32_load(madt + 4), 44 + 4 * 8 + 12);
	dsdt = table(le64_load(fadt + 140), "DSDT");
	ck_assert_ptr_nonnull(memmem(dsdt, le32_load(dsdt + 4), "VR02", 4));
	ck_assert_ptr_null(memmem(dsdt, le32_load(dsdt + 4), "VR03", 4));
}
END_TEST

START_TEST(mp_table_sums_up)
{
	const uint8_t *floating = ram + LAYOUT_MPTABLE, *config;
	struct err err;

	setup();
	ck_assert_int_eq(mptable_write(&mem, 32, &err), 0);
	ck_assert_mem_eq(floating, "_MP_", 4);
	ck_assert_uint_eq(sum(floating, 16), 0);
	config = guest_mem_ptr(&mem, le32_load(floating + 4), 44);
	ck_assert_mem_eq(config, "PCMP", 4);
	ck_assert_uint_eq(sum(config, le16_load(config + 4)), 0);
	ck_assert_uint_eq(le16_load(config + 4), 44 + 32 * 20 + 8 * (2 + 24 + 2));
	ck_assert_uint_eq(le16_load(config + 34), 32 + 2 + 24 + 2);
}
END_TEST

START_TEST(no_room_is_an_error)
{
	struct err err;
	uint64_t at;

	memset(&mem, 0, sizeof(mem));
	ck_assert_int_eq(guest_mem_add(&mem, 0, LAYOUT_ACPI, ram), 0);
	ck_assert_int_lt(acpi_write(&mem, 1, 1, &at, &err), 0);
	ck_assert_int_lt(mptable_write(&mem, 1, &err), 0);
}
END_TEST

SUITE("x86_tables", acpi_tables_link_and_sum_up, mp_table_sums_up, no_room_is_an_error)
