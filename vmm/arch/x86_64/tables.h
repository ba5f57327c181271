// SPDX-License-Identifier: Apache-2.0
// The tables by which the guest's kernel finds CPUs, interrupts and devices.
#pragma once

#include <stdint.h>

struct err;
struct guest_mem;

/*
 * acpi_write() - RSDP, XSDT, FADT, MADT and DSDT of a hardware-reduced machine
 * @cpus:	number of vCPUs; APIC ids 0 to @cpus - 1
 * @slots:	number of virtio-mmio slots in use, from slot 0
 * @ret_rsdp:	gpa of the RSDP
 *
 * Spec: ACPI 6.5 chapters 4 and 5. Return: 0 or -errno with @err set.
 */
int acpi_write(const struct guest_mem *mem, unsigned int cpus, unsigned int slots,
	uint64_t *ret_rsdp, struct err *err);

/*
 * mptable_write() - the MultiProcessor tables, for kernels without ACPI
 * @cpus:	as above
 *
 * Spec: Intel MultiProcessor Specification 1.4 chapter 4. Return: 0 or -errno with @err set.
 */
int mptable_write(const struct guest_mem *mem, unsigned int cpus, struct err *err);
