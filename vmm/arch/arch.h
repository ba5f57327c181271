// SPDX-License-Identifier: Apache-2.0
// What the monitor asks of a CPU architecture; vmm/arch/<cpu>/ answers it, chosen by meson.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct config;
struct err;
struct machine;
struct vcpu;
struct vm;

/* A range of guest-physical addresses, in bytes. */
struct arch_range {
	uint64_t gpa;
	uint64_t len;
};

#define ARCH_RAM_RANGES_MAX 2

/* Where and how the first vCPU begins; private to the architecture. */
struct arch_entry {
	uint64_t pc;
	uint64_t arg; /* address of the boot information */
	bool protected_mode;
};

/* arch_has_virtualization() - can this CPU run guests in hardware? Context: any. */
bool arch_has_virtualization(void);

/* arch_ram_ranges() - how @size bytes of RAM lie around the hole. Return: number of @ranges. */
unsigned int arch_ram_ranges(uint64_t size, struct arch_range *ranges);

/* arch_vm_init() - interrupt controller and the like, before memory. Return: 0 or -errno. */
int arch_vm_init(struct vm *vm, const struct config *config, struct err *err);

/* arch_vm_fini() - undo it, for a VM that didn't come to run. Harmless when half-built. */
void arch_vm_fini(struct vm *vm);

/*
 * arch_mmio_gpa() / arch_slot_gsi() - where device slot @slot has its registers and interrupt
 *
 * Slots count from 0 to ARCH_SLOTS_MAX - 1; each has 4 KiB.
 */
#define ARCH_SLOTS_MAX 24
uint64_t arch_slot_gpa(unsigned int slot);
uint32_t arch_slot_gsi(const struct vm *vm, unsigned int slot);
/* arch_serial_gsi() - the console's interrupt. */
uint32_t arch_serial_gsi(void);

/*
 * arch_platform_init() - put the serial console and the power, reset and panic registers on
 *	their bus
 *
 * Return: 0 or -errno with @err set.
 */
int arch_platform_init(struct machine *machine, struct err *err);

/*
 * arch_power_button(), arch_ctrl_alt_del() - what a person at the machine would press
 *
 * The guest decides what it does about it. Return: 0; -ENOTSUP when the machine has no such thing
 * (a power button is ACPI's); -ENODEV when the guest has switched the keyboard off, -EBUSY when it
 * takes no keys. Context: any thread, after arch_platform_init().
 */
int arch_power_button(struct vm *vm);
int arch_ctrl_alt_del(struct vm *vm);

/*
 * arch_new_generation() - give the VM another generation ID and tell the guest
 *
 * For a VM that goes on from a state that another may have gone on from as well. Return: 0,
 * -ENOTSUP without ACPI, or -errno. Context: loop, with memory.
 */
int arch_new_generation(struct vm *vm);

/*
 * arch_load() - put kernel, initrd, command line and machine description into guest memory
 * @ret:	for the first vCPU
 *
 * The files are hostile: every offset and size in them is checked against the file and memory.
 *
 * Return: 0 or -errno with @err set.
 */
int arch_load(struct machine *machine, const struct config *config, struct arch_entry *ret,
	struct err *err);

/* arch_vcpu_init() - registers and features; @entry only for the vCPU that boots. */
int arch_vcpu_init(
	struct vm *vm, struct vcpu *vcpu, const struct arch_entry *entry, struct err *err);
