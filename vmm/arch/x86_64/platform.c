// SPDX-License-Identifier: Apache-2.0
// The x86_64 machine around the CPUs: RAM ranges, interrupt controllers, and the ports by which a
// guest powers off, resets or tells of a panic.
#include "vmm/arch/x86_64/platform.h"
#include "base/err.h"
#include "devices/bus.h"
#include "vmm/arch/arch.h"
#include "vmm/arch/x86_64/layout.h"
#include "vmm/config.h"
#include "vmm/machine.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>

/* syscalls: loop: getrandom; start: close, eventfd2, ioctl */

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

uint32_t arch_slot_gsi(const struct vm *vm, unsigned int slot)
{
	return irqchip_slot_gsi(vm->arch->pic, slot);
}

uint32_t arch_serial_gsi(void)
{
	return LAYOUT_GSI_COM1;
}

int arch_vm_init(struct vm *vm, const struct config *config, struct err *err)
{
	struct arch_vm *arch = calloc(1, sizeof(*arch));

	if (!arch)
		return err_set(err, -ENOMEM, "out of memory for the machine");
	vm->arch = arch;
	arch->acpi = config->acpi;
	arch->nested = config->nested;
	arch->pic = config->legacy & (CONFIG_LEGACY_PIT | CONFIG_LEGACY_PIC);
	arch->rtc_present = config->legacy & CONFIG_LEGACY_RTC;
	arch->events_irq.fd = arch->keyboard_irq.fd = -1;
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, (unsigned long)LAYOUT_TSS) < 0)
		return err_errno(err, errno, "kvm: placing the TSS");
	return irqchip_init(&arch->irqchip, vm, arch->pic, config->legacy & CONFIG_LEGACY_PIT, err);
}

void arch_vm_fini(struct vm *vm)
{
	if (!vm->arch)
		return;
	irq_fini(&vm->arch->events_irq);
	irq_fini(&vm->arch->keyboard_irq);
	free(vm->arch->cpuid);
	free(vm->arch);
	vm->arch = NULL;
}

/* Write-only byte registers: read as 0, so that a driver that waits for "not busy" goes on. */
static void port_read(void *dev, uint64_t offset, void *data, unsigned int len)
{
	memset(data, 0, len);
}

static void on_keyboard_reset(void *ctx)
{
	vm_stop(ctx, VM_END_REBOOT);
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

static const struct bus_ops sleep_ops = {.read = port_read, .write = sleep_write};
static const struct bus_ops reset_ops = {.read = port_read, .write = reset_write};
static const struct bus_ops pvpanic_ops = {.read = pvpanic_read, .write = pvpanic_write};

static int add_irq(struct vm *vm, struct irq *irq, uint32_t gsi)
{
	int r = irq_init(irq);

	return r < 0 ? r : vm_bind_irq(vm, gsi, irq->fd);
}

int platform_add_ports(struct machine *machine, struct err *err)
{
	struct vm *vm = machine->vm;
	struct arch_vm *arch = vm->arch;
	const struct {
		uint16_t port;
		uint16_t len;
		const struct bus_ops *ops;
		void *dev; /* NULL where it isn't there */
	} ports[] = {
		{PORT_I8042_DATA, 1, &i8042_data_ops, &arch->keyboard},
		{PORT_I8042_COMMAND, 1, &i8042_command_ops, &arch->keyboard},
		{PORT_RTC, RTC_SIZE, &rtc_bus_ops, arch->rtc_present ? &arch->rtc : NULL},
		{PORT_COM1, PORT_COM1_LEN, &serial_bus_ops, &machine->serial},
		{PORT_PVPANIC, 1, &pvpanic_ops, vm},
		{PORT_SLEEP_CONTROL, 2, &sleep_ops, vm},
		{PORT_RESET, 1, &reset_ops, vm},
		{PORT_EVENTS, GED_SIZE, &ged_bus_ops, &arch->events},
	};
	int r;

	i8042_init(&arch->keyboard, &arch->keyboard_irq, on_keyboard_reset, vm);
	ged_init(&arch->events, &arch->events_irq);
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		if (!ports[i].dev)
			continue;
		r = bus_add(&vm->pio, ports[i].port, ports[i].len, ports[i].ops, ports[i].dev);
		if (r < 0)
			return err_errno(err, -r, "machine: port 0x%x", ports[i].port);
	}
	return 0;
}

int arch_platform_init(struct machine *machine, struct err *err)
{
	struct vm *vm = machine->vm;
	int r = add_irq(vm, &vm->arch->keyboard_irq, LAYOUT_GSI_KEYBOARD);

	if (!r)
		r = add_irq(vm, &vm->arch->events_irq, LAYOUT_GSI_EVENTS);
	if (r < 0)
		return err_errno(err, -r, "machine: interrupts");
	return platform_add_ports(machine, err);
}

int arch_power_button(struct vm *vm)
{
	if (!vm->arch->acpi)
		return -ENOTSUP;
	ged_raise(&vm->arch->events, GED_POWER_BUTTON);
	return 0;
}

int arch_ctrl_alt_del(struct vm *vm)
{
	return i8042_ctrl_alt_del(&vm->arch->keyboard);
}

int platform_write_generation(const struct vm *vm)
{
	uint8_t id[GENERATION_LEN], *p = guest_mem_ptr(&vm->mem, LAYOUT_GENERATION, sizeof(id));

	if (!p)
		return -EFAULT;
	if (getrandom(id, sizeof(id), 0) != sizeof(id))
		return errno ? -errno : -EIO;
	memcpy(p, id, sizeof(id));
	return 0;
}

int arch_new_generation(struct vm *vm)
{
	int r;

	if (!vm->arch->acpi)
		return -ENOTSUP;
	r = platform_write_generation(vm);
	if (!r)
		ged_raise(&vm->arch->events, GED_GENERATION);
	return r;
}
