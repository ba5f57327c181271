// SPDX-License-Identifier: Apache-2.0
// The monitor's life: signals, the start of the VM, the end.
#include "vmm/monitor.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "vmm/arch/arch.h"
#include "vmm/boot_timer.h"
#include "vmm/config_file.h"
#include "vmm/events.h"
#include "vmm/fatal.h"
#include "vmm/logger.h"
#include "vmm/routes.h"
#include "vmm/vcpu.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>

/*
 * syscalls: loop: clock_gettime, read; start: prlimit64, rt_sigaction, rt_sigprocmask, signalfd4
 */

static void on_signal(struct loop_source *src, uint32_t events)
{
	struct monitor *monitor = container_of(src, struct monitor, signals);
	struct signalfd_siginfo info;

	if (read(src->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGUSR2) {
		int r = monitor->state == MONITOR_NOT_STARTED
				? -ENODEV
				: machine_power_button(&monitor->machine);

		if (r < 0)
			log_warn("power button: %s", strerror(-r));
		return;
	}
	monitor->hung_up = info.ssi_signo == SIGHUP;
	log_error("ended by signal %u (%s)", info.ssi_signo, strsignal((int)info.ssi_signo));
	vm_stop_from_loop(&monitor->vm, VM_END_ERROR);
}

/* Termination, like the power button, is an event like any other, so that the terminal is restored
 * and sockets go. */
static int watch_signals(struct monitor *monitor, struct err *err)
{
	sigset_t set;
	int fd, r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* A reader that went away is an error of one write, not the end of the VM. */
	signal(SIGPIPE, SIG_IGN);
	/* So is a write beyond RLIMIT_FSIZE, but for clients of the API (fatal.h). */
	signal(SIGXFSZ, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_errno(err, errno, "signalfd");
	r = loop_add(&monitor->loop, &monitor->signals, fd, EPOLLIN, on_signal);
	return r < 0 ? err_errno(err, -r, "watching signals") : 0;
}

int monitor_init(struct monitor *monitor, struct err *err)
{
	int r = loop_init(&monitor->loop);

	monitor->vm = VM_NONE(&monitor->loop);
	container_init(&monitor->container, &monitor->loop, &monitor->api);
	monitor->container.events = &monitor->events;
	metrics_init(&monitor->metrics, monitor);
	if (r < 0)
		return err_errno(err, -r, "event loop");
	return watch_signals(monitor, err);
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

/* Build all that there is before the first instruction. */
static int build(struct monitor *monitor, int *ret_code, struct err *err)
{
	const struct config *config = &monitor->config;
	struct vm *vm = &monitor->vm;
	struct arch_entry entry;
	int r;

	*ret_code = MONITOR_EXIT_CONFIG;
	r = container_place_drives(&monitor->container, &monitor->config, err);
	if (r < 0)
		return r;
	*ret_code = VM_END_ERROR;
	r = vm_init(vm, &monitor->loop, config, err);
	if (r < 0)
		return r;
	events_reach(&monitor->events, EVENTS_KVM);

	*ret_code = MONITOR_EXIT_CONFIG;
	r = vm_add_memory(vm, config, err);
	if (r < 0)
		return r;
	events_reach(&monitor->events, EVENTS_MEMORY);
	monitor->machine.container = monitor->container.present ? &monitor->container : NULL;
	r = machine_init(&monitor->machine, vm, config, err);
	if (!r && config->boot_timer)
		r = boot_timer_add(monitor, err);
	if (r < 0)
		return r;
	events_reach(&monitor->events, EVENTS_DEVICES);
	r = arch_load(&monitor->machine, config, &entry, err);
	if (r < 0)
		return r;
	events_reach(&monitor->events, EVENTS_KERNEL);

	*ret_code = VM_END_ERROR;
	return vcpu_create_all(vm, config->cpus, &entry, err);
}

int monitor_start(struct monitor *monitor, int *ret_code, struct err *err)
{
	int r;

	raise_fd_limit();
	r = build(monitor, ret_code, err);
	if (r < 0) {
		machine_fini(&monitor->machine);
		monitor->machine = (struct machine){0};
		vm_fini(&monitor->vm);
		return r;
	}
	r = sandbox_enter(&monitor->sandbox, &monitor->config, err);
	*ret_code = VM_END_ERROR;
	if (!r) {
		monitor->vm.filtered = monitor->sandbox.layers & 1u << CONFIG_JAIL_SECCOMP;
		events_reach(&monitor->events, EVENTS_RUN);
		r = vcpu_start_all(&monitor->vm, err);
	}
	if (r < 0) {
		vm_stop_from_loop(&monitor->vm, VM_END_ERROR);
		return r;
	}
	monitor->state = MONITOR_RUNNING;
	return 0;
}

/* How long it took until here, if whoever started us told when that was. */
static void count_startup(struct monitor *monitor)
{
	const struct config *config = &monitor->config;
	uint64_t *now = monitor->metrics.now;

	if (config->start_us)
		now[METRIC_STARTUP_US] = clock_us() - config->start_us;
	if (config->start_cpu_us)
		now[METRIC_STARTUP_CPU_US] = clock_read(CLOCK_PROCESS_CPUTIME_ID) / 1000 -
					     config->start_cpu_us + config->parent_cpu_us;
}

static void on_owner_gone(void *ctx)
{
	struct monitor *monitor = ctx;

	log_info("the owner's connection was closed: ending the microVM");
	vm_stop_from_loop(&monitor->vm, VM_END_ERROR);
}

/* Have the API answered on its socket, and to the clients who are there already. */
static int serve_api(struct monitor *monitor, struct err *err)
{
	const struct config_api *config = &monitor->config.api;
	int r;

	if (!config->sock && !config->fd_count)
		return 0;
	r = api_init(&monitor->api, &monitor->loop, config->sock, config->body_max, &routes_ops,
		monitor, err);
	for (unsigned int i = 0; i < config->fd_count && !r; i++) {
		r = api_adopt(&monitor->api, config->fds[i], i ? NULL : on_owner_gone);
		if (r < 0)
			err_errno(err, -r, "--api-fd %d", config->fds[i]);
	}
	return r;
}

int monitor_serve(struct monitor *monitor, int *ret_code, struct err *err)
{
	const struct config *config = &monitor->config;
	int r = 0;

	if (config->api.sock || config->api.file)
		fatal_init();
	*ret_code = MONITOR_EXIT_ARGUMENTS;
	if (config->log.path && !config->log.level_given)
		monitor->config.log_level = LOG_INFO;
	r = logger_set(config, err);
	if (!r && config->metrics_path)
		r = metrics_open(&monitor->metrics, config->metrics_path, err);
	if (r < 0)
		return r;
	count_startup(monitor);
	*ret_code = VM_END_ERROR;
	/* The socket goes first: who waits for it needn't wait for KVM. */
	r = serve_api(monitor, err);
	if (!r && config->api.container)
		r = config_file_container(monitor, ret_code, err);
	if (!r && config->kernel)
		r = monitor_start(monitor, ret_code, err);
	else if (!r && config->api.file)
		r = config_file_apply(monitor, ret_code, err);
	return r;
}

int monitor_run(struct monitor *monitor)
{
	int r = loop_run(&monitor->loop);

	if (r < 0) {
		log_error("event loop: %s", strerror(-r));
		vm_stop_from_loop(&monitor->vm, VM_END_ERROR);
	}
	if (monitor->hung_up && (monitor->config.api.sock || monitor->by_api))
		return FATAL_EXIT_HUP;
	/* To Firecracker's clients a guest that resets has shut down. */
	if (monitor->by_api &&
		(monitor->vm.end == VM_END_REBOOT || monitor->vm.end == VM_END_TRIPLE_FAULT))
		return VM_END_POWEROFF;
	return (int)monitor->vm.end;
}

/* The VM's end is told once, when all of it is down. */
static void tell_end(const struct monitor *monitor)
{
	enum vm_end end = monitor->vm.end;

	if ((end == VM_END_TRIPLE_FAULT && !monitor->by_api) || end == VM_END_PANIC ||
		end == VM_END_KVM)
		log_error("%s", vm_end_text(end));
	else if (monitor->state != MONITOR_NOT_STARTED)
		log_info("%s", vm_end_text(end));
	events_exit(&monitor->events, vm_end_name(end));
}

void monitor_fini(struct monitor *monitor)
{
	api_fini(&monitor->api);
	metrics_fini(&monitor->metrics);
	vcpu_stop_all(&monitor->vm);
	machine_fini(&monitor->machine);
	container_fini(&monitor->container);
	tell_end(monitor);
	config_fini(&monitor->config);
}
