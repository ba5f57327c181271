// SPDX-License-Identifier: Apache-2.0
// The stream by which whoever started the monitor learns how far it is: one line an event.
#pragma once

/*
 * Lines are "phase NAME NS\n", NS being CLOCK_MONOTONIC in nanoseconds, and last "exit REASON\n".
 * Phases in order: start (main began), kvm (VM made), memory (RAM mapped), devices (all opened),
 * kernel (loaded), run (right before the first KVM_RUN).
 *
 * The descriptor may be a pipe or a socket; a reader that is gone or slow loses lines, the monitor
 * never waits for it. With fd -1 each call does nothing.
 */

/* events_phase() - @phase has just been reached. Context: loop thread. */
void events_phase(int fd, const char *phase);

/* events_exit() - the VM has ended: @reason of vm_end_name(). Context: loop thread. */
void events_exit(int fd, const char *reason);
