// SPDX-License-Identifier: Apache-2.0
// What the user of `hull run` asked for.
#pragma once

#include "cli/network.h"
#include "cli/strlist.h"
#include "cli/vm_limits.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct err;

#define RUN_CPUS_DEFAULT 1
#define RUN_CPUS_MAX 64

#define RUN_MEMORY_DEFAULT (UINT64_C(512) << 20)
/* Below this the guest kernel can't unpack its initramfs, or kills what it should run. */
#define RUN_MEMORY_MIN (UINT64_C(64) << 20)

#define RUN_START_TIMEOUT_DEFAULT_S 60
#define RUN_START_TIMEOUT_MAX_S 86400

/*
 * struct run_jail_without - layers of the jail that may be missing
 * @cgroup:	that of hull itself
 * @userns:	among those of hull-vmm
 * @rest:	those of hull-vmm, as its option takes them, or ""
 */
struct run_jail_without {
	bool cgroup;
	bool userns;
	char rest[32];
};

/*
 * struct run_options - parsed and range-checked, no defaults of the image applied
 * @env, @file_env:	entries of -e and of --env-file; the former win
 * @entrypoint:		NULL if not given; "" takes the image's away
 * @hostname, @name:	NULL if not given
 * @jail_without:	layers of the jail that the host may lack
 * @memory:		bytes
 * @disk:		bytes, or 0 for a writable layer in memory
 * @start_timeout_s:	seconds, 0 only before the defaults are set
 * @image:		the reference
 * @command:		NULL-terminated, maybe empty: the rest of argv
 *
 * Strings point into argv. run_options_fini() frees the lists.
 */
struct run_options {
	struct strlist env;
	struct strlist file_env;
	const char *workdir;
	const char *user;
	const char *entrypoint;
	const char *hostname;
	const char *name;
	const char *kernel;
	const char *store;
	struct run_jail_without jail_without;
	const char *timing_file;
	struct network network;
	struct vm_limits limits;
	bool interactive;
	bool tty;
	bool read_only;
	bool no_jail;
	bool rm;
	bool timing;
	bool help;
	uint64_t cpus;
	uint64_t memory;
	uint64_t disk;
	uint64_t start_timeout_s;
	const char *image;
	char *const *command;
};

/*
 * run_options_parse() - parse the words behind `hull run`
 * @argv:	NULL-terminated; must outlive @ret
 * @ret:	written in any case, to be released by run_options_fini(). With @ret->help set
 *		nothing else is to be relied on.
 *
 * Return: 0 or -errno with a message.
 */
int run_options_parse(char *const *argv, struct run_options *ret, struct err *err);

void run_options_fini(struct run_options *options);

/* run_options_help() - print the table of options. */
void run_options_help(FILE *out);
