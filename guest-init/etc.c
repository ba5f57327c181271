// SPDX-License-Identifier: Apache-2.0
// The files in the container's /etc.
#include "guest-init/etc.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/mounts.h"
#include "protocol/agent.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The longest of the files: hosts with the longest hostname and all lines that were sent. */
#define ETC_TEXT_MAX (256 + AGENT_HOSTNAME_MAX + AGENT_ETC_MAX)

static int file_write(int dir, const char *name, const char *text, struct err *err)
{
	int CLEANUP_FD fd = -1;
	int r;

	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return errno == EISDIR ? 0 : err_errno(err, errno, "/etc/%s", name);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_errno(err, errno, "/etc/%s", name);
	r = io_write_full(fd, text, strlen(text));
	return r < 0 ? err_errno(err, -r, "/etc/%s", name) : 0;
}

int etc_write(const struct agent_spec *spec, struct err *err)
{
	static char text[ETC_TEXT_MAX];
	int CLEANUP_FD dir = -1;
	int r = mounts_mkdir("/etc", err);

	if (r < 0)
		return r;
	dir = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_errno(err, errno, "/etc");
	snprintf(text, sizeof(text), "%s\n", spec->hostname);
	r = file_write(dir, "hostname", text, err);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text),
		"127.0.0.1\tlocalhost %s\n"
		"::1\tlocalhost ip6-localhost ip6-loopback\n"
		"%s",
		spec->hostname, spec->hosts ? spec->hosts : "");
	r = file_write(dir, "hosts", text, err);
	if (r == 0)
		r = file_write(dir, "resolv.conf",
			spec->resolv_conf ? spec->resolv_conf
					  : "# This container has no network.\n",
			err);
	if (r < 0)
		return r;
	if (symlinkat("/proc/mounts", dir, "mtab") < 0 && errno != EEXIST)
		return err_errno(err, errno, "/etc/mtab");
	return 0;
}
