// SPDX-License-Identifier: Apache-2.0
// Tests of what a kernel is told at its start: memory map, initrd, command line; and of entries and
// sizes that are refused.
#include "vmm/arch/arch.h"

#include "base/err.h"
#include "base/le.h"
#include "tests/lib/suite.h"
#include "vmm/arch/x86_64/layout.h"
#include "vmm/arch/x86_64/platform.h"
#include "vmm/config.h"
#include "vmm/machine.h"
#include "vmm/vm.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1ull << 20)
#define GIB (1ull << 30)
#define LOAD 0x200000ull
#define TEXT_LEN 64

static struct vm vm;
static struct arch_vm arch;
static struct machine machine;
static struct config config;
static uint8_t *ram;
static int kernel_fd, initrd_fd;
static char kernel_path[32], initrd_path[32];

/* A vmlinux of one segment, with a PVH note or without one. */
static struct {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdrs[2];
	uint32_t note[3];
	char note_name[4];
	uint64_t note_desc;
	uint8_t text[TEXT_LEN];
} file;

static void make_kernel(bool pvh)
{
	memset(&file, 0, sizeof(file));
	memcpy(file.ehdr.e_ident, ELFMAG, SELFMAG);
	file.ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	file.ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	file.ehdr.e_type = ET_EXEC;
	file.ehdr.e_machine = EM_X86_64;
	file.ehdr.e_entry = LOAD;
	file.ehdr.e_phoff = sizeof(file.ehdr);
	file.ehdr.e_phentsize = sizeof(Elf64_Phdr);
	file.ehdr.e_phnum = pvh ? 2 : 1;
	file.phdrs[0] = (Elf64_Phdr){.p_type = PT_LOAD,
		.p_offset = (uint64_t)((uint8_t *)file.text - (uint8_t *)&file),
		.p_paddr = LOAD,
		.p_filesz = TEXT_LEN,
		.p_memsz = TEXT_LEN};
	file.phdrs[1] = (Elf64_Phdr){.p_type = PT_NOTE,
		.p_offset = (uint64_t)((uint8_t *)file.note - (uint8_t *)&file),
		.p_filesz = 24,
		.p_memsz = 24};
	file.note[0] = 4;
	file.note[1] = 8;
	file.note[2] = 18;
	memcpy(file.note_name, "Xen", 4);
	file.note_desc = LOAD + 16;
}

static int name_file(int fd, const void *data, size_t size, char *path, size_t len)
{
	ck_assert_int_eq(pwrite(fd, data, size, 0), (ssize_t)size);
	return snprintf(path, len, "/proc/self/fd/%d", fd);
}

static void set_memory(uint64_t size)
{
	struct arch_range ranges[ARCH_RAM_RANGES_MAX] = {0};
	unsigned int count = arch_ram_ranges(size, ranges);
	uint64_t offset = 0;

	ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		-1, 0);
	ck_assert(ram != MAP_FAILED);
	vm.ram = ram;
	vm.ram_size = size;
	vm.mem.count = 0;
	for (unsigned int i = 0; i < count; offset += ranges[i++].len)
		ck_assert_int_eq(
			guest_mem_add(&vm.mem, ranges[i].gpa, ranges[i].len, ram + offset), 0);
}

static void setup(void)
{
	arch = (struct arch_vm){.acpi = true};
	vm = (struct vm){.arch = &arch};
	machine = (struct machine){.vm = &vm};
	config = (struct config){
		.cmdline = "console=ttyS0 quiet", .cpus = 1, .acpi = true, .kernel = kernel_path};
	kernel_fd = memfd_create("kernel", MFD_CLOEXEC);
	initrd_fd = memfd_create("initrd", MFD_CLOEXEC);
	make_kernel(true);
}

static void teardown(void)
{
	munmap(ram, vm.ram_size);
	close(kernel_fd);
	close(initrd_fd);
}

static int load(struct arch_entry *entry, struct err *err)
{
	*entry = (struct arch_entry){0};
	name_file(kernel_fd, &file, sizeof(file), kernel_path, sizeof(kernel_path));
	return arch_load(&machine, &config, entry, err);
}

struct range {
	uint64_t gpa, len;
	uint32_t type;
};

/* The memory map as either form has it. */
static unsigned int read_map(bool pvh, struct range *ranges)
{
	const uint8_t *p = ram + (pvh ? LAYOUT_PVH_INFO + 0x200 : LAYOUT_ZERO_PAGE + 0x2d0);
	unsigned int count =
		pvh ? le32_load(ram + LAYOUT_PVH_INFO + 48) : ram[LAYOUT_ZERO_PAGE + 0x1e8];

	ck_assert_uint_le(count, 8);
	for (unsigned int i = 0; i < count; i++, p += pvh ? 24 : 20)
		ranges[i] = (struct range){le64_load(p), le64_load(p + 8), le32_load(p + 16)};
	return count;
}

/* Sorted, without gaps below 1 MiB, nothing overlapping, no RAM in the hole, and all of it there.
 */
static void expect_map(bool pvh, uint64_t size)
{
	struct range ranges[8] = {0};
	unsigned int count = read_map(pvh, ranges);
	uint64_t end = 0, total = 0;

	ck_assert_uint_eq(count, size > 3 * GIB ? 4 : 3);
	for (unsigned int i = 0; i < count; i++) {
		ck_assert_uint_ge(ranges[i].gpa, end);
		ck_assert_uint_gt(ranges[i].len, 0);
		end = ranges[i].gpa + ranges[i].len;
		if (ranges[i].type == 1)
			total += ranges[i].len;
	}
	/* Low RAM up to the EBDA, BIOS areas reserved, RAM from 1 MiB on. */
	ck_assert_uint_eq(ranges[0].gpa, 0);
	ck_assert_uint_eq(ranges[0].len, 0x9fc00);
	ck_assert_uint_eq(ranges[0].type, 1);
	ck_assert_uint_eq(ranges[1].gpa, 0x9fc00);
	ck_assert_uint_eq(ranges[1].len, MIB - 0x9fc00);
	ck_assert_uint_eq(ranges[1].type, 2);
	ck_assert_uint_eq(ranges[2].gpa, MIB);
	ck_assert_uint_eq(ranges[2].gpa + ranges[2].len, size > 3 * GIB ? 3 * GIB : size);
	if (count > 3)
		ck_assert_uint_eq(ranges[3].gpa, 4 * GIB);
	ck_assert_uint_eq(total, size - (MIB - 0x9fc00));
}

static const uint64_t sizes[] = {
	32 * MIB, 128 * MIB, 3 * GIB - MIB, 3 * GIB, 3 * GIB + MIB, 4 * GIB, 5 * GIB, 64 * GIB};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

START_TEST(memory_map)
{
	bool pvh = _i % 2;
	uint64_t size = sizes[_i / 2];
	struct arch_entry entry;
	struct err err;

	make_kernel(pvh);
	set_memory(size);
	ck_assert_msg(load(&entry, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(entry.protected_mode, pvh);
	ck_assert_uint_eq(entry.pc, pvh ? LOAD + 16 : LOAD);
	expect_map(pvh, size);
}
END_TEST

START_TEST(initrd_and_command_line)
{
	struct arch_entry entry;
	const uint8_t *info;
	struct err err;
	uint64_t gpa;

	set_memory(5 * GIB);
	name_file(initrd_fd, "an initrd", 9, initrd_path, sizeof(initrd_path));
	config.initrd = initrd_path;
	ck_assert_msg(load(&entry, &err) == 0, "%s", err.msg);
	info = ram + LAYOUT_PVH_INFO;
	ck_assert_uint_eq(le32_load(info), 0x336ec578);
	ck_assert_uint_eq(le32_load(info + 12), 1);
	/* At the top of the RAM below the hole, page-aligned. */
	gpa = le64_load(info + 0x100);
	ck_assert_uint_eq(gpa, 3 * GIB - 4096);
	ck_assert_uint_eq(le64_load(info + 0x108), 9);
	ck_assert_mem_eq(ram + gpa, "an initrd", 9);
	ck_assert_str_eq((const char *)ram + le64_load(info + 24), config.cmdline);
	ck_assert_mem_eq(ram + le64_load(info + 32), "RSD PTR ", 8);
}
END_TEST

/* One fault each. */
static const struct {
	uint64_t entry, pvh_entry;
	const char *message;
} entry_faults[] = {
	{LOAD, 0x1000, "its entry 0x1000 is outside of it"},
	{LOAD, LOAD + TEXT_LEN, "is outside of it"},
	{LOAD, UINT64_MAX, "is outside of it"},
	{0, 0, "its entry 0x0 is outside of it"},
	{LOAD + TEXT_LEN, 0, "is outside of it"},
	{UINT64_MAX, 0, "is outside of it"},
};

START_TEST(entries_outside_of_the_kernel)
{
	struct arch_entry entry;
	struct err err = {0};

	make_kernel(entry_faults[_i].pvh_entry);
	file.note_desc = entry_faults[_i].pvh_entry;
	file.ehdr.e_entry = entry_faults[_i].entry;
	set_memory(32 * MIB);
	ck_assert_int_lt(load(&entry, &err), 0);
	ck_assert_msg(strstr(err.msg, entry_faults[_i].message), "%s", err.msg);
}
END_TEST

START_TEST(pvh_notes_of_32_bits)
{
	struct arch_entry entry;
	struct err err;

	file.note[1] = 4;
	file.phdrs[1].p_filesz = 20;
	set_memory(32 * MIB);
	ck_assert_msg(load(&entry, &err) == 0, "%s", err.msg);
	ck_assert(entry.protected_mode);
	ck_assert_uint_eq(entry.pc, LOAD + 16);
	/* Too short for an address: as if there were none. */
	file.note[1] = 3;
	ck_assert_int_eq(load(&entry, &err), 0);
	ck_assert(!entry.protected_mode);
}
END_TEST

START_TEST(what_does_not_fit)
{
	char text[4096];
	struct arch_entry entry;
	struct err err = {0};

	set_memory(9 * MIB);
	ck_assert_int_eq(load(&entry, &err), -ENOMEM);
	ck_assert_msg(strstr(err.msg, "too small"), "%s", err.msg);
	munmap(ram, vm.ram_size);
	set_memory(16 * MIB);
	ck_assert_int_eq(load(&entry, &err), 0);
	/* An initrd as large as the memory, by its size alone. */
	ck_assert_int_eq(ftruncate(initrd_fd, 15 << 20), 0);
	snprintf(initrd_path, sizeof(initrd_path), "/proc/self/fd/%d", initrd_fd);
	config.initrd = initrd_path;
	ck_assert_int_eq(load(&entry, &err), -ENOMEM);
	ck_assert_msg(strstr(err.msg, "don't fit into guest memory"), "%s", err.msg);
	config.initrd = NULL;
	memset(text, 'a', sizeof(text));
	text[2048] = '\0';
	config.cmdline = text;
	ck_assert_int_eq(load(&entry, &err), -E2BIG);
	text[2047] = '\0';
	ck_assert_int_eq(load(&entry, &err), 0);
}
END_TEST

SUITE_CASES("x86_boot", setup, teardown, {memory_map, 2 * SIZES}, {initrd_and_command_line},
	{entries_outside_of_the_kernel, sizeof(entry_faults) / sizeof(entry_faults[0])},
	{pvh_notes_of_32_bits}, {what_does_not_fit})
