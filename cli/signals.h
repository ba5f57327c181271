// SPDX-License-Identifier: Apache-2.0
// The signals that hull passes on to the container.
#pragma once

#include "base/loop.h"

#include <stdbool.h>

struct err;

/*
 * Theory of operation
 *
 * INT, TERM, HUP, QUIT, USR1 and USR2 are for the command; WINCH and CONT concern the terminal. A
 * signal that was ignored when hull started (nohup) stays ignored.
 *
 * While the image is being prepared hull waits in system calls of other libraries, so a handler
 * ends the process there and then with 128+n; what was half-made is unlocked by that and
 * removed by the next run. From signals_init() on they are blocked and read from a signalfd.
 */

/*
 * signals_early() - end the process with 128+n on the first signal that would be passed on
 *
 * SIGPIPE is left alone.
 */
void signals_early(void);

struct signals;

/*
 * signals_fn() - a signal came
 * @signo:	one of those above
 * @typed:	the terminal sent it (^C, ^\): it's for the whole foreground group
 */
typedef void signals_fn(struct signals *signals, int signo, bool typed);

struct signals {
	struct loop *loop;
	struct loop_source src;
	signals_fn *fn;
};

/*
 * signals_init() - block the signals, ignore SIGPIPE, and hand them to @fn from now on
 * @signals:	embedded in its owner
 *
 * Call it before the first thread is made. Return: 0 or -errno with a message.
 */
int signals_init(struct signals *signals, struct loop *loop, signals_fn *fn, struct err *err);

/* signals_fini() - close the descriptor; the signals stay blocked. */
void signals_fini(struct signals *signals);
