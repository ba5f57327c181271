// SPDX-License-Identifier: Apache-2.0
// What the serial console is connected to on the host.
#pragma once

#include "base/loop.h"

#include <stdbool.h>
#include <termios.h>

struct config_serial;
struct err;
struct vm;

/*
 * struct console
 * @out_fd, @in_fd:	for serial_init(); -1 for none
 *
 * A terminal on standard input is put into raw mode, so that every key reaches the guest, and read
 * by the console itself: Ctrl-A X ends the VM, Ctrl-A P presses its power button,
 * Ctrl-A D its keys Ctrl-Alt-Del, Ctrl-A Ctrl-A sends Ctrl-A. What was typed goes on
 * through a pipe, whose reading end is @in_fd.
 */
struct console {
	struct vm *vm;
	int out_fd;
	int in_fd;
	bool opened; /* out_fd is ours to close */
	bool raw;
	bool escape; /* Ctrl-A was typed */
	int pipe_fd;
	struct loop_source keys;
	struct termios saved;
};

/* console_init() - open what @config names. Return: 0 or -errno with @err set. */
int console_init(struct console *console, struct vm *vm, const struct config_serial *config,
	struct err *err);

/* console_fini() - restore the terminal, close what was opened. Harmless when zeroed. */
void console_fini(struct console *console);
