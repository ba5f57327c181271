// SPDX-License-Identifier: Apache-2.0
// The tables by which the guest's kernel finds CPUs, interrupts and devices.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;
struct guest_mem;

/*
 * struct tables - what the tables tell
 * @cpus:	number of vCPUs; APIC ids 0 to @cpus - 1
 * @slots:	number of virtio-mmio slots in use, from slot 0
 * @pic:	there is a PIC, and the I/O APIC is KVM's (see irqchip.h)
 * @rtc:	there is a clock at the CMOS ports
 */
struct tables {
	unsigned int cpus;
	unsigned int slots;
	bool pic;
	bool rtc;
};

/*
 * acpi_write() - RSDP, XSDT, FADT, MADT and DSDT of a hardware-reduced machine
 * @ret_rsdp:	gpa of the RSDP
 *
 * Spec: ACPI 6.5 chapters 4 and 5. Return: 0 or -errno with @err set.
 */
int acpi_write(const struct guest_mem *mem, const struct tables *tables, uint64_t *ret_rsdp,
	struct err *err);

/*
 * mptable_write() - the MultiProcessor tables, for kernels without ACPI
 * Spec: Intel MultiProcessor Specification 1.4 chapter 4. Return: 0 or -errno with @err set.
 */
int mptable_write(const struct guest_mem *mem, const struct tables *tables, struct err *err);
