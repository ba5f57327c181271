// SPDX-License-Identifier: Apache-2.0
// Fuzzer of the kernel loaders: the input is a kernel file (ELF with a PVH note, or bzImage),
// loaded with all that goes with it into a guest of 16 MiB.
#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/arch/arch.h"
#include "vmm/arch/x86_64/layout.h"
#include "vmm/arch/x86_64/platform.h"
#include "vmm/config.h"
#include "vmm/machine.h"
#include "vmm/vm.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAM_SIZE (16u << 20)
/* More than a header and a kernel's first pages only slows the search down. */
#define FILE_MAX (64u << 10)
#define PAGE 4096u

/* Fresh RAM with a page on each side that nobody may touch. */
static uint8_t *make_ram(void)
{
	uint8_t *space =
		mmap(NULL, RAM_SIZE + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (space == MAP_FAILED || mprotect(space + PAGE, RAM_SIZE, PROT_READ | PROT_WRITE) < 0)
		abort();
	return space + PAGE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct machine machine;
	struct arch_vm arch = {.acpi = true};
	struct vm vm = {.arch = &arch, .ram_size = RAM_SIZE};
	struct config config = {.cmdline = "console=ttyS0", .cpus = 2, .acpi = true};
	struct arch_entry entry = {0};
	uint8_t *ram;
	char path[32];
	int CLEANUP_FD fd = -1;
	struct err err;

	if (!size || size > FILE_MAX)
		return 0;
	fd = memfd_create("kernel", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	config.kernel = path;
	ram = make_ram();
	if (guest_mem_add(&vm.mem, 0, RAM_SIZE, ram))
		abort();
	machine = (struct machine){.vm = &vm};
	if (arch_load(&machine, &config, &entry, &err) == 0) {
		/* The first instruction is in the kernel, and the tables are where it is told. */
		if (entry.pc < LAYOUT_HIGH_RAM || entry.pc >= RAM_SIZE)
			abort();
		if (entry.arg != LAYOUT_ZERO_PAGE && entry.arg != LAYOUT_PVH_INFO)
			abort();
		if (memcmp(ram + LAYOUT_ACPI, "RSD PTR ", 8) ||
			strcmp((const char *)ram + LAYOUT_CMDLINE, config.cmdline))
			abort();
	} else if (!err.msg[0]) {
		abort();
	}
	munmap(ram - PAGE, RAM_SIZE + 2 * PAGE);
	return 0;
}
