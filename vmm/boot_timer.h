// SPDX-License-Identifier: Apache-2.0
// --boot-timer: a register by which a guest tells that it has booted.
#pragma once

struct err;
struct monitor;

/*
 * boot_timer_add() - put the register on its bus
 *
 * When the guest writes 123 to it, how long that took is logged, in the words that Firecracker's
 * tools look for. Return: 0 or -errno with @err set. Context: before the first vCPU runs.
 */
int boot_timer_add(struct monitor *monitor, struct err *err);
