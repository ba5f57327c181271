// SPDX-License-Identifier: Apache-2.0
// The device table.
#include "vmm/machine.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "devices/virtio.h"
#include "vmm/config.h"
#include "vmm/vm.h"

#include <assert.h>
#include <linux/virtio_mmio.h>
#include <string.h>

/* syscalls: loop: close; start: eventfd2 */

static_assert(VIRTIO_MMIO_SIZE == 0x1000, "the address map leaves 4 KiB a slot");

struct machine_slot *machine_find_slot(struct machine *machine, const char *id)
{
	for (unsigned int i = 0; i < machine->slot_count; i++)
		if (!strcmp(machine->slots[i].id, id))
			return &machine->slots[i];
	return NULL;
}

int machine_add_slot(
	struct machine *machine, const char *id, struct virtio_dev *dev, struct err *err)
{
	bool taken = machine_find_slot(machine, id);
	struct vm *vm = machine->vm;
	unsigned int n = machine->slot_count;
	struct machine_slot *slot = &machine->slots[n];
	uint64_t gpa = arch_slot_gpa(n);
	int r;

	if (n == ARCH_SLOTS_MAX) {
		dev->ops->free(dev);
		return err_set(err, -ENOSPC, "machine: no room for '%s': more than %d devices", id,
			ARCH_SLOTS_MAX);
	}
	machine->slot_count++;
	slot->dev = dev;
	slot->irq.fd = -1;
	if (taken)
		return err_set(err, -EEXIST, "machine: two devices are named '%s'", id);
	if (!*id || strlen(id) > MACHINE_ID_MAX)
		return err_set(err, -EINVAL, "machine: the name '%s' has not 1 to %d bytes", id,
			MACHINE_ID_MAX);
	memcpy(slot->id, id, strlen(id) + 1);
	r = irq_init(&slot->irq);
	if (!r)
		r = vm_bind_irq(vm, arch_slot_gsi(vm, n), slot->irq.fd);
	if (!r)
		r = virtio_mmio_init(&slot->mmio, dev, &vm->mem, vm->loop, &slot->irq);
	for (unsigned int q = 0; q < dev->queue_count && !r; q++)
		r = vm_bind_notify(vm, gpa + VIRTIO_MMIO_QUEUE_NOTIFY, q,
			virtio_mmio_queue_fd(&slot->mmio, q));
	if (!r)
		r = bus_add(&vm->mmio, gpa, VIRTIO_MMIO_SIZE, &virtio_mmio_bus_ops, &slot->mmio);
	return r < 0 ? err_errno(err, -r, "machine: %s in slot %u", dev->ops->name, n) : 0;
}

static int add_serial(struct machine *machine, const struct config *config, struct err *err)
{
	struct console *console = &machine->console;
	int r = irq_init(&machine->serial_irq);

	if (!r)
		r = vm_bind_irq(machine->vm, arch_serial_gsi(), machine->serial_irq.fd);
	if (!r)
		r = serial_init(&machine->serial, machine->vm->loop, &machine->serial_irq,
			console->out_fd, console->in_fd);
	if (!r)
		serial_set_limit(&machine->serial, &config->serial.rate);
	return r < 0 ? err_errno(err, -r, "machine: serial port") : 0;
}

/* The order in which devices get their slots, and so the order in which the guest finds them. */
static int (*const device_table[])(struct machine *, const struct config *, struct err *) = {
	machine_add_disks,
	machine_add_nets,
	machine_add_vsock,
	machine_add_rng,
	machine_add_balloon,
};

int machine_init(
	struct machine *machine, struct vm *vm, const struct config *config, struct err *err)
{
	int r;

	*machine = (struct machine){.vm = vm, .container = machine->container, .serial_irq.fd = -1};
	r = console_init(&machine->console, vm, &config->serial, err);
	if (!r)
		r = add_serial(machine, config, err);
	if (!r)
		r = arch_platform_init(machine, err);
	for (size_t i = 0; i < sizeof(device_table) / sizeof(device_table[0]) && !r; i++)
		r = device_table[i](machine, config, err);
	return r;
}

void machine_fini(struct machine *machine)
{
	uint64_t dropped;

	if (machine->serial.loop) {
		dropped = serial_fini(&machine->serial);
		if (dropped)
			log_warn("serial: %llu bytes of output were dropped",
				(unsigned long long)dropped);
	}
	if (machine->vm)
		irq_fini(&machine->serial_irq);
	if (machine->vm)
		console_fini(&machine->console);
	for (unsigned int i = 0; i < machine->slot_count; i++) {
		struct machine_slot *slot = &machine->slots[i];

		if (slot->mmio.dev)
			virtio_mmio_fini(&slot->mmio);
		slot->dev->ops->free(slot->dev);
		irq_fini(&slot->irq);
	}
}

void machine_pause(struct machine *machine)
{
	for (unsigned int i = 0; i < machine->slot_count; i++)
		virtio_mmio_pause(&machine->slots[i].mmio);
}

void machine_resume(struct machine *machine)
{
	for (unsigned int i = 0; i < machine->slot_count; i++)
		virtio_mmio_resume(&machine->slots[i].mmio);
}

int machine_power_button(struct machine *machine)
{
	return arch_power_button(machine->vm);
}

int machine_ctrl_alt_del(struct machine *machine)
{
	return arch_ctrl_alt_del(machine->vm);
}

int machine_new_generation(struct machine *machine)
{
	return arch_new_generation(machine->vm);
}
