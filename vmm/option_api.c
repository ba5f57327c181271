// SPDX-License-Identifier: Apache-2.0
// The options that Firecracker has, too: how the monitor is driven and what it tells.
#include "vmm/options.h"

#include "base/err.h"
#include "vmm/config.h"
#include "vmm/option_value.h"
#include "vmm/routes.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static int set_id(const char *text, struct config *config, struct err *err)
{
	size_t len = strlen(text);

	if (!len || len > ROUTE_ID_MAX)
		return err_set(
			err, -EINVAL, "--id: '%s' has not 1 to %d characters", text, ROUTE_ID_MAX);
	for (const char *p = text; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-')
			return err_set(err, -EINVAL,
				"--id: '%s' has other characters than letters, digits and '-'",
				text);
	config->id = text;
	return 0;
}

static int add_fd(const char *text, struct config_api *api, struct err *err)
{
	if (api->fd_count == CONFIG_API_FDS_MAX)
		return err_set(err, -EINVAL, "--api-fd: more than %d", CONFIG_API_FDS_MAX);
	return option_fd("--api-fd", text, &api->fds[api->fd_count++], err);
}

int option_api(enum option_api option, char *text, struct config *config, struct err *err)
{
	uint64_t value = 0;
	int r;

	switch (option) {
	case OPTION_API_SOCK:
		config->api.sock = text;
		return 0;
	case OPTION_API_FD:
		return add_fd(text, &config->api, err);
	case OPTION_CONFIG_FILE:
		config->api.file = text;
		return 0;
	case OPTION_CONTAINER:
		config->api.container = text;
		return strncmp(text, "fd=", 3) ? 0
					       : option_fd("--container fd", text + 3,
							 &config->api.container_fd, err);
	case OPTION_NO_API:
		config->api.none = true;
		return 0;
	case OPTION_ID:
		return set_id(text, config, err);
	case OPTION_BODY_MAX:
		r = option_number(
			"--http-api-max-payload-size", text, CONFIG_BODY_MAX, &value, err);
		config->api.body_max = (size_t)value;
		return r;
	case OPTION_LOG_PATH:
		config->log.path = text;
		return 0;
	case OPTION_LEVEL:
		r = log_level_parse(text);
		if (r < LOG_OFF)
			return err_set(err, -EINVAL, "--level: unknown level '%s'", text);
		config->log_level = (enum log_level)r;
		config->log.level_given = true;
		return 0;
	case OPTION_SHOW_LEVEL:
		config->log.show_level = true;
		return 0;
	case OPTION_SHOW_LOG_ORIGIN:
		config->log.show_origin = true;
		return 0;
	case OPTION_MODULE:
		config->log.module = text;
		return 0;
	case OPTION_METRICS_PATH:
		config->metrics_path = text;
		return 0;
	case OPTION_START_TIME:
		return option_number("--start-time-us", text, INT64_MAX, &config->start_us, err);
	case OPTION_START_CPU:
		return option_number(
			"--start-time-cpu-us", text, INT64_MAX, &config->start_cpu_us, err);
	case OPTION_PARENT_CPU:
		return option_number(
			"--parent-cpu-time-us", text, INT64_MAX, &config->parent_cpu_us, err);
	case OPTION_SECCOMP_FILTER:
		return err_set(err, -ENOTSUP,
			"--seccomp-filter: filters for Firecracker's system calls are not "
			"supported");
	case OPTION_BOOT_TIMER:
		config->boot_timer = true;
		return 0;
	case OPTION_METADATA:
		return err_set(err, -ENOTSUP, "--metadata: MMDS is not supported yet");
	case OPTION_MMDS_SIZE:
		/* A bound of what isn't there. */
		return option_number("--mmds-size-limit", text, INT64_MAX, &value, err);
	case OPTION_DESCRIBE_SNAPSHOT:
		return err_set(
			err, -ENOTSUP, "--describe-snapshot: snapshots are not supported yet");
	case OPTION_SNAPSHOT_VERSION:
		return err_set(
			err, -ENOTSUP, "--snapshot-version: snapshots are not supported yet");
	case OPTION_ENABLE_PCI:
		return err_set(err, -ENOTSUP, "--enable-pci: PCI is not supported yet");
	}
	return err_set(err, -EINVAL, "option %d is not handled", (int)option);
}

int options_check(struct config *config, struct err *err)
{
	const bool served = config->api.sock || config->api.fd_count;
	int r = option_jail_check(config, err);

	if (r < 0)
		return r;
	if (config->kernel && config->api.file)
		return err_set(err, -EINVAL, "--kernel and --config-file exclude each other");
	if (config->api.none && served)
		return err_set(err, -EINVAL, "--no-api and %s exclude each other",
			config->api.sock ? "--api-sock" : "--api-fd");
	if (config->api.container && (!config->kernel || !served))
		return err_set(
			err, -EINVAL, "--container needs --kernel, and --api-sock or --api-fd");
	if (config->api.none && !config->api.file && !config->kernel)
		return err_set(err, -EINVAL, "--no-api needs --config-file or --kernel");
	if (config->kernel)
		return 0;
	if (!config->api.none && !served)
		config->api.sock = CONFIG_SOCK_DEFAULT;
	/* Its clients expect the console where they have redirected it to. */
	if (!config->serial_given)
		config->serial.kind = CONFIG_SERIAL_STDIO;
	return 0;
}
