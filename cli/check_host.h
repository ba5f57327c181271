// SPDX-License-Identifier: Apache-2.0
// The host that an audit looks at: its files, its monitors, its sockets.
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct err;

/*
 * struct check_config - where to look
 * @root:	"/" or a directory that looks like one
 * @store:	of images, a path on the host
 * @kernel:	what guests boot, a path on the host; NULL if that can't be known
 * @vmm:	hull-vmm, a path on the host, or NULL: what runs this file is a monitor by any name
 * @landlock_abi:	0 for no Landlock, negative if that isn't known
 */
struct check_config {
	const char *root;
	const char *store;
	const char *kernel;
	const char *vmm;
	int landlock_abi;
};

/*
 * struct check_monitor - a process that runs hull-vmm
 * @dir:	its folder in /proc: it stays this process's when the ID is somebody else's
 * @guest:	has virtual CPUs; before it is in no jail yet
 * @uid:	its real user ID, or -1 if that can't be read
 * @cgroup:	its path in the cgroup v2 hierarchy, or NULL
 */
struct check_monitor {
	pid_t pid;
	int dir;
	bool guest;
	int64_t uid;
	char *cgroup;
};

/* struct check_socket - a named UNIX socket of the caller's network namespace */
struct check_socket {
	uint64_t inode;
	bool listening;
	char *path;
};

/*
 * struct check_host - the host
 * @root:	descriptor of the root
 * @store:	descriptor of the image store, or -errno
 * @processes:	0, or -errno when the processes can't be seen
 * @users:	sorted, of processes that are no monitors
 * @unix_sockets:	0, or -errno when the sockets can't be seen
 */
struct check_host {
	struct check_config config;
	int root;
	int store;
	uid_t user;
	int processes;
	struct check_monitor *monitors;
	size_t monitor_count;
	uid_t *users;
	size_t user_count;
	int unix_sockets;
	struct check_socket *sockets;
	size_t socket_count;
};

/* check_host_open() - look around. Return: 0 or -errno with @err; check_host_close() in any case.
 */
int check_host_open(struct check_host *host, const struct check_config *config, struct err *err);
void check_host_close(struct check_host *host);

/* check_monitors_find() - fill in monitors and users; check_monitors_free() frees both. */
void check_monitors_find(struct check_host *host);
void check_monitors_free(struct check_host *host);

/* check_sockets_find() - fill in the sockets; check_sockets_free() frees them. */
void check_sockets_find(struct check_host *host);
void check_sockets_free(struct check_host *host);

/* check_socket_inode() - of a descriptor's link, "socket:[N]". Return: is it a socket's? */
bool check_socket_inode(const char *link, uint64_t *ret);

/* check_socket_served() - does anybody here listen at @path? */
bool check_socket_served(const struct check_host *host, const char *path);

/*
 * Reading. @dir is the host's root or a monitor's folder, @path is relative to it, or for the root
 * may have a slash in front.
 */

/* check_path() - @path without the slashes in front; "." for none */
const char *check_path(const char *path);

/*
 * check_read() - the beginning of a file, and a NUL
 *
 * Only regular files are read, so that no device or FIFO is.
 *
 * Return: how many bytes were read, at most @size - 1, or -errno.
 */
ssize_t check_read(int dir, const char *path, char *text, size_t size);

/* check_read_line() - the first line, without blanks at its end. Return: 0 or -errno. */
int check_read_line(int dir, const char *path, char *text, size_t size);

/* check_read_number() - a file that is one number. Return: 0 or -errno. */
int check_read_number(int dir, const char *path, int64_t *ret);

/* check_open() - for reading line by line. Return: 0 or -errno. */
int check_open(int dir, const char *path, FILE **ret);

/* check_opendir() - Return: 0 or -errno. */
int check_opendir(int dir, const char *path, DIR **ret);

/* check_next() - the next entry but "." and "..", or NULL */
struct dirent *check_next(DIR *dir);

/* check_link() - what a symbolic link says. Return: 0 or -errno. */
int check_link(int dir, const char *path, char *text, size_t size);

/* check_exists() - Return: 1, 0 or -errno. */
int check_exists(int dir, const char *path);

/*
 * check_status_field() - a field of a /proc/PID/status
 * @ret:	what is behind the colon and blanks, without the end of the line
 *
 * Return: 0 or -ENODATA.
 */
int check_status_field(const char *status, const char *name, char *ret, size_t size);

/* check_word() - the start of a line's word @n, from 0; NULL if it has fewer. */
const char *check_word(const char *line, int n);

/* check_word_is() - is word @n this one? */
bool check_word_is(const char *line, int n, const char *word);

/* check_word_number() - word @n as a whole number, which ends there. Return: 0 or -EBADMSG. */
int check_word_number(const char *line, int n, int base, uint64_t *ret);

/* What a /proc/PID/status is at most; a file of one line; a path. */
#define CHECK_STATUS_SIZE 8192
#define CHECK_LINE_SIZE 256

/*
 * check_threads() - call @fn with each thread that runs the monitor's code, not the kernel's
 *
 * Return: 0, what @fn returned if that isn't 0, or -errno.
 */
typedef int check_thread_fn(pid_t tid, const char *status, void *arg);
int check_threads(const struct check_monitor *monitor, check_thread_fn *fn, void *arg);

/*
 * struct check_fd - a descriptor of a monitor's
 * @link:	what it is called
 * @flags:	of open(2)
 * @tap:	interface of a tun descriptor, else ""
 */
struct check_fd {
	int fd;
	char link[4096];
	unsigned int flags;
	char tap[64];
};

/* check_fds() - call @fn with each. Return: as check_threads(). */
typedef int check_fd_fn(const struct check_fd *fd, void *arg);
int check_fds(const struct check_monitor *monitor, check_fd_fn *fn, void *arg);

/* check_limit() - a monitor's limit: "Max open files". UINT64_MAX for none. Return: 0 or -errno. */
int check_limit(
	const struct check_monitor *monitor, const char *name, uint64_t *soft, uint64_t *hard);
