// SPDX-License-Identifier: Apache-2.0
// hull-jailer's command line: that of Firecracker's jailer.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

#define OPTIONS_ID_MAX 64
/* One file name, and one that still has a file name's length with ".pid" behind it. */
#define OPTIONS_NAME_MAX 255
#define OPTIONS_EXEC_NAME_MAX (OPTIONS_NAME_MAX - 4)
/* Far more files than the kernel's controllers have. */
#define OPTIONS_CGROUPS_MAX 64
#define OPTIONS_PARENT_DEPTH_MAX 16
#define OPTIONS_BASE_DEFAULT "/srv/jailer"
#define OPTIONS_NO_FILE_DEFAULT 2048

/* One of --cgroup: @value is written to @file, whose name begins with that of its controller. */
struct options_cgroup {
	const char *file;
	const char *value;
};

/*
 * struct options - what is asked for; text is the command line's
 * @id:			checked: letters, digits and hyphens
 * @exec_file:		a path; @exec_name is its last component
 * @parent_cgroup:	a relative path without "." and ".."
 * @no_file, @fsize:	limits; @fsize counts if @fsize_given
 * @arguments:		for the program, up to a NULL
 */
struct options {
	const char *id;
	const char *exec_file;
	const char *exec_name;
	uid_t uid;
	gid_t gid;
	const char *base;
	const char *netns;
	struct options_cgroup cgroups[OPTIONS_CGROUPS_MAX];
	unsigned int cgroup_count;
	unsigned int cgroup_version;
	const char *parent_cgroup;
	bool parent_given;
	uint64_t no_file;
	uint64_t fsize;
	bool fsize_given;
	bool daemonize;
	bool new_pid_ns;
	char **arguments;
};

enum options_action {
	OPTIONS_RUN,
	OPTIONS_HELP,
	OPTIONS_VERSION,
};

/*
 * options_parse() - read the command line
 * @argv:	is kept, and parts of it are overwritten
 *
 * Return: enum options_action, or -EINVAL with @err set.
 */
int options_parse(int argc, char **argv, struct options *ret, struct err *err);

/* options_usage() - write the help to standard output. */
void options_usage(void);
