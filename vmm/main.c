// SPDX-License-Identifier: Apache-2.0
// hull-vmm: one process is one microVM.
#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/loop.h"
#include "vmm/arch/arch.h"
#include "vmm/config.h"
#include "vmm/events.h"
#include "vmm/machine.h"
#include "vmm/options.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

/* Exit codes besides those of enum vm_end; Firecracker's numbers. */
#define EXIT_BAD_CONFIG 152
#define EXIT_BAD_ARGUMENTS 153

/* What lives as long as the process, one of each. */
static struct loop loop;
static struct vm vm;
static struct machine machine;
static struct loop_source signals;

static void on_signal(struct loop_source *src, uint32_t events)
{
	struct signalfd_siginfo info;

	if (read(src->fd, &info, sizeof(info)) != sizeof(info))
		return;
	log_error("ended by signal %u (%s)", info.ssi_signo, strsignal((int)info.ssi_signo));
	vm_stop_from_loop(&vm, VM_END_ERROR);
}

/* Termination is an event like any other, so that the terminal is restored and sockets go. */
static int watch_signals(struct err *err)
{
	sigset_t set;
	int fd, r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* A reader that went away is an error of one write, not the end of the VM. */
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_errno(err, errno, "signalfd");
	r = loop_add(&loop, &signals, fd, EPOLLIN, on_signal);
	return r < 0 ? err_errno(err, -r, "watching signals") : 0;
}

static int check_events_fd(int fd, struct err *err)
{
	if (fd < 0)
		return 0;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || io_nonblock(fd) < 0)
		return err_errno(err, errno, "--events-fd %d", fd);
	return 0;
}

/* Each vsock connection is a descriptor, and the usual soft limit is below what the device allows.
 */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	/* Less is no reason not to run: connections beyond are refused. */
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Build the machine and start it. Return: 0, or -errno with @err and @ret_code set. */
static int start(const struct config *config, int *ret_code, struct err *err)
{
	struct arch_entry entry;
	int r;

	*ret_code = VM_END_ERROR;
	raise_fd_limit();
	r = loop_init(&loop);
	if (r < 0)
		return err_errno(err, -r, "event loop");
	r = watch_signals(err);
	if (!r)
		r = vm_init(&vm, &loop, config, err);
	if (r < 0)
		return r;
	events_phase(config->events_fd, "kvm");

	*ret_code = EXIT_BAD_CONFIG;
	r = vm_add_memory(&vm, config->memory, err);
	if (r < 0)
		return r;
	events_phase(config->events_fd, "memory");
	r = machine_init(&machine, &vm, config, err);
	if (r < 0)
		return r;
	events_phase(config->events_fd, "devices");
	r = arch_load(&machine, config, &entry, err);
	if (r < 0)
		return r;
	events_phase(config->events_fd, "kernel");

	*ret_code = VM_END_ERROR;
	r = vcpu_create_all(&vm, config->cpus, &entry, err);
	if (r < 0)
		return r;
	events_phase(config->events_fd, "run");
	return vcpu_start_all(&vm, err);
}

static int run(const struct config *config)
{
	struct err err;
	int code, r;

	events_phase(config->events_fd, "start");
	r = check_events_fd(config->events_fd, &err);
	if (r < 0) {
		log_error("%s", err.msg);
		return EXIT_BAD_ARGUMENTS;
	}
	r = start(config, &code, &err);
	if (!r) {
		r = loop_run(&loop);
		if (r < 0)
			err_errno(&err, -r, "event loop");
		if (r < 0)
			vm_stop_from_loop(&vm, VM_END_ERROR);
		code = (int)vm.end;
	}
	vcpu_stop_all(&vm);
	machine_fini(&machine);
	if (r < 0)
		log_error("%s", err.msg);
	else if (code == VM_END_TRIPLE_FAULT || code == VM_END_PANIC || code == VM_END_KVM)
		log_error("%s", vm_end_text((enum vm_end)code));
	else
		log_info("%s", vm_end_text((enum vm_end)code));
	events_exit(config->events_fd, r < 0 ? "error" : vm_end_name((enum vm_end)code));
	return code;
}

int main(int argc, char **argv)
{
	struct config config;
	struct err err;

	log_setup("hull-vmm", LOG_WARN);
	switch (options_parse(argc, argv, &config, &err)) {
	case OPTIONS_RUN:
		log_setup("hull-vmm", config.log_level);
		return run(&config);
	case OPTIONS_HELP:
		options_usage();
		return 0;
	case OPTIONS_VERSION:
		puts("hull-vmm " HULL_VERSION);
		return 0;
	default:
		log_error("%s", err.msg);
		return EXIT_BAD_ARGUMENTS;
	}
}
