// SPDX-License-Identifier: Apache-2.0
// A vCPU and the thread that runs it.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct arch_entry;
struct err;
struct kvm_run;
struct vm;

/* @index: also its APIC id. @started: the thread is there to be joined. */
struct vcpu {
	struct vm *vm;
	unsigned int index;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started;
};

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
