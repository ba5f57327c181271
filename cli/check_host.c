// SPDX-License-Identifier: Apache-2.0
// The host that an audit looks at.
#include "cli/check_host.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* include/linux/net.h: somebody listens */
#define SO_ACCEPTCON 0x10000

int check_host_open(struct check_host *host, const struct check_config *config, struct err *err)
{
	const char *store = config->store;
	struct rlimit files;

	*host = (struct check_host){
		.config = *config, .root = -1, .store = -ENOENT, .user = geteuid()};
	/* A descriptor for each monitor. */
	if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	host->root = open(config->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (host->root < 0)
		return err_errno(err, errno, "--root: %s", config->root);
	if (store)
		host->store = openat(*store == '/' ? host->root : AT_FDCWD,
			*store == '/' ? check_path(store) : store,
			O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (host->store < 0 && store)
		host->store = -errno;
	check_monitors_find(host);
	check_sockets_find(host);
	return 0;
}

void check_host_close(struct check_host *host)
{
	check_monitors_free(host);
	check_sockets_free(host);
	cleanup_fd(&host->store);
	cleanup_fd(&host->root);
}

static int add_socket(struct check_host *host, uint64_t inode, bool listening, const char *path)
{
	struct check_socket *more =
		reallocarray(host->sockets, host->socket_count + 1, sizeof(host->sockets[0]));

	if (!more)
		return -ENOMEM;
	host->sockets = more;
	more += host->socket_count;
	*more = (struct check_socket){.inode = inode, .listening = listening, .path = strdup(path)};
	if (!more->path)
		return -ENOMEM;
	host->socket_count++;
	return 0;
}

/* Num: RefCount Protocol Flags Type St Inode Path. A name with a newline in it spoils its line. */
void check_sockets_find(struct check_host *host)
{
	FILE CLEANUP_FILE *file = NULL;
	char CLEANUP_FREE *line = NULL;
	size_t size = 0;
	int r = check_open(host->root, "proc/net/unix", &file);

	while (!r && getline(&line, &size, file) >= 0) {
		const char *path = check_word(line, 7);
		uint64_t flags, inode;

		line[strcspn(line, "\n")] = '\0';
		if (path && *path != '@' && !check_word_number(line, 3, 16, &flags) &&
			!check_word_number(line, 6, 10, &inode))
			r = add_socket(host, inode, flags & SO_ACCEPTCON, path);
	}
	host->unix_sockets = r;
}

void check_sockets_free(struct check_host *host)
{
	for (size_t i = 0; i < host->socket_count; i++)
		free(host->sockets[i].path);
	free(host->sockets);
}

bool check_socket_inode(const char *link, uint64_t *ret)
{
	static const char before[] = "socket:[";
	char *end;

	if (strncmp(link, before, strlen(before)) != 0)
		return false;
	*ret = strtoull(link + strlen(before), &end, 10);
	return *end == ']';
}

bool check_socket_served(const struct check_host *host, const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < host->socket_count; i++) {
		const struct check_socket *socket = &host->sockets[i];

		/* base/listener.c makes it under its name and a tilde. */
		if (socket->listening && !strncmp(socket->path, path, len) &&
			(!socket->path[len] || !strcmp(socket->path + len, "~")))
			return true;
	}
	return false;
}
