// SPDX-License-Identifier: Apache-2.0
// Items of an audit: device nodes.
#include "cli/check_items.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static void check_node(
	const struct check_host *host, const char *path, struct check_finding *finding)
{
	struct stat st;

	if (fstatat(host->root, check_path(path), &st, 0) < 0) {
		if (errno == ENOENT)
			check_say(finding, CHECK_INFO, "there is no %s", path);
		else
			check_unreadable(finding, path, -errno);
		return;
	}
	if (st.st_uid != 0 && st.st_uid != host->user)
		check_say(finding, CHECK_WARN, "%s belongs to user %u", path, st.st_uid);
	if (st.st_mode & 07)
		check_say(finding, CHECK_WARN, "%s is open to everybody (mode %03o)", path,
			st.st_mode & 0777);
	check_say(finding, CHECK_PASS, "user %u, group %u, mode %03o", st.st_uid, st.st_gid,
		st.st_mode & 0777);
}

void check_dev_kvm(const struct check_host *host, struct check_finding *finding)
{
	check_node(host, "/dev/kvm", finding);
}

void check_dev_tun(const struct check_host *host, struct check_finding *finding)
{
	check_node(host, "/dev/net/tun", finding);
}
