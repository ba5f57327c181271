// SPDX-License-Identifier: Apache-2.0
// /logger
#include "vmm/routes.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/logger.h"
#include "vmm/monitor.h"

static const char *const words[] = {
	"Error", "Warning", "Info", "Debug", "Trace", "Off", "Warn", NULL};
static const enum log_level levels[] = {
	LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_DEBUG, LOG_OFF, LOG_WARN};

int route_put_logger(struct route_call *call, struct err *err)
{
	struct config *config = &call->monitor->config;
	struct config_log old = config->log;
	enum log_level old_level = config->log_level;
	const char *path = NULL, *module = NULL;
	bool has_level = false;
	int level = 0;
	const struct json_field fields[] = {
		JSON_STRING("log_path", &path),
		{.name = "level",
			.type = JSON_READ_WORD,
			.ret = &level,
			.ret_given = &has_level,
			.words = words,
			.any_case = true},
		JSON_BOOL("show_level", &config->log.show_level),
		JSON_BOOL("show_log_origin", &config->log.show_origin),
		JSON_STRING("module", &module),
	};
	int r = json_read("logger", call->body, fields, ARRAY_SIZE(fields), err);

	if (r < 0)
		return r;
	if (path)
		config->log.path = config_keep(config, path);
	if (module)
		config->log.module = config_keep(config, module);
	if (has_level)
		config->log_level = levels[level];
	/* A log file with nothing but warnings in it is not what its clients expect. */
	else if (path && !config->log.level_given)
		config->log_level = LOG_INFO;
	config->log.level_given |= has_level;
	if ((path && !config->log.path) || (module && !config->log.module))
		r = err_set(err, -ENOMEM, "logger: out of memory");
	else
		r = logger_set(config, err);
	if (r < 0) {
		if (path)
			config_drop(config, config->log.path);
		if (module)
			config_drop(config, config->log.module);
		config->log = old;
		config->log_level = old_level;
		return r;
	}
	if (path)
		config_drop(config, old.path);
	if (module)
		config_drop(config, old.module);
	return 0;
}
