// SPDX-License-Identifier: Apache-2.0
// The configuration's defaults, and the strings that it owns.
#include "vmm/config.h"

#include <stdlib.h>
#include <string.h>

/* @text: where config_keep() returned it, and so what config_drop() looks for */
struct config_string {
	struct config_string *next;
	char text[];
};

const char *const config_jail_layers[CONFIG_JAIL_LAYERS] = {
	[CONFIG_JAIL_USERNS] = "userns",
	[CONFIG_JAIL_LANDLOCK] = "landlock",
	[CONFIG_JAIL_SECCOMP] = "seccomp",
};

void config_init(struct config *config)
{
	*config = (struct config){
		.cmdline = "console=ttyS0",
		.memory = CONFIG_MEMORY_DEFAULT,
		.cpus = 1,
		.acpi = true,
		.vsock.fd = -1,
		.serial.fd = -1,
		.api = {.container_fd = -1, .body_max = CONFIG_BODY_DEFAULT},
		.id = "anonymous-instance",
		.events_fd = -1,
		.log_level = LOG_WARN,
	};
}

void config_fini(struct config *config)
{
	while (config->strings) {
		struct config_string *string = config->strings;

		config->strings = string->next;
		free(string);
	}
}

const char *config_keep(struct config *config, const char *text)
{
	size_t size = text ? strlen(text) + 1 : 0;
	struct config_string *string = size ? malloc(sizeof(*string) + size) : NULL;

	if (!string)
		return NULL;
	memcpy(string->text, text, size);
	string->next = config->strings;
	config->strings = string;
	return string->text;
}

void config_drop(struct config *config, const char *text)
{
	struct config_string **link = &config->strings;

	while (*link && (*link)->text != text)
		link = &(*link)->next;
	if (*link) {
		struct config_string *string = *link;

		*link = string->next;
		free(string);
	}
}
