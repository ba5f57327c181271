// SPDX-License-Identifier: Apache-2.0
// --serial
#include "vmm/options.h"

#include "base/err.h"
#include "vmm/config.h"
#include "vmm/option_value.h"

#include <errno.h>
#include <string.h>

int option_serial(const char *text, struct config *config, struct err *err)
{
	struct config_serial *serial = &config->serial;

	*serial = (struct config_serial){.fd = -1};
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
