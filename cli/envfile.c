// SPDX-License-Identifier: Apache-2.0
// Environment entries and files of them.
#include "cli/envfile.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "cli/strlist.h"

#include <fcntl.h>
#include <string.h>

int env_entry_add(struct strlist *list, const char *entry, struct err *err)
{
	char CLEANUP_FREE *full = NULL;
	size_t len = strcspn(entry, "=");
	int r;

	if (!len)
		return err_set(err, -EINVAL, "\"%s\" has no variable name", entry);
	for (size_t i = 0; i < len; i++)
		if (strchr(" \t\n", entry[i]))
			return err_set(err, -EINVAL, "\"%.*s\" has white space in its name",
				(int)len, entry);
	if (!entry[len]) {
		const char *value = getenv(entry);

		if (!value)
			return 0;
		if (asprintf(&full, "%s=%s", entry, value) < 0) {
			full = NULL;
			return err_errno(err, ENOMEM, "%s", entry);
		}
		entry = full;
	}
	r = strlist_set_env(list, entry);
	return r < 0 ? err_errno(err, -r, "%.*s", (int)len, entry) : 0;
}

/* The whole file, NUL-terminated. */
static int envfile_load(struct buf *buf, const char *path, struct err *err)
{
	int CLEANUP_FD fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, errno, "%s", path);
	for (;;) {
		char chunk[4096];
		ssize_t got = read(fd, chunk, sizeof(chunk));

		if (got < 0) {
			if (errno == EINTR)
				continue;
			return err_errno(err, errno, "%s", path);
		}
		if (!got)
			break;
		if (memchr(chunk, 0, (size_t)got))
			return err_set(err, -EINVAL, "%s: holds a NUL byte", path);
		if (buf->len + (size_t)got > ENVFILE_MAX)
			return err_set(
				err, -EFBIG, "%s: is longer than %d bytes", path, ENVFILE_MAX);
		if (buf_add(buf, chunk, (size_t)got) < 0)
			return err_errno(err, ENOMEM, "%s", path);
	}
	if (buf_add(buf, "", 1) < 0)
		return err_errno(err, ENOMEM, "%s", path);
	return 0;
}

int envfile_read(struct strlist *list, const char *path, struct err *err)
{
	struct buf buf = BUF_INIT(ENVFILE_MAX + 1);
	char *line, *next;
	struct err why;
	int number = 0;
	int r = envfile_load(&buf, path, err);

	if (r < 0)
		goto out;
	next = (char *)buf.data;
	if (!strncmp(next, "\xef\xbb\xbf", 3))
		next += 3;
	while ((line = strsep(&next, "\n"))) {
		size_t len;

		number++;
		line += strspn(line, " \t");
		len = strlen(line);
		if (len && line[len - 1] == '\r')
			line[len - 1] = '\0';
		if (!*line || *line == '#')
			continue;
		r = env_entry_add(list, line, &why);
		if (r < 0) {
			err_set(err, r, "%s:%d: %s", path, number, why.msg);
			goto out;
		}
	}
out:
	buf_fini(&buf);
	return r;
}
