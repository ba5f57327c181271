// SPDX-License-Identifier: Apache-2.0
// The processes between hull-jailer and the program.
#pragma once

struct err;
struct jail;

/*
 * launch() - have the program run, in this process or in the background, as the options say
 *
 * Its process ID is in the .pid file before it runs.
 *
 * Return: 0 if it runs in the background, or -errno with @err set; not at all if it is this
 * process.
 */
int launch(struct jail *jail, struct err *err);
