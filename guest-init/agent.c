// SPDX-License-Identifier: Apache-2.0
// The guest's end of the agent protocol.
#include "guest-init/agent.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "guest-init/cgroup.h"
#include "guest-init/container.h"
#include "guest-init/freeze.h"
#include "guest-init/jobs.h"
#include "guest-init/process.h"
#include "guest-init/rootfs.h"
#include "protocol/agent.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

/* The longest answers to all that may be under way, and a few more; more waiting means that the
 * host doesn't read. */
#define OUT_MAX (64 * 1024)

/* The host's clock came a moment ago: less than this is no reason to change the guest's. */
#define CLOCK_SLACK_NS 1000000000LL

/*
 * What is known of the container. EXITED goes out when the reaper's word is there (or will never
 * come), everything in the container is dead, and all its output has been sent.
 */
enum agent_state {
	STATE_WAITING, /* for START */
	STATE_STARTED, /* the container was cloned; it may have executed the command or not */
	STATE_ENDED,   /* EXITED or FAILED was sent; only SHUTDOWN can follow */
};

/* @container: the reaper; @process: the container's own command */
struct agent {
	const struct platform *platform;
	struct loop loop;
	struct loop_source control;
	struct agent_reader reader;
	struct buf out;
	enum agent_state state;
	struct child container;
	struct process process;
	struct jobs jobs;
	int cgroup_fd;
	struct report exited; /* kind is REPORT_EXITED once known */
	bool image_ok;
	struct err image_err;
};

static void control_flush(struct agent *agent)
{
	int r = agent_flush(&agent->out, agent->control.fd);

	if (r < 0 || loop_mod(&agent->loop, &agent->control, EPOLLIN | (r ? 0 : EPOLLOUT)) < 0)
		loop_quit(&agent->loop);
}

static void send_msg(struct agent *agent, const struct agent_msg *msg)
{
	if (agent_encode(&agent->out, msg) < 0)
		loop_quit(&agent->loop);
	else
		control_flush(agent);
}

static void send_failed(struct agent *agent, uint32_t code, const char *message)
{
	const struct agent_msg msg = process_failed(&agent->process, code, message);

	if (agent->state == STATE_ENDED)
		return;
	agent->state = STATE_ENDED;
	jobs_end(&agent->jobs);
	send_msg(agent, &msg);
}

static void jobs_send(struct jobs *jobs, const struct agent_msg *msg)
{
	send_msg(container_of(jobs, struct agent, jobs), msg);
}

/* Something of the end has happened: is that all of it? */
static void check_ended(struct agent *agent)
{
	struct agent_msg msg = {.type = AGENT_EXITED};

	if (agent->state != STATE_STARTED || agent->container.pid ||
		!streams_done(&agent->process.streams))
		return;
	if (agent->exited.kind != REPORT_EXITED) {
		send_failed(agent, AGENT_EXIT_ERROR, "the container's first process was killed");
		return;
	}
	agent->state = STATE_ENDED;
	msg.exited.code = (uint32_t)agent->exited.code;
	msg.exited.signal = (uint32_t)agent->exited.signal;
	send_msg(agent, &msg);
}

static void on_drained(struct process *process)
{
	check_ended(container_of(process, struct agent, process));
}

static void handle_started(struct agent *agent, const struct report *report, int fd)
{
	const struct agent_msg msg = process_started(&agent->process, (uint32_t)report->code);

	if (agent->state != STATE_STARTED || agent->process.pidfd >= 0) {
		close(fd);
		return;
	}
	agent->process.pidfd = fd;
	send_msg(agent, &msg);
}

static void on_report(struct child *child, const struct report *report, int fd)
{
	struct agent *agent = container_of(child, struct agent, container);
	struct err err;

	switch (report->kind) {
	case REPORT_TTY:
		if (process_terminal(&agent->process, fd, &err) < 0)
			send_failed(agent, AGENT_EXIT_ERROR, err.msg);
		break;
	case REPORT_STARTED:
		handle_started(agent, report, fd);
		break;
	case REPORT_FAILED:
		send_failed(agent, (uint32_t)report->code, report->message);
		break;
	case REPORT_EXITED:
		agent->exited = *report;
		break;
	}
}

static void on_gone(struct child *child, int status)
{
	struct agent *agent = container_of(child, struct agent, container);

	jobs_end(&agent->jobs);
	check_ended(agent);
}

static const struct child_ops container_ops = {.report = on_report, .gone = on_gone};

static void clock_set(uint64_t wall_clock_ns)
{
	const struct timespec wanted = {
		.tv_sec = (time_t)(wall_clock_ns / 1000000000),
		.tv_nsec = (long)(wall_clock_ns % 1000000000),
	};
	struct timespec now;
	int64_t apart;

	if (!wall_clock_ns || wall_clock_ns > INT64_MAX)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	apart = (int64_t)wall_clock_ns - ((int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
	if (apart > CLOCK_SLACK_NS || apart < -CLOCK_SLACK_NS)
		clock_settime(CLOCK_REALTIME, &wanted);
}

static int start(struct agent *agent, struct err *err)
{
	struct process *process = &agent->process;
	const struct agent_spec *spec = &process->spec;
	int r;

	if (!agent->image_ok) {
		*err = agent->image_err;
		return err->code;
	}
	clock_set(spec->wall_clock_ns);
	r = rootfs_mount(agent->platform, spec, err);
	if (r == 0)
		r = agent->platform->network(spec, err);
	if (r == 0)
		r = cgroup_limit_pids(agent->cgroup_fd, spec->pids_max, err);
	if (r == 0)
		r = process_open(process, &agent->loop, err);
	if (r == 0)
		r = container_start(
			spec, process->streams.child, agent->cgroup_fd, &agent->container, err);
	if (r == 0)
		r = streams_connect(&process->streams, agent->platform, spec, err);
	/* Only now: the terminal's connection is there when the master comes. */
	if (r == 0)
		r = child_watch(&agent->container, &agent->loop, &container_ops, err);
	return r;
}

static void handle_start(struct agent *agent, const struct agent_msg *msg)
{
	struct err err;
	int r = agent_spec_decode(msg->spec.data, msg->spec.len, &agent->process.spec);

	if (r < 0) {
		send_failed(agent, AGENT_EXIT_ERROR, "the container's specification is malformed");
		return;
	}
	agent->state = STATE_STARTED;
	if (start(agent, &err) < 0)
		send_failed(agent, AGENT_EXIT_ERROR, err.msg);
}

/* What the host must not have sent ends the connection, as a malformed message does. */
static void host_fault(struct agent *agent, const char *what)
{
	log_error("the host sent %s", what);
	loop_quit(&agent->loop);
}

/* A message about a further command or request. They end with the container: the host may not have
 * heard of that. */
static void handle_job(struct agent *agent, const struct agent_msg *msg)
{
	if (agent->state == STATE_ENDED)
		return;
	agent->jobs.cgroup_fd = agent->cgroup_fd;
	if (agent->process.pidfd < 0 || !jobs_handle(&agent->jobs, msg))
		host_fault(agent, "a message with an id that it must not use");
}

static void handle_msg(struct agent *agent, const struct agent_msg *msg)
{
	if (msg->id) {
		handle_job(agent, msg);
		return;
	}
	switch (msg->type) {
	case AGENT_START:
		if (agent->state == STATE_WAITING)
			handle_start(agent, msg);
		else
			host_fault(agent, "a second start message");
		break;
	case AGENT_SIGNAL:
		process_signal(&agent->process, &msg->signal);
		/* The reaper, frozen as well, couldn't tell. */
		if (msg->signal.signo == SIGKILL)
			freeze_lift(&agent->jobs);
		break;
	case AGENT_RESIZE:
		process_resize(&agent->process, &msg->resize);
		break;
	case AGENT_SHUTDOWN:
		loop_quit(&agent->loop);
		break;
	case AGENT_HELLO:
	case AGENT_STARTED:
	case AGENT_FAILED:
	case AGENT_EXITED:
	case AGENT_EXEC:
	case AGENT_FREEZE:
	case AGENT_STATS:
	case AGENT_ARCHIVE:
	case AGENT_RESULT:
	case AGENT_USAGE:
	default:
		/* The reader refuses what only a guest sends, and what needs an id. */
		break;
	}
}

static void on_control(struct loop_source *src, uint32_t events)
{
	struct agent *agent = container_of(src, struct agent, control);
	struct agent_msg msg;
	int r;

	if (events & EPOLLOUT)
		control_flush(agent);
	if (!(events & ~(uint32_t)EPOLLOUT))
		return;
	r = agent_reader_fill(&agent->reader, src->fd);
	if (r == -EAGAIN)
		return;
	if (r <= 0) {
		/* The host has gone: so does this machine. */
		loop_quit(&agent->loop);
		return;
	}
	while (!agent->loop.quit && (r = agent_reader_next(&agent->reader, &msg)) > 0)
		handle_msg(agent, &msg);
	if (r < 0)
		host_fault(agent, "a malformed message");
}

/* Say hello and serve. Return: -errno, or 0 when the host has had enough. */
static int serve(struct agent *agent, uint64_t init_ns, struct err *err)
{
	struct agent_msg hello = {.type = AGENT_HELLO, .hello.init_ns = init_ns};
	int CLEANUP_FD control = -1;
	int r;

	hello.hello.dial_ns = clock_read(CLOCK_BOOTTIME);
	control = agent->platform->dial(AGENT_PORT, err);
	if (control < 0)
		return control;
	r = io_nonblock(control);
	if (r == 0)
		r = loop_add(&agent->loop, &agent->control, control, EPOLLIN, on_control);
	if (r < 0)
		return err_errno(err, -r, "control connection");
	send_msg(agent, &hello);
	/* While the host answers. Whatever fails is told when it has. */
	agent->image_ok = rootfs_mount_image(agent->platform, &agent->image_err) == 0;
	agent->cgroup_fd = cgroup_mount();
	r = loop_run(&agent->loop);
	loop_del(&agent->loop, &agent->control);
	return r < 0 ? err_errno(err, -r, "event loop") : 0;
}

noreturn void agent_run(const struct platform *platform, uint64_t init_ns)
{
	struct agent agent = {
		.platform = platform,
		.out = BUF_INIT(OUT_MAX),
		.cgroup_fd = -1,
		.jobs = {.loop = &agent.loop,
			.platform = platform,
			.container = &agent.container,
			.spec = &agent.process.spec,
			.send = jobs_send},
	};
	struct err err;
	int r = loop_init(&agent.loop);

	signal(SIGPIPE, SIG_IGN);
	/* For all that is cloned as well: until it has executed something, the container can't look
	 * into it, attach to it, or see what it executes. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	process_init(&agent.process, 0, on_drained);
	agent_reader_init(&agent.reader, AGENT_HOST);
	if (r < 0)
		log_error("event loop: %s", strerror(-r));
	else if (serve(&agent, init_ns, &err) < 0)
		log_error("%s", err.msg);
	jobs_end(&agent.jobs);
	child_kill(&agent.container);
	rootfs_close(&agent.process.spec);
	platform->power_off();
	for (;;)
		pause();
}
