// SPDX-License-Identifier: Apache-2.0
// The device table: what the guest finds besides CPUs and memory.
#pragma once

#include "devices/irq.h"
#include "devices/serial.h"
#include "devices/virtio_mmio.h"
#include "vmm/arch/arch.h"
#include "vmm/console.h"

struct config;
struct config_disk;
struct container;
struct err;
struct virtio_dev;
struct vm;

/* Longest name of a device. */
#define MACHINE_ID_MAX 64

/*
 * struct machine_slot - one virtio device behind its registers
 * @id:		its name on the host, unique in the machine
 * @dev:	owned
 */
struct machine_slot {
	char id[MACHINE_ID_MAX + 1];
	struct virtio_dev *dev;
	struct irq irq;
	struct virtio_mmio mmio;
};

/*
 * struct machine
 * @container:	whose are some of the guest's vsock connections, or NULL; not owned
 * @slots:	disks and network devices in the order of the command line, then others; slot n has
 *the addresses that arch_slot_gpa(n) and arch_slot_gsi(n) give
 */
struct machine {
	struct vm *vm;
	struct container *container;
	struct console console;
	struct serial serial;
	struct irq serial_irq;
	unsigned int slot_count;
	struct machine_slot slots[ARCH_SLOTS_MAX];
};

/*
 * machine_init() - open every disk, socket and console of @config and put the devices on their
 *	buses
 * @machine:	zeroed but for @container; stays in place
 * @vm:		with memory
 *
 * Return: 0 or -errno with @err set; machine_fini() is due either way.
 */
int machine_init(
	struct machine *machine, struct vm *vm, const struct config *config, struct err *err);

/*
 * machine_power_button(), machine_ctrl_alt_del() - press them; machine_new_generation() - the VM
 *	is another one from here on. See arch.h.
 *
 * Return: 0 or -errno. Context: loop, after machine_init().
 */
int machine_power_button(struct machine *machine);
int machine_ctrl_alt_del(struct machine *machine);
int machine_new_generation(struct machine *machine);

/*
 * machine_pause(), machine_resume() - stop all devices from touching guest memory; let them go on
 *
 * What was under way is finished first; what waits for a rate limit or a timer waits on.
 * Context: loop, vCPUs parked (vcpu_pause_all()); machine_resume() before they go on.
 */
void machine_pause(struct machine *machine);
void machine_resume(struct machine *machine);

/*
 * machine_fini() - write out what devices hold, give back the terminal, remove sockets, free
 *
 * Harmless on a zeroed or half-built machine. Context: after vcpu_stop_all().
 */
void machine_fini(struct machine *machine);

/*
 * machine_add_slot() - put @dev into the next slot
 * @id:		its name: 1 to MACHINE_ID_MAX bytes, no other slot's; untrusted; copied
 * @dev:	belongs to the machine from here on, also on failure
 *
 * Return: 0 or -errno with @err set.
 */
int machine_add_slot(
	struct machine *machine, const char *id, struct virtio_dev *dev, struct err *err);

/* machine_find_slot() - Return: the slot of that name, or NULL. */
struct machine_slot *machine_find_slot(struct machine *machine, const char *id);

/*
 * One function for each kind of device, in a file of its own: open what @config names of it and
 * put it into slots.
 *
 * Return: 0 or -errno with @err set.
 */
int machine_add_disks(struct machine *machine, const struct config *config, struct err *err);
int machine_add_nets(struct machine *machine, const struct config *config, struct err *err);
int machine_add_vsock(struct machine *machine, const struct config *config, struct err *err);
int machine_add_rng(struct machine *machine, const struct config *config, struct err *err);
int machine_add_balloon(struct machine *machine, const struct config *config, struct err *err);

/*
 * machine_set_disk() - put another file in place of a disk's
 * @config:	its id is the slot's; its path is opened
 *
 * Return: 0 or -errno with @err set and nothing changed. Context: loop.
 */
int machine_set_disk(struct machine *machine, const struct config_disk *config, struct err *err);
