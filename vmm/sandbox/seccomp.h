// SPDX-License-Identifier: Apache-2.0
// Filters of system calls, one for each kind of thread.
#pragma once

#include <stdbool.h>

struct err;

/* Stands for the process's own ID in the filters that the build makes, until they are put on. */
#define SECCOMP_SELF 0x5e1f1d00

enum seccomp_thread {
	SECCOMP_LOOP,
	SECCOMP_VCPU,
};

/*
 * seccomp_prepare() - see whether the host has filters, and have a violation told
 *
 * Return: 0, -ENOTSUP with @err set.
 */
int seccomp_prepare(struct err *err);

/*
 * seccomp_enter() - from here on the calling thread may make only the system calls of its kind
 *
 * Which these are is told by the comments "syscalls:" beside the code that makes them. Any other
 * ends the process with exit code 148, after a line on standard error that names it.
 *
 * Needs no_new_privs. Return: 0 or -errno.
 */
int seccomp_enter(enum seccomp_thread thread);
