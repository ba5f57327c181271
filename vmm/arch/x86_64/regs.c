// SPDX-License-Identifier: Apache-2.0
// Registers of a vCPU before its first instruction.
#include "base/err.h"
#include "base/le.h"
#include "vmm/arch/arch.h"
#include "vmm/arch/x86_64/cpuid.h"
#include "vmm/arch/x86_64/layout.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

/* syscalls: start: ioctl */

#define CR0_PE (1ull << 0)
#define CR0_ET (1ull << 4)
#define CR0_PG (1ull << 31)
#define CR4_PAE (1ull << 5)
#define EFER_LME (1ull << 8)
#define EFER_LMA (1ull << 10)
#define RFLAGS_RESERVED 2ull

#define PAGE_PRESENT 1ull
#define PAGE_WRITABLE 2ull
#define PAGE_LARGE 0x80ull

#define MSR_MISC_ENABLE 0x1a0
#define MISC_ENABLE_FAST_STRING (1ull << 0)
/* Branch traces and precise events go with the performance counters, which aren't there. */
#define MISC_ENABLE_NO_BTS (1ull << 11)
#define MISC_ENABLE_NO_PEBS (1ull << 12)
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MTRR_ENABLED_WRITE_BACK (1ull << 11 | 6)

/* Offsets in the local APIC's page, and how LINT0 and LINT1 deliver (SDM 3A 10.5.1). */
#define APIC_LVT_LINT0 0x350
#define APIC_LVT_LINT1 0x360
#define APIC_MODE_NMI 4u
#define APIC_MODE_EXTINT 7u

/* Selectors of the 64-bit boot protocol (Documentation/arch/x86/boot.rst). */
#define BOOT_CS 0x10
#define BOOT_DS 0x18

static struct kvm_segment flat_segment(uint16_t selector, bool code, bool long_mode)
{
	return (struct kvm_segment){
		.base = 0,
		.limit = 0xffffffff,
		.selector = selector,
		.type = code ? 11 : 3, /* execute/read or read/write, accessed */
		.present = 1,
		.db = !long_mode,
		.s = 1,
		.l = long_mode,
		.g = 1,
	};
}

/* The GDT and the identity map of the first 4 GiB that the 64-bit entry wants. */
static void write_long_mode_tables(struct vm *vm)
{
	uint8_t *gdt = guest_mem_ptr(&vm->mem, LAYOUT_GDT, 32);
	uint8_t *tables = guest_mem_ptr(&vm->mem, LAYOUT_PAGE_TABLES, 6 * 4096);
	uint64_t pdpt = LAYOUT_PAGE_TABLES + 4096;

	memset(gdt, 0, 32);
	le64_store(gdt + BOOT_CS, 0x00af9b000000ffffull);
	le64_store(gdt + BOOT_DS, 0x00cf93000000ffffull);
	memset(tables, 0, 6 * 4096);
	le64_store(tables, pdpt | PAGE_PRESENT | PAGE_WRITABLE);
	for (uint64_t i = 0; i < 4; i++) {
		uint64_t pd = pdpt + 4096 * (i + 1);

		le64_store(tables + 4096 + 8 * i, pd | PAGE_PRESENT | PAGE_WRITABLE);
		for (uint64_t j = 0; j < 512; j++)
			le64_store(tables + 4096 * (2 + i) + 8 * j,
				(i * 512 + j) << 21 | PAGE_PRESENT | PAGE_WRITABLE | PAGE_LARGE);
	}
}

static int set_boot_registers(
	struct vm *vm, struct vcpu *vcpu, const struct arch_entry *entry, struct err *err)
{
	bool long_mode = !entry->protected_mode;
	struct kvm_regs regs = {.rip = entry->pc, .rflags = RFLAGS_RESERVED};
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return err_errno(err, errno, "kvm: reading registers of vCPU %u", vcpu->index);
	sregs.cs = flat_segment(BOOT_CS, true, long_mode);
	sregs.ds = flat_segment(BOOT_DS, false, false);
	sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.ds;
	sregs.idt = (struct kvm_dtable){0};
	sregs.cr0 = CR0_PE | CR0_ET;
	if (long_mode) {
		write_long_mode_tables(vm);
		sregs.gdt = (struct kvm_dtable){.base = LAYOUT_GDT, .limit = 31};
		sregs.cr3 = LAYOUT_PAGE_TABLES;
		sregs.cr4 = CR4_PAE;
		sregs.cr0 |= CR0_PG;
		sregs.efer = EFER_LME | EFER_LMA;
		regs.rsi = entry->arg;
	} else {
		regs.rbx = entry->arg;
	}
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0)
		return err_errno(err, errno, "kvm: setting registers of vCPU %u", vcpu->index);
	return 0;
}

static int set_msrs(struct vcpu *vcpu, struct err *err)
{
	static const struct kvm_msr_entry entries[] = {
		{.index = MSR_MISC_ENABLE,
			.data = MISC_ENABLE_FAST_STRING | MISC_ENABLE_NO_BTS | MISC_ENABLE_NO_PEBS},
		{.index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLED_WRITE_BACK},
	};
	const unsigned int count = sizeof(entries) / sizeof(entries[0]);
	/* The header ends in an array of unknown length. */
	_Alignas(struct kvm_msrs) char space[sizeof(struct kvm_msrs) + sizeof(entries)] = {0};
	struct kvm_msrs *msrs = (void *)space;
	int n;

	msrs->nmsrs = count;
	memcpy(msrs->entries, entries, sizeof(entries));
	n = ioctl(vcpu->fd, KVM_SET_MSRS, msrs);
	if (n < 0)
		return err_errno(err, errno, "kvm: setting MSRs of vCPU %u", vcpu->index);
	if ((unsigned int)n < count)
		return err_set(err, -EIO, "kvm: MSR 0x%x of vCPU %u is refused", entries[n].index,
			vcpu->index);
	return 0;
}

/* Virtual wire mode, as firmware leaves it and as the MP table says. */
static int set_local_apic(struct vcpu *vcpu, struct err *err)
{
	struct kvm_lapic_state lapic;

	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic) < 0)
		return err_errno(err, errno, "kvm: reading the APIC of vCPU %u", vcpu->index);
	le32_store(lapic.regs + APIC_LVT_LINT0, APIC_MODE_EXTINT << 8);
	le32_store(lapic.regs + APIC_LVT_LINT1, APIC_MODE_NMI << 8);
	if (ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic) < 0)
		return err_errno(err, errno, "kvm: setting the APIC of vCPU %u", vcpu->index);
	return 0;
}

int arch_vcpu_init(
	struct vm *vm, struct vcpu *vcpu, const struct arch_entry *entry, struct err *err)
{
	int r = cpuid_set(vm, vcpu, err);

	if (!r)
		r = set_msrs(vcpu, err);
	if (!r)
		r = set_local_apic(vcpu, err);
	if (!r && entry)
		r = set_boot_registers(vm, vcpu, entry, err);
	return r;
}
