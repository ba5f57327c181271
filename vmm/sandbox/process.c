// SPDX-License-Identifier: Apache-2.0
// The process's own directory in /proc.
#include "vmm/sandbox/stages.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/vfs.h>

/*
 * In the root directory that hull-jailer makes there is no /proc. It says here where it has left a
 * descriptor, which execve() didn't close and close_inherited() does. Also in jailer/jail.c.
 */
#define PROCESS_VARIABLE "HULL_JAILER_PROC_FD"

bool stage_has_own_root(void)
{
	return getenv(PROCESS_VARIABLE) != NULL;
}

int stage_process(struct err *err)
{
	const char *text = getenv(PROCESS_VARIABLE);
	struct statfs fs;
	char *end = NULL;
	long given;
	int fd;

	if (!text) {
		fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
		return fd < 0 ? err_errno(err, errno, "jail: /proc/self") : fd;
	}
	given = strtol(text, &end, 10);
	if (end == text || *end || given <= STDERR_FILENO || given > INT_MAX ||
		fstatfs((int)given, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return err_set(err, -EBADF, "jail: %s=%s: is no descriptor of /proc/self",
			PROCESS_VARIABLE, text);
	fd = fcntl((int)given, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? err_errno(err, errno, "jail: %s", PROCESS_VARIABLE) : fd;
}
