// SPDX-License-Identifier: Apache-2.0
// hull-jailer: a directory, a user and namespaces for a VM's monitor, as Firecracker's jailer makes
// them.
#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "jailer/jail.h"
#include "jailer/launch.h"
#include "jailer/ledger.h"
#include "jailer/netns.h"
#include "jailer/program.h"
#include "jailer/root.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXIT_FAILED 1
/* What reads the version looks for Firecracker's: hull-vmm says the same of itself. */
#define WIRE_VERSION "1.17.0"

/* It lives as long as the process. */
static struct jail jail = {.netns_fd = -1, .null_fd = -1, .ready_fd = -1, .tree = {.pid_fd = -1}};

static int prepare(struct err *err)
{
	const struct options *options = &jail.options;
	int CLEANUP_FD program = -1;
	int r;

	if (geteuid() != 0)
		return err_set(err, -EPERM, "only root can make a jail, not user %u", geteuid());
	if (options->uid == 0)
		log_warn("--uid 0: the program runs as root");
	r = root_separate(err);
	if (r < 0)
		return r;
	program = program_open(options->exec_file, err);
	if (program < 0)
		return program;
	if (options->netns) {
		jail.netns_fd = netns_open(options->netns, err);
		if (jail.netns_fd < 0)
			return jail.netns_fd;
	}
	if (options->daemonize) {
		jail.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (jail.null_fd < 0)
			return err_errno(err, errno, "/dev/null");
	}
	r = tree_make(&jail.tree, options, program, err);
	if (!r)
		r = cgroups_make(&jail.cgroups, options, "/proc/self", &jail.tree.ledger, err);
	return r;
}

static int run(void)
{
	struct err err;
	int r = prepare(&err);

	if (!r)
		r = launch(&jail, &err);
	if (r < 0) {
		log_error("%s", err.msg);
		ledger_undo(&jail.tree.ledger);
		return EXIT_FAILED;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct timespec now;
	struct err err;
	int r = io_open_standard();

	log_setup("hull-jailer", LOG_WARN);
	clock_gettime(CLOCK_MONOTONIC, &now);
	jail.start_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	environ = NULL;
	if (r < 0 || close_range(STDERR_FILENO + 1, ~0u, 0) < 0) {
		log_error("inherited descriptors: %s", strerror(r < 0 ? -r : errno));
		return EXIT_FAILED;
	}
	switch (options_parse(argc, argv, &jail.options, &err)) {
	case OPTIONS_RUN:
		return run();
	case OPTIONS_HELP:
		options_usage();
		return 0;
	case OPTIONS_VERSION:
		puts("Jailer v" WIRE_VERSION "\nhull-jailer " HULL_VERSION);
		return 0;
	default:
		log_error("%s", err.msg);
		return EXIT_FAILED;
	}
}
