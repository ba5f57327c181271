// SPDX-License-Identifier: Apache-2.0
// Who the command runs as.
#include "guest-init/user.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#define PASSWD_PATH "/etc/passwd"
#define GROUP_PATH "/etc/group"

/* passwd: name:password:uid:gid:comment:home:shell; group: name:password:gid:member,member... */
#define PASSWD_FIELDS 7
#define PASSWD_FIELDS_MIN 4
#define GROUP_FIELDS 4
#define GROUP_FIELDS_MIN 3

/* A piece of a file or of the user string. */
struct piece {
	const char *text;
	size_t len;
};

static bool piece_is(struct piece piece, struct piece other)
{
	return piece.len == other.len && !memcmp(piece.text, other.text, piece.len);
}

/* Decimal digits only. Return: whether @ret was set. */
static bool piece_id(struct piece piece, uint32_t *ret)
{
	uint64_t value = 0;

	if (!piece.len)
		return false;
	for (size_t i = 0; i < piece.len; i++) {
		if (piece.text[i] < '0' || piece.text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(piece.text[i] - '0');
		if (value > USER_ID_MAX)
			return false;
	}
	*ret = (uint32_t)value;
	return true;
}

/* Why @who, which is neither in @path nor a usable number, is nobody. @what: "user" or "group". */
static int piece_unknown(struct piece who, const char *what, const char *path, struct err *err)
{
	bool number = who.len > 0;

	for (size_t i = 0; i < who.len && number; i++)
		number = who.text[i] >= '0' && who.text[i] <= '9';
	if (number)
		return err_set(err, -ERANGE, "%s %.*s: not a number from 0 to %llu", what,
			(int)who.len, who.text, (unsigned long long)USER_ID_MAX);
	return err_set(
		err, -ENOENT, "%s %.*s: not in the image's %s", what, (int)who.len, who.text, path);
}

/* Take what is before @separator off the front of @rest. Return: false at the end. */
static bool piece_next(struct piece *rest, char separator, struct piece *ret)
{
	const char *end;

	if (!rest->text)
		return false;
	*ret = *rest;
	end = rest->len ? memchr(rest->text, separator, rest->len) : NULL;
	if (end) {
		ret->len = (size_t)(end - rest->text);
		rest->text += ret->len + 1;
		rest->len -= ret->len + 1;
	} else {
		*rest = (struct piece){0};
	}
	return true;
}

/* The fields of the next line that has @min of them and no NUL. Return: false at the end of the
 * file. */
static bool line_next(struct piece *file, struct piece *fields, size_t min, size_t max)
{
	struct piece line, field;

	while (piece_next(file, '\n', &line)) {
		size_t n = 0;

		if (!line.len || memchr(line.text, 0, line.len))
			continue;
		for (size_t i = 0; i < max; i++)
			fields[i] = (struct piece){"", 0};
		while (n < max && piece_next(&line, ':', &field))
			fields[n++] = field;
		if (n >= min)
			return true;
	}
	return false;
}

/* Find the account that @who names, by name or by number. Return: 1 found, 0 not. */
static int passwd_find(
	struct piece file, struct piece who, struct piece *ret_name, struct user *user)
{
	struct piece f[PASSWD_FIELDS];
	uint32_t wanted = 0, uid, gid;
	bool numeric = piece_id(who, &wanted);

	while (line_next(&file, f, PASSWD_FIELDS_MIN, PASSWD_FIELDS)) {
		if (!piece_id(f[2], &uid) || !piece_id(f[3], &gid) || !f[0].len)
			continue;
		if (!piece_is(f[0], who) && !(numeric && uid == wanted))
			continue;
		user->uid = uid;
		user->gid = gid;
		if (f[5].len && f[5].text[0] == '/' && f[5].len < sizeof(user->home)) {
			memcpy(user->home, f[5].text, f[5].len);
			user->home[f[5].len] = '\0';
		}
		*ret_name = f[0];
		return 1;
	}
	return 0;
}

static int group_find(struct piece file, struct piece who, gid_t *ret)
{
	struct piece f[GROUP_FIELDS];
	uint32_t wanted = 0, gid;
	bool numeric = piece_id(who, &wanted);

	while (line_next(&file, f, GROUP_FIELDS_MIN, GROUP_FIELDS)) {
		if (!piece_id(f[2], &gid) || !f[0].len)
			continue;
		if (piece_is(f[0], who) || (numeric && gid == wanted)) {
			*ret = gid;
			return 1;
		}
	}
	return 0;
}

static bool is_member(struct piece members, struct piece name)
{
	struct piece member;

	while (piece_next(&members, ',', &member))
		if (piece_is(member, name))
			return true;
	return false;
}

static int groups_collect(struct piece file, struct piece name, struct user *user, struct err *err)
{
	struct piece f[GROUP_FIELDS];
	uint32_t gid;

	while (line_next(&file, f, GROUP_FIELDS_MIN, GROUP_FIELDS)) {
		if (!piece_id(f[2], &gid) || gid == user->gid || !is_member(f[3], name))
			continue;
		if (user->n_groups == USER_GROUPS_MAX)
			return err_set(err, -E2BIG, "user %.*s: more than %d groups in " GROUP_PATH,
				(int)name.len, name.text, USER_GROUPS_MAX);
		user->groups[user->n_groups++] = gid;
	}
	return 0;
}

int user_lookup(const char *spec, const struct user_file *passwd, const struct user_file *group,
	struct user *ret, struct err *err)
{
	struct piece rest = {spec, strlen(spec)}, name, group_name = {0}, extra;
	struct piece passwd_text = {passwd->text, passwd->len};
	struct piece group_text = {group->text, group->len};
	bool found, has_group;
	uint32_t id;

	*ret = (struct user){.home = "/"};
	piece_next(&rest, ':', &name);
	piece_next(&rest, ':', &group_name);
	if (piece_next(&rest, ':', &extra))
		return err_set(err, -EINVAL, "user %s: not of the form USER:GROUP", spec);
	has_group = group_name.len > 0;
	if (!name.len)
		name = (struct piece){"0", 1};

	found = passwd_find(passwd_text, name, &name, ret);
	if (!found) {
		if (!piece_id(name, &id))
			return piece_unknown(name, "user", PASSWD_PATH, err);
		ret->uid = id;
	}
	if (has_group && !group_find(group_text, group_name, &ret->gid)) {
		if (!piece_id(group_name, &id))
			return piece_unknown(group_name, "group", GROUP_PATH, err);
		ret->gid = id;
	}
	ret->groups[ret->n_groups++] = ret->gid;
	return found && !has_group ? groups_collect(group_text, name, ret, err) : 0;
}

/* The content of @path, or nothing when there is no such file. @ret_text is the caller's to free.
 */
static int file_read(const char *path, char **ret_text, size_t *ret_len, struct err *err)
{
	/* Non-blocking: it may be a pipe, which is refused below. */
	int CLEANUP_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char CLEANUP_FREE *text = NULL;
	struct stat st;
	int r;

	*ret_text = NULL;
	*ret_len = 0;
	if (fd < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return 0;
		return err_errno(err, errno, "%s", path);
	}
	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s: not a regular file", path);
	if (st.st_size > USER_FILE_MAX)
		return err_set(err, -EFBIG, "%s: %lld bytes, more than %u", path,
			(long long)st.st_size, USER_FILE_MAX);
	if (!st.st_size)
		return 0;
	text = malloc((size_t)st.st_size);
	if (!text)
		return err_errno(err, ENOMEM, "%s", path);
	r = io_read_full(fd, text, (size_t)st.st_size);
	if (r < 0)
		return err_errno(err, -r, "%s", path);
	*ret_text = TAKE_PTR(text);
	*ret_len = (size_t)st.st_size;
	return 0;
}

int user_resolve(const char *spec, struct user *ret, struct err *err)
{
	char CLEANUP_FREE *passwd = NULL;
	char CLEANUP_FREE *group = NULL;
	struct user_file passwd_file, group_file;
	int r;

	r = file_read(PASSWD_PATH, &passwd, &passwd_file.len, err);
	if (r == 0)
		r = file_read(GROUP_PATH, &group, &group_file.len, err);
	if (r < 0)
		return r;
	passwd_file.text = passwd;
	group_file.text = group;
	return user_lookup(spec, &passwd_file, &group_file, ret, err);
}
