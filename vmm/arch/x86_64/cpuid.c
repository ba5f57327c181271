// SPDX-License-Identifier: Apache-2.0
// What the guest is told about its CPU: the host's features, its own topology.
#include "vmm/arch/x86_64/cpuid.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/arch/arch.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#include <cpuid.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

/* KVM refuses tables above its own bound of 256 entries (KVM_MAX_CPUID_ENTRIES). */
#define CPUID_ENTRIES_MAX 256

#define LEAF1_ECX_VMX (1u << 5)
#define LEAF1_ECX_TSC_DEADLINE (1u << 24)
#define LEAF1_ECX_HYPERVISOR (1u << 31)
#define LEAF1_EDX_HTT (1u << 28)
#define EXT1_ECX_SVM (1u << 2)

enum {
	LEVEL_THREAD = 1,
	LEVEL_CORE = 2,
};

bool arch_has_virtualization(void)
{
	unsigned int a, b, c, d;

	if (__get_cpuid(1, &a, &b, &c, &d) && c & LEAF1_ECX_VMX)
		return true;
	return __get_cpuid(0x80000001, &a, &b, &c, &d) && c & EXT1_ECX_SVM;
}

/* How many bits number @count CPUs. */
static uint32_t id_bits(uint32_t count)
{
	return count <= 1 ? 0 : 32 - (uint32_t)__builtin_clz(count - 1);
}

/* One socket of single-threaded cores: leaves 0xb and 0x1f (Intel SDM 2A, CPUID). */
static void set_topology_leaf(struct kvm_cpuid_entry2 *e, uint32_t apic_id, uint32_t count)
{
	e->eax = e->ebx = 0;
	e->ecx = e->index & 0xff;
	e->edx = apic_id;
	if (e->index == 0) {
		e->ebx = 1;
		e->ecx |= LEVEL_THREAD << 8;
	} else if (e->index == 1) {
		e->eax = id_bits(count);
		e->ebx = count;
		e->ecx |= LEVEL_CORE << 8;
	}
}

/* The entry as this vCPU sees it; entries that name no CPU stay as KVM gave them. */
static void patch_entry(
	struct kvm_cpuid_entry2 *e, uint32_t apic_id, uint32_t count, bool deadline_timer)
{
	switch (e->function) {
	case 0x1:
		e->ebx = (e->ebx & 0x0000ffff) | count << 16 | apic_id << 24;
		e->ecx |= LEAF1_ECX_HYPERVISOR;
		e->ecx &= ~LEAF1_ECX_VMX;
		if (deadline_timer)
			e->ecx |= LEAF1_ECX_TSC_DEADLINE;
		if (count > 1)
			e->edx |= LEAF1_EDX_HTT;
		else
			e->edx &= ~LEAF1_EDX_HTT;
		break;
	case 0x4: {
		/* Bits 25:14: CPUs that share this cache, less 1; 31:26: cores, less 1. */
		uint32_t level = e->eax >> 5 & 7;
		uint32_t sharing = level >= 3 ? (1u << id_bits(count)) - 1 : 0;

		if (!(e->eax & 0x1f))
			break;
		e->eax = (e->eax & 0x3fff) | sharing << 14 |
			 (((1u << id_bits(count)) - 1) & 0x3f) << 26;
		break;
	}
	case 0xa:
		/* No performance counters are given to the guest. */
		e->eax = e->ebx = e->ecx = e->edx = 0;
		break;
	case 0xb:
	case 0x1f:
		set_topology_leaf(e, apic_id, count);
		break;
	case 0x80000001:
		e->ecx &= ~EXT1_ECX_SVM;
		break;
	case 0x80000008:
		/* ECX 7:0: threads less 1; 15:12: bits of the APIC id that number them. */
		e->ecx = (e->ecx & ~0xf0ffu) | (count - 1) | id_bits(count) << 12;
		break;
	case 0x8000000a:
		e->eax = e->ebx = e->ecx = e->edx = 0;
		break;
	case 0x8000001d: {
		uint32_t level = e->eax >> 5 & 7;

		if (e->eax & 0x1f)
			e->eax = (e->eax & ~0x03ffc000u) | (level >= 3 ? count - 1 : 0) << 14;
		break;
	}
	case 0x8000001e:
		e->eax = apic_id;
		e->ebx = apic_id & 0xff; /* one thread a core */
		e->ecx = 0;
		break;
	default:
		break;
	}
}

/* KVM reports leaf 0xb with one subleaf at most; make sure both levels are there. */
static void add_topology_subleaf(struct kvm_cpuid2 *cpuid, uint32_t function)
{
	struct kvm_cpuid_entry2 *first = NULL;

	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function != function)
			continue;
		if (e->index == 1)
			return;
		if (e->index == 0)
			first = e;
	}
	if (!first || cpuid->nent == CPUID_ENTRIES_MAX)
		return;
	first->flags |= KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	cpuid->entries[cpuid->nent] = *first;
	cpuid->entries[cpuid->nent].index = 1;
	cpuid->nent++;
}

int cpuid_set(struct vm *vm, struct vcpu *vcpu, struct err *err)
{
	struct kvm_cpuid2 CLEANUP_FREE *cpuid = NULL;
	bool deadline = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;

	cpuid = calloc(1, sizeof(*cpuid) + CPUID_ENTRIES_MAX * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return err_set(err, -ENOMEM, "out of memory for CPUID");
	cpuid->nent = CPUID_ENTRIES_MAX;
	if (ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0)
		return err_errno(err, errno, "kvm: reading the supported CPUID");
	add_topology_subleaf(cpuid, 0xb);
	add_topology_subleaf(cpuid, 0x1f);
	for (uint32_t i = 0; i < cpuid->nent; i++)
		patch_entry(&cpuid->entries[i], vcpu->index, vm->vcpu_count, deadline);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid) < 0)
		return err_errno(err, errno, "kvm: setting CPUID of vCPU %u", vcpu->index);
	return 0;
}
