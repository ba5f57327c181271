// SPDX-License-Identifier: Apache-2.0
// Tests of the kernel loaders (ELF and bzImage): a legal file but for one fault.
#include "vmm/arch/x86_64/bzimage.h"
#include "vmm/elf_kernel.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/le.h"
#include "devices/guest_mem.h"
#include "tests/lib/suite.h"
#include "vmm/file.h"

#include <elf.h>
#include <string.h>
#include <sys/mman.h>

#define RAM_SIZE (8u << 20)
#define BASE 0x100000ull
#define LOAD 0x200000ull

static struct guest_mem mem;
static uint8_t *ram;

/* An ELF file: header, two program headers, a note, and 5000 bytes of "kernel" at 0x1000. */
static struct {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdrs[2];
	uint32_t note[3];
	char note_name[4];
	uint64_t note_desc;
	uint8_t pad[0x1000 - sizeof(Elf64_Ehdr) - 2 * sizeof(Elf64_Phdr) - 24];
	uint8_t text[5000];
} file;

static void setup(void)
{
	ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert(ram != MAP_FAILED);
	memset(&mem, 0, sizeof(mem));
	ck_assert_int_eq(guest_mem_add(&mem, 0, RAM_SIZE, ram), 0);
	memset(&file, 0, sizeof(file));
	memcpy(file.ehdr.e_ident, ELFMAG, SELFMAG);
	file.ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	file.ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	file.ehdr.e_type = ET_EXEC;
	file.ehdr.e_machine = EM_X86_64;
	file.ehdr.e_entry = LOAD;
	file.ehdr.e_phoff = sizeof(file.ehdr);
	file.ehdr.e_phentsize = sizeof(Elf64_Phdr);
	file.ehdr.e_phnum = 2;
	file.phdrs[0] = (Elf64_Phdr){.p_type = PT_LOAD,
		.p_offset = 0x1000,
		.p_paddr = LOAD,
		.p_filesz = sizeof(file.text),
		.p_memsz = sizeof(file.text) + 100};
	file.phdrs[1] = (Elf64_Phdr){.p_type = PT_NOTE,
		.p_offset = (uint64_t)((uint8_t *)file.note - (uint8_t *)&file),
		.p_filesz = 24,
		.p_memsz = 24};
	file.note[0] = 4;
	file.note[1] = 8;
	file.note[2] = 18;
	memcpy(file.note_name, "Xen", 4);
	file.note_desc = LOAD + 0x10;
	memset(file.text, 0xab, sizeof(file.text));
}

static void teardown(void)
{
	munmap(ram, RAM_SIZE);
}

static int make_file(const void *data, size_t size)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
	return fd;
}

static int load(struct elf_kernel *kernel, struct err *err)
{
	int fd = make_file(&file, sizeof(file));
	int r = elf_kernel_load(&mem, fd, "K", sizeof(file), EM_X86_64, BASE, kernel, err);

	close(fd);
	return r;
}

START_TEST(elf_loads_with_its_bss_zero)
{
	struct elf_kernel kernel;
	struct err err;

	ck_assert_msg(load(&kernel, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(kernel.entry, LOAD);
	ck_assert_uint_eq(kernel.pvh_entry, LOAD + 0x10);
	ck_assert_uint_eq(kernel.end, LOAD + sizeof(file.text) + 100);
	ck_assert_mem_eq(ram + LOAD, file.text, sizeof(file.text));
	for (size_t i = 0; i < 100; i++)
		ck_assert_uint_eq(ram[LOAD + sizeof(file.text) + i], 0);
}
END_TEST

START_TEST(elf_without_note_has_no_pvh_entry)
{
	struct elf_kernel kernel;
	struct err err;

	file.ehdr.e_phnum = 1;
	ck_assert_int_eq(load(&kernel, &err), 0);
	ck_assert_uint_eq(kernel.pvh_entry, 0);
}
END_TEST

/* One fault each, by number. */
static const char *const elf_faults[] = {
	"64-bit",
	"64-bit",
	"machine 183",
	"no executable",
	"program headers",
	"program headers",
	"program headers",
	"cut short",
	"cut short",
	"larger in the file",
	"don't fit",
	"don't fit",
	"don't fit",
	"nothing to load",
};

static void break_elf(int fault)
{
	Elf64_Phdr *phdr = &file.phdrs[0];

	switch (fault) {
	case 0:
		file.ehdr.e_ident[EI_CLASS] = ELFCLASS32;
		break;
	case 1:
		file.ehdr.e_ident[EI_DATA] = ELFDATA2MSB;
		break;
	case 2:
		file.ehdr.e_machine = EM_AARCH64;
		break;
	case 3:
		file.ehdr.e_type = ET_REL;
		break;
	case 4:
		file.ehdr.e_phentsize = 55;
		break;
	case 5:
		file.ehdr.e_phnum = 65;
		break;
	case 6:
		file.ehdr.e_phoff = UINT64_MAX - 8;
		break;
	case 7:
		phdr->p_offset = UINT64_MAX - 10;
		break;
	case 8:
		phdr->p_filesz = phdr->p_memsz = sizeof(file);
		break;
	case 9:
		phdr->p_memsz = 10;
		break;
	case 10:
		phdr->p_paddr = 0x1000;
		break;
	case 11:
		phdr->p_paddr = RAM_SIZE - 4096;
		break;
	case 12:
		phdr->p_memsz = UINT64_MAX - 0x1000;
		break;
	case 13:
		phdr->p_type = PT_NULL;
		break;
	default:
		ck_abort();
	}
}

START_TEST(elf_with_a_fault_is_refused)
{
	struct elf_kernel kernel;
	struct err err = {0};

	break_elf(_i);
	ck_assert_int_lt(load(&kernel, &err), 0);
	ck_assert_msg(strstr(err.msg, elf_faults[_i]), "fault %d gave: %s", _i, err.msg);
}
END_TEST

START_TEST(malformed_notes_are_passed_over)
{
	static const uint32_t sizes[] = {0, 5, 0x7fffffff, 0xfffffffd, 0xffffffff};
	struct elf_kernel kernel;
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		file.note[0] = sizes[i];
		file.note[1] = 8;
		ck_assert_int_eq(load(&kernel, &err), 0);
		ck_assert_uint_eq(kernel.pvh_entry, 0);
		file.note[0] = 4;
		file.note[1] = sizes[i] ? sizes[i] + 4 : 0;
		ck_assert_int_eq(load(&kernel, &err), 0);
		ck_assert_uint_eq(kernel.pvh_entry, 0);
	}
}
END_TEST

/* A bzImage: one setup sector, 8 KiB of kernel, protocol 2.15. */
static uint8_t bz[1024 + 8192];

static void make_bz(void)
{
	memset(bz, 0x5a, sizeof(bz));
	memset(bz, 0, 1024);
	bz[0x1f1] = 1;
	le32_store(bz + 0x1f4, 8192 / 16);
	le16_store(bz + 0x1fe, 0xaa55);
	bz[0x201] = 0x6c;
	memcpy(bz + 0x202, "HdrS", 4);
	le16_store(bz + 0x206, 0x020f);
	le32_store(bz + 0x22c, 0x7fffffff);
	le16_store(bz + 0x236, 1);
	le32_store(bz + 0x238, 2047);
	le64_store(bz + 0x258, LOAD);
	le32_store(bz + 0x260, 0x10000);
}

static int load_bz(struct bzimage *ret, uint8_t *zero_page, struct err *err)
{
	int fd = make_file(bz, sizeof(bz));
	int r = bzimage_load(&mem, fd, sizeof(bz), "K", zero_page, ret, err);

	close(fd);
	return r;
}

START_TEST(bzimage_loads)
{
	uint8_t zero_page[ZERO_PAGE_LEN] = {0};
	struct bzimage image;
	struct err err;

	make_bz();
	ck_assert(bzimage_probe(bz));
	ck_assert_msg(load_bz(&image, zero_page, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(image.entry, LOAD + 0x200);
	ck_assert_uint_eq(image.end, LOAD + 0x10000);
	ck_assert_uint_eq(image.cmdline_max, 2047);
	ck_assert_uint_eq(image.initrd_max, 0x80000000);
	ck_assert_mem_eq(ram + LOAD, bz + 1024, 8192);
	ck_assert_mem_eq(zero_page + 0x202, "HdrS", 4);
}
END_TEST

static const struct {
	uint16_t offset;
	uint8_t size;
	uint64_t value;
	const char *message;
} bz_faults[] = {
	{0x206, 2, 0x020b, "older than 2.12"},
	{0x236, 2, 0, "no 64-bit entry"},
	{0x1f1, 1, 63, "cut short"},
	{0x1f4, 4, 8192 / 16 + 1, "cut short"},
	{0x1f4, 4, 0, "cut short"},
	{0x1f4, 4, 0xffffffff, "cut short"},
	{0x258, 8, 0, "can't be loaded"},
	{0x258, 8, LOAD + 1, "can't be loaded"},
	{0x258, 8, RAM_SIZE, "don't fit"},
	{0x258, 8, ~0xfffull, "don't fit"},
	{0x260, 4, 0xffffffff, "don't fit"},
	{0x201, 1, 0xff, "setup header"},
	{0x201, 1, 0, "setup header"},
};

START_TEST(bzimage_with_a_fault_is_refused)
{
	uint8_t zero_page[ZERO_PAGE_LEN] = {0}, value[8];
	struct bzimage image;
	struct err err = {0};

	make_bz();
	le64_store(value, bz_faults[_i].value);
	memcpy(bz + bz_faults[_i].offset, value, bz_faults[_i].size);
	ck_assert_int_lt(load_bz(&image, zero_page, &err), 0);
	ck_assert_msg(strstr(err.msg, bz_faults[_i].message), "fault %d gave: %s", _i, err.msg);
}
END_TEST

START_TEST(odd_files_are_refused_by_name)
{
	struct err err;
	uint64_t size;

	ck_assert_int_lt(file_open("kernel", "/nonexistent/k", &size, &err), 0);
	ck_assert_str_eq(err.msg, "kernel /nonexistent/k: No such file or directory");
	ck_assert_int_lt(file_open("kernel", "/", &size, &err), 0);
	ck_assert_str_eq(err.msg, "kernel /: not a regular file");
}
END_TEST

SUITE_CASES("kernel_image", setup, teardown, {elf_loads_with_its_bss_zero},
	{elf_without_note_has_no_pvh_entry}, {elf_with_a_fault_is_refused, ARRAY_SIZE(elf_faults)},
	{malformed_notes_are_passed_over}, {bzimage_loads},
	{bzimage_with_a_fault_is_refused, ARRAY_SIZE(bz_faults)}, {odd_files_are_refused_by_name})
