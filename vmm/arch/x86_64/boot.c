// SPDX-License-Identifier: Apache-2.0
// Getting a kernel to its first instruction: where everything lies and what it is told.
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/le.h"
#include "devices/guest_mem.h"
#include "vmm/arch/arch.h"
#include "vmm/arch/x86_64/bzimage.h"
#include "vmm/arch/x86_64/layout.h"
#include "vmm/arch/x86_64/platform.h"
#include "vmm/arch/x86_64/tables.h"
#include "vmm/config.h"
#include "vmm/dense_memory.h"
#include "vmm/elf_kernel.h"
#include "vmm/file.h"
#include "vmm/machine.h"
#include "vmm/vm.h"

#include <elf.h>
#include <string.h>

/* syscalls: start: close */

/*
 * Theory of operation
 *
 * A vmlinux with a PVH note is entered in 32-bit protected mode with the address of its start
 * info in EBX; one without, and any bzImage, by the 64-bit protocol with the address of the zero
 * page in RSI. All three read the same command line, initrd, memory map and ACPI root.
 *
 * The initrd goes to the top of the low RAM, as far from the kernel as it can be.
 */

/* COMMAND_LINE_SIZE of x86 less its NUL; a vmlinux doesn't tell its own. */
#define ELF_CMDLINE_MAX 2047u
/* What an ELF kernel needs behind its image for page tables and early allocations, so that a
 * guest that can't boot is refused at once instead of hanging without a word. */
#define ELF_HEADROOM (8ull << 20)

#define PVH_MAGIC 0x336ec578u
#define PVH_MEMMAP_ENTRY_LEN 24
#define E820_RAM 1u
#define E820_RESERVED 2u
#define E820_MAX 8

/* Zero page (Documentation/arch/x86/zero-page.rst). */
enum {
	ZP_ACPI_RSDP = 0x070,
	ZP_E820_ENTRIES = 0x1e8,
	ZP_BOOT_FLAG = 0x1fe,
	ZP_MAGIC = 0x202,
	ZP_LOADER = 0x210,
	ZP_LOADFLAGS = 0x211,
	ZP_RAMDISK_IMAGE = 0x218,
	ZP_RAMDISK_SIZE = 0x21c,
	ZP_CMDLINE = 0x228,
	ZP_ALIGNMENT = 0x230,
	ZP_E820 = 0x2d0,
};
#define ZP_LOADER_UNDEFINED 0xff
#define ZP_E820_ENTRY_LEN 20

struct e820 {
	uint64_t gpa;
	uint64_t len;
	uint32_t type;
};

/* What the guest is told, gathered before it is written in either form. */
struct boot_info {
	uint64_t initrd_gpa;
	uint64_t initrd_size; /* 0 without one */
	uint64_t rsdp;        /* 0 without ACPI */
	unsigned int e820_count;
	struct e820 e820[E820_MAX];
};

static void add_e820(struct boot_info *info, uint64_t gpa, uint64_t end, uint32_t type)
{
	info->e820[info->e820_count++] = (struct e820){gpa, end - gpa, type};
}

static void make_e820(struct boot_info *info, const struct vm *vm)
{
	struct arch_range ranges[ARCH_RAM_RANGES_MAX];
	unsigned int count = arch_ram_ranges(vm->ram_size, ranges);

	add_e820(info, 0, LAYOUT_EBDA, E820_RAM);
	add_e820(info, LAYOUT_EBDA, LAYOUT_HIGH_RAM, E820_RESERVED);
	add_e820(info, LAYOUT_HIGH_RAM, ranges[0].len, E820_RAM);
	if (count > 1)
		add_e820(info, ranges[1].gpa, ranges[1].gpa + ranges[1].len, E820_RAM);
}

/* The text, and for kernels without ACPI where the devices are; the NUL is included. */
static int write_cmdline(
	struct machine *machine, const struct config *config, uint32_t max, struct err *err)
{
	const struct guest_mem *mem = &machine->vm->mem;
	struct buf buf = BUF_INIT(64u << 10);
	int r = buf_printf(&buf, "%s", config->cmdline);

	for (unsigned int i = 0; i < machine->slot_count && !config->acpi && !r; i++)
		r = buf_printf(&buf, " virtio_mmio.device=4K@0x%llx:%u",
			(unsigned long long)arch_slot_gpa(i), arch_slot_gsi(machine->vm, i));
	if (!r)
		r = buf_add(&buf, "", 1);
	if (r < 0 || buf.len > (size_t)max + 1)
		r = err_set(err, -E2BIG, "command line: longer than the kernel's %u bytes", max);
	else
		memcpy(guest_mem_ptr(mem, LAYOUT_CMDLINE, buf.len), buf.data, buf.len);
	buf_fini(&buf);
	return r;
}

static int load_initrd(struct vm *vm, const char *path, uint64_t kernel_end, uint64_t max,
	struct boot_info *info, struct err *err)
{
	int CLEANUP_FD fd = -1;
	uint64_t size, top;
	int r;

	if (!path)
		return 0;
	fd = file_open("initrd", path, &size, err);
	if (fd < 0)
		return fd;
	top = vm->mem.regions[0].len;
	if (top > max)
		top = max;
	if (size > top || ((top - size) & ~4095ull) < kernel_end)
		return err_set(err, -ENOMEM,
			"initrd %s: %llu KiB don't fit into guest memory behind the kernel", path,
			(unsigned long long)size >> 10);
	info->initrd_gpa = (top - size) & ~4095ull;
	info->initrd_size = size;
	r = file_place(&vm->mem, fd, 0, size, info->initrd_gpa);
	return r < 0 ? err_errno(err, -r, "initrd %s", path) : 0;
}

/*
 * Linux describes each page of RAM by 64 bytes, all written at its start, which it takes from the
 * top of RAM in whole blocks of 2 MiB; next to them comes what else it needs much of early.
 */
static void expect_memory_map(const struct vm *vm, const struct boot_info *info)
{
	const struct e820 *last = &info->e820[info->e820_count - 1];
	uint64_t top = last->gpa + last->len,
		 size = (vm->ram_size / 64 | (HUGE_PAGE - 1)) + 1 + HUGE_PAGE;

	if (info->initrd_gpa > last->gpa)
		top = info->initrd_gpa;
	top &= ~(HUGE_PAGE - 1);
	if (top > last->gpa + size)
		dense_memory(&vm->mem, top - size, size);
}

static void write_pvh(const struct vm *vm, const struct boot_info *info)
{
	/* One page: start info at 0, the module list at 0x100, the memory map at 0x200. */
	uint8_t *p = guest_mem_ptr(&vm->mem, LAYOUT_PVH_INFO, 4096);
	uint8_t *module = p + 0x100, *map = p + 0x200;

	memset(p, 0, 4096);
	le32_store(p, PVH_MAGIC);
	le32_store(p + 4, 1); /* version: with a memory map */
	if (info->initrd_size) {
		le32_store(p + 12, 1);
		le64_store(p + 16, LAYOUT_PVH_INFO + 0x100);
		le64_store(module, info->initrd_gpa);
		le64_store(module + 8, info->initrd_size);
	}
	le64_store(p + 24, LAYOUT_CMDLINE);
	le64_store(p + 32, info->rsdp);
	le64_store(p + 40, LAYOUT_PVH_INFO + 0x200);
	le32_store(p + 48, info->e820_count);
	for (unsigned int i = 0; i < info->e820_count; i++, map += PVH_MEMMAP_ENTRY_LEN) {
		le64_store(map, info->e820[i].gpa);
		le64_store(map + 8, info->e820[i].len);
		le32_store(map + 16, info->e820[i].type);
	}
}

static void write_zero_page(uint8_t *p, const struct boot_info *info)
{
	uint8_t *map = p + ZP_E820;

	p[ZP_LOADER] = ZP_LOADER_UNDEFINED;
	le32_store(p + ZP_CMDLINE, (uint32_t)LAYOUT_CMDLINE);
	le32_store(p + ZP_RAMDISK_IMAGE, (uint32_t)info->initrd_gpa);
	le32_store(p + ZP_RAMDISK_SIZE, (uint32_t)info->initrd_size);
	le64_store(p + ZP_ACPI_RSDP, info->rsdp);
	p[ZP_E820_ENTRIES] = (uint8_t)info->e820_count;
	for (unsigned int i = 0; i < info->e820_count; i++, map += ZP_E820_ENTRY_LEN) {
		le64_store(map, info->e820[i].gpa);
		le64_store(map + 8, info->e820[i].len);
		le32_store(map + 16, info->e820[i].type);
	}
}

/* The header fields that a bzImage would bring along. */
static void write_elf_header(uint8_t *zero_page)
{
	le16_store(zero_page + ZP_BOOT_FLAG, 0xaa55);
	memcpy(zero_page + ZP_MAGIC, "HdrS", 4);
	le32_store(zero_page + ZP_ALIGNMENT, 0x1000000);
}

/*
 * Kernels built for EFI take a hardware-reduced machine without EFI for one to be restarted by its
 * BIOS: back in real mode, they jump to the reset vector. There is no BIOS, but this is there.
 */
static void write_reset_vector(const struct vm *vm)
{
	static const uint8_t code[] = {
		0xb0, RESET_VALUE,                        /* mov al, RESET_VALUE */
		0xba, PORT_RESET & 0xff, PORT_RESET >> 8, /* mov dx, PORT_RESET */
		0xee,                                     /* out dx, al */
		0xf4,                                     /* hlt */
	};

	memcpy(guest_mem_ptr(&vm->mem, LAYOUT_RESET_VECTOR, sizeof(code)), code, sizeof(code));
}

/* How the kernel file wants to be entered, and the bounds that it sets. */
struct kernel {
	uint64_t end;
	uint64_t initrd_max;
	uint32_t cmdline_max;
	struct arch_entry entry;
};

static int load_elf(struct vm *vm, int fd, uint64_t size, const char *path, uint8_t *zero_page,
	struct kernel *ret, struct err *err)
{
	struct elf_kernel elf;
	int r;

	r = elf_kernel_load(&vm->mem, fd, path, size, EM_X86_64, LAYOUT_HIGH_RAM, &elf, err);
	if (r < 0)
		return r;
	*ret = (struct kernel){
		.end = elf.end,
		.initrd_max = LAYOUT_HOLE,
		.cmdline_max = ELF_CMDLINE_MAX,
		.entry = {.pc = elf.entry, .arg = LAYOUT_ZERO_PAGE},
	};
	if (elf.pvh_entry) {
		ret->entry = (struct arch_entry){
			.pc = elf.pvh_entry, .arg = LAYOUT_PVH_INFO, .protected_mode = true};
	} else {
		write_elf_header(zero_page);
	}
	if (ret->entry.pc < LAYOUT_HIGH_RAM || ret->entry.pc >= elf.end)
		return err_set(err, -ENOEXEC, "kernel %s: its entry 0x%llx is outside of it", path,
			(unsigned long long)ret->entry.pc);
	if (elf.end + ELF_HEADROOM > vm->mem.regions[0].len)
		return err_set(err, -ENOMEM,
			"memory: %llu MiB is too small, this kernel needs %llu MiB to boot",
			(unsigned long long)vm->ram_size >> 20,
			(unsigned long long)(elf.end + ELF_HEADROOM + (1 << 20) - 1) >> 20);
	return 0;
}

static int load_bzimage(struct vm *vm, int fd, uint64_t size, const char *path, uint8_t *zero_page,
	struct kernel *ret, struct err *err)
{
	struct bzimage bz;
	int r = bzimage_load(&vm->mem, fd, size, path, zero_page, &bz, err);

	if (r < 0)
		return r;
	*ret = (struct kernel){
		.end = bz.end,
		.initrd_max = bz.initrd_max,
		.cmdline_max = bz.cmdline_max,
		.entry = {.pc = bz.entry, .arg = LAYOUT_ZERO_PAGE},
	};
	return 0;
}

static int load_kernel(
	struct vm *vm, const char *path, uint8_t *zero_page, struct kernel *ret, struct err *err)
{
	uint8_t head[BZIMAGE_HEAD_LEN] = {0};
	int CLEANUP_FD fd = -1;
	uint64_t size;
	int r;

	fd = file_open("kernel", path, &size, err);
	if (fd < 0)
		return fd;
	r = file_read(fd, 0, head, size < sizeof(head) ? size : sizeof(head));
	if (r < 0)
		return err_errno(err, -r, "kernel %s", path);
	if (elf_kernel_probe(head))
		return load_elf(vm, fd, size, path, zero_page, ret, err);
	if (bzimage_probe(head))
		return load_bzimage(vm, fd, size, path, zero_page, ret, err);
	return err_set(err, -ENOEXEC, "kernel %s: neither a vmlinux nor a bzImage", path);
}

int arch_load(struct machine *machine, const struct config *config, struct arch_entry *ret,
	struct err *err)
{
	struct vm *vm = machine->vm;
	uint8_t *zero_page = guest_mem_ptr(&vm->mem, LAYOUT_ZERO_PAGE, ZERO_PAGE_LEN);
	struct boot_info info = {0};
	struct kernel kernel = {0};
	struct tables tables = {
		.cpus = config->cpus,
		.slots = machine->slot_count,
		.pic = vm->arch->pic,
		.rtc = config->legacy & CONFIG_LEGACY_RTC,
	};
	int r;

	if (vm->mem.regions[0].len < 2 * LAYOUT_HIGH_RAM)
		return err_set(err, -ENOMEM, "memory: %llu MiB is too small for any kernel",
			(unsigned long long)vm->ram_size >> 20);
	r = load_kernel(vm, config->kernel, zero_page, &kernel, err);
	if (!r)
		r = load_initrd(vm, config->initrd, kernel.end, kernel.initrd_max, &info, err);
	if (!r)
		r = write_cmdline(machine, config, kernel.cmdline_max, err);
	if (!r && config->acpi)
		r = acpi_write(&vm->mem, &tables, &info.rsdp, err);
	if (!r)
		r = mptable_write(&vm->mem, &tables, err);
	if (r < 0)
		return r;
	if (config->acpi)
		r = platform_write_generation(vm);
	if (r < 0)
		return err_errno(err, -r, "machine: random generation ID");
	vm->arch->irqchip.ioapic.pins = irqchip_pins(tables.pic, tables.slots);
	write_reset_vector(vm);
	make_e820(&info, vm);
	expect_memory_map(vm, &info);
	if (kernel.entry.protected_mode)
		write_pvh(vm, &info);
	else
		write_zero_page(zero_page, &info);
	*ret = kernel.entry;
	return 0;
}
