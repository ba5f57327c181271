// SPDX-License-Identifier: Apache-2.0
// hull run: a new container in a VM of its own.
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "cli/child.h"
#include "cli/command.h"
#include "cli/container.h"
#include "cli/monitor.h"
#include "cli/name.h"
#include "cli/passt.h"
#include "cli/programs.h"
#include "cli/run_options.h"
#include "cli/signals.h"
#include "cli/spec.h"
#include "cli/subids.h"
#include "cli/timing.h"
#include "cli/vm_cgroup.h"
#include "image/image.h"
#include "image/store.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <pwd.h>
#include <sys/vfs.h>

/* loglevel: each byte on the serial port is an exit; a panic prints all the same. panic=-1: a panic
 * ends the VM even without the pvpanic device. */
/* The driver of dummy interfaces would make one, which a container hasn't asked for. */
#define GUEST_CMDLINE "console=ttyS0 loglevel=3 panic=-1 dummy.numdummies=0"

/*
 * struct run - what a run holds on to from its preparation to its end
 * @name_fd:	keeps the name taken
 * @disk_fd:	the scratch disk, which has no name; -1 for none
 * @timing_out:	file of --timing-file, or NULL
 */
struct run {
	struct run_options options;
	struct programs programs;
	char id[NAME_RANDOM_DIGITS + 1];
	int name_fd;
	int disk_fd;
	struct store *store;
	struct image image;
	struct spec spec;
	struct passt passt;
	struct vm_cgroup cgroup;
	struct subids ids;
	struct timing timing;
	FILE *timing_out;
};

static uint64_t run_memory_mib(const struct run_options *options)
{
	return (options->memory + (1 << 20) - 1) >> 20;
}

static void run_help(FILE *out)
{
	fputs("Usage: hull run [OPTION]... IMAGE [COMMAND [ARGUMENT]...]\n"
	      "\n"
	      "Boot a container image in a microVM of its own and run COMMAND in it, or what the "
	      "image\n"
	      "says. Its output, input, exit code and signals are those of the command run "
	      "directly.\n"
	      "\n"
	      "IMAGE is a directory with an OCI layout (DIR or DIR:TAG), or anything that skopeo "
	      "can\n"
	      "fetch: docker://, docker-archive:, oci-archive:, containers-storage:. A bare name "
	      "is looked\n"
	      "up in the registry docker.io.\n"
	      "\n"
	      "Options, before IMAGE:\n",
		out);
	run_options_help(out);
	fputs("\n"
	      "Sizes take the suffixes K, M, G and T.\n"
	      "\n"
	      "Exit code: the command's, or 128+N if signal N killed it; 125 if hull itself "
	      "failed, 126 if\n"
	      "the command can't be executed, 127 if there's no such command.\n"
	      "\n"
	      "Examples:\n"
	      "  hull run build/images/busybox echo hello      an OCI layout on disk\n"
	      "  hull run -it debian:12 bash                   a shell, with a terminal\n"
	      "  tar c . | hull run -i alpine tar t            input from a pipe\n"
	      "  hull run -e LANG=C -w /src --memory 2G --cpus 4 --disk 10G IMAGE make\n"
	      "  hull run --timing build/images/busybox true   where the time goes\n",
		out);
}

/* An empty ext4 for what the container writes, in a file that vanishes with its last descriptor.
 * Return: that, or -errno with a message. */
static int make_disk(void *arg, struct err *err)
{
	struct run *run = arg;
	int CLEANUP_FD fd = -1;
	int r;

	fd = openat(run->store->tmp_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		struct store_temp temp = STORE_TEMP_INIT;

		/* A file system without nameless files: take the name away at once. */
		r = store_temp_file(run->store, &temp, err);
		if (r < 0)
			return r;
		fd = fcntl(temp.fd, F_DUPFD_CLOEXEC, 0);
		store_temp_discard(&temp);
	}
	if (fd < 0)
		return err_errno(err, errno, "scratch disk in the image store");
	r = rootfs_make_empty(fd, run->options.disk, err);
	return r < 0 ? r : TAKE_FD(fd);
}

static int run_make_disk(struct run *run, struct err *err)
{
	int fd;

	if (!run->options.disk)
		return 0;
	/* Whoever first writes to a file is held to account for what is written to it later. */
	if (run->options.limits.io_count)
		fd = spawn_call(run->cgroup.fd, make_disk, run, err);
	else
		fd = make_disk(run, err);
	if (fd < 0)
		return fd;
	run->disk_fd = fd;
	return 0;
}

/* What of a scratch disk takes memory that can't be had back. */
static uint64_t run_disk_memory(const struct run *run)
{
	struct statfs fs;

	/* What is below an overlay isn't told: it may be memory, too. */
	if (!run->options.disk || fstatfs(run->store->tmp_fd, &fs) < 0 ||
		(fs.f_type != TMPFS_MAGIC && fs.f_type != OVERLAYFS_SUPER_MAGIC))
		return 0;
	return run->options.disk;
}

static int run_make_cgroup(struct run *run, struct err *err)
{
	const struct run_options *options = &run->options;
	const struct vm_cgroup_config config = {
		.limits = &options->limits,
		.memory = run_memory_mib(options) << 20,
		.vcpus = options->cpus,
		.disk = run_disk_memory(run),
		.passt = options->network.kind == NETWORK_PASST,
		.optional = options->no_jail || options->jail_without.cgroup,
	};

	return vm_cgroup_make(&run->cgroup, &config, err);
}

/* An ordinary user's VM is somebody else than the user, where the host allows it. */
static void run_choose_ids(struct run *run)
{
	const struct run_options *options = &run->options;
	int CLEANUP_FD etc = -1;
	const struct passwd *user;
	int lock;

	if (geteuid() == 0 || options->no_jail || options->jail_without.userns)
		return;
	etc = open("/etc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	lock = openat(run->store->locks_fd, "subids", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (etc < 0 || lock < 0) {
		if (lock >= 0)
			close(lock);
		return;
	}
	user = getpwuid(geteuid());
	subids_choose(&run->ids, etc, lock, geteuid(), user ? user->pw_name : NULL);
}

static int run_prepare(struct run *run, struct err *err)
{
	const struct run_options *options = &run->options;
	const char *hostname;
	int r;

	if (options->timing_file) {
		run->timing_out = fopen(options->timing_file, "we");
		if (!run->timing_out)
			return err_errno(err, errno, "%s", options->timing_file);
	}
	r = programs_find(&run->programs, err);
	if (!r)
		r = name_random(run->id, err);
	if (r < 0)
		return r;
	run->name_fd = name_hold(options->name ? options->name : run->id, err);
	if (run->name_fd < 0)
		return run->name_fd;
	r = store_open(options->store, &run->store, err);
	if (!r)
		r = image_prepare(run->store, options->image, &run->image, err);
	if (r < 0)
		return r;
	timing_mark(&run->timing, TIMING_IMAGE);
	run_choose_ids(run);
	hostname = options->hostname ? options->hostname : run->id;
	r = spec_build(options, &run->image.config, hostname, &run->spec, err);
	if (!r)
		r = network_apply(&run->options.network, &run->spec.agent, err);
	if (!r)
		r = run_make_cgroup(run, err);
	if (!r)
		r = run_make_disk(run, err);
	if (!r && options->network.kind == NETWORK_PASST)
		r = passt_start(&run->passt, &options->network, run->cgroup.fd, err);
	return r;
}

static bool run_write_timing(struct run *run)
{
	bool bad;

	timing_write(&run->timing, run->timing_out);
	bad = ferror(run->timing_out);
	if (fclose(run->timing_out) == EOF)
		bad = true;
	run->timing_out = NULL;
	if (bad)
		log_error("%s: cannot be written", run->options.timing_file);
	return !bad;
}

static int run_container(struct run *run)
{
	const struct run_options *options = &run->options;
	struct monitor_config vm = {
		.program = run->programs.monitor,
		.kernel = options->kernel ? options->kernel : run->programs.kernel,
		.initrd = run->programs.initrd,
		.cmdline = GUEST_CMDLINE,
		.memory_mib = run_memory_mib(options),
		.cpus = (uint32_t)options->cpus,
		.rootfs_fd = run->image.rootfs_fd,
		.disk_fd = run->disk_fd,
		.passt_fd = run->passt.vm_fd,
		.tap = options->network.kind == NETWORK_TAP ? options->network.tap : NULL,
		.mac = options->network.interface.mac,
		.no_jail = options->no_jail,
		.jail_without = *options->jail_without.rest ? options->jail_without.rest : NULL,
		.cgroup_fd = run->cgroup.fd,
		.ids = run->ids.lock_fd >= 0 ? &run->ids : NULL,
	};
	struct container_config config = {
		.vm = &vm,
		.spec = &run->spec.agent,
		.passt = &run->passt,
		.cgroup = &run->cgroup,
		.timing = &run->timing,
		.timed = options->timing || run->timing_out,
		.interactive = options->interactive,
		.start_timeout_s = options->start_timeout_s,
	};
	int code = container_run(&config);

	if (options->timing)
		timing_print(&run->timing, stderr);
	if (run->timing_out && !run_write_timing(run))
		code = CONTAINER_EXIT_HULL;
	return code;
}

static int run_main(char *const *argv)
{
	struct run run = {
		.name_fd = -1,
		.disk_fd = -1,
		.image = IMAGE_INIT,
		.passt = PASST_INIT,
		.cgroup = VM_CGROUP_INIT,
		.ids = SUBIDS_NONE,
	};
	struct err err = {0};
	int code = CONTAINER_EXIT_HULL;

	timing_mark(&run.timing, TIMING_HULL);
	if (run_options_parse(argv, &run.options, &err) < 0) {
		log_error("%s", err.msg);
		goto out;
	}
	if (run.options.help) {
		run_help(stdout);
		code = 0;
		goto out;
	}
	if (run.options.tty && run.options.interactive && !isatty(STDIN_FILENO))
		log_warn("standard input is not a terminal: --tty may not do what you want");
	signals_early();
	if (run_prepare(&run, &err) < 0)
		log_error("%s", err.msg);
	else
		code = run_container(&run);
out:
	if (run.timing_out)
		fclose(run.timing_out);
	passt_stop(&run.passt);
	vm_cgroup_end(&run.cgroup);
	subids_release(&run.ids);
	spec_fini(&run.spec);
	image_fini(&run.image);
	store_close(run.store);
	run_options_fini(&run.options);
	if (run.disk_fd >= 0)
		close(run.disk_fd);
	if (run.name_fd >= 0)
		close(run.name_fd);
	return code;
}

const struct command cmd_run = {
	.name = "run",
	.summary = "Run a command in a new container",
	.help = run_help,
	.run = run_main,
};
