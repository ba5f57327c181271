// SPDX-License-Identifier: Apache-2.0
// The guest-physical address map and I/O ports of the x86_64 machine.
#pragma once

/*
 *   0x0000_0500  GDT of the 64-bit entry
 *   0x0000_6000  PVH start info, module list, memory map; or
 *   0x0000_7000  zero page of the 64-bit entry
 *   0x0000_9000  page tables of the 64-bit entry (6 pages)
 *   0x0002_0000  kernel command line
 *   0x0009_fc00  end of low RAM as the guest is told (the "EBDA")
 *   0x000d_f000  VM generation ID
 *   0x000e_0000  ACPI tables
 *   0x000f_0000  MP table
 *   0x000f_fff0  the reset vector, where a kernel jumps that restarts by the BIOS
 *   0x0010_0000  RAM again: kernel at its link address, initrd at the top of low RAM
 *   0xc000_0000  the hole: no RAM up to 4 GiB
 *   0xc000_1000  virtio-mmio slots, 4 KiB each
 *   0xfec0_0000  IOAPIC
 *   0xfee0_0000  local APICs
 *   0xfffb_c000  identity map and TSS that KVM needs on Intel (4 pages)
 * 0x1_0000_0000  the rest of RAM
 */
#define LAYOUT_GDT 0x500ull
#define LAYOUT_PVH_INFO 0x6000ull
#define LAYOUT_ZERO_PAGE 0x7000ull
#define LAYOUT_PAGE_TABLES 0x9000ull
#define LAYOUT_CMDLINE 0x20000ull
#define LAYOUT_EBDA 0x9fc00ull
#define LAYOUT_GENERATION 0xdf000ull
#define LAYOUT_ACPI 0xe0000ull
#define LAYOUT_ACPI_SIZE 0x10000ull
#define LAYOUT_MPTABLE 0xf0000ull
#define LAYOUT_MPTABLE_SIZE 0xfff0ull
#define LAYOUT_RESET_VECTOR 0xffff0ull
#define LAYOUT_HIGH_RAM 0x100000ull
#define LAYOUT_HOLE 0xc0000000ull
#define LAYOUT_HOLE_END 0x100000000ull
#define LAYOUT_SLOTS 0xc0001000ull
#define LAYOUT_SLOT_SIZE 0x1000u
#define LAYOUT_IOAPIC 0xfec00000u
#define LAYOUT_LAPIC 0xfee00000u
#define LAYOUT_TSS 0xfffbd000u

/* The slots' GSIs are in irqchip.h. */
#define LAYOUT_GSI_KEYBOARD 1u
#define LAYOUT_GSI_EVENTS 3u
#define LAYOUT_GSI_COM1 4u

#define PORT_I8042_DATA 0x60u
#define PORT_I8042_COMMAND 0x64u
#define PORT_RTC 0x70u
#define PORT_COM1 0x3f8u
#define PORT_COM1_LEN 8u
#define PORT_PVPANIC 0x505u
#define PORT_SLEEP_CONTROL 0x600u
#define PORT_SLEEP_STATUS 0x601u
#define PORT_RESET 0x604u
#define PORT_EVENTS 0x608u

/* Values the guest writes to the ports above, as acpi.c announces them. */
#define SLEEP_TYPE_S5 5u
#define RESET_VALUE 1u
