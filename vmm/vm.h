// SPDX-License-Identifier: Apache-2.0
// One virtual machine: its KVM descriptors, its memory, its buses and its vCPUs.
#pragma once

#include "devices/bus.h"
#include "devices/guest_mem.h"
#include "vmm/vcpu.h"

#include <stdatomic.h>
#include <stdint.h>

struct arch_vm;
struct config;
struct err;
struct loop;

/* Why a VM ended. The values are what the process exits with. */
enum vm_end {
	VM_END_POWEROFF = 0,
	VM_END_ERROR = 1, /* the monitor failed, was told to stop, or lost its owner */
	VM_END_REBOOT = 16,
	VM_END_TRIPLE_FAULT = 17,
	VM_END_PANIC = 18,
	VM_END_KVM = 19, /* KVM could not enter or emulate the guest */
	VM_RUNNING = -1,
};

/* The word for @end in the events stream, and the sentence for the log. */
const char *vm_end_name(enum vm_end end);
const char *vm_end_text(enum vm_end end);

/*
 * struct vm
 * @ram:	the whole of guest memory as one mapping; RAM above the hole follows RAM below it
 * @mmio, @pio:	built before the first vCPU runs, read-only afterwards
 * @arch:	what else this CPU's machine consists of; private to the architecture
 * @filtered:	its threads make only the system calls of their kind
 * @end:	VM_RUNNING until the first vm_end()
 *
 * Guest memory and KVM's descriptors are left to the end of the process, which frees them fastest.
 */
struct vm {
	int kvm_fd;
	int fd;
	uint8_t *ram;
	uint64_t ram_size;
	struct guest_mem mem;
	struct bus mmio;
	struct bus pio;
	struct loop *loop;
	struct arch_vm *arch;
	struct vcpu *vcpus;
	unsigned int vcpu_count;
	struct vcpu_pause pause;
	bool filtered;
	_Atomic(enum vm_end) end;
};

/* What a VM is before vm_init(): none. */
#define VM_NONE(the_loop)                                                                          \
	((struct vm){.kvm_fd = -1,                                                                 \
		.fd = -1,                                                                          \
		.loop = (the_loop),                                                                \
		.pause = VCPU_PAUSE_INIT,                                                          \
		.end = VM_RUNNING})

/*
 * vm_init() - create the VM, without memory
 * @vm:		filled
 * @loop:	outlives the VM
 * @config:	what it says of the machine itself is looked at here
 *
 * Fails with a message that tells an absent /dev/kvm from a forbidden one, and from one that has
 * no hardware virtualization behind it.
 *
 * Return: 0 or -errno with @err set.
 */
int vm_init(struct vm *vm, struct loop *loop, const struct config *config, struct err *err);

/*
 * vm_fini() - give back descriptors, memory and vCPUs of a VM that didn't come to run
 *
 * Harmless on a half-built one; afterwards vm_init() may be called again. A VM that did run is
 * left to the end of the process.
 */
void vm_fini(struct vm *vm);

/*
 * vm_add_memory() - map guest RAM and give it to KVM
 * @config:	how much, of which pages; refused when it is more than the host has
 *
 * Return: 0 or -errno with @err set.
 */
int vm_add_memory(struct vm *vm, const struct config *config, struct err *err);

/* vm_bind_irq() - raising eventfd @fd injects @gsi as an edge. Return: 0 or -errno. */
int vm_bind_irq(struct vm *vm, uint32_t gsi, int fd);

/* vm_bind_notify() - a 4-byte write of @value to @gpa rings eventfd @fd. Return: 0 or -errno. */
int vm_bind_notify(struct vm *vm, uint64_t gpa, uint32_t value, int fd);

/*
 * vm_stop() - end the VM; the first reason counts
 *
 * From a vCPU the loop is made to quit; the calling vCPU must not enter the guest again.
 * Context: vCPU or loop.
 */
void vm_stop(struct vm *vm, enum vm_end end);
void vm_stop_from_loop(struct vm *vm, enum vm_end end);
