// SPDX-License-Identifier: Apache-2.0
// The container and its commands as clients see them.
#include "vmm/container.h"

#include "base/json_write.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* syscalls: loop: getrusage, pread64 */

static const char *const states[] = {
	[COMMAND_CREATED] = "created",
	[COMMAND_STARTING] = "starting",
	[COMMAND_RUNNING] = "running",
	[COMMAND_EXITED] = "exited",
	[COMMAND_FAILED] = "failed",
};

/* How it ended, if it has. */
static void put_end(const struct command *command, struct json_out *out)
{
	if (!command_is_over(command))
		return;
	json_put_uint(out, "exit_code", command->code);
	if (command->signal)
		json_put_uint(out, "signal", command->signal);
	if (command->state == COMMAND_FAILED)
		json_put_string(out, "error", command->message);
}

static void put_command(const struct command *command, struct json_out *out)
{
	const bool frozen = command->container->frozen && command->state == COMMAND_RUNNING;

	json_put_string(out, "state", frozen ? "paused" : states[command->state]);
	if (command->pid)
		json_put_uint(out, "pid", command->pid);
	put_end(command, out);
}

void command_describe(const struct command *command, struct json_out *out)
{
	char id[8];

	snprintf(id, sizeof(id), "%u", command->id);
	json_begin(out, NULL, '{');
	json_put_string(out, "id", id);
	put_command(command, out);
	json_end(out, '}');
}

void command_describe_end(const struct command *command, struct json_out *out)
{
	json_begin(out, NULL, '{');
	put_end(command, out);
	json_end(out, '}');
}

/* What the monitor, its guest included, had used at each. */
static void put_cpu_times(const struct container *container, struct json_out *out)
{
	const struct command *command = container->main;

	json_begin(out, "timings_cpu_ns", '{');
	for (unsigned int i = 0; i < EVENTS_PHASES; i++)
		if (container->events && container->events->ns[i])
			json_put_uint(out, events_names[i], container->events->cpu_ns[i]);
	if (container->hello_ns)
		json_put_uint(out, "hello", container->hello_cpu_ns);
	if (command->started_ns)
		json_put_uint(out, "started", command->started_cpu_ns);
	if (command->ended_ns)
		json_put_uint(out, "ended", command->ended_cpu_ns);
	json_end(out, '}');
}

void container_describe(const struct container *container, struct json_out *out)
{
	const struct command *command = container->main;

	json_begin(out, NULL, '{');
	put_command(command, out);
	json_begin(out, "timings_ns", '{');
	for (unsigned int i = 0; i < EVENTS_PHASES; i++)
		if (container->events && container->events->ns[i])
			json_put_uint(out, events_names[i], container->events->ns[i]);
	if (container->hello_ns) {
		json_put_uint(out, "hello", container->hello_ns);
		json_put_uint(out, "guest_init", container->guest.init_ns);
		json_put_uint(out, "guest_dial", container->guest.dial_ns);
	}
	if (command->started_ns)
		json_put_uint(out, "started", command->started_ns);
	if (command->ended_ns)
		json_put_uint(out, "ended", command->ended_ns);
	json_end(out, '}');
	put_cpu_times(container, out);
	json_end(out, '}');
}

/* Of this process: what the VM costs the host. */
static void put_host(int statm_fd, struct json_out *out)
{
	struct rusage usage = {0};
	unsigned long pages = 0, resident = 0;
	char line[128] = "", *end;

	if (pread(statm_fd, line, sizeof(line) - 1, 0) > 0) {
		pages = strtoul(line, &end, 10);
		resident = strtoul(end, NULL, 10);
	}
	getrusage(RUSAGE_SELF, &usage);
	json_begin(out, "host", '{');
	json_put_uint(out, "resident_bytes", resident * (unsigned long)sysconf(_SC_PAGESIZE));
	json_put_uint(out, "virtual_bytes", pages * (unsigned long)sysconf(_SC_PAGESIZE));
	json_put_uint(out, "cpu_us",
		(uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
			(uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec));
	json_end(out, '}');
}

void container_describe_usage(
	const struct container *container, const struct agent_usage *usage, struct json_out *out)
{
	json_begin(out, NULL, '{');
	json_begin(out, "cpu", '{');
	json_put_uint(out, "usage_us", usage->cpu_us);
	json_put_uint(out, "user_us", usage->user_us);
	json_put_uint(out, "system_us", usage->system_us);
	json_end(out, '}');
	json_begin(out, "memory", '{');
	json_put_uint(out, "usage_bytes", usage->memory);
	json_put_uint(out, "peak_bytes", usage->peak);
	json_put_uint(out, "cache_bytes", usage->cache);
	json_put_uint(out, "total_bytes", usage->memory_total);
	json_put_uint(out, "oom_kills", usage->oom_kills);
	json_end(out, '}');
	json_put_uint(out, "pids", usage->pids);
	json_begin(out, "io", '{');
	json_put_uint(out, "read_bytes", usage->read_bytes);
	json_put_uint(out, "write_bytes", usage->write_bytes);
	json_put_uint(out, "reads", usage->reads);
	json_put_uint(out, "writes", usage->writes);
	json_end(out, '}');
	put_host(container->statm_fd, out);
	json_end(out, '}');
}
