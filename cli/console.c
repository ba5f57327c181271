// SPDX-License-Identifier: Apache-2.0
// The last of what a guest printed on its console.
#include "cli/console.h"

#include <string.h>

void console_init(struct console *console)
{
	ring_init(&console->ring, console->data, sizeof(console->data));
}

void console_add(struct console *console, const void *data, uint32_t len)
{
	if (len > ring_free(&console->ring))
		ring_consume(&console->ring, len - ring_free(&console->ring));
	ring_put(&console->ring, data, len);
}

size_t console_tail(const struct console *console, char *text, size_t size, int lines)
{
	struct iovec iov[2];
	int pieces = ring_read_iov(&console->ring, iov);
	size_t len = 0, start;

	/* Control characters of the guest's must not reach the user's terminal. */
	for (int i = 0; i < pieces; i++) {
		const char *data = iov[i].iov_base;

		for (size_t j = 0; j < iov[i].iov_len && len + 2 < size; j++) {
			char c = data[j];

			if (c == '\r')
				continue;
			if (c != '\n' && c != '\t' && (c < 0x20 || c == 0x7f))
				c = '?';
			text[len++] = c;
		}
	}
	while (len && text[len - 1] == '\n')
		len--;
	if (!len) {
		text[0] = '\0';
		return 0;
	}
	for (start = len; start; start--)
		if (text[start - 1] == '\n' && !--lines)
			break;
	text[len++] = '\n';
	memmove(text, text + start, len - start);
	text[len - start] = '\0';
	return len - start;
}

bool console_is_empty(const struct console *console)
{
	char text[CONSOLE_SIZE + 2];

	return !console_tail(console, text, sizeof(text), 1);
}

void console_print(const struct console *console, int lines, FILE *out)
{
	char text[CONSOLE_SIZE + 2];
	char *line, *rest = text;

	console_tail(console, text, sizeof(text), lines);
	while ((line = strsep(&rest, "\n")) && rest)
		fprintf(out, "    %s\n", line);
}
