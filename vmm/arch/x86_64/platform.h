// SPDX-License-Identifier: Apache-2.0
// What this machine consists of besides CPUs, memory and the device table.
#pragma once

#include "devices/ged.h"
#include "devices/i8042.h"
#include "devices/irq.h"
#include "devices/rtc.h"
#include "vmm/arch/x86_64/irqchip.h"

#include <stdbool.h>

struct err;
struct kvm_cpuid2;
struct machine;
struct vm;

/* Bytes of a VM generation ID. */
#define GENERATION_LEN 16

/*
 * struct arch_vm - one a VM, made by arch_vm_init()
 * @cpuid:	what KVM supports, once a vCPU has asked
 * @pic:	KVM has a PIC, and its own I/O APIC instead of ours
 */
struct arch_vm {
	bool acpi;
	bool nested;
	bool pic;
	bool rtc_present;
	struct kvm_cpuid2 *cpuid;
	struct irqchip irqchip;
	struct irq events_irq;
	struct ged events;
	struct irq keyboard_irq;
	struct i8042 keyboard;
	struct rtc rtc;
};

/*
 * platform_add_ports() - put everything at I/O ports on the bus; their interrupts are made already
 *
 * Return: 0 or -errno with @err set.
 */
int platform_add_ports(struct machine *machine, struct err *err);

/* platform_write_generation() - a new random generation ID. Return: 0 or -errno. */
int platform_write_generation(const struct vm *vm);
