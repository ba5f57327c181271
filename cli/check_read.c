// SPDX-License-Identifier: Apache-2.0
// Reading what an audit looks at, without an effect on it.
#include "cli/check_host.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A copy of a file of /proc that is read by lines, of whatever length, has tens of KiB. */
#define CHECK_LINES_MAX (64 << 20)

const char *check_path(const char *path)
{
	path += strspn(path, "/");
	return *path ? path : ".";
}

/* Opening a device can do something, and a FIFO waits: only what is a file already is opened. */
static int open_file(int dir, const char *path)
{
	int CLEANUP_FD fd = -1;
	struct stat st;

	path = check_path(path);
	if (fstatat(dir, path, &st, 0) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	return TAKE_FD(fd);
}

ssize_t check_read(int dir, const char *path, char *text, size_t size)
{
	int CLEANUP_FD fd = open_file(dir, path);
	size_t len = 0;

	if (fd < 0)
		return fd;
	while (len < size - 1) {
		ssize_t n = read(fd, text + len, size - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += (size_t)n;
	}
	text[len] = '\0';
	return (ssize_t)len;
}

int check_read_line(int dir, const char *path, char *text, size_t size)
{
	ssize_t n = check_read(dir, path, text, size);
	size_t len;

	if (n < 0)
		return (int)n;
	len = strcspn(text, "\n");
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	text[len] = '\0';
	return 0;
}

int check_read_number(int dir, const char *path, int64_t *ret)
{
	char text[CHECK_LINE_SIZE], *end;
	int r = check_read_line(dir, path, text, sizeof(text));

	if (r < 0)
		return r;
	errno = 0;
	*ret = strtoll(text, &end, 10);
	return errno || end == text || *end ? -EBADMSG : 0;
}

int check_open(int dir, const char *path, FILE **ret)
{
	int CLEANUP_FD fd = open_file(dir, path);
	struct stat st;

	if (fd < 0)
		return fd;
	/* Of the kernel's own files it is 0. */
	if (fstat(fd, &st) < 0 || st.st_size > CHECK_LINES_MAX)
		return -EFBIG;
	*ret = fdopen(fd, "re");
	if (!*ret)
		return -ENOMEM;
	fd = -1;
	return 0;
}

int check_opendir(int dir, const char *path, DIR **ret)
{
	int CLEANUP_FD fd =
		openat(dir, check_path(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	*ret = fdopendir(fd);
	if (!*ret)
		return -ENOMEM;
	fd = -1;
	return 0;
}

struct dirent *check_next(DIR *dir)
{
	struct dirent *entry;

	do
		entry = readdir(dir);
	while (entry && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
	return entry;
}

int check_link(int dir, const char *path, char *text, size_t size)
{
	ssize_t len = readlinkat(dir, check_path(path), text, size - 1);

	if (len < 0)
		return -errno;
	text[len] = '\0';
	return 0;
}

int check_exists(int dir, const char *path)
{
	struct stat st;

	if (!fstatat(dir, check_path(path), &st, 0))
		return 1;
	return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
}

int check_status_field(const char *status, const char *name, char *ret, size_t size)
{
	size_t len = strlen(name);

	for (const char *line = status; *line; line = strchrnul(line, '\n') + 1) {
		if (!strncmp(line, name, len) && line[len] == ':') {
			line += len + 1;
			line += strspn(line, " \t");
			snprintf(ret, size, "%.*s", (int)strcspn(line, "\n"), line);
			return 0;
		}
		if (!*strchrnul(line, '\n'))
			break;
	}
	return -ENODATA;
}

const char *check_word(const char *line, int n)
{
	static const char blanks[] = " \t\n";

	line += strspn(line, blanks);
	for (; n; n--) {
		line += strcspn(line, blanks);
		line += strspn(line, blanks);
	}
	return *line ? line : NULL;
}

bool check_word_is(const char *line, int n, const char *word)
{
	const char *at = check_word(line, n);
	size_t len = strlen(word);

	return at && !strncmp(at, word, len) && (!at[len] || isspace((unsigned char)at[len]));
}

int check_word_number(const char *line, int n, int base, uint64_t *ret)
{
	const char *at = check_word(line, n);
	char *end;

	if (!at || !isxdigit((unsigned char)*at))
		return -EBADMSG;
	errno = 0;
	*ret = strtoull(at, &end, base);
	return errno || end == at || (*end && !isspace((unsigned char)*end)) ? -EBADMSG : 0;
}
