// SPDX-License-Identifier: Apache-2.0
// One container's life.
#include "cli/container.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "cli/api_client.h"
#include "cli/monitor.h"
#include "cli/passt.h"
#include "cli/signals.h"
#include "cli/spec_json.h"
#include "cli/streams.h"
#include "cli/timing.h"
#include "cli/tty.h"
#include "cli/vm_cgroup.h"
#include "protocol/agent.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

/*
 * Theory of operation
 *
 *   BOOTING --started--> RUNNING --exit code--> DRAINING --output delivered--> ENDING --> GONE
 *      |                    |                                                    ^
 *      +--- failed, a fault, a time-out, a signal before the start --------------+
 *
 * All is done over hull-vmm's API. Its first requests lie in the sockets before hull-vmm runs: to
 * attach the streams, to start the container, which is answered when it runs, and to wait for its
 * end. Signals, window sizes and the power-off go over a connection of their own.
 *
 * The result is decided once, by the first reason to end. ENDING escalates by a timer: the guest is
 * asked to power off, the owner's connection is closed, hull-vmm is killed.
 *
 * In GONE the VM has ended; output that had left it before is still delivered, which takes no time
 * unless nobody reads it.
 *
 * When the connections end, the VM may be ending for a reason that hull-vmm knows better: it gets a
 * moment to exit before the connection itself is blamed.
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
/* Between the end of a connection to hull-vmm and its own; for what it knows of a late start. */
#define LAST_WORDS_MS 2000

/* For output of a VM that is gone: what the sockets held. */
#define FLUSH_MS 1000

/* A frame of arguments and environment, each byte of which may need six. */
#define CONTAINER_JSON_MAX (2u << 20)

/* Lines shown of the guest's console when it failed: a panic's message is followed by up to twenty
 * lines of registers and calls. */
#define CONSOLE_LINES 24

struct container {
	const struct container_config *config;
	enum container_state state;
	struct loop loop;
	struct signals signals;
	struct monitor monitor;
	struct api_client control, life;
	struct streams *streams;
	struct tty tty;
	struct loop_timer timer; /* the start's, then ENDING's */
	int ending_step;
	unsigned int outputs; /* bit per output not yet delivered */
	uint64_t waiting;     /* bit per signal that came before the command ran */
	uint64_t waiting_typed;
	bool too_late; /* the start takes too long */
	bool cut_off;  /* a connection to hull-vmm has ended */
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
		/* hull-init knows it as its power button. */
		if (!api_client_send(&c->control, "PUT", "/actions",
			    "{\"action_type\":\"SendCtrlAltDel\"}", NULL)) {
			loop_timer_set(&c->timer, POWEROFF_MS);
			return;
		}
		c->ending_step++;
		__attribute__((fallthrough));
	case 1:
		api_client_fini(&c->control);
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

/* The streams that there are, and what they are to hull. */
static const struct {
	enum monitor_client client;
	enum stream_kind kind;
	const char *path;
} streams[] = {
	{MONITOR_IN, STREAM_IN, "/container/attach?stdin=1&raw=1"},
	{MONITOR_OUT, STREAM_OUT, "/container/attach?stdout=1&raw=1"},
	{MONITOR_ERR, STREAM_ERR, "/container/attach?stderr=1&raw=1"},
};
static const char tty_path[] = "/container/attach?stdin=1&stdout=1&raw=1";

/* Bit per stream's connection. */
static unsigned int container_clients(const struct container_config *config)
{
	if (config->spec->terminal)
		return 1u << MONITOR_OUT;
	return 1u << MONITOR_OUT | 1u << MONITOR_ERR | (config->interactive ? 1u << MONITOR_IN : 0);
}

static int container_relay(struct container *c, enum monitor_client client, enum stream_kind kind)
{
	int fd = TAKE_FD(c->monitor.fds[client]);
	int r = api_client_upgraded(fd);

	if (r < 0) {
		close(fd);
		return err_errno(&c->err, -r, "hull-vmm's answer about the container's streams");
	}
	if (kind != STREAM_IN)
		c->outputs |= 1u << kind;
	r = streams_attach(c->streams, kind, fd, c->config->interactive);
	return r < 0 ? err_errno(&c->err, -r, "the container's streams") : 0;
}

/* The command runs: carry its input and output. */
static int container_attach(struct container *c)
{
	bool terminal = c->config->spec->terminal;
	int r = 0;

	/* Before the relays' threads exist, since it forks. */
	if (terminal && c->config->interactive && isatty(STDIN_FILENO))
		r = tty_raw(&c->tty, STDIN_FILENO, &c->err);
	for (size_t i = 0; i < ARRAY_SIZE(streams) && !r; i++)
		if (c->monitor.fds[streams[i].client] >= 0)
			r = container_relay(
				c, streams[i].client, terminal ? STREAM_TTY : streams[i].kind);
	return r;
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
		if (vm_cgroup_out_of_memory(c->config->cgroup)) {
			container_fail(c, false,
				"the VM was killed: it needed more memory than its control group "
				"may have");
			break;
		}
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
	/* The exit code may lie in the connection still, behind this event in the same batch. */
	api_client_read(&c->life);
	if (c->state == CONTAINER_DRAINING)
		return;
	container_blame_monitor(c);
}

static void container_signal(struct container *c, int signo, bool typed)
{
	char body[64];

	snprintf(body, sizeof(body), "{\"signal\":%d,\"group\":%s}", signo,
		typed ? "true" : "false");
	if (api_client_send(&c->control, "POST", "/container/kill", body, NULL) < 0)
		log_debug("signal %d could not be passed on", signo);
}

static void container_end_early(struct container *c, int signo)
{
	container_decide(c, CONTAINER_EXIT_SIGNAL + signo);
	container_end(c, 1);
}

/* What the container's state says of how far the guest is. */
static void on_state_early(struct api_client *client, unsigned int status, const json_t *body)
{
	struct container *c = container_of(client, struct container, control);
	const json_t *timings = json_object_get(body, "timings_ns");

	if (c->state != CONTAINER_BOOTING || json_object_get(timings, "hello"))
		return;
	for (int signo = 1; signo < 64; signo++)
		if (c->waiting & UINT64_C(1) << signo) {
			container_end_early(c, signo);
			return;
		}
}

/*
 * A signal before the command is known to run. Once the guest is up it may run, and even have said
 * so to whoever sends the signal, so that it must have it: it waits. Before, or the second time, it
 * ends the start.
 */
static void container_signal_early(struct container *c, int signo, bool typed)
{
	uint64_t bit = UINT64_C(1) << signo;

	if (c->waiting & bit ||
		api_client_send(&c->control, "GET", "/container", NULL, on_state_early) < 0) {
		container_end_early(c, signo);
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
	char body[64];

	if (!spec->terminal || !tty_size(&rows, &cols) ||
		(rows == spec->rows && cols == spec->cols))
		return;
	snprintf(body, sizeof(body), "{\"height\":%u,\"width\":%u}", rows, cols);
	if (!api_client_send(&c->control, "POST", "/container/resize", body, NULL)) {
		spec->rows = rows;
		spec->cols = cols;
	}
}

/* The answer to the start. Where that failed, what is known of the end says why. */
static void on_started(struct api_client *client, unsigned int status, const json_t *body)
{
	struct container *c = container_of(client, struct container, life);

	if (status != 204 || c->state != CONTAINER_BOOTING)
		return;
	/* passt fails, if it does, long before the guest is up. */
	if (passt_check(c->config->passt, &c->err) < 0 || container_attach(c) < 0) {
		container_fail(c, false, "%s", c->err.msg);
		return;
	}
	c->state = CONTAINER_RUNNING;
	loop_timer_set(&c->timer, 0);
	container_resize(c);
	for (int signo = 1; signo < 64; signo++)
		if (c->waiting & UINT64_C(1) << signo)
			container_signal(c, signo, c->waiting_typed & UINT64_C(1) << signo);
}

/* When what was reached, for --timing. */
static void on_timings(struct api_client *client, unsigned int status, const json_t *body)
{
	struct container *c = container_of(client, struct container, control);

	timing_mark_api(c->config->timing, body);
}

static void on_ended(struct api_client *client, unsigned int status, const json_t *body)
{
	struct container *c = container_of(client, struct container, life);
	const json_t *code = json_object_get(body, "exit_code");
	const char *error = json_string_value(json_object_get(body, "error"));
	json_int_t value = json_integer_value(code);

	timing_mark(c->config->timing, TIMING_EXITED);
	if (c->state >= CONTAINER_ENDING)
		return;
	if (status != 200 || !json_is_integer(code) || value < 0 || value > 255) {
		container_fail(c, false, "hull-vmm's answer about the container's end");
		return;
	}
	loop_timer_set(&c->timer, 0);
	if (c->config->timed)
		api_client_send(&c->control, "GET", "/container", NULL, on_timings);
	if (error && !c->decided)
		err_set(&c->err, -EIO, "%s", error);
	container_decide(c, (int)value);
	if (error) {
		container_end(c, 0);
		return;
	}
	c->state = CONTAINER_DRAINING;
	container_check_drained(c);
}

static void container_cut_off(struct container *c)
{
	if (c->state >= CONTAINER_ENDING || c->vm_gone)
		return;
	c->cut_off = true;
	loop_timer_set(&c->timer, LAST_WORDS_MS);
}

static void on_control_ended(struct api_client *client)
{
	container_cut_off(container_of(client, struct container, control));
}

static void on_life_ended(struct api_client *client)
{
	container_cut_off(container_of(client, struct container, life));
}

static void container_fail_contact(struct container *c)
{
	container_fail(c, true, "no contact from the guest within %llu s",
		(unsigned long long)c->config->start_timeout_s);
}

static void on_timings_late(struct api_client *client, unsigned int status, const json_t *body)
{
	struct container *c = container_of(client, struct container, control);

	on_timings(client, status, body);
	if (c->state == CONTAINER_BOOTING)
		container_fail_contact(c);
}

/* The start takes too long. With --timing, how far did it get? */
static void container_too_late(struct container *c)
{
	if (c->config->timed && !c->too_late &&
		!api_client_send(&c->control, "GET", "/container", NULL, on_timings_late)) {
		c->too_late = true;
		loop_timer_set(&c->timer, LAST_WORDS_MS);
		return;
	}
	container_fail_contact(c);
}

static void on_timer(struct loop_timer *timer)
{
	struct container *c = container_of(timer, struct container, timer);

	if (c->state == CONTAINER_GONE)
		loop_quit(&c->loop);
	else if (c->state == CONTAINER_ENDING)
		ending_next(c);
	else if (c->cut_off)
		container_fail(c, true, "hull-vmm closed its connection");
	else
		container_too_late(c);
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

/* The container as hull-vmm reads it. Return: a file, or -errno with a message. */
static int container_file(struct container *c)
{
	struct agent_spec *spec = c->config->spec;
	struct buf text = BUF_INIT(CONTAINER_JSON_MAX);
	int CLEANUP_FD fd = memfd_create("container", MFD_CLOEXEC);
	int r;

	if (spec->terminal)
		tty_size(&spec->rows, &spec->cols);
	r = fd < 0 ? -errno : spec_json(spec, &text);
	if (!r)
		r = io_write_full(fd, text.data, text.len);
	buf_fini(&text);
	return r < 0 ? err_errno(&c->err, -r, "the container's description") : TAKE_FD(fd);
}

/* What hull-vmm shall do first. */
static int container_ask(struct container *c)
{
	bool terminal = c->config->spec->terminal;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(streams) && !r; i++)
		if (c->monitor.fds[streams[i].client] >= 0)
			r = api_client_upgrade(c->monitor.fds[streams[i].client],
				terminal ? tty_path : streams[i].path);
	if (!r)
		r = api_client_init(&c->control, &c->loop, TAKE_FD(c->monitor.fds[MONITOR_CONTROL]),
			on_control_ended);
	if (!r)
		r = api_client_init(
			&c->life, &c->loop, TAKE_FD(c->monitor.fds[MONITOR_LIFE]), on_life_ended);
	if (!r)
		r = api_client_send(&c->life, "POST", "/container/start", NULL, on_started);
	if (!r)
		r = api_client_send(&c->life, "GET", "/container/wait", NULL, on_ended);
	return r < 0 ? err_errno(&c->err, -r, "hull-vmm's connections") : 0;
}

static int container_start(struct container *c)
{
	struct monitor_config vm = *c->config->vm;
	int CLEANUP_FD file = -1;
	int r = loop_timer_init(&c->loop, &c->timer, on_timer);

	if (!r)
		r = loop_timer_set(&c->timer, c->config->start_timeout_s * 1000);
	if (r < 0)
		return err_errno(&c->err, -r, "timer");
	c->streams = streams_new(&c->loop, on_output_done, c);
	if (!c->streams)
		return err_errno(&c->err, ENOMEM, "streams");
	r = signals_init(&c->signals, &c->loop, on_signal, &c->err);
	if (r < 0)
		return r;
	timing_mark(c->config->timing, TIMING_SPAWN);
	file = container_file(c);
	r = file < 0 ? file
		     : monitor_init(&c->monitor, &c->loop,
			       container_clients(c->config) | 1u << MONITOR_CONTROL |
				       1u << MONITOR_LIFE,
			       on_vm_ended, &c->err);
	if (!r)
		r = container_ask(c);
	vm.container_fd = file;
	if (!r)
		r = monitor_start(&c->monitor, &vm, &c->err);
	if (!r)
		vm_cgroup_sweep(c->config->cgroup);
	passt_handed_over(c->config->passt);
	return r;
}

static void container_report(struct container *c)
{
	const char *what = c->err.msg;
	const char *name;
	int error = c->streams ? streams_error(c->streams, &name) : 0;

	if (error) {
		log_error("%s: %s", name, strerror(error));
		/* A command that succeeded, but not for who wanted its output. */
		if (!c->code)
			c->code = CONTAINER_EXIT_HULL;
	}
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
	api_client_fini(&c->life);
	api_client_fini(&c->control);
	signals_fini(&c->signals);
	loop_timer_fini(&c->loop, &c->timer);
	if (streams_free(c->streams)) {
		loop_fini(&c->loop);
		free(c);
	}
	return code;
}
