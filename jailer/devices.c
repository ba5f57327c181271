// SPDX-License-Identifier: Apache-2.0
// The device nodes of the VM's root directory.
#include "jailer/devices.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "jailer/tree.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

/* Numbers of the kernel's Documentation/admin-guide/devices.txt. */
#define MEM_MAJOR 1
#define MEM_URANDOM 9
#define MISC_MAJOR 10
#define MISC_TUN 200
#define MISC_KVM 232

/* What fits into a device's number. */
#define MINOR_MAX 0xfffff

#define NODE_MODE (S_IRUSR | S_IWUSR)

int devices_minor(const char *list, const char *name)
{
	FILE CLEANUP_FILE *file = fopen(list, "re");
	char line[128];

	while (file && fgets(line, sizeof(line), file)) {
		char *word;
		long number = strtol(line, &word, 10);

		word += strspn(word, " ");
		word[strcspn(word, "\n")] = '\0';
		if (number >= 0 && number <= MINOR_MAX && !strcmp(word, name))
			return (int)number;
	}
	return -ENOENT;
}

struct node {
	const struct dir *dir;
	const char *name;
	unsigned int major;
	int minor;
};

static int make(struct tree *tree, const struct node *node, struct err *err)
{
	dev_t number = makedev(node->major, (unsigned int)node->minor);
	const char *path = node->dir->path;
	int CLEANUP_FD fd = -1;
	struct stat st;
	int r = ledger_room(&tree->ledger, err);

	if (r < 0)
		return r;
	if (mknodat(node->dir->fd, node->name, S_IFCHR | NODE_MODE, number) < 0)
		return err_errno(err, errno, "making device %s/%s", path, node->name);
	ledger_made(&tree->ledger, LEDGER_FILE, node->dir->fd, node->name);
	/* Whose directory it is may have put something else there meanwhile. */
	fd = dir_openat(node->dir->fd, node->name, O_PATH | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, fd < 0 ? -fd : errno, "device %s/%s", path, node->name);
	if (!S_ISCHR(st.st_mode) || st.st_rdev != number || st.st_nlink != 1)
		return err_set(
			err, -EPERM, "device %s/%s: somebody has replaced it", path, node->name);
	if (fchownat(fd, "", tree->uid, tree->gid, AT_EMPTY_PATH) < 0)
		return err_errno(err, errno, "device %s/%s", path, node->name);
	return 0;
}

int devices_make(struct tree *tree, struct err *err)
{
	const struct node nodes[] = {
		{&tree->net, "tun", MISC_MAJOR, MISC_TUN},
		{&tree->dev, "kvm", MISC_MAJOR, MISC_KVM},
		{&tree->dev, "urandom", MEM_MAJOR, MEM_URANDOM},
		{&tree->dev, "userfaultfd", MISC_MAJOR, devices_minor("/proc/misc", "userfaultfd")},
	};
	struct statvfs fs;
	int r = 0;

	if (fstatvfs(tree->dev.fd, &fs) < 0)
		return err_errno(err, errno, "%s", tree->dev.path);
	if (fs.f_flag & ST_NODEV)
		return err_set(err, -ENODEV,
			"%s: its file system is mounted with nodev: no device could be opened",
			tree->dev.path);
	for (size_t i = 0; i < ARRAY_SIZE(nodes) && !r; i++)
		if (nodes[i].minor >= 0)
			r = make(tree, &nodes[i], err);
	return r;
}
