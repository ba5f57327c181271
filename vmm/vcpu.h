// SPDX-License-Identifier: Apache-2.0
// A vCPU and the thread that runs it.
#pragma once

#include <pthread.h>
#include <stdint.h>

struct arch_entry;
struct err;
struct kvm_run;
struct vm;

/* @index: also its APIC id. The thread ends only with the process. */
struct vcpu {
	struct vm *vm;
	unsigned int index;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
};

/*
 * vcpu_create_all() - create @count vCPUs in their reset state, @entry loaded into the first
 *
 * Return: 0 or -errno with @err set.
 */
int vcpu_create_all(
	struct vm *vm, unsigned int count, const struct arch_entry *entry, struct err *err);

/*
 * vcpu_start_all() - start the threads; the guest runs from here on
 *
 * Context: loop thread, once, after every device is on its bus. Return: 0 or -errno.
 */
int vcpu_start_all(struct vm *vm, struct err *err);
