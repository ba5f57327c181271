// SPDX-License-Identifier: Apache-2.0
// /boot-source
#include "vmm/routes.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/monitor.h"

#include <string.h>

/* What arch_load() takes at most; x86_64 has the smallest room. */
#define BOOT_ARGS_MAX 2048

int route_put_boot_source(struct route_call *call, struct err *err)
{
	struct config *config = &call->monitor->config;
	const char *kernel = NULL, *initrd = NULL, *args = NULL;
	const struct json_field fields[] = {
		{.name = "kernel_image_path",
			.type = JSON_READ_STRING,
			.ret = &kernel,
			.required = true},
		JSON_STRING("initrd_path", &initrd),
		JSON_STRING("boot_args", &args),
	};
	const char *kept[3];
	int r = json_read("boot-source", call->body, fields, ARRAY_SIZE(fields), err);

	if (!r)
		r = route_check_file("boot-source: kernel", kernel, true, false, err);
	if (!r && initrd)
		r = route_check_file("boot-source: initrd", initrd, true, false, err);
	if (!r && args && strlen(args) >= BOOT_ARGS_MAX)
		r = err_set(err, -E2BIG, "boot-source: boot_args of %zu bytes, %d are too many",
			strlen(args), BOOT_ARGS_MAX);
	if (r < 0)
		return r;
	kept[0] = config_keep(config, kernel);
	kept[1] = config_keep(config, initrd);
	kept[2] = config_keep(config, args);
	if (!kept[0] || !kept[1] != !initrd || !kept[2] != !args) {
		for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
			config_drop(config, kept[i]);
		return err_set(err, -ENOMEM, "boot-source: out of memory");
	}
	config_drop(config, config->kernel);
	config_drop(config, config->initrd);
	config_drop(config, config->boot_args);
	config->kernel = kept[0];
	config->initrd = kept[1];
	config->boot_args = kept[2];
	return 0;
}

void route_describe_boot_source(const struct monitor *monitor, struct json_out *out)
{
	const struct config *config = &monitor->config;

	if (!config->kernel) {
		json_put_null(out, "boot-source");
		return;
	}
	json_begin(out, "boot-source", '{');
	json_put_string(out, "kernel_image_path", config->kernel);
	json_put_string(out, "initrd_path", config->initrd);
	json_put_string(out, "boot_args", config->boot_args);
	json_end(out, '}');
}
