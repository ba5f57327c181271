// SPDX-License-Identifier: Apache-2.0
// Image references.
#include "image/reference.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "image/digest.h"
#include "image/json.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

/* The rule of registries for tags. */
#define TAG_MAX 128

void reference_fini(struct reference *reference)
{
	free(reference->text);
	free(reference->source);
	free(reference->path);
	free(reference->tag);
	*reference = (struct reference){0};
}

static char *format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static char *format(const char *fmt, ...)
{
	va_list ap;
	char *text = NULL;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	return text;
}

static bool is_dir(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static bool exists(const char *path)
{
	struct stat st;

	return !stat(path, &st);
}

static bool tag_is_valid(const char *tag)
{
	size_t n = strlen(tag);

	return n >= 1 && n <= TAG_MAX && tag[0] != '.' && tag[0] != '-' &&
	       strspn(tag, LOWER UPPER DIGIT "_.-") == n;
}

/* An annotation may name a tag more freely than a registry does. */
static bool layout_tag_is_valid(const char *tag)
{
	return tag[0] && strlen(tag) < REFERENCE_MAX && json_is_printable(tag);
}

/* One component of a repository's path: words of lower-case letters and digits with single '.',
 * one or two '_', or any number of '-' between them. */
static bool component_is_valid(const char *text, size_t n)
{
	size_t i = 0;

	for (;;) {
		size_t word = strspn(text + i, LOWER DIGIT);
		size_t sep;

		if (!word || word > n - i)
			return false;
		i += word;
		if (i == n)
			return true;
		sep = strspn(text + i, "-");
		if (!sep && text[i] == '.')
			sep = 1;
		if (!sep && text[i] == '_')
			sep = text[i + 1] == '_' ? 2 : 1;
		if (!sep || sep >= n - i)
			return false;
		i += sep;
	}
}

static bool repository_is_valid(const char *path)
{
	for (;;) {
		size_t n = strcspn(path, "/");

		if (!component_is_valid(path, n))
			return false;
		if (!path[n])
			return true;
		path += n + 1;
	}
}

/* HOST[:PORT] with HOST a DNS name or a bracketed IPv6 address. */
static bool host_is_valid(const char *text, size_t n)
{
	size_t host = text[0] == '[' ? strcspn(text, "]") + 1 : strcspn(text, ":/");
	const char *valid = text[0] == '[' ? "[]:." DIGIT "abcdefABCDEF" : LOWER UPPER DIGIT ".-";

	if (!host || host > n || strspn(text, valid) < host)
		return false;
	if (text[0] != '[' &&
		(!strchr(LOWER UPPER DIGIT, text[0]) ||
			!strchr(LOWER UPPER DIGIT, text[host - 1]) || memmem(text, host, "..", 2)))
		return false;
	if (host == n)
		return true;
	return text[host] == ':' && n - host >= 2 && n - host <= 6 &&
	       strspn(text + host + 1, DIGIT) >= n - host - 1;
}

/* Is the first component of a name a host? So registries' clients tell it from a path. */
static bool starts_with_host(const char *name, size_t n)
{
	return name[n] == '/' && (memchr(name, '.', n) || memchr(name, ':', n) ||
					 (n == 9 && !memcmp(name, "localhost", n)));
}

static int parse_registry(
	struct reference *ref, const char *text, const char *name_text, struct err *err)
{
	char CLEANUP_FREE *name = strdup(name_text);
	char *digest, *tag = NULL, *path, *slash;
	const char *host = "docker.io", *library = "";
	size_t first;

	if (!name)
		return err_set(err, -ENOMEM, "image %s: out of memory", text);
	digest = strchr(name, '@');
	if (digest)
		*digest++ = '\0';
	if (digest && !digest_is_valid(digest))
		return err_set(err, -EINVAL, "image %s: malformed digest", text);
	slash = strrchr(name, '/');
	tag = strchr(slash ? slash : name, ':');
	if (tag)
		*tag++ = '\0';
	if (tag && !tag_is_valid(tag))
		return err_set(err, -EINVAL, "image %s: malformed tag", text);
	first = strcspn(name, "/");
	path = name;
	if (starts_with_host(name, first)) {
		if (!host_is_valid(name, first))
			return err_set(err, -EINVAL, "image %s: malformed registry host", text);
		name[first] = '\0';
		host = name;
		path = name + first + 1;
	}
	if (!repository_is_valid(path))
		return err_set(err, -EINVAL,
			"image %s: neither a registry's image name nor an existing folder", text);
	if (!strcmp(host, "docker.io") && !strchr(path, '/'))
		library = "library/";
	ref->kind = REFERENCE_REGISTRY;
	ref->source = format("docker://%s/%s%s%s%s", host, library, path, digest ? "@" : ":",
		digest ? digest
		: tag  ? tag
		       : "latest");
	return 0;
}

static int set_layout(struct reference *ref, const char *path, size_t n, const char *tag)
{
	ref->kind = REFERENCE_LAYOUT;
	ref->path = strndup(path, n);
	ref->tag = strdup(tag);
	ref->source = format("oci:%.*s", (int)n, path);
	return 0;
}

/* PATH or PATH:TAG; a path with a colon in it is told from a tag by looking whether it exists. */
static int parse_layout(struct reference *ref, const char *text, const char *path, struct err *err)
{
	const char *colon = strrchr(path, ':');

	if (!path[0] || colon == path)
		return err_set(err, -EINVAL, "image %s: no folder given", text);
	if (!colon || strchr(colon, '/') || is_dir(path))
		return set_layout(ref, path, strlen(path), "latest");
	if (!layout_tag_is_valid(colon + 1))
		return err_set(err, -EINVAL, "image %s: malformed tag", text);
	return set_layout(ref, path, (size_t)(colon - path), colon + 1);
}

/* FILE or FILE:NAME; skopeo takes the first colon for the separator, so FILE can't have one. */
static int parse_archive(
	struct reference *ref, const char *text, const char *transport, struct err *err)
{
	const char *file = text + strlen(transport);
	size_t n = strcspn(file, ":");
	char CLEANUP_FREE *cwd = NULL;

	if (!n)
		return err_set(err, -EINVAL, "image %s: no file given", text);
	if (file[0] != '/') {
		cwd = getcwd(NULL, 0);
		if (!cwd)
			return err_errno(err, errno, "image %s: current folder", text);
		if (strchr(cwd, ':'))
			return err_set(err, -EINVAL,
				"image %s: the current folder has a colon in its name", text);
	}
	ref->kind = REFERENCE_ARCHIVE;
	ref->path = format("%s%s%.*s", cwd ? cwd : "", cwd ? "/" : "", (int)n, file);
	ref->source = ref->path ? format("%s%s%s", transport, ref->path, file + n) : NULL;
	return 0;
}

static const char *after(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) ? NULL : text + n;
}

static bool looks_like_path(const char *text)
{
	char CLEANUP_FREE *head = NULL;
	const char *colon;

	if (text[0] == '/' || after(text, "./") || after(text, "../") || !strcmp(text, ".") ||
		!strcmp(text, "..") || after(text, ".:") || after(text, "..:"))
		return true;
	if (!strchr(text, '/'))
		return false;
	if (exists(text))
		return true;
	colon = strrchr(text, ':');
	if (!colon || strchr(colon, '/'))
		return false;
	head = strndup(text, (size_t)(colon - text));
	return head && exists(head);
}

/*
 * The transport that @text names, which is none of ours: what is before "://", or one of skopeo's.
 * An image of a registry that is called so needs docker://.
 *
 * Return: its length, 0 if there is none.
 */
static size_t other_transport(const char *text)
{
	static const char *const others[] = {
		"dir:",
		"docker-daemon:",
		"ostree:",
		"sif:",
		"tarball:",
	};
	const char *rest = strstr(text, "://");

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (after(text, others[i]))
			return strlen(others[i]) - 1;
	return rest ? (size_t)(rest - text) : 0;
}

static int parse(struct reference *ref, const char *text, struct err *err)
{
	const char *rest;
	size_t n;

	if ((rest = after(text, "oci:")))
		return parse_layout(ref, text, rest, err);
	if ((rest = after(text, "docker://")))
		return parse_registry(ref, text, rest, err);
	if (after(text, "docker-archive:"))
		return parse_archive(ref, text, "docker-archive:", err);
	if (after(text, "oci-archive:"))
		return parse_archive(ref, text, "oci-archive:", err);
	if ((rest = after(text, "containers-storage:"))) {
		if (!rest[0])
			return err_set(err, -EINVAL, "image %s: no name given", text);
		ref->kind = REFERENCE_STORAGE;
		ref->source = strdup(text);
		return 0;
	}
	if (looks_like_path(text))
		return parse_layout(ref, text, text, err);
	n = other_transport(text);
	if (n)
		return err_set(err, -EINVAL,
			"image %s: transport %.*s is not supported (docker://, docker-archive:, "
			"oci-archive:, oci: and containers-storage: are)",
			text, (int)n, text);
	return parse_registry(ref, text, text, err);
}

int reference_parse(const char *text, struct reference *ret_reference, struct err *err)
{
	struct reference ref = {0};
	int r;

	if (!text[0])
		return err_set(err, -EINVAL, "image reference is empty");
	if (strlen(text) >= REFERENCE_MAX)
		return err_set(err, -EINVAL, "image %.40s...: reference is longer than %d bytes",
			text, REFERENCE_MAX - 1);
	if (!json_is_printable(text))
		return err_set(err, -EINVAL, "image %s: control characters in the reference", text);
	r = parse(&ref, text, err);
	if (!r) {
		ref.text = strdup(text);
		if (!ref.text || !ref.source ||
			(ref.kind == REFERENCE_LAYOUT && (!ref.path || !ref.tag)))
			r = err_set(err, -ENOMEM, "image %s: out of memory", text);
	}
	if (r)
		reference_fini(&ref);
	else
		*ret_reference = ref;
	return r;
}
