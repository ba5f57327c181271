// SPDX-License-Identifier: Apache-2.0
// The merged file tree of an image: names and attributes in memory, contents as block ranges.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * Theory of operation
 *
 * A node is a name in a folder and points to an inode, which hard links share. The tree is the
 * result of applying layers in order, lowest first. A node remembers the layer that last named
 * it, so that a whiteout removes what lower layers put there and spares what its own layer adds,
 * whichever comes first in the archive.
 *
 * Paths are resolved inside this tree only, as a process chrooted to the image would do it: a
 * symlinked parent is followed, an absolute target starts at the tree's root, ".." stops there.
 * The host's file system is never asked, so nothing in a path can reach it. A path itself must
 * not have ".." components: no honest archive does.
 *
 * Everything a stranger can make grow is charged to a memory budget (TREE_MEMORY_MAX).
 */

/* struct extent - @count blocks of contents at @logical in the file and @physical in the image */
struct extent {
	uint32_t logical;
	uint32_t physical;
	uint32_t count;
};

/* struct tree_xattr - name with its prefix, and value, both in the same allocation */
struct tree_xattr {
	struct tree_xattr *next;
	char *name;
	uint8_t *value;
	size_t size;
};

struct tree_node;

/*
 * struct tree_inode - a file, folder, symlink or special file
 * @links:	nodes that point here; the last to go frees
 * @mode:	type and permissions, as in st_mode
 * @mtime:	seconds since 1970, may be negative
 * @mtime_ns:	0..999999999
 * @target:	of a symlink, else NULL
 * @rdev_major, @rdev_minor:	of a device
 * @size, @extents:	of a regular file; holes have no extent; ascending
 * @node, @children, @nchildren, @depth:	of a folder: its node (NULL for the root), its
 *		contents in no special order, its distance from the root
 * @ino, @aux:	for the user of the finished tree; 0 before
 */
struct tree_inode {
	uint32_t links;
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	int64_t mtime;
	uint32_t mtime_ns;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	char *target;
	struct tree_xattr *xattrs;
	uint64_t size;
	struct extent *extents;
	size_t nextents;
	struct tree_node *node;
	struct tree_node *children;
	uint32_t nchildren;
	uint32_t depth;
	uint32_t ino;
	uint32_t aux;
};

/*
 * struct tree_node - one name
 * @layer:	the layer that last named it, from 1
 * @prev, @next:	siblings
 */
struct tree_node {
	struct tree_inode *parent;
	struct tree_inode *inode;
	struct tree_node *prev;
	struct tree_node *next;
	struct tree_node *hash_next;
	uint32_t hash;
	uint32_t layer;
	uint16_t name_len;
	char name[];
};

/*
 * struct tree - the whole
 * @layer:	number of the layer being applied, from 1
 * @memory:	bytes charged so far
 * @released:	told the extents of a file that is gone; may be NULL
 */
struct tree {
	struct tree_inode *root;
	struct tree_node **buckets;
	size_t nbuckets;
	size_t nnodes;
	uint32_t layer;
	uint64_t memory;
	void (*released)(void *arg, const struct extent *extents, size_t n);
	void *released_arg;
};

/* tree_init() - an empty root folder, 0755, root's. Return: 0 or -ENOMEM. */
int tree_init(struct tree *tree);
/* tree_fini() - free all, without calling released(). Harmless on a zeroed tree. */
void tree_fini(struct tree *tree);

/*
 * struct tree_place - where a path leads: a name in a folder, whether anything is there or not
 * @name:	NULL when the path is the root itself; points into @path
 * @node:	what is there now, or NULL
 */
struct tree_place {
	struct tree_inode *dir;
	const char *name;
	struct tree_node *node;
	char path[4096]; /* TREE_PATH_MAX */
};

/*
 * tree_resolve() - find the place of @path, following symlinks in all components but the last
 * @path:	untrusted; leading slashes, "." and empty components don't matter
 * @make_parents:	make folders (0755, root's, @mtime) that are missing or that a lower layer
 *		has something else in place of
 *
 * Return: 0; -ENOENT for a missing parent; -ENOTDIR if one isn't a folder; -ELOOP; -EXDEV for
 * ".."; -ENAMETOOLONG for a path, a name or a nesting beyond the limits; -ENOMEM beyond the
 * memory budget.
 */
int tree_resolve(struct tree *tree, const char *path, bool make_parents, int64_t mtime,
	struct tree_place *ret_place);

/*
 * tree_inode_new() - an inode that isn't in the tree yet; tree_inode_put() drops it if unused
 *
 * Return: NULL when out of memory or budget.
 */
struct tree_inode *tree_inode_new(struct tree *tree, uint32_t mode);
void tree_inode_put(struct tree *tree, struct tree_inode *inode);

/* tree_set_target() / tree_add_xattr() / tree_add_extent() - Return: 0 or -ENOMEM. An extent that
 * continues the last one is merged with it. */
int tree_set_target(struct tree *tree, struct tree_inode *inode, const char *target);
int tree_add_xattr(struct tree *tree, struct tree_inode *inode, const char *name, const void *value,
	size_t size);
int tree_add_extent(struct tree *tree, struct tree_inode *inode, const struct extent *extent);

/*
 * tree_put() - put @inode at @place, on behalf of the layer being applied
 *
 * What was there goes, with all below it; only a folder put over a folder takes the new attributes
 * and keeps its contents. On success @inode belongs to the tree (a folder's may have been freed);
 * on error it stays the caller's.
 *
 * Return: 0; -EISDIR for anything but a folder at the root; -ENOMEM; -ENAMETOOLONG when too deep;
 * -EMLINK.
 */
int tree_put(struct tree *tree, struct tree_place *place, struct tree_inode *inode);

/* tree_link() - put another link to @target, not a folder, at @place. Return: as tree_put(). */
int tree_link(struct tree *tree, struct tree_place *place, struct tree_node *target);

/*
 * tree_whiteout() - remove what lower layers put at @node, sparing what this layer did
 * tree_opaque() - the same for everything in @dir
 */
void tree_whiteout(struct tree *tree, struct tree_node *node);
void tree_opaque(struct tree *tree, struct tree_inode *dir);

/* tree_find() - the node @name (of @len bytes) of a folder, or NULL */
struct tree_node *tree_find(
	const struct tree *tree, const struct tree_inode *dir, const char *name, size_t len);
