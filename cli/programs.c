// SPDX-License-Identifier: Apache-2.0
// Where the other parts of hull are.
#include "cli/programs.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <string.h>

static int programs_path(
	char *path, const char *folder, size_t len, const char *name, struct err *err)
{
	if (snprintf(path, PATH_MAX, "%.*s/%s", (int)len, folder, name) >= PATH_MAX)
		return err_set(
			err, -ENAMETOOLONG, "%.*s/%s: path too long", (int)len, folder, name);
	return 0;
}

int programs_find(struct programs *ret, struct err *err)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *missing = NULL;
	size_t bin, prefix;
	int r;

	if (len < 0)
		return err_errno(err, errno, "/proc/self/exe");
	self[len] = '\0';
	bin = (size_t)(strrchr(self, '/') - self);
	for (prefix = bin; prefix && self[prefix - 1] != '/'; prefix--)
		;
	prefix -= prefix > 0;
	r = programs_path(ret->monitor, self, bin, "hull-vmm", err);
	if (!r)
		r = programs_path(ret->kernel, self, prefix, "lib/hull/vmlinux", err);
	if (!r)
		r = programs_path(ret->initrd, self, prefix, "lib/hull/initramfs", err);
	if (r < 0)
		return r;
	if (access(ret->monitor, X_OK) < 0)
		missing = ret->monitor;
	else if (access(ret->initrd, R_OK) < 0)
		missing = ret->initrd;
	if (missing)
		return err_errno(err, errno, "%s, a part of hull", missing);
	return 0;
}
