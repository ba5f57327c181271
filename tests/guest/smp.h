// SPDX-License-Identifier: Apache-2.0
// A second vCPU that works beside the first.
#pragma once

#include <stdbool.h>

/* smp_start() - wake the second vCPU, once. Return: whether there is one. */
bool smp_start(void);

/*
 * smp_run() - have it run @work
 *
 * @work returns soon after smp_stopping() becomes true. The console is the first vCPU's alone.
 */
void smp_run(void (*work)(void));

/* smp_stop() - tell it to stop and wait until it has. Return: false if it doesn't. */
bool smp_stop(void);

/* smp_stopping() - for @work: has it been told to stop? */
bool smp_stopping(void);
