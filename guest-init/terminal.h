// SPDX-License-Identifier: Apache-2.0
// The command's pseudo-terminal, from the container's own devpts.
#pragma once

#include "base/err.h"

#include <stdint.h>
#include <sys/types.h>

/*
 * terminal_open() - a new pseudo-terminal of the given size
 * @ret_master, @ret_slave:	close-on-exec, the caller's
 *
 * Return: 0 or -errno. Context: the container's mount namespace.
 */
int terminal_open(uint16_t rows, uint16_t cols, int *ret_master, int *ret_slave, struct err *err);

/* terminal_console() - bind the terminal of @master to /dev/console, which is made. Return: 0 or
 * -errno. */
int terminal_console(int master, struct err *err);

/* terminal_resize() - the processes on it get SIGWINCH. Return: 0 or -errno. */
int terminal_resize(int master, uint16_t rows, uint16_t cols);

/* What terminal_eof() gives at most. */
#define TERMINAL_EOF_MAX 2

/*
 * terminal_eof() - the bytes that, written to @master, end the input of who reads the terminal
 * @last:	the byte that was written before, a newline if none was
 *
 * Only a terminal in canonical mode knows an end of input, and only one: who goes on reading waits.
 *
 * Return: how many there are; 0 in raw mode.
 */
uint32_t terminal_eof(int master, uint8_t last, uint8_t bytes[TERMINAL_EOF_MAX]);

/* terminal_signal() - send @signo to the foreground process group. Return: 0 or -errno. */
int terminal_signal(int master, int signo);
