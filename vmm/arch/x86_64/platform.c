// SPDX-License-Identifier: Apache-2.0
// The x86_64 machine around the CPUs: RAM ranges, interrupt controllers, and the ports by which a
// guest powers off, resets or tells of a panic.
#include "base/err.h"
#include "base/log.h"
#include "devices/bus.h"
#include "vmm/arch/arch.h"
#include "vmm/arch/x86_64/layout.h"
#include "vmm/machine.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#define I8042_PULSE_RESET 0xfeu
#define SLEEP_ENABLE (1u << 5)
#define SLEEP_TYPE_SHIFT 2
#define SLEEP_TYPE_MASK 7u
/* Events of the pvpanic device (QEMU's docs/specs/pvpanic). */
#define PVPANIC_PANICKED (1u << 0)
#define PVPANIC_CRASH_LOADED (1u << 1)

unsigned int arch_ram_ranges(uint64_t size, struct arch_range *ranges)
{
	if (size <= LAYOUT_HOLE) {
		ranges[0] = (struct arch_range){0, size};
		return 1;
	}
	ranges[0] = (struct arch_range){0, LAYOUT_HOLE};
	ranges[1] = (struct arch_range){LAYOUT_HOLE_END, size - LAYOUT_HOLE};
	return 2;
}

uint64_t arch_slot_gpa(unsigned int slot)
{
	return LAYOUT_SLOTS + (uint64_t)slot * LAYOUT_SLOT_SIZE;
}

uint32_t arch_slot_gsi(unsigned int slot)
{
	return LAYOUT_GSI_SLOTS + slot;
}

uint32_t arch_serial_gsi(void)
{
	return LAYOUT_GSI_COM1;
}

int arch_vm_init(struct vm *vm, struct err *err)
{
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, (unsigned long)LAYOUT_TSS) < 0)
		return err_errno(err, errno, "kvm: placing the TSS");
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return err_errno(err, errno, "kvm: creating the interrupt controllers");
	return 0;
}

/* Write-only byte registers: read as 0, so that a driver that waits for "not busy" goes on. */
static void port_read(void *dev, uint64_t offset, void *data, unsigned int len)
{
	memset(data, 0, len);
}

static void i8042_write(void *dev, uint64_t offset, const void *data, unsigned int len)
{
	const uint8_t *byte = data;

	if (offset == 0 && *byte == I8042_PULSE_RESET)
		vm_stop(dev, VM_END_REBOOT);
}

static void sleep_write(void *dev, uint64_t offset, const void *data, unsigned int len)
{
	const uint8_t *byte = data;
	unsigned int type = *byte >> SLEEP_TYPE_SHIFT & SLEEP_TYPE_MASK;

	if (offset == 0 && *byte & SLEEP_ENABLE && type == SLEEP_TYPE_S5)
		vm_stop(dev, VM_END_POWEROFF);
}

static void reset_write(void *dev, uint64_t offset, const void *data, unsigned int len)
{
	const uint8_t *byte = data;

	if (*byte == RESET_VALUE)
		vm_stop(dev, VM_END_REBOOT);
}

static void pvpanic_read(void *dev, uint64_t offset, void *data, unsigned int len)
{
	/* The events this device takes. */
	memset(data, 0, len);
	*(uint8_t *)data = PVPANIC_PANICKED | PVPANIC_CRASH_LOADED;
}

static void pvpanic_write(void *dev, uint64_t offset, const void *data, unsigned int len)
{
	const uint8_t *byte = data;

	/* A guest that has a crash kernel loaded goes on to run it. */
	if (*byte & PVPANIC_PANICKED)
		vm_stop(dev, VM_END_PANIC);
}

static const struct bus_ops i8042_ops = {.read = port_read, .write = i8042_write};
static const struct bus_ops sleep_ops = {.read = port_read, .write = sleep_write};
static const struct bus_ops reset_ops = {.read = port_read, .write = reset_write};
static const struct bus_ops pvpanic_ops = {.read = pvpanic_read, .write = pvpanic_write};

static const struct {
	uint16_t port;
	uint16_t len;
	const struct bus_ops *ops;
} ports[] = {
	{PORT_I8042_COMMAND, 1, &i8042_ops},
	{PORT_PVPANIC, 1, &pvpanic_ops},
	{PORT_SLEEP_CONTROL, 2, &sleep_ops},
	{PORT_RESET, 1, &reset_ops},
};

int arch_platform_init(struct machine *machine, struct err *err)
{
	struct vm *vm = machine->vm;
	int r;

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		r = bus_add(&vm->pio, ports[i].port, ports[i].len, ports[i].ops, vm);
		if (r < 0)
			return err_errno(err, -r, "machine: port 0x%x", ports[i].port);
	}
	r = bus_add(&vm->pio, PORT_COM1, PORT_COM1_LEN, &serial_bus_ops, &machine->serial);
	if (r < 0)
		return err_errno(err, -r, "machine: port 0x%x", PORT_COM1);
	return 0;
}
