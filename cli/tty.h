// SPDX-License-Identifier: Apache-2.0
// The user's terminal: raw while the command has one of its own, and restored whatever happens.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

struct err;

/*
 * Theory of operation
 *
 * tty_raw() forks a guard before it touches the terminal: a process in a session of its own
 * that waits on a pipe. tty_restore() puts the settings back and tells the guard to go. When hull
 * dies without that, even by SIGKILL, the pipe closes and the guard puts them back, unless
 * someone has changed them since (a shell that prompts again).
 */

/*
 * struct tty - a terminal whose settings were changed
 * @fd:		the terminal, not owned; -1 while nothing was changed
 * @guard_fd:	our end of the guard's pipe
 */
struct tty {
	int fd;
	struct termios saved;
	struct termios raw;
	pid_t guard;
	int guard_fd;
};

#define TTY_INIT ((struct tty){.fd = -1, .guard_fd = -1})

/*
 * tty_raw() - save the settings of the terminal @fd and make it raw
 * @tty:	TTY_INIT
 *
 * Context: while the process has one thread, since it forks.
 * Return: 0 or -errno with a message; on error the terminal is as it was.
 */
int tty_raw(struct tty *tty, int fd, struct err *err);

/* tty_rerun() - make it raw again after hull was stopped and a shell restored it (SIGCONT). */
void tty_rerun(const struct tty *tty);

/* tty_restore() - put the settings back, end the guard and wait for it; harmless when not raw. */
void tty_restore(struct tty *tty);

/*
 * tty_size() - the window size of the first of standard input, output and error that is a terminal
 *
 * Return: true with both set, false (and both 0) without a terminal or if it knows no size.
 */
bool tty_size(uint16_t *ret_rows, uint16_t *ret_cols);
