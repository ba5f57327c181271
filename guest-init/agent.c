// SPDX-License-Identifier: Apache-2.0
// The guest's end of the agent protocol.
#include "guest-init/agent.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "guest-init/container.h"
#include "guest-init/report.h"
#include "guest-init/rootfs.h"
#include "guest-init/streams.h"
#include "guest-init/terminal.h"
#include "protocol/agent.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>

/* Since Linux 6.9; older headers lack it. */
#define SIGNAL_PROCESS_GROUP (1U << 2)

/* A handful of messages, all small; more waiting means that the host doesn't read. */
#define OUT_MAX (16 * 1024)

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

struct agent {
	const struct platform *platform;
	struct loop loop;
	struct loop_source control;
	struct agent_reader reader;
	struct buf out;
	enum agent_state state;
	struct agent_spec spec;
	struct container container;
	struct loop_source channel, gone;
	struct streams streams;
	int cgroup_fd, command_fd, master;
	struct report exited; /* kind is REPORT_EXITED once known */
	bool image_ok;
	struct err image_err;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

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
	struct agent_msg msg = {.type = AGENT_FAILED, .failed.code = code};

	if (agent->state == STATE_ENDED)
		return;
	agent->state = STATE_ENDED;
	snprintf(msg.failed.message, sizeof(msg.failed.message), "%s", message);
	send_msg(agent, &msg);
}

static void terminal_close(struct agent *agent)
{
	if (agent->master >= 0)
		close(TAKE_FD(agent->master));
}

/* Something of the end has happened: is that all of it? */
static void check_ended(struct agent *agent)
{
	struct agent_msg msg = {.type = AGENT_EXITED};

	if (agent->state != STATE_STARTED || agent->container.pid || !streams_done(&agent->streams))
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

static void on_stream_done(struct streams *streams)
{
	struct agent *agent = container_of(streams, struct agent, streams);

	/* With the relays' copies closed, too, this hangs up the terminal if the container still
	 * runs. */
	if (agent->spec.terminal)
		terminal_close(agent);
	check_ended(agent);
}

static void handle_started(struct agent *agent, const struct report *report, int fd)
{
	const struct agent_msg msg = {
		.type = AGENT_STARTED,
		.started = {.pid = (uint32_t)report->code, .exec_ns = now_ns()},
	};

	if (agent->state != STATE_STARTED || agent->command_fd >= 0) {
		close(fd);
		return;
	}
	agent->command_fd = fd;
	send_msg(agent, &msg);
}

static void handle_report(struct agent *agent, const struct report *report, int fd)
{
	struct err err;

	switch (report->kind) {
	case REPORT_TTY:
		agent->master = fd;
		if (streams_terminal(&agent->streams, fd, &err) < 0)
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

static void channel_read(struct agent *agent)
{
	struct report report;
	int fd, r;

	while ((r = report_recv(agent->container.channel, &report, &fd)) > 0)
		handle_report(agent, &report, fd);
	if (r != -EAGAIN)
		loop_del(&agent->loop, &agent->channel);
}

static void on_channel(struct loop_source *src, uint32_t events)
{
	channel_read(container_of(src, struct agent, channel));
}

static void on_gone(struct loop_source *src, uint32_t events)
{
	struct agent *agent = container_of(src, struct agent, gone);

	loop_del(&agent->loop, src);
	/* Its last word may have come in the same moment. */
	channel_read(agent);
	container_kill(&agent->container);
	check_ended(agent);
}

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

static int container_watch(struct agent *agent, struct err *err)
{
	int r = io_nonblock(agent->container.channel);

	if (r == 0)
		r = loop_add(&agent->loop, &agent->channel, agent->container.channel, EPOLLIN,
			on_channel);
	if (r == 0)
		r = loop_add(&agent->loop, &agent->gone, agent->container.pidfd, EPOLLIN, on_gone);
	return r < 0 ? err_errno(err, -r, "watching the container") : 0;
}

static int start(struct agent *agent, struct err *err)
{
	const struct agent_spec *spec = &agent->spec;
	int r;

	if (!agent->image_ok) {
		*err = agent->image_err;
		return err->code;
	}
	clock_set(spec->wall_clock_ns);
	r = rootfs_mount(agent->platform, spec->root, err);
	if (r == 0)
		r = agent->platform->network(spec, err);
	if (r == 0)
		r = streams_open(&agent->streams, &agent->loop, spec, on_stream_done, err);
	if (r == 0)
		r = container_start(
			spec, agent->streams.child, agent->cgroup_fd, &agent->container, err);
	if (r == 0)
		r = streams_connect(&agent->streams, agent->platform, spec, err);
	/* Only now: the terminal's connection is there when the master comes. */
	if (r == 0)
		r = container_watch(agent, err);
	return r;
}

static void handle_start(struct agent *agent, const struct agent_msg *msg)
{
	struct err err;
	int r = agent_spec_decode(msg->spec.data, msg->spec.len, &agent->spec);

	if (r < 0) {
		send_failed(agent, AGENT_EXIT_ERROR, "the container's specification is malformed");
		return;
	}
	agent->state = STATE_STARTED;
	if (start(agent, &err) < 0)
		send_failed(agent, AGENT_EXIT_ERROR, err.msg);
}

static void handle_signal(struct agent *agent, const struct agent_signal *sig)
{
	int signo = (int)sig->signo;

	/* A command that is gone needs no signal: errors are of no interest. */
	if (agent->command_fd < 0)
		return;
	if (sig->to_group && agent->master >= 0) {
		terminal_signal(agent->master, signo);
		return;
	}
	if (sig->to_group && syscall(SYS_pidfd_send_signal, agent->command_fd, signo, NULL,
				     SIGNAL_PROCESS_GROUP) == 0)
		return;
	syscall(SYS_pidfd_send_signal, agent->command_fd, signo, NULL, 0);
}

static void handle_msg(struct agent *agent, const struct agent_msg *msg)
{
	switch (msg->type) {
	case AGENT_START:
		if (agent->state == STATE_WAITING) {
			handle_start(agent, msg);
			break;
		}
		log_error("the host sent a second start message");
		loop_quit(&agent->loop);
		break;
	case AGENT_SIGNAL:
		handle_signal(agent, &msg->signal);
		break;
	case AGENT_RESIZE:
		if (agent->master >= 0)
			terminal_resize(agent->master, msg->resize.rows, msg->resize.cols);
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
		/* The reader refuses what only a guest sends. */
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
	if (r < 0) {
		log_error("the host sent a malformed message");
		loop_quit(&agent->loop);
	}
}

/* Say hello and serve. Return: -errno, or 0 when the host has had enough. */
static int serve(struct agent *agent, uint64_t init_ns, struct err *err)
{
	struct agent_msg hello = {.type = AGENT_HELLO, .hello.init_ns = init_ns};
	int CLEANUP_FD control = -1;
	int r;

	hello.hello.dial_ns = now_ns();
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
	agent->cgroup_fd = rootfs_cgroup();
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
		.command_fd = -1,
		.master = -1,
	};
	struct err err;
	int r = loop_init(&agent.loop);

	signal(SIGPIPE, SIG_IGN);
	agent_reader_init(&agent.reader, AGENT_HOST);
	if (r < 0)
		log_error("event loop: %s", strerror(-r));
	else if (serve(&agent, init_ns, &err) < 0)
		log_error("%s", err.msg);
	container_kill(&agent.container);
	rootfs_close(agent.spec.root);
	platform->power_off();
	for (;;)
		pause();
}
