// SPDX-License-Identifier: Apache-2.0
// The VM's directories.
#include "jailer/tree.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "jailer/devices.h"
#include "jailer/options.h"
#include "jailer/program.h"

#include <fcntl.h>
#include <string.h>

/* Directories down to the VM's root, which is the first that may be its user's. */
static int make_path(struct tree *tree, const struct options *options, struct err *err)
{
	const struct {
		const struct dir *parent;
		const char *name;
		struct dir *dir;
		uid_t uid;
	} steps[] = {
		{&tree->base, options->exec_name, &tree->program, 0},
		{&tree->program, options->id, &tree->id, 0},
		{&tree->id, "root", &tree->root, tree->uid},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(steps) && !r; i++) {
		steps[i].dir->uid = steps[i].uid;
		r = dir_make(steps[i].parent, steps[i].name, steps[i].dir, &tree->ledger, err);
	}
	return r;
}

static int make_folders(struct tree *tree, struct err *err)
{
	const struct {
		const struct dir *parent;
		const char *name;
		struct dir *dir;
	} steps[] = {
		{&tree->root, "dev", &tree->dev},
		{&tree->dev, "net", &tree->net},
		{&tree->root, "run", &tree->run},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(steps) && !r; i++) {
		steps[i].dir->uid = tree->uid;
		r = dir_make(steps[i].parent, steps[i].name, steps[i].dir, &tree->ledger, err);
	}
	return r;
}

static int make_pid_file(struct tree *tree, const char *program, struct err *err)
{
	char name[OPTIONS_NAME_MAX + 1];
	int r = ledger_room(&tree->ledger, err);

	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "%s.pid", program);
	tree->pid_fd = openat(
		tree->root.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (tree->pid_fd < 0)
		return err_errno(err, errno, "%s/%s", tree->root.path, name);
	ledger_made(&tree->ledger, LEDGER_FILE, tree->root.fd, name);
	return fchmod(tree->pid_fd, 0644) < 0 ? err_errno(err, errno, "%s", name) : 0;
}

/* From the innermost: what its user owns, its user can change. */
static int give(struct tree *tree, struct err *err)
{
	const struct dir *dirs[] = {&tree->run, &tree->net, &tree->dev, &tree->root};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dirs) && !r; i++)
		r = dir_give(dirs[i], tree->uid, tree->gid, &tree->ledger, err);
	return r;
}

int tree_make(struct tree *tree, const struct options *options, int program, struct err *err)
{
	int r;

	tree->uid = options->uid;
	tree->gid = options->gid;
	tree->pid_fd = -1;
	r = dir_open_base(options->base, &tree->base, err);
	if (!r)
		r = make_path(tree, options, err);
	/* First: where two are started with the same --id, it is what only one can make. */
	if (!r)
		r = program_copy(program, tree, options->exec_name, err);
	if (!r)
		r = make_folders(tree, err);
	if (!r)
		r = devices_make(tree, err);
	if (!r)
		r = make_pid_file(tree, options->exec_name, err);
	if (!r)
		r = give(tree, err);
	return r;
}
