// SPDX-License-Identifier: Apache-2.0
// hull-vmm: one process is one microVM.
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "vmm/config.h"
#include "vmm/events.h"
#include "vmm/monitor.h"
#include "vmm/options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* syscalls: start: fcntl, write */

/* It lives as long as the process. */
static struct monitor monitor;

static int check_events_fd(int fd, struct err *err)
{
	if (fd < 0)
		return 0;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || io_nonblock(fd) < 0)
		return err_errno(err, errno, "--events-fd %d", fd);
	return 0;
}

static int run(void)
{
	struct err err;
	int code, r;

	monitor.events.fd = monitor.config.events_fd;
	events_reach(&monitor.events, EVENTS_START);
	r = check_events_fd(monitor.config.events_fd, &err);
	if (r < 0) {
		log_error("%s", err.msg);
		return MONITOR_EXIT_ARGUMENTS;
	}
	code = VM_END_ERROR;
	r = monitor_init(&monitor, &err);
	if (!r)
		r = monitor_serve(&monitor, &code, &err);
	if (!r)
		code = monitor_run(&monitor);
	if (r < 0)
		log_error("%s", err.msg);
	monitor_fini(&monitor);
	return code;
}

int main(int argc, char **argv)
{
	struct err err;
	int r = io_open_standard();

	log_setup("hull-vmm", LOG_WARN);
	if (r < 0) {
		log_error("/dev/null: %s", strerror(-r));
		return VM_END_ERROR;
	}
	switch (options_parse(argc, argv, &monitor.config, &err)) {
	case OPTIONS_RUN:
		log_setup("hull-vmm", monitor.config.log_level);
		return run();
	case OPTIONS_HELP:
		options_usage();
		return 0;
	case OPTIONS_VERSION:
		/* What reads this looks for "Firecracker v" first. */
		puts("Firecracker v" MONITOR_WIRE_VERSION "\nhull-vmm " HULL_VERSION);
		return 0;
	default:
		log_error("%s", err.msg);
		return MONITOR_EXIT_ARGUMENTS;
	}
}
