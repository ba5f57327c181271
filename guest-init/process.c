// SPDX-License-Identifier: Apache-2.0
// What PID 1 keeps of a command in the container.
#include "guest-init/process.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "guest-init/terminal.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>

/* Since Linux 6.9; older headers lack it. */
#define SIGNAL_PROCESS_GROUP (1U << 2)

static void terminal_close(struct process *process)
{
	if (process->master >= 0)
		close(TAKE_FD(process->master));
}

static void on_stream_done(struct streams *streams)
{
	struct process *process = container_of(streams, struct process, streams);

	/* With the relays' copies closed, too, this hangs up the terminal if something still runs
	 * on it. */
	if (process->spec.terminal)
		terminal_close(process);
	process->drained(process);
}

void process_init(struct process *process, uint16_t id, void (*drained)(struct process *process))
{
	*process = (struct process){.id = id, .pidfd = -1, .master = -1, .drained = drained};
}

int process_open(struct process *process, struct loop *loop, struct err *err)
{
	return streams_open(&process->streams, loop, &process->spec, on_stream_done, err);
}

int process_terminal(struct process *process, int master, struct err *err)
{
	terminal_close(process);
	process->master = master;
	return streams_terminal(&process->streams, master, err);
}

void process_signal(const struct process *process, const struct agent_signal *sig)
{
	int signo = (int)sig->signo;

	if (process->pidfd < 0)
		return;
	if (sig->to_group && process->master >= 0) {
		terminal_signal(process->master, signo);
		return;
	}
	if (sig->to_group && syscall(SYS_pidfd_send_signal, process->pidfd, signo, NULL,
				     SIGNAL_PROCESS_GROUP) == 0)
		return;
	syscall(SYS_pidfd_send_signal, process->pidfd, signo, NULL, 0);
}

void process_resize(const struct process *process, const struct agent_resize *resize)
{
	if (process->master >= 0)
		terminal_resize(process->master, resize->rows, resize->cols);
}

struct agent_msg process_started(const struct process *process, uint32_t pid)
{
	return (struct agent_msg){
		.type = AGENT_STARTED,
		.id = process->id,
		.started = {.pid = pid, .exec_ns = clock_read(CLOCK_BOOTTIME)},
	};
}

struct agent_msg process_failed(const struct process *process, uint32_t code, const char *message)
{
	struct agent_msg msg = {.type = AGENT_FAILED, .id = process->id, .failed.code = code};

	snprintf(msg.failed.message, sizeof(msg.failed.message), "%s", message);
	return msg;
}

void process_fini(struct process *process)
{
	streams_fini(&process->streams);
	terminal_close(process);
	if (process->pidfd >= 0)
		close(TAKE_FD(process->pidfd));
	agent_spec_fini(&process->spec);
}
