// SPDX-License-Identifier: Apache-2.0
// What the guest is told about its CPU.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;
struct kvm_cpuid2;
struct vcpu;
struct vm;

/* KVM refuses tables above its own bound of 256 entries (KVM_MAX_CPUID_ENTRIES). */
#define CPUID_ENTRIES_MAX 256

/*
 * struct cpuid_cpu - which CPU a table is for
 * @apic_id:	its place, from 0
 * @count:	CPUs of the machine, 1 to 64
 * @deadline:	KVM's local APIC has the TSC deadline timer
 * @nested:	show hardware virtualization
 */
struct cpuid_cpu {
	uint32_t apic_id;
	uint32_t count;
	bool deadline;
	bool nested;
};

/*
 * cpuid_fill() - turn what KVM supports into what @cpu has
 * @cpuid:	room for CPUID_ENTRIES_MAX entries
 *
 * The features are the host's, but for those that nothing here stands behind: performance counters
 * (leaf 0xa, and all that names them), what needs XSAVE where that is missing, and, unless asked
 * for, hardware virtualization. KVM's own leaves at 0x40000000 stay. The topology is one socket of
 * single-threaded cores that share the last cache, APIC id = index, told the same way by every leaf
 * that tells it: 1, 4, 0xb and 0x1f of Intel's, 1, 0x80000008, 0x8000001d and 0x8000001e of AMD's.
 *
 * Spec: Intel SDM 2A, CPUID; AMD APM 3, appendix E.
 */
void cpuid_fill(struct kvm_cpuid2 *cpuid, const struct cpuid_cpu *cpu);

/* cpuid_set() - give @vcpu its table. Return: 0 or -errno with @err set. */
int cpuid_set(struct vm *vm, struct vcpu *vcpu, struct err *err);
