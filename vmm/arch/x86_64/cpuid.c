// SPDX-License-Identifier: Apache-2.0
// What the guest is told about its CPU: the host's features, its own topology.
#include "vmm/arch/x86_64/cpuid.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/arch/arch.h"
#include "vmm/arch/x86_64/platform.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#include <cpuid.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

/* syscalls: start: ioctl */

#define CPUID_SIZE (sizeof(struct kvm_cpuid2) + CPUID_ENTRIES_MAX * sizeof(struct kvm_cpuid_entry2))

#define LEAF1_ECX_DTES64 (1u << 2)
#define LEAF1_ECX_DS_CPL (1u << 4)
#define LEAF1_ECX_VMX (1u << 5)
#define LEAF1_ECX_PDCM (1u << 15)
#define LEAF1_ECX_TSC_DEADLINE (1u << 24)
#define LEAF1_ECX_XSAVE (1u << 26)
#define LEAF1_ECX_HYPERVISOR (1u << 31)
#define LEAF1_EDX_DS (1u << 21)
#define LEAF1_EDX_HTT (1u << 28)
#define EXT1_ECX_CMP_LEGACY (1u << 1)
#define EXT1_ECX_SVM (1u << 2)
#define EXT1_ECX_SKINIT (1u << 12)
#define EXT1_ECX_PERF (1u << 23 | 1u << 24 | 1u << 28) /* core, northbridge, last-level cache */

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

static void set_features(struct kvm_cpuid_entry2 *e, const struct cpuid_cpu *cpu)
{
	e->ebx = (e->ebx & 0x0000ffff) | cpu->count << 16 | cpu->apic_id << 24;
	e->ecx |= LEAF1_ECX_HYPERVISOR;
	e->ecx &= ~(LEAF1_ECX_PDCM | LEAF1_ECX_DTES64 | LEAF1_ECX_DS_CPL);
	e->edx &= ~(LEAF1_EDX_DS | LEAF1_EDX_HTT);
	if (!cpu->nested)
		e->ecx &= ~LEAF1_ECX_VMX;
	if (cpu->deadline)
		e->ecx |= LEAF1_ECX_TSC_DEADLINE;
	if (cpu->count > 1)
		e->edx |= LEAF1_EDX_HTT;
}

static void set_amd_features(struct kvm_cpuid_entry2 *e, const struct cpuid_cpu *cpu, bool amd)
{
	e->ecx &= ~EXT1_ECX_PERF;
	if (!cpu->nested)
		e->ecx &= ~(EXT1_ECX_SVM | EXT1_ECX_SKINIT);
	if (!amd)
		return;
	/* With it, the CPUs that leaf 1 counts are cores and not threads. */
	e->ecx &= ~EXT1_ECX_CMP_LEGACY;
	if (cpu->count > 1)
		e->ecx |= EXT1_ECX_CMP_LEGACY;
}

/* Leaves 4 and 0x8000001d alike: 25:14 of EAX are the CPUs that share this cache, less 1. */
static void set_cache_leaf(struct kvm_cpuid_entry2 *e, uint32_t sharing_last)
{
	uint32_t level = e->eax >> 5 & 7;

	e->eax = (e->eax & ~0x03ffc000u) | (level >= 3 ? sharing_last - 1 : 0) << 14;
}

static void clear(struct kvm_cpuid_entry2 *e)
{
	e->eax = e->ebx = e->ecx = e->edx = 0;
}

/*
 * Instructions on registers that only XSAVE can enable. On a host that hides XSAVE from KVM, but
 * not these, a guest that believes in them dies of an invalid instruction.
 */
static const struct {
	uint32_t function, index;
	uint32_t eax, ebx, ecx, edx;
} needs_xsave[] = {
	/* FMA, OSXSAVE, AVX, F16C */
	{0x1, 0, .ecx = 1u << 12 | 1u << 27 | 1u << 28 | 1u << 29},
	/* AVX2, MPX, AVX-512; VBMI, PKU and its switch, VBMI2, VAES, VPCLMULQDQ, VNNI, BITALG,
	 * VPOPCNTDQ; 4VNNIW, 4FMAPS, VP2INTERSECT, AMX, FP16 */
	{0x7, 0,
		.ebx = 1u << 5 | 1u << 14 | 1u << 16 | 1u << 17 | 1u << 21 | 1u << 26 | 1u << 27 |
		       1u << 28 | 1u << 30 | 1u << 31,
		.ecx = 1u << 1 | 1u << 3 | 1u << 4 | 1u << 6 | 1u << 9 | 1u << 10 | 1u << 11 |
		       1u << 12 | 1u << 14,
		.edx = 1u << 2 | 1u << 3 | 1u << 8 | 1u << 22 | 1u << 23 | 1u << 24 | 1u << 25},
	/* SHA512, SM3, SM4, AVX-VNNI, BF16, AMX-FP16, AVX-IFMA; INT8, NE-CONVERT, AMX-COMPLEX,
	 * INT16, AVX10, APX */
	{0x7, 1, .eax = 1u << 0 | 1u << 1 | 1u << 2 | 1u << 4 | 1u << 5 | 1u << 21 | 1u << 23,
		.edx = 1u << 4 | 1u << 5 | 1u << 8 | 1u << 10 | 1u << 19 | 1u << 21},
	{0xd, 0, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
	{0xd, 1, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
	/* XOP, LWP, FMA4 */
	{0x80000001, 0, .ecx = 1u << 11 | 1u << 15 | 1u << 16},
};

static void hide_without_xsave(struct kvm_cpuid_entry2 *e)
{
	for (size_t i = 0; i < sizeof(needs_xsave) / sizeof(needs_xsave[0]); i++) {
		if (needs_xsave[i].function != e->function || needs_xsave[i].index != e->index)
			continue;
		e->eax &= ~needs_xsave[i].eax;
		e->ebx &= ~needs_xsave[i].ebx;
		e->ecx &= ~needs_xsave[i].ecx;
		e->edx &= ~needs_xsave[i].edx;
	}
}

/* The entry as this vCPU sees it; entries that name no CPU stay as KVM gave them. */
static void set_entry(struct kvm_cpuid_entry2 *e, const struct cpuid_cpu *cpu, bool amd)
{
	uint32_t ids = 1u << id_bits(cpu->count);

	switch (e->function) {
	case 0x1:
		set_features(e, cpu);
		break;
	case 0x4:
		if (!(e->eax & 0x1f))
			break;
		set_cache_leaf(e, ids);
		/* 31:26: cores, less 1. */
		e->eax = (e->eax & 0x03ffffff) | (ids - 1) << 26;
		break;
	case 0xa:        /* performance counters */
	case 0x80000022: /* AMD's, version 2 */
	case 0x80000026: /* AMD's extended topology: leaf 0xb tells it */
		clear(e);
		break;
	case 0xb:
	case 0x1f:
		set_topology_leaf(e, cpu->apic_id, cpu->count);
		break;
	case 0x80000001:
		set_amd_features(e, cpu, amd);
		break;
	case 0x80000008:
		/* ECX 7:0: threads less 1; 15:12: bits of the APIC id that number them. */
		if (amd)
			e->ecx = (e->ecx & ~0xf0ffu) | (cpu->count - 1) | id_bits(cpu->count) << 12;
		break;
	case 0x8000000a:
		if (!cpu->nested)
			clear(e);
		break;
	case 0x8000001d:
		if (e->eax & 0x1f)
			set_cache_leaf(e, cpu->count);
		break;
	case 0x8000001e:
		e->eax = cpu->apic_id;
		e->ebx = cpu->apic_id & 0xff; /* one thread a core */
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

static bool is_amd(const struct kvm_cpuid2 *cpuid)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		/* "AuthenticAMD" and "HygonGenuine" by their first letters. */
		if (e->function == 0)
			return e->ebx == 0x68747541 || e->ebx == 0x6f677948;
	}
	return false;
}

static bool has_xsave(const struct kvm_cpuid2 *cpuid)
{
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1)
			return cpuid->entries[i].ecx & LEAF1_ECX_XSAVE;
	return false;
}

void cpuid_fill(struct kvm_cpuid2 *cpuid, const struct cpuid_cpu *cpu)
{
	bool amd = is_amd(cpuid), xsave = has_xsave(cpuid);

	add_topology_subleaf(cpuid, 0xb);
	add_topology_subleaf(cpuid, 0x1f);
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		set_entry(&cpuid->entries[i], cpu, amd);
		if (!xsave)
			hide_without_xsave(&cpuid->entries[i]);
	}
}

/* Asked for once a VM: on a host that is a guest itself, each of the leaves is an exit. */
static int read_supported(struct vm *vm, struct err *err)
{
	struct kvm_cpuid2 *cpuid;

	if (vm->arch->cpuid)
		return 0;
	cpuid = calloc(1, CPUID_SIZE);
	if (!cpuid)
		return err_set(err, -ENOMEM, "out of memory for CPUID");
	cpuid->nent = CPUID_ENTRIES_MAX;
	vm->arch->cpuid = cpuid;
	if (ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0)
		return err_errno(err, errno, "kvm: reading the supported CPUID");
	return 0;
}

int cpuid_set(struct vm *vm, struct vcpu *vcpu, struct err *err)
{
	struct kvm_cpuid2 CLEANUP_FREE *cpuid = NULL;
	struct cpuid_cpu cpu = {
		.apic_id = vcpu->index,
		.count = vm->vcpu_count,
		.nested = vm->arch->nested,
		.deadline = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0,
	};
	int r = read_supported(vm, err);

	if (r < 0)
		return r;
	cpuid = malloc(CPUID_SIZE);
	if (!cpuid)
		return err_set(err, -ENOMEM, "out of memory for CPUID");
	memcpy(cpuid, vm->arch->cpuid, CPUID_SIZE);
	cpuid_fill(cpuid, &cpu);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid) < 0)
		return err_errno(err, errno, "kvm: setting CPUID of vCPU %u", vcpu->index);
	return 0;
}
