// SPDX-License-Identifier: Apache-2.0
// Writes the machine's DSDT to standard output, for tests/lint/acpi: dump-dsdt SLOTS PIC RTC
#include "base/err.h"
#include "base/le.h"
#include "devices/guest_mem.h"
#include "vmm/arch/x86_64/layout.h"
#include "vmm/arch/x86_64/tables.h"

#include <stdio.h>
#include <stdlib.h>

static uint8_t ram[1 << 20];

int main(int argc, char **argv)
{
	struct guest_mem mem = {0};
	struct tables tables = {.cpus = 1};
	const uint8_t *p = ram + LAYOUT_ACPI;
	uint64_t rsdp;

	if (argc != 4)
		return 2;
	tables.slots = (unsigned int)strtoul(argv[1], NULL, 10);
	tables.pic = strtoul(argv[2], NULL, 10);
	tables.rtc = strtoul(argv[3], NULL, 10);
	if (guest_mem_add(&mem, 0, sizeof(ram), ram) || acpi_write(&mem, &tables, &rsdp, NULL))
		return 1;
	/* RSDP, XSDT's first table, that one's DSDT. */
	p = ram + le64_load(ram + le64_load(ram + le64_load(ram + rsdp + 24) + 36) + 140);
	return fwrite(p, le32_load(p + 4), 1, stdout) != 1;
}
