// SPDX-License-Identifier: Apache-2.0
// Applying a layer's archive to the merged tree.
#include "image/layers.h"

#include "base/err.h"
#include "image/file_data.h"
#include "image/layer_stream.h"
#include "image/limits.h"
#include "image/tree.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define WHITEOUT_PREFIX ".wh."
#define OPAQUE_MARK ".wh..wh..opq"
/* Left by an old storage driver of Docker for its own use; means nothing to others. */
#define WHITEOUT_META_PREFIX ".wh..wh."

/* What ext4's 34-bit seconds can hold; times beyond are brought to the nearest end. */
#define MTIME_MIN (-(INT64_C(1) << 31))
#define MTIME_MAX ((INT64_C(1) << 34) - (INT64_C(1) << 31) - 1)

/* The kernel's device numbers. */
#define DEV_MAJOR_MAX 0xfff
#define DEV_MINOR_MAX 0xfffff

/*
 * struct layer - one archive being applied
 * @path:	of the entry at hand, for messages
 */
struct layer {
	struct layers *layers;
	struct tree *tree;
	struct layer_stream *stream;
	struct archive *archive;
	struct archive_entry *entry;
	const char *path;
	struct err *err;
	struct err read_err;
};

static int entry_error(struct layer *layer, int code)
{
	static const struct {
		int code;
		const char *text;
	} texts[] = {
		{-EXDEV, "path has a \"..\" component"},
		{-ELOOP, "too many symlinks in its path"},
		{-ENOTDIR, "a parent is not a folder"},
		{-EISDIR, "not possible for a folder"},
		{-ENAMETOOLONG, "path too long or too deep"},
		{-EMLINK, "too many hard links"},
		{-ENOMEM, "the image has too many files, or memory is short"},
		{-EFBIG, "too large"},
		{-EPROTO, "sparse file out of order"},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (code == texts[i].code)
			return err_set(layer->err, code, "%s: entry %.200s: %s",
				layer->stream->name, layer->path, texts[i].text);
	return err_errno(layer->err, -code, "%s: entry %.200s", layer->stream->name, layer->path);
}

static int entry_bad(struct layer *layer, const char *why)
{
	return err_set(layer->err, -EBADMSG, "%s: entry %.200s: %s", layer->stream->name,
		layer->path, why);
}

static la_ssize_t archive_bytes(struct archive *archive, void *arg, const void **ret_data)
{
	struct layer *layer = arg;
	ssize_t n = layer_stream_read(layer->stream, ret_data, &layer->read_err);

	if (n < 0)
		archive_set_error(archive, EIO, "%s", layer->read_err.msg);
	return n < 0 ? -1 : n;
}

static int archive_failed(struct layer *layer)
{
	const char *why = archive_error_string(layer->archive);

	/* The stream below has said it better. */
	if (layer->read_err.code)
		return err_set(layer->err, layer->read_err.code, "%s", layer->read_err.msg);
	return err_set(layer->err, -EBADMSG, "%s: damaged archive: %s", layer->stream->name,
		why ? why : "unknown error");
}

/* Attributes that have a meaning in the guest and a place in ext4. */
static bool xattr_is_kept(const char *name)
{
	/* The guest's overlay would take these for its own. */
	if (!strncmp(name, "trusted.overlay.", 16))
		return false;
	return !strncmp(name, "user.", 5) || !strncmp(name, "security.", 9) ||
	       !strncmp(name, "trusted.", 8) || !strcmp(name, "system.posix_acl_access") ||
	       !strcmp(name, "system.posix_acl_default");
}

static bool has_xattr(const struct tree_inode *inode, const char *name)
{
	const struct tree_xattr *xattr = inode->xattrs;

	while (xattr && strcmp(xattr->name, name) != 0)
		xattr = xattr->next;
	return xattr;
}

static int read_xattrs(struct layer *layer, struct tree_inode *inode)
{
	size_t total = 0, count = 0, size;
	const void *value;
	const char *name;

	archive_entry_xattr_reset(layer->entry);
	while (archive_entry_xattr_next(layer->entry, &name, &value, &size) == ARCHIVE_OK) {
		int r;

		if (!name || !xattr_is_kept(name))
			continue;
		if (++count > XATTR_COUNT_MAX)
			return entry_bad(layer, "too many extended attributes");
		/* Some archivers write each in two forms. */
		if (has_xattr(inode, name))
			continue;
		if (strlen(name) > XATTR_NAME_MAX)
			return entry_bad(layer, "name of an extended attribute is too long");
		if (size > XATTR_BYTES_MAX || (total += strlen(name) + size) > XATTR_BYTES_MAX)
			return entry_bad(layer, "extended attributes are too large");
		r = tree_add_xattr(layer->tree, inode, name, value, size);
		if (r)
			return entry_error(layer, r);
	}
	return 0;
}

static int64_t clamp_mtime(int64_t mtime)
{
	return mtime < MTIME_MIN ? MTIME_MIN : mtime > MTIME_MAX ? MTIME_MAX : mtime;
}

static int read_owner(struct layer *layer, struct tree_inode *inode)
{
	int64_t uid = archive_entry_uid(layer->entry);
	int64_t gid = archive_entry_gid(layer->entry);
	long nsec = archive_entry_mtime_nsec(layer->entry);

	/* The last number means "no change" to chown. */
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return entry_bad(layer, "owner is out of range");
	inode->uid = (uint32_t)uid;
	inode->gid = (uint32_t)gid;
	inode->mtime = clamp_mtime(archive_entry_mtime(layer->entry));
	inode->mtime_ns = nsec < 0 || nsec > 999999999 ? 0 : (uint32_t)nsec;
	return read_xattrs(layer, inode);
}

static int read_contents(struct layer *layer, struct tree_inode *inode)
{
	struct file_data *data = layer->layers->data;
	int64_t size = archive_entry_size(layer->entry);
	int r;

	if (size < 0 || (uint64_t)size > FILE_SIZE_MAX)
		return entry_error(layer, -EFBIG);
	inode->size = (uint64_t)size;
	file_data_begin(data);
	for (;;) {
		const void *bytes;
		la_int64_t offset;
		size_t n;

		r = archive_read_data_block(layer->archive, &bytes, &n, &offset);
		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK)
			return archive_failed(layer);
		if (offset < 0 || (uint64_t)offset > inode->size ||
			n > inode->size - (uint64_t)offset)
			return entry_bad(layer, "contents beyond the end of the file");
		r = file_data_add(data, layer->tree, inode, (uint64_t)offset, bytes, n);
		if (r)
			return entry_error(layer, r);
	}
	r = file_data_end(data, layer->tree, inode);
	return r ? entry_error(layer, r) : 0;
}

static int read_device(struct layer *layer, struct tree_inode *inode)
{
	dev_t major = archive_entry_rdevmajor(layer->entry);
	dev_t minor = archive_entry_rdevminor(layer->entry);

	if (major > DEV_MAJOR_MAX || minor > DEV_MINOR_MAX)
		return entry_bad(layer, "device number is out of range");
	inode->rdev_major = (uint32_t)major;
	inode->rdev_minor = (uint32_t)minor;
	return 0;
}

static int read_target(struct layer *layer, struct tree_inode *inode)
{
	const char *target = archive_entry_symlink(layer->entry);
	int r;

	if (!target || !target[0])
		return entry_bad(layer, "symlink without a target");
	if (strlen(target) >= TREE_PATH_MAX)
		return entry_bad(layer, "target of the symlink is too long");
	r = tree_set_target(layer->tree, inode, target);
	return r ? entry_error(layer, r) : 0;
}

static int read_by_type(struct layer *layer, struct tree_inode *inode)
{
	if (S_ISREG(inode->mode))
		return read_contents(layer, inode);
	if (S_ISLNK(inode->mode))
		return read_target(layer, inode);
	if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode))
		return read_device(layer, inode);
	return 0;
}

static int apply_link(struct layer *layer, struct tree_place *place, const char *target_path)
{
	struct tree_place target;
	int r = tree_resolve(layer->tree, target_path, false, 0, &target);

	if (r == -EXDEV)
		return entry_bad(layer, "hard link's target has a \"..\" component");
	if (r == -ENOENT || (!r && !target.node))
		return entry_bad(layer, "hard link to a file that isn't there");
	if (!r)
		r = tree_link(layer->tree, place, target.node);
	return r ? entry_error(layer, r) : 0;
}

static int apply_whiteout(struct layer *layer, const struct tree_place *place)
{
	const char *name = place->name + strlen(WHITEOUT_PREFIX);
	struct tree_node *node;

	if (!strcmp(place->name, OPAQUE_MARK)) {
		tree_opaque(layer->tree, place->dir);
		return 0;
	}
	if (!strncmp(place->name, WHITEOUT_META_PREFIX, strlen(WHITEOUT_META_PREFIX)))
		return 0;
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return entry_bad(layer, "whiteout of nothing");
	node = tree_find(layer->tree, place->dir, name, strlen(name));
	if (node)
		tree_whiteout(layer->tree, node);
	return 0;
}

/* The last component alone tells a whiteout; it has the same meaning before parents exist. */
static bool is_whiteout(const char *path)
{
	size_t n = strlen(path);

	while (n && path[n - 1] == '/')
		n--;
	while (n && path[n - 1] != '/')
		n--;
	return !strncmp(path + n, WHITEOUT_PREFIX, strlen(WHITEOUT_PREFIX));
}

static int apply_entry(struct layer *layer)
{
	const char *link = archive_entry_hardlink(layer->entry);
	uint32_t type = archive_entry_filetype(layer->entry);
	bool whiteout = is_whiteout(layer->path);
	struct tree_inode *inode;
	struct tree_place place;
	int r;

	r = tree_resolve(layer->tree, layer->path, !whiteout,
		clamp_mtime(archive_entry_mtime(layer->entry)), &place);
	if (whiteout && (r == -ENOENT || r == -ENOTDIR))
		return 0;
	if (r)
		return entry_error(layer, r);
	if (whiteout)
		return apply_whiteout(layer, &place);
	if (link)
		return apply_link(layer, &place, link);
	/* A socket is nothing without the process behind it. */
	if (type == AE_IFSOCK)
		return 0;
	if (type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK && type != AE_IFCHR &&
		type != AE_IFBLK && type != AE_IFIFO)
		return entry_bad(layer, "unknown type of file");
	inode = tree_inode_new(layer->tree, type | (archive_entry_perm(layer->entry) & 07777));
	if (!inode)
		return entry_error(layer, -ENOMEM);
	r = read_owner(layer, inode);
	if (!r)
		r = read_by_type(layer, inode);
	if (!r) {
		r = tree_put(layer->tree, &place, inode);
		if (r)
			entry_error(layer, r);
	}
	if (r)
		tree_inode_put(layer->tree, inode);
	return r;
}

static int apply_entries(struct layer *layer)
{
	int r;

	for (;;) {
		layer->path = "(header)";
		r = archive_read_next_header(layer->archive, &layer->entry);
		if (r == ARCHIVE_EOF)
			return 0;
		/* A warning is about text in another encoding: names are bytes here. */
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return archive_failed(layer);
		if (++layer->layers->entries > LAYERS_ENTRIES_MAX)
			return entry_error(layer, -ENOMEM);
		layer->path = archive_entry_pathname(layer->entry);
		if (!layer->path) {
			layer->path = "(unnamed)";
			return entry_bad(layer, "no name");
		}
		r = apply_entry(layer);
		if (r)
			return r;
	}
}

static int apply_archive(struct layer *layer)
{
	layer->archive = archive_read_new();
	if (!layer->archive)
		return err_set(layer->err, -ENOMEM, "%s: out of memory", layer->stream->name);
	if (archive_read_support_format_tar(layer->archive) != ARCHIVE_OK ||
		archive_read_support_format_empty(layer->archive) != ARCHIVE_OK ||
		archive_read_open(layer->archive, layer, NULL, archive_bytes, NULL) != ARCHIVE_OK)
		return archive_failed(layer);
	return apply_entries(layer);
}

int layers_apply(struct layers *layers, struct layer_stream *stream, struct err *err)
{
	struct layer layer = {.layers = layers, .tree = layers->tree, .stream = stream, .err = err};
	struct err digest_err = {0};
	/* In the C locale names pass through the library as they are. */
	locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	locale_t before;
	int r;

	if (!c_locale)
		return err_set(err, -ENOMEM, "%s: out of memory", stream->name);
	before = uselocale(c_locale);
	layers->tree->layer++;
	r = apply_archive(&layer);
	archive_read_free(layer.archive);
	if (!r)
		r = layer_stream_check(stream, err);
	else if (layer_stream_check_blob(stream, &digest_err) == -EBADMSG)
		r = err_set(err, -EBADMSG, "%s", digest_err.msg);
	uselocale(before);
	freelocale(c_locale);
	return r;
}
