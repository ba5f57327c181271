// SPDX-License-Identifier: Apache-2.0
// A vCPU and the thread that runs it.
#pragma once

#include "base/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct arch_entry;
struct err;
struct kvm_run;
struct vm;

/* Exits that are counted. */
enum vcpu_exit {
	VCPU_EXIT_IO_IN,
	VCPU_EXIT_IO_OUT,
	VCPU_EXIT_MMIO_READ,
	VCPU_EXIT_MMIO_WRITE,
	VCPU_EXIT_FAILED, /* what KVM or the monitor can't handle */
	VCPU_EXITS,
};

/*
 * struct vcpu
 * @index:	also its APIC id
 * @started:	the thread is there to be joined
 * @exits:	written by that thread alone, read by the loop: relaxed
 */
struct vcpu {
	struct vm *vm;
	unsigned int index;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started;
	_Atomic uint64_t exits[VCPU_EXITS];
};

/* Interrupts KVM_RUN, and nothing else. */
#define VCPU_KICK_SIGNAL SIGUSR1

/*
 * struct vcpu_pause - of a VM, to hold its vCPUs outside the guest
 * @src:	eventfd, rung by the last vCPU that stops; made when first needed
 * @lock:	guards @wanted and @parked
 * @done, @ctx:	whom to tell; loop only
 */
struct vcpu_pause {
	struct loop_source src;
	pthread_mutex_t lock;
	pthread_cond_t resumed;
	bool wanted;
	unsigned int parked;
	void (*done)(void *ctx);
	void *ctx;
};

#define VCPU_PAUSE_INIT                                                                            \
	{                                                                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER, .resumed = PTHREAD_COND_INITIALIZER             \
	}

/*
 * vcpu_pause_all() - have every vCPU leave the guest and stay out
 * @done:	called when the last one is out, with @ctx; not if vcpu_resume_all() comes first
 *
 * Returns at once. What a vCPU was in the middle of, an access to a register for example, is
 * completed before it stops, so that its state can be read. Context: loop.
 *
 * Return: 0, or -errno with @err set and nothing changed.
 */
int vcpu_pause_all(struct vm *vm, void (*done)(void *ctx), void *ctx, struct err *err);

/* vcpu_resume_all() - let them go on. Harmless when they do. Context: loop. */
void vcpu_resume_all(struct vm *vm);

/* vcpu_park() - KVM_RUN was interrupted: stay here while a pause is wanted. Context: the vCPU. */
void vcpu_park(struct vcpu *vcpu);

/*
 * vcpu_create_all() - create @count vCPUs in their reset state, @entry loaded into the first
 *
 * Return: 0 or -errno with @err set.
 */
int vcpu_create_all(
	struct vm *vm, unsigned int count, const struct arch_entry *entry, struct err *err);

/* vcpu_free_all() - give back vCPUs that were never started. Harmless when there are none. */
void vcpu_free_all(struct vm *vm);

/*
 * vcpu_start_all() - start the threads; the guest runs from here on
 *
 * Context: loop thread, once, after every device is on its bus. Return: 0 or -errno.
 */
int vcpu_start_all(struct vm *vm, struct err *err);

/*
 * vcpu_stop_all() - kick every vCPU out of the guest and join its thread
 *
 * The only time that the loop's thread waits for vCPUs: they answer at once, because vm->end is
 * set and loop_call() returns without waiting once the loop has ended.
 *
 * Context: after loop_run() returned, or when the VM never ran.
 */
void vcpu_stop_all(struct vm *vm);
