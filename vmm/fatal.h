// SPDX-License-Identifier: Apache-2.0
// Signals that end the monitor, for clients that go by its exit code.
#pragma once

#include <signal.h>

/*
 * fatal_init() - have signals of a fault or a limit end the process with Firecracker's exit codes
 *
 * A line on standard error names the signal. SIGSYS 148, SIGBUS 149, SIGSEGV 150, SIGXFSZ 151,
 * SIGXCPU 154, SIGILL 157. Without it the signal itself ends the process, perhaps with a core.
 */
void fatal_init(void);

/* fatal_unblock() - take these signals out of a mask for a thread. */
void fatal_unblock(sigset_t *set);

/* SIGSYS's, also where fatal_init() was not called: a system call that the jail forbids. */
#define FATAL_EXIT_SYS 148

/* SIGHUP's exit code; it comes through the loop. */
#define FATAL_EXIT_HUP 156
