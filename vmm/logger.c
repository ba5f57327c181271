// SPDX-License-Identifier: Apache-2.0
// The log in Firecracker's format.
#include "vmm/logger.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "vmm/config.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/*
 * syscalls: loop: close, newfstatat, openat; loop, vcpu: clock_gettime, prctl(0 == PR_GET_NAME),
 * write
 */

#define LINE_MAX_LEN 1280

/* Part of the one log that a process has, see base/log.h; set while no other thread logs. */
static struct {
	int fd;
	const struct config *config;
	atomic_uint_fast64_t lost;
} logger = {.fd = -1};

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_ERROR:
		return "ERROR";
	case LOG_WARN:
		return "WARN";
	case LOG_INFO:
		return "INFO";
	case LOG_DEBUG:
		return "DEBUG";
	case LOG_OFF:
		break;
	}
	return "OFF";
}

static void write_line(enum log_level level, const char *origin, const char *text)
{
	const struct config_log *log = &logger.config->log;
	char line[LINE_MAX_LEN], thread[16] = "?", now[32];
	struct timespec ts;
	struct tm tm;
	int len;

	/* The compiler was called in the build folder. */
	while (!strncmp(origin, "../", 3))
		origin += 3;
	if (log->module && strncmp(origin, log->module, strlen(log->module)) != 0)
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%S", &tm);
	pthread_getname_np(pthread_self(), thread, sizeof(thread));
	len = snprintf(line, sizeof(line) - 1, "%s.%09ld [%s:%s%s%s%s%s] %s", now, ts.tv_nsec,
		logger.config->id, thread, log->show_level ? ":" : "",
		log->show_level ? level_name(level) : "", log->show_origin ? ":" : "",
		log->show_origin ? origin : "", text);
	if (len > (int)sizeof(line) - 2)
		len = (int)sizeof(line) - 2;
	line[len++] = '\n';
	if (write(logger.fd, line, (size_t)len) != len)
		atomic_fetch_add(&logger.lost, 1);
}

int logger_open(const char *what, const char *path, struct err *err)
{
	/* Reading as well, so that a FIFO without a reader can be opened. */
	int CLEANUP_FD fd =
		open(path, O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, errno, "%s: %s", what, path);
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return err_set(err, -EINVAL, "%s: %s is neither a file nor a FIFO", what, path);
	return TAKE_FD(fd);
}

int logger_set(const struct config *config, struct err *err)
{
	int fd;

	if (config->log.path) {
		fd = logger_open("logger", config->log.path, err);
		if (fd < 0)
			return fd;
		if (logger.fd >= 0)
			close(logger.fd);
		logger.fd = fd;
		logger.config = config;
		log_redirect(write_line);
	}
	log_setup("hull-vmm", config->log_level);
	return 0;
}

uint64_t logger_lost(void)
{
	return atomic_load(&logger.lost);
}
