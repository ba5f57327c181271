// SPDX-License-Identifier: Apache-2.0
// Items of an audit: the image store, see image/store.h.
#include "cli/check_items.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "image/json.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* containers-policy.json(5): a user's own goes before the host's. */
#define POLICY_HOST "/etc/containers/policy.json"
#define POLICY_USER "/.config/containers/policy.json"
#define POLICY_SIZE_MAX (1024 * 1024)
#define POLICY_OPEN "insecureAcceptAnything"

/* Return: is there a store to look into? What isn't is said. */
static bool has_store(const struct check_host *host, struct check_finding *finding)
{
	const char *path = host->config.store ? host->config.store : "the image store";

	if (host->store == -ENOENT)
		check_say(finding, CHECK_INFO, "there is no %s", path);
	else if (host->store < 0)
		check_unreadable(finding, path, host->store);
	return host->store >= 0;
}

static void check_own(const struct check_host *host, const char *path, const char *name,
	struct check_finding *finding)
{
	struct stat st;

	if (fstatat(host->store, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			check_unreadable(finding, name, -errno);
		return;
	}
	if (st.st_uid != 0 && st.st_uid != host->user)
		check_say(finding, CHECK_WARN, "%.100s belongs to user %u", name, st.st_uid);
	else if (!S_ISLNK(st.st_mode) && st.st_mode & 022)
		check_say(finding, CHECK_WARN, "others can write to %.100s (mode %03o)", name,
			st.st_mode & 0777);
}

void check_store_owner(const struct check_host *host, struct check_finding *finding)
{
	static const char *const folders[] = {"rootfs", "pulled", "locks", "tmp"};

	if (!has_store(host, finding))
		return;
	check_own(host, ".", host->config.store, finding);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		check_own(host, folders[i], folders[i], finding);
	check_say(finding, CHECK_PASS, "%s", host->config.store);
}

/* store_fn - look at one entry of a folder of the store. @path: in the store. Return: what it
 * counts. */
typedef unsigned int store_fn(const struct check_host *host, const char *path, const char *name,
	struct check_finding *finding);

/* Return: the sum of what @fn does. */
static unsigned int each_entry(const struct check_host *host, const char *folder, store_fn *fn,
	struct check_finding *finding)
{
	struct dirent *entry;
	unsigned int count = 0;
	DIR *dir;
	int r = check_opendir(host->store, folder, &dir);

	if (r < 0 && r != -ENOENT)
		check_unreadable(finding, folder, r);
	if (r < 0)
		return 0;
	while ((entry = check_next(dir))) {
		char path[300];

		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		count += fn(host, path, entry->d_name, finding);
	}
	closedir(dir);
	return count;
}

static unsigned int check_image(const struct check_host *host, const char *path, const char *name,
	struct check_finding *finding)
{
	check_own(host, path, name, finding);
	return 1;
}

void check_store_images(const struct check_host *host, struct check_finding *finding)
{
	unsigned int count;

	if (!has_store(host, finding))
		return;
	count = each_entry(host, "rootfs", check_image, finding);
	check_say(finding, CHECK_PASS, "%u image%s", count, count == 1 ? "" : "s");
}

/* Archives and layouts are files that somebody has chosen. */
static unsigned int check_pulled(const struct check_host *host, const char *path, const char *name,
	struct check_finding *finding)
{
	char file[320], source[1024];
	int read;

	snprintf(file, sizeof(file), "%s/source", path);
	read = check_read_line(host->store, file, source, sizeof(source));
	if (read < 0) {
		check_unreadable(finding, file, read);
		return 0;
	}
	if (strncmp(source, "docker://", 9) != 0)
		return 0;
	if (!strchr(source, '@'))
		check_say(finding, CHECK_WARN, "%.150s", source);
	return 1;
}

void check_store_digests(const struct check_host *host, struct check_finding *finding)
{
	unsigned int count;

	if (!has_store(host, finding))
		return;
	count = each_entry(host, "pulled", check_pulled, finding);
	check_say(finding, CHECK_PASS, "%u from registries", count);
}

/* Does a list of requirements hold one that asks for nothing? */
static bool is_open(const json_t *requirements)
{
	const json_t *one;
	size_t i;

	json_array_foreach(requirements, i, one)
	{
		const char *type = json_string_value(json_object_get(one, "type"));

		if (type && !strcmp(type, POLICY_OPEN))
			return true;
	}
	return false;
}

static int check_policy(const char *path, const json_t *policy, struct check_finding *finding)
{
	const json_t *all = json_object_get(policy, "default");
	const json_t *scopes = json_object_get(json_object_get(policy, "transports"), "docker");
	const char *scope;
	json_t *requirements;
	bool open = false;

	if (!json_array_size(all))
		return -EBADMSG;
	json_object_foreach((json_t *)(uintptr_t)scopes, scope, requirements)
	{
		if (is_open(requirements)) {
			check_say(finding, CHECK_WARN, "%s accepts anything from \"%.100s\"", path,
				*scope ? scope : "docker://");
			open = true;
		}
	}
	/* A scope "" is all of docker:// that no other names. */
	if (!open && is_open(all) && !json_object_get(scopes, ""))
		check_say(finding, CHECK_WARN, "%s accepts anything", path);
	return 0;
}

void check_store_policy(const struct check_host *host, struct check_finding *finding)
{
	char CLEANUP_FREE *text = malloc(POLICY_SIZE_MAX + 1);
	const char *home = getenv("HOME");
	struct json_doc doc = {0};
	char path[PATH_MAX] = "";
	ssize_t n = -ENOENT;

	if (!text) {
		check_unreadable(finding, POLICY_HOST, -ENOMEM);
		return;
	}
	if (home && *home == '/') {
		snprintf(path, sizeof(path), "%s" POLICY_USER, home);
		n = check_read(host->root, path, text, POLICY_SIZE_MAX + 1);
	}
	if (n == -ENOENT) {
		snprintf(path, sizeof(path), POLICY_HOST);
		n = check_read(host->root, path, text, POLICY_SIZE_MAX + 1);
	}
	if (n == -ENOENT) {
		check_say(finding, CHECK_INFO, "there is no %s: skopeo fetches nothing", path);
		return;
	}
	if (n >= 0)
		n = json_doc_parse(path, text, (size_t)n, &doc, NULL);
	if (n >= 0)
		n = check_policy(path, doc.root, finding);
	if (n < 0)
		check_unreadable(finding, path, (int)n);
	json_doc_fini(&doc);
	check_say(finding, CHECK_PASS, "%s", path);
}
