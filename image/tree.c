// SPDX-License-Identifier: Apache-2.0
// The merged file tree: nodes, inodes, and what layers do to them.
#include "image/tree.h"

#include "image/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What malloc adds to each block, roughly. */
#define ALLOC_OVERHEAD 16

#define BUCKETS_START 1024

static void *tree_alloc(struct tree *tree, size_t size)
{
	void *p;

	if (tree->memory + size + ALLOC_OVERHEAD > TREE_MEMORY_MAX)
		return NULL;
	p = calloc(1, size);
	if (p)
		tree->memory += size + ALLOC_OVERHEAD;
	return p;
}

static void tree_free(struct tree *tree, void *p, size_t size)
{
	if (p)
		tree->memory -= size + ALLOC_OVERHEAD;
	free(p);
}

struct tree_inode *tree_inode_new(struct tree *tree, uint32_t mode)
{
	struct tree_inode *inode = tree_alloc(tree, sizeof(*inode));

	if (inode)
		inode->mode = mode;
	return inode;
}

static void free_xattrs(struct tree *tree, struct tree_inode *inode)
{
	while (inode->xattrs) {
		struct tree_xattr *xattr = inode->xattrs;

		inode->xattrs = xattr->next;
		tree_free(tree, xattr, sizeof(*xattr) + strlen(xattr->name) + 1 + xattr->size);
	}
}

/* Extents are charged by their number and allocated in powers of two. */
static size_t extents_size(size_t n)
{
	size_t cap = 1;

	while (cap < n)
		cap *= 2;
	return n ? cap * sizeof(struct extent) : 0;
}

static void inode_free(struct tree *tree, struct tree_inode *inode)
{
	free_xattrs(tree, inode);
	if (inode->target)
		tree_free(tree, inode->target, strlen(inode->target) + 1);
	tree_free(tree, inode->extents, extents_size(inode->nextents));
	tree_free(tree, inode, sizeof(*inode));
}

void tree_inode_put(struct tree *tree, struct tree_inode *inode)
{
	if (!inode || inode->links)
		return;
	if (tree->released && inode->nextents)
		tree->released(tree->released_arg, inode->extents, inode->nextents);
	inode_free(tree, inode);
}

int tree_set_target(struct tree *tree, struct tree_inode *inode, const char *target)
{
	size_t size = strlen(target) + 1;

	inode->target = tree_alloc(tree, size);
	if (!inode->target)
		return -ENOMEM;
	memcpy(inode->target, target, size);
	return 0;
}

int tree_add_xattr(struct tree *tree, struct tree_inode *inode, const char *name, const void *value,
	size_t size)
{
	size_t name_size = strlen(name) + 1;
	struct tree_xattr *xattr = tree_alloc(tree, sizeof(*xattr) + name_size + size);
	char *data;

	if (!xattr)
		return -ENOMEM;
	data = (char *)(xattr + 1);
	xattr->name = data;
	memcpy(xattr->name, name, name_size);
	xattr->value = (uint8_t *)data + name_size;
	if (size)
		memcpy(xattr->value, value, size);
	xattr->size = size;
	xattr->next = inode->xattrs;
	inode->xattrs = xattr;
	return 0;
}

int tree_add_extent(struct tree *tree, struct tree_inode *inode, const struct extent *extent)
{
	struct extent *last = inode->nextents ? &inode->extents[inode->nextents - 1] : NULL;
	size_t size = extents_size(inode->nextents);
	size_t new_size = extents_size(inode->nextents + 1);

	if (last && last->logical + last->count == extent->logical &&
		last->physical + last->count == extent->physical) {
		last->count += extent->count;
		return 0;
	}
	if (new_size != size) {
		struct extent *extents = tree_alloc(tree, new_size);

		if (!extents)
			return -ENOMEM;
		if (size)
			memcpy(extents, inode->extents, size);
		tree_free(tree, inode->extents, size);
		inode->extents = extents;
	}
	inode->extents[inode->nextents++] = *extent;
	return 0;
}

static uint32_t hash_name(const struct tree_inode *dir, const char *name, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ ((uintptr_t)dir >> 4);

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
	h *= UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(h >> 32);
}

struct tree_node *tree_find(
	const struct tree *tree, const struct tree_inode *dir, const char *name, size_t len)
{
	uint32_t hash = hash_name(dir, name, len);
	struct tree_node *node = tree->buckets[hash & (tree->nbuckets - 1)];

	while (node && (node->hash != hash || node->parent != dir || node->name_len != len ||
			       memcmp(node->name, name, len) != 0))
		node = node->hash_next;
	return node;
}

static int grow_buckets(struct tree *tree)
{
	size_t n = tree->nbuckets * 2;
	struct tree_node **buckets = tree_alloc(tree, n * sizeof(struct tree_node *));

	if (!buckets)
		return -ENOMEM;
	for (size_t i = 0; i < tree->nbuckets; i++) {
		struct tree_node *node = tree->buckets[i];

		while (node) {
			struct tree_node *next = node->hash_next;

			node->hash_next = buckets[node->hash & (n - 1)];
			buckets[node->hash & (n - 1)] = node;
			node = next;
		}
	}
	tree_free(tree, tree->buckets, tree->nbuckets * sizeof(struct tree_node *));
	tree->buckets = buckets;
	tree->nbuckets = n;
	return 0;
}

static int node_new(
	struct tree *tree, struct tree_inode *dir, const char *name, struct tree_node **ret_node)
{
	size_t len = strlen(name);
	struct tree_node *node;

	if (len > TREE_NAME_MAX)
		return -ENAMETOOLONG;
	if (tree->nnodes >= tree->nbuckets && grow_buckets(tree))
		return -ENOMEM;
	node = tree_alloc(tree, sizeof(*node) + len + 1);
	if (!node)
		return -ENOMEM;
	memcpy(node->name, name, len + 1);
	node->name_len = (uint16_t)len;
	node->layer = tree->layer;
	node->parent = dir;
	node->hash = hash_name(dir, name, len);
	node->hash_next = tree->buckets[node->hash & (tree->nbuckets - 1)];
	tree->buckets[node->hash & (tree->nbuckets - 1)] = node;
	node->next = dir->children;
	if (node->next)
		node->next->prev = node;
	dir->children = node;
	dir->nchildren++;
	tree->nnodes++;
	*ret_node = node;
	return 0;
}

static void node_set_inode(struct tree_node *node, struct tree_inode *inode)
{
	node->inode = inode;
	inode->links++;
	if (S_ISDIR(inode->mode)) {
		inode->node = node;
		inode->depth = node->parent->depth + 1;
	}
}

static void unlink_node(struct tree *tree, struct tree_node *node)
{
	struct tree_node **link = &tree->buckets[node->hash & (tree->nbuckets - 1)];

	while (*link != node)
		link = &(*link)->hash_next;
	*link = node->hash_next;
	if (node->prev)
		node->prev->next = node->next;
	else
		node->parent->children = node->next;
	if (node->next)
		node->next->prev = node->prev;
	node->parent->nchildren--;
	tree->nnodes--;
	tree_free(tree, node, sizeof(*node) + node->name_len + 1u);
}

static void drop_inode(struct tree *tree, struct tree_inode *inode)
{
	inode->links--;
	tree_inode_put(tree, inode);
}

/* Recursion is bounded by TREE_DEPTH_MAX. */
static void remove_node(struct tree *tree, struct tree_node *node)
{
	struct tree_inode *inode = node->inode;

	while (inode->children)
		remove_node(tree, inode->children);
	unlink_node(tree, node);
	drop_inode(tree, inode);
}

void tree_opaque(struct tree *tree, struct tree_inode *dir)
{
	struct tree_node *node = dir->children;

	while (node) {
		struct tree_node *next = node->next;

		tree_whiteout(tree, node);
		node = next;
	}
}

void tree_whiteout(struct tree *tree, struct tree_node *node)
{
	struct tree_inode *inode = node->inode;

	if (S_ISDIR(inode->mode)) {
		tree_opaque(tree, inode);
		if (inode->children)
			return;
	}
	if (node->layer < tree->layer)
		remove_node(tree, node);
}

static void take_attributes(struct tree *tree, struct tree_inode *inode, struct tree_inode *from)
{
	free_xattrs(tree, inode);
	inode->mode = from->mode;
	inode->uid = from->uid;
	inode->gid = from->gid;
	inode->mtime = from->mtime;
	inode->mtime_ns = from->mtime_ns;
	inode->xattrs = from->xattrs;
	from->xattrs = NULL;
	tree_inode_put(tree, from);
}

int tree_put(struct tree *tree, struct tree_place *place, struct tree_inode *inode)
{
	struct tree_node *node = place->node;
	int r;

	if (!place->name) {
		if (!S_ISDIR(inode->mode))
			return -EISDIR;
		take_attributes(tree, tree->root, inode);
		return 0;
	}
	if (S_ISDIR(inode->mode) && place->dir->depth + 1 > TREE_DEPTH_MAX)
		return -ENAMETOOLONG;
	if (node && S_ISDIR(inode->mode) && S_ISDIR(node->inode->mode)) {
		take_attributes(tree, node->inode, inode);
		node->layer = tree->layer;
		return 0;
	}
	if (node) {
		struct tree_inode *old = node->inode;

		while (old->children)
			remove_node(tree, old->children);
		node_set_inode(node, inode);
		node->layer = tree->layer;
		drop_inode(tree, old);
		return 0;
	}
	r = node_new(tree, place->dir, place->name, &node);
	if (r)
		return r;
	node_set_inode(node, inode);
	place->node = node;
	return 0;
}

int tree_link(struct tree *tree, struct tree_place *place, struct tree_node *target)
{
	struct tree_inode *inode = target->inode;
	int r;

	if (!place->name || S_ISDIR(inode->mode))
		return -EISDIR;
	if (place->node && place->node->inode == inode) {
		place->node->layer = tree->layer;
		return 0;
	}
	if (inode->links >= TREE_LINKS_MAX)
		return -EMLINK;
	/* What is replaced may be a folder with @target in it. */
	inode->links++;
	r = tree_put(tree, place, inode);
	drop_inode(tree, inode);
	return r;
}

int tree_init(struct tree *tree)
{
	*tree = (struct tree){.nbuckets = BUCKETS_START};
	tree->buckets = tree_alloc(tree, BUCKETS_START * sizeof(struct tree_node *));
	tree->root = tree_inode_new(tree, S_IFDIR | 0755);
	if (!tree->buckets || !tree->root) {
		tree_fini(tree);
		return -ENOMEM;
	}
	tree->root->links = 1;
	return 0;
}

void tree_fini(struct tree *tree)
{
	tree->released = NULL;
	if (tree->root && tree->buckets) {
		while (tree->root->children)
			remove_node(tree, tree->root->children);
	}
	if (tree->root)
		inode_free(tree, tree->root);
	free(tree->buckets);
	*tree = (struct tree){0};
}
