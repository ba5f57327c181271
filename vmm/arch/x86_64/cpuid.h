// SPDX-License-Identifier: Apache-2.0
// What the guest is told about its CPU.
#pragma once

struct err;
struct vcpu;
struct vm;

/*
 * cpuid_set() - give @vcpu the features KVM supports and its place in the topology
 *
 * One socket, one thread a core, APIC id = index. Nested virtualization and performance counters
 * are hidden. Return: 0 or -errno with @err set.
 */
int cpuid_set(struct vm *vm, struct vcpu *vcpu, struct err *err);
