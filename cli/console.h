// SPDX-License-Identifier: Apache-2.0
// The last of what a guest printed on its console, for when it fails.
#pragma once

#include "base/ring.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What is kept: a panic with its back trace. */
#define CONSOLE_SIZE 16384

/* The text is hostile. */
struct console {
	struct ring ring;
	uint8_t data[CONSOLE_SIZE];
};

/* console_init() - @console stays in place from here on; there is nothing to free. */
void console_init(struct console *console);

/* console_add() - append; the oldest bytes make room. @len: at most CONSOLE_SIZE */
void console_add(struct console *console, const void *data, uint32_t len);

/*
 * console_tail() - the last lines
 * @text:	filled with printable text, lines ending in '\n', and a NUL
 * @size:	bytes of @text; CONSOLE_SIZE + 2 holds all
 * @lines:	how many lines at most
 *
 * Return: length of @text; 0 when the guest printed nothing.
 */
size_t console_tail(const struct console *console, char *text, size_t size, int lines);

/* console_is_empty() - has the guest printed nothing that console_tail() would show? */
bool console_is_empty(const struct console *console);

/* console_print() - the last lines, indented. */
void console_print(const struct console *console, int lines, FILE *out);
