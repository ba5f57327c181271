// SPDX-License-Identifier: Apache-2.0
// One container's life.
#include "cli/container.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "cli/agent_host.h"
#include "cli/monitor.h"
#include "cli/passt.h"
#include "cli/signals.h"
#include "cli/spec.h"
#include "cli/streams.h"
#include "cli/timing.h"
#include "cli/tty.h"

#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <time.h>

/*
 * Theory of operation
 *
 *   BOOTING --STARTED--> RUNNING --EXITED--> DRAINING --output delivered--> ENDING --> GONE
 *      |                    |                                                 ^
 *      +--- FAILED, a fault, a time-out, a signal before START ---------------+
 *
 * The result is decided once, by the first reason to end. ENDING escalates by a timer: the guest is
 * asked to power off, the VM's channel is closed, hull-vmm is killed.
 *
 * In GONE the VM has ended; output that had left it before is still delivered, which takes no time
 * unless nobody reads it.
 *
 * When the control connection ends, the VM may be ending for a reason that hull-vmm knows better:
 * it gets a moment to exit before the connection itself is blamed.
 */

enum container_state {
	CONTAINER_BOOTING,
	CONTAINER_RUNNING,
	CONTAINER_DRAINING,
	CONTAINER_ENDING,
	CONTAINER_GONE,
};

/* The steps of ENDING: how long each may take. A power-off takes milliseconds, but on an emulated
 * host with all of its CPUs busy seconds. */
#define POWEROFF_MS 10000
#define HANG_UP_MS 3000
#define KILL_MS 3000
/* Between the end of the control connection and hull-vmm's. */
#define LAST_WORDS_MS 2000

/* For output of a VM that is gone: what the sockets held. */
#define FLUSH_MS 1000

/* Lines shown of the guest's console when it failed: a panic's message is followed by up to twenty
 * lines of registers and calls. */
#define CONSOLE_LINES 24

struct container {
	const struct container_config *config;
	enum container_state state;
	struct loop loop;
	struct signals signals;
	struct monitor monitor;
	struct agent_host agent;
	struct streams *streams;
	struct tty tty;
	struct loop_timer timer; /* the start's, then ENDING's */
	int ending_step;
	unsigned int expected; /* bit per stream the guest may dial */
	unsigned int outputs;  /* bit per output not yet delivered */
	uint64_t waiting;      /* bit per signal that came between START and STARTED */
	uint64_t waiting_typed;
	bool control_ended;
	bool vm_gone;
	bool decided;
	int code;
	bool show_console;
	struct err err;
};

static void ending_next(struct container *c)
{
	switch (c->ending_step++) {
	case 0:
		if (!agent_host_shutdown(&c->agent)) {
			loop_timer_set(&c->timer, POWEROFF_MS);
			return;
		}
		c->ending_step++;
		__attribute__((fallthrough));
	case 1:
		monitor_hang_up(&c->monitor);
		loop_timer_set(&c->timer, HANG_UP_MS);
		return;
	case 2:
		monitor_kill(&c->monitor);
		loop_timer_set(&c->timer, KILL_MS);
		return;
	default:
		loop_quit(&c->loop);
	}
}

static void container_gone(struct container *c)
{
	c->state = CONTAINER_GONE;
	if (c->outputs)
		loop_timer_set(&c->timer, FLUSH_MS);
	else
		loop_quit(&c->loop);
}

/* Begin ENDING, or hurry it. @step: 0 for asking the guest first, 1 for ending the VM at once. */
static void container_end(struct container *c, int step)
{
	if (c->vm_gone) {
		container_gone(c);
		return;
	}
	if (c->state == CONTAINER_ENDING && c->ending_step > step)
		return;
	c->state = CONTAINER_ENDING;
	c->ending_step = step;
	ending_next(c);
}

static void container_decide(struct container *c, int code)
{
	if (c->decided)
		return;
	c->decided = true;
	c->code = code;
}

/* Failures of hull's or the guest's: the message is for the user. */
__attribute__((format(printf, 3, 4))) static void container_fail(
	struct container *c, bool show_console, const char *format, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	if (!c->decided) {
		va_start(ap, format);
		vsnprintf(text, sizeof(text), format, ap);
		va_end(ap);
		err_set(&c->err, -EIO, "%s", text);
		c->show_console = show_console;
	}
	container_decide(c, CONTAINER_EXIT_HULL);
	container_end(c, 1);
}

/* The command has ended: is all it wrote delivered? */
static void container_check_drained(struct container *c)
{
	if (c->outputs)
		return;
	if (c->state == CONTAINER_DRAINING)
		container_end(c, 0);
	else if (c->state == CONTAINER_GONE)
		loop_quit(&c->loop);
}

static void on_output_done(void *owner, enum stream_kind stream)
{
	struct container *c = owner;

	c->outputs &= ~(1u << stream);
	container_check_drained(c);
}

static int container_attach(struct container *c, enum stream_kind stream, int fd)
{
	bool raw = stream == STREAM_TTY && c->config->interactive && isatty(STDIN_FILENO);
	int r;

	c->expected &= ~(1u << stream);
	if (raw) {
		/* Before the relays' threads exist, since it forks. */
		r = tty_raw(&c->tty, STDIN_FILENO, &c->err);
		if (r < 0) {
			close(fd);
			container_fail(c, false, "%s", c->err.msg);
			return r;
		}
	}
	if (stream != STREAM_IN)
		c->outputs |= 1u << stream;
	r = streams_attach(c->streams, stream, fd, c->config->interactive);
	if (r < 0)
		container_fail(c, false, "the container's streams: %s", strerror(-r));
	return r;
}

static void on_connection(struct monitor *monitor, uint32_t port, int fd)
{
	static const uint32_t ports[STREAM_COUNT] = {
		[STREAM_IN] = SPEC_PORT_STDIN,
		[STREAM_OUT] = SPEC_PORT_STDOUT,
		[STREAM_ERR] = SPEC_PORT_STDERR,
		[STREAM_TTY] = SPEC_PORT_TTY,
	};
	struct container *c = container_of(monitor, struct container, monitor);

	if (port == AGENT_PORT && c->state == CONTAINER_BOOTING) {
		/* The guest took far longer to get here than passt takes to fail. */
		if (passt_check(c->config->passt, &c->err) < 0) {
			close(fd);
			container_fail(c, false, "%s", c->err.msg);
			return;
		}
		if (agent_host_connect(&c->agent, fd) < 0)
			log_debug("the guest's second control connection is closed");
		return;
	}
	for (enum stream_kind i = 0; i < STREAM_COUNT; i++) {
		if (ports[i] == port && c->expected & 1u << i && c->state < CONTAINER_ENDING) {
			container_attach(c, i, fd);
			return;
		}
	}
	log_debug("the guest's connection to port %u is closed: nothing listens there", port);
	close(fd);
}

static void on_phase(struct monitor *monitor, const char *name, uint64_t ns)
{
	struct container *c = container_of(monitor, struct container, monitor);
	int phase = timing_monitor_phase(name);

	if (phase >= 0)
		timing_mark_at(c->config->timing, (enum timing_phase)phase, ns);
}

/* hull-vmm ended before the container did: say why, unless it has. */
static void container_blame_monitor(struct container *c)
{
	switch (monitor_end(&c->monitor)) {
	case MONITOR_POWEROFF:
		container_fail(c, true, "the guest powered off before the command ended");
		break;
	case MONITOR_REBOOT:
		container_fail(c, true, "the guest rebooted before the command ended");
		break;
	case MONITOR_KILLED:
		container_fail(c, false, "hull-vmm was killed by signal %d (%s)",
			WTERMSIG(c->monitor.status), strsignal(WTERMSIG(c->monitor.status)));
		break;
	case MONITOR_TRIPLE_FAULT:
	case MONITOR_PANIC:
		c->show_console = true;
		__attribute__((fallthrough));
	case MONITOR_REPORTED:
		/* It has said so on standard error, which is ours too. */
		container_decide(c, CONTAINER_EXIT_HULL);
		container_end(c, 1);
		break;
	}
}

static void on_vm_ended(struct monitor *monitor)
{
	struct container *c = container_of(monitor, struct container, monitor);

	timing_mark(c->config->timing, TIMING_ENDED);
	c->vm_gone = true;
	if (c->state == CONTAINER_ENDING) {
		container_gone(c);
		return;
	}
	/* EXITED may lie in the control connection still, behind this event in the same batch. */
	if (c->agent.src.fn)
		c->agent.src.fn(&c->agent.src, EPOLLIN);
	if (c->state == CONTAINER_DRAINING)
		return;
	container_blame_monitor(c);
}

static const struct agent_spec *on_hello(struct agent_host *agent, const struct agent_hello *hello)
{
	struct container *c = container_of(agent, struct container, agent);
	struct agent_spec *spec = c->config->spec;

	timing_mark(c->config->timing, TIMING_CONTACT);
	timing_set_guest_clock(c->config->timing, hello->dial_ns);
	timing_mark_guest(c->config->timing, TIMING_INIT, hello->init_ns);
	spec->wall_clock_ns = clock_read(CLOCK_REALTIME);
	if (spec->terminal) {
		tty_size(&spec->rows, &spec->cols);
		c->expected = 1u << STREAM_TTY;
	} else {
		c->expected = 1u << STREAM_OUT | 1u << STREAM_ERR;
		if (spec->stdin_port)
			c->expected |= 1u << STREAM_IN;
	}
	return spec;
}

static void container_signal(struct container *c, int signo, bool typed)
{
	if (agent_host_signal(&c->agent, signo, typed) < 0)
		log_debug("signal %d could not be passed on", signo);
}

/*
 * A signal before STARTED. From START on the command may run, and even have said so to whoever
 * sends the signal, so that it must have it: it waits for STARTED. Before, or the second time, it
 * ends the start.
 */
static void container_signal_early(struct container *c, int signo, bool typed)
{
	uint64_t bit = UINT64_C(1) << signo;

	if (c->agent.state != AGENT_HOST_START || c->waiting & bit) {
		container_decide(c, CONTAINER_EXIT_SIGNAL + signo);
		container_end(c, 1);
		return;
	}
	c->waiting |= bit;
	if (typed)
		c->waiting_typed |= bit;
}

/* Tell the guest when the window isn't the size it knows. */
static void container_resize(struct container *c)
{
	struct agent_spec *spec = c->config->spec;
	uint16_t rows, cols;

	if (!spec->terminal || !tty_size(&rows, &cols))
		return;
	if ((rows != spec->rows || cols != spec->cols) &&
		!agent_host_resize(&c->agent, rows, cols)) {
		spec->rows = rows;
		spec->cols = cols;
	}
}

static void on_started(struct agent_host *agent, const struct agent_started *started)
{
	struct container *c = container_of(agent, struct container, agent);

	timing_mark_guest(c->config->timing, TIMING_STARTED, started->exec_ns);
	if (c->state != CONTAINER_BOOTING)
		return;
	c->state = CONTAINER_RUNNING;
	loop_timer_set(&c->timer, 0);
	container_resize(c);
	for (int signo = 1; signo < 64; signo++)
		if (c->waiting & UINT64_C(1) << signo)
			container_signal(c, signo, c->waiting_typed & UINT64_C(1) << signo);
}

static void on_ended(struct agent_host *agent, const struct agent_msg *msg)
{
	struct container *c = container_of(agent, struct container, agent);

	timing_mark(c->config->timing, TIMING_EXITED);
	if (c->state >= CONTAINER_ENDING)
		return;
	loop_timer_set(&c->timer, 0);
	if (msg->type == AGENT_FAILED) {
		if (!c->decided)
			err_set(&c->err, -EIO, "%s", msg->failed.message);
		container_decide(c, (int)msg->failed.code);
		container_end(c, 0);
		return;
	}
	container_decide(c, msg->exited.signal ? CONTAINER_EXIT_SIGNAL + (int)msg->exited.signal
					       : (int)msg->exited.code);
	/* All its streams were dialed before; what wasn't, never will be. */
	monitor_drain(&c->monitor);
	c->expected = 0;
	if (c->state >= CONTAINER_ENDING)
		return;
	c->state = CONTAINER_DRAINING;
	container_check_drained(c);
}

static void on_broken(struct agent_host *agent, const char *why)
{
	struct container *c = container_of(agent, struct container, agent);

	if (c->state >= CONTAINER_ENDING || c->vm_gone)
		return;
	if (why) {
		container_fail(c, false, "%s", why);
		return;
	}
	c->control_ended = true;
	loop_timer_set(&c->timer, LAST_WORDS_MS);
}

static void on_timer(struct loop_timer *timer)
{
	struct container *c = container_of(timer, struct container, timer);

	if (c->state == CONTAINER_GONE)
		loop_quit(&c->loop);
	else if (c->state == CONTAINER_ENDING)
		ending_next(c);
	else if (c->control_ended)
		container_fail(c, true, "the guest closed its control connection");
	else
		container_fail(c, true, "no contact from the guest within %llu s",
			(unsigned long long)c->config->start_timeout_s);
}

static void on_signal(struct signals *signals, int signo, bool typed)
{
	struct container *c = container_of(signals, struct container, signals);

	if (signo == SIGCONT)
		tty_rerun(&c->tty);
	if (signo == SIGCONT || signo == SIGWINCH) {
		container_resize(c);
		return;
	}
	switch (c->state) {
	case CONTAINER_RUNNING:
		container_signal(c, signo, typed);
		break;
	case CONTAINER_BOOTING:
		container_signal_early(c, signo, typed);
		break;
	case CONTAINER_DRAINING:
	case CONTAINER_ENDING:
		/* The command has ended already: nothing but impatience is left to be meant. */
		c->outputs = 0;
		container_end(c, 1);
		break;
	case CONTAINER_GONE:
		loop_quit(&c->loop);
		break;
	}
}

static int container_start(struct container *c)
{
	static const struct monitor_ops monitor_ops = {
		.connection = on_connection,
		.phase = on_phase,
		.ended = on_vm_ended,
	};
	static const struct agent_host_ops agent_ops = {
		.hello = on_hello,
		.started = on_started,
		.ended = on_ended,
		.broken = on_broken,
	};
	int r = loop_timer_init(&c->loop, &c->timer, on_timer);

	if (!r)
		r = loop_timer_set(&c->timer, c->config->start_timeout_s * 1000);
	if (r < 0)
		return err_errno(&c->err, -r, "timer");
	agent_host_init(&c->agent, &c->loop, &agent_ops);
	c->streams = streams_new(&c->loop, on_output_done, c);
	if (!c->streams)
		return err_errno(&c->err, ENOMEM, "streams");
	r = signals_init(&c->signals, &c->loop, on_signal, &c->err);
	if (r < 0)
		return r;
	timing_mark(c->config->timing, TIMING_SPAWN);
	r = monitor_start(&c->monitor, &c->loop, c->config->vm, &monitor_ops, &c->err);
	passt_handed_over(c->config->passt);
	return r;
}

static void container_report(struct container *c)
{
	const char *what = c->err.msg;
	const char *name;
	int error = c->streams ? streams_error(c->streams, &name) : 0;

	if (error)
		log_error("%s: %s", name, strerror(error));
	if (c->show_console && !console_is_empty(&c->monitor.text)) {
		log_error("%s%sthe last lines of the guest's console:", what, *what ? "; " : "");
		console_print(&c->monitor.text, CONSOLE_LINES, stderr);
	} else if (*what) {
		log_error("%s", what);
	}
}

int container_run(const struct container_config *config)
{
	struct container *c = calloc(1, sizeof(*c));
	int code, r;

	if (!c) {
		log_error("out of memory");
		return CONTAINER_EXIT_HULL;
	}
	c->config = config;
	c->tty = TTY_INIT;
	r = loop_init(&c->loop);
	if (r < 0) {
		log_error("event loop: %s", strerror(-r));
		free(c);
		return CONTAINER_EXIT_HULL;
	}
	r = container_start(c);
	if (!r) {
		r = loop_run(&c->loop);
		if (r < 0)
			err_errno(&c->err, -r, "event loop");
	}
	if (r < 0)
		c->code = CONTAINER_EXIT_HULL;
	tty_restore(&c->tty);
	timing_mark_at(
		config->timing, TIMING_OUTPUT, c->streams ? streams_first_output(c->streams) : 0);
	container_report(c);
	code = c->code;
	monitor_fini(&c->monitor);
	agent_host_fini(&c->agent);
	signals_fini(&c->signals);
	loop_timer_fini(&c->loop, &c->timer);
	if (streams_free(c->streams)) {
		loop_fini(&c->loop);
		free(c);
	}
	return code;
}
