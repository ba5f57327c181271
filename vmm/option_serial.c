// SPDX-License-Identifier: Apache-2.0
// --serial
#include "vmm/options.h"

#include "base/err.h"
#include "vmm/config.h"
#include "vmm/option_value.h"

#include <errno.h>
#include <string.h>

/* Take ",rate=..." off the end of @text: before it may be a file's name with commas. */
static int serial_rate(char *text, struct config_serial *serial, struct err *err)
{
	struct rate_limit_config rate = {0};
	char *comma = strrchr(text, ',');
	int r;

	if (!comma || strncmp(comma, ",rate=", 6))
		return 0;
	*comma = '\0';
	r = option_rate("--serial rate", comma + 6, &rate, err);
	if (r < 0)
		return r;
	if (rate.ops.size)
		return err_set(err, -EINVAL, "--serial rate: only bytes can be limited (bw:)");
	serial->rate = rate.bytes;
	return 0;
}

int option_serial(char *text, struct config *config, struct err *err)
{
	struct config_serial *serial = &config->serial;
	int r;

	*serial = (struct config_serial){.fd = -1};
	r = serial_rate(text, serial, err);
	if (r < 0)
		return r;
	if (!strcmp(text, "none")) {
		serial->kind = CONFIG_SERIAL_NONE;
	} else if (!strcmp(text, "stdio")) {
		serial->kind = CONFIG_SERIAL_STDIO;
	} else if (!strncmp(text, "file=", 5) && text[5]) {
		serial->kind = CONFIG_SERIAL_FILE;
		serial->path = text + 5;
	} else if (!strncmp(text, "fd=", 3)) {
		serial->kind = CONFIG_SERIAL_FD;
		return option_fd("--serial fd", text + 3, &serial->fd, err);
	} else {
		return err_set(err, -EINVAL,
			"--serial: '%s' is none of none, stdio, file=PATH, fd=N", text);
	}
	return 0;
}
