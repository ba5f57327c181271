// SPDX-License-Identifier: Apache-2.0
// The merged file tree: from a path to a place in it.
#include "image/limits.h"
#include "image/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

_Static_assert(sizeof(((struct tree_place *)0)->path) == TREE_PATH_MAX, "a place holds any path");

/*
 * struct walk - a path being resolved
 * @rest:	what is still to be walked: the tail of @buf
 * @dir:	where the walk is
 *
 * When a symlink is met its target is put before the rest.
 */
struct walk {
	struct tree *tree;
	struct tree_inode *dir;
	char *rest;
	unsigned int symlinks;
	bool make_parents;
	int64_t mtime;
	char buf[TREE_PATH_MAX];
};

/* Cut off the next component, skipping slashes and "."; NULL at the end. */
static char *next_component(struct walk *walk)
{
	for (;;) {
		char *start = walk->rest + strspn(walk->rest, "/");
		size_t n = strcspn(start, "/");

		if (!n) {
			walk->rest = start;
			return NULL;
		}
		walk->rest = start + n;
		if (*walk->rest)
			*walk->rest++ = '\0';
		if (strcmp(start, ".") != 0)
			return start;
	}
}

static int follow(struct walk *walk, const struct tree_inode *link)
{
	char tail[TREE_PATH_MAX];
	size_t target = strlen(link->target);
	size_t rest = strlen(walk->rest);

	if (++walk->symlinks > TREE_SYMLINKS_MAX)
		return -ELOOP;
	if (target + 1 + rest >= TREE_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(tail, walk->rest, rest + 1);
	memcpy(walk->buf, link->target, target);
	walk->buf[target] = '/';
	memcpy(walk->buf + target + 1, tail, rest + 1);
	walk->rest = walk->buf;
	if (link->target[0] == '/')
		walk->dir = walk->tree->root;
	return 0;
}

/* @old: what is there now, or NULL. */
static int make_dir(struct walk *walk, const char *name, struct tree_node *old)
{
	struct tree_place place = {.dir = walk->dir, .name = name, .node = old};
	struct tree_inode *inode = tree_inode_new(walk->tree, S_IFDIR | 0755);
	int r;

	if (!inode)
		return -ENOMEM;
	inode->mtime = walk->mtime;
	r = tree_put(walk->tree, &place, inode);
	if (r)
		tree_inode_put(walk->tree, inode);
	else
		walk->dir = place.node->inode;
	return r;
}

/* One step through a parent component. */
static int step(struct walk *walk, const char *name)
{
	struct tree_node *node;

	if (!strcmp(name, "..")) {
		/* Only a symlink's target can say so. */
		if (walk->dir->node)
			walk->dir = walk->dir->node->parent;
		return 0;
	}
	node = tree_find(walk->tree, walk->dir, name, strlen(name));
	if (!node)
		return walk->make_parents ? make_dir(walk, name, NULL) : -ENOENT;
	if (S_ISLNK(node->inode->mode))
		return follow(walk, node->inode);
	if (!S_ISDIR(node->inode->mode)) {
		/* A layer's folder takes the place of a lower layer's file, named by itself or not.
		 */
		if (walk->make_parents && node->layer < walk->tree->layer)
			return make_dir(walk, name, node);
		return -ENOTDIR;
	}
	walk->dir = node->inode;
	return 0;
}

static int check_path(const char *path)
{
	if (strlen(path) >= TREE_PATH_MAX)
		return -ENAMETOOLONG;
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.')
			return -EXDEV;
		if (n > TREE_NAME_MAX)
			return -ENAMETOOLONG;
		path += n;
		path += strspn(path, "/");
	}
	return 0;
}

/* Split off the last component, which isn't followed, and leave the parents in walk->rest. */
static char *split_last(char *path)
{
	char *last;

	for (;;) {
		size_t n = strlen(path);

		while (n && path[n - 1] == '/')
			path[--n] = '\0';
		last = strrchr(path, '/');
		last = last ? last + 1 : path;
		if (strcmp(last, ".") != 0)
			break;
		*last = '\0';
	}
	return last;
}

int tree_resolve(struct tree *tree, const char *path, bool make_parents, int64_t mtime,
	struct tree_place *ret_place)
{
	struct walk walk = {
		.tree = tree, .dir = tree->root, .make_parents = make_parents, .mtime = mtime};
	char *last, *name;
	int r = check_path(path);

	if (r)
		return r;
	memcpy(ret_place->path, path, strlen(path) + 1);
	last = split_last(ret_place->path);
	ret_place->dir = tree->root;
	ret_place->node = NULL;
	ret_place->name = NULL;
	if (!*last)
		return 0;
	memcpy(walk.buf, ret_place->path, (size_t)(last - ret_place->path));
	walk.buf[last - ret_place->path] = '\0';
	walk.rest = walk.buf;
	while ((name = next_component(&walk))) {
		r = step(&walk, name);
		if (r)
			return r;
	}
	ret_place->dir = walk.dir;
	ret_place->name = last;
	ret_place->node = tree_find(tree, walk.dir, last, strlen(last));
	return 0;
}
