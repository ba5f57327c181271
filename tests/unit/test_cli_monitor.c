// SPDX-License-Identifier: Apache-2.0
// Tests of cli/monitor.h and cli/console.h with programs of the host in place of hull-vmm, and of
// cli/timing.h.
#include "cli/monitor.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "cli/timing.h"
#include "tests/lib/suite.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct fixture {
	struct loop loop;
	struct monitor monitor;
	char script[64];
	int phases;
	char phase[32];
	uint64_t phase_ns;
	int connections;
	bool ended;
};

static void on_connection(struct monitor *monitor, uint32_t port, int fd)
{
	container_of(monitor, struct fixture, monitor)->connections++;
	close(fd);
}

static void on_phase(struct monitor *monitor, const char *name, uint64_t ns)
{
	struct fixture *f = container_of(monitor, struct fixture, monitor);

	f->phases++;
	snprintf(f->phase, sizeof(f->phase), "%s", name);
	f->phase_ns = ns;
}

static void on_ended(struct monitor *monitor)
{
	struct fixture *f = container_of(monitor, struct fixture, monitor);

	f->ended = true;
	loop_quit(&f->loop);
}

static const struct monitor_ops ops = {on_connection, on_phase, on_ended};

/* Run a shell script as the monitor, up to its end. Descriptors: 3 channel, 4 events, 5 console. */
static void run(struct fixture *f, const char *script)
{
	int CLEANUP_FD rootfs = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct monitor_config config = {
		.program = f->script,
		.kernel = "k",
		.initrd = "i",
		.cmdline = "c",
		.memory_mib = 1,
		.cpus = 1,
		.rootfs_fd = rootfs,
		.disk_fd = -1,
		.passt_fd = -1,
	};
	struct err err;
	int fd;

	*f = (struct fixture){.script = "/tmp/hull-test-XXXXXX"};
	fd = mkstemp(f->script);
	ck_assert_int_ge(fd, 0);
	dprintf(fd, "#!/bin/sh\n%s\n", script);
	fchmod(fd, 0700);
	close(fd);
	ck_assert_int_eq(loop_init(&f->loop), 0);
	ck_assert_msg(!monitor_start(&f->monitor, &f->loop, &config, &ops, &err), "%s", err.msg);
	ck_assert_int_eq(loop_run(&f->loop), 0);
	ck_assert(f->ended);
	unlink(f->script);
}

static void teardown(struct fixture *f)
{
	monitor_fini(&f->monitor);
	loop_fini(&f->loop);
}

START_TEST(exit_codes_tell_the_end)
{
	static const struct {
		const char *script;
		enum monitor_end end;
	} rows[] = {
		{"exit 0", MONITOR_POWEROFF},
		{"exit 16", MONITOR_REBOOT},
		{"exit 17", MONITOR_TRIPLE_FAULT},
		{"exit 18", MONITOR_PANIC},
		{"exit 1", MONITOR_REPORTED},
		{"exit 152", MONITOR_REPORTED},
		{"kill -9 $$", MONITOR_KILLED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fixture f;

		run(&f, rows[i].script);
		ck_assert_int_eq(monitor_end(&f.monitor), rows[i].end);
		teardown(&f);
	}
}
END_TEST

START_TEST(events_are_lines)
{
	struct fixture f;

	run(&f, "echo phase kvm 12345 >&4; echo phase >&4; echo phase x y >&4; echo bogus 1 >&4");
	ck_assert_int_eq(f.phases, 1);
	ck_assert_str_eq(f.phase, "kvm");
	ck_assert_uint_eq(f.phase_ns, 12345);
	teardown(&f);
	/* A line without end is cut, and the next one is read. */
	run(&f, "head -c 100000 /dev/zero | tr '\\0' p >&4; echo >&4; echo phase run 7 >&4");
	ck_assert_int_eq(f.phases, 1);
	ck_assert_str_eq(f.phase, "run");
	teardown(&f);
}
END_TEST

START_TEST(console_tail_is_the_last_lines_without_control_characters)
{
	char text[CONSOLE_SIZE + 2];
	struct fixture f;

	run(&f, "printf 'one\\r\\ntwo\\033[31m\\tx\\r\\nthree\\r\\n\\n' >&5");
	ck_assert_uint_eq(console_tail(&f.monitor.text, text, sizeof(text), 2), 17);
	ck_assert_str_eq(text, "two?[31m\tx\nthree\n");
	ck_assert_uint_eq(console_tail(&f.monitor.text, text, sizeof(text), 9), 21);
	ck_assert_str_eq(text, "one\ntwo?[31m\tx\nthree\n");
	teardown(&f);
	run(&f, "exit 0");
	ck_assert_uint_eq(console_tail(&f.monitor.text, text, sizeof(text), 2), 0);
	ck_assert_str_eq(text, "");
	teardown(&f);
}
END_TEST

START_TEST(console_keeps_the_end_of_a_flood)
{
	char text[CONSOLE_SIZE + 2];
	struct fixture f;
	size_t len;

	run(&f, "head -c 100000 /dev/zero | tr '\\0' x >&5; echo >&5; echo last >&5");
	ck_assert_uint_eq(console_tail(&f.monitor.text, text, sizeof(text), 1), 5);
	ck_assert_str_eq(text, "last\n");
	len = console_tail(&f.monitor.text, text, sizeof(text), 5);
	ck_assert_uint_gt(len, CONSOLE_SIZE - 2);
	ck_assert_uint_lt(len, sizeof(text));
	teardown(&f);
}
END_TEST

START_TEST(program_that_is_missing)
{
	struct monitor_config config = {.program = "/nonexistent/vmm",
		.kernel = "k",
		.initrd = "i",
		.cmdline = "c",
		.rootfs_fd = -1,
		.disk_fd = -1,
		.passt_fd = -1};
	struct monitor monitor;
	struct loop loop;
	struct err err;

	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(monitor_start(&monitor, &loop, &config, &ops, &err), -ENOENT);
	ck_assert_str_eq(err.msg, "cannot run /nonexistent/vmm: No such file or directory");
	monitor_fini(&monitor);
	loop_fini(&loop);
}
END_TEST

START_TEST(timing_table)
{
	struct timing timing = {0};
	char CLEANUP_FREE *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ck_assert_int_eq(timing_monitor_phase("run"), TIMING_RUN);
	ck_assert_int_eq(timing_monitor_phase("walk"), -ENOENT);
	timing_mark_at(&timing, TIMING_HULL, 1000000000);
	timing_mark_at(&timing, TIMING_RUN, 1012340000);
	timing_mark_at(&timing, TIMING_RUN, 2000000000);
	timing_mark_at(&timing, TIMING_OUTPUT, 0);
	timing_mark_at(&timing, TIMING_STARTED, 1101000000);
	timing_mark_at(&timing, TIMING_EXITED, 1101000000);
	timing_mark_at(&timing, TIMING_ENDED, 1100000000);
	timing_print(&timing, out);
	fclose(out);
	ck_assert_str_eq(text, "phase                   at ms    took ms\n"
			       "hull started             0.00       0.00\n"
			       "first KVM_RUN           12.34      12.34\n"
			       "VM ended               100.00      87.66\n"
			       "command started        101.00       1.00\n"
			       "command exited         101.00       0.00\n");
}
END_TEST

START_TEST(timing_of_a_guest_that_lies)
{
	struct timing timing = {0};
	uint64_t before;

	timing_mark(&timing, TIMING_SPAWN);
	timing_set_guest_clock(&timing, 1000);
	before = clock_ns();
	timing_mark_guest(&timing, TIMING_INIT, UINT64_MAX / 2);
	ck_assert_uint_ge(timing.ns[TIMING_INIT], before);
	ck_assert_uint_le(timing.ns[TIMING_INIT], clock_ns());
	timing_mark_guest(&timing, TIMING_STARTED, 0);
	ck_assert_uint_ge(timing.ns[TIMING_STARTED], timing.ns[TIMING_SPAWN]);
}
END_TEST

SUITE("cli_monitor", exit_codes_tell_the_end, events_are_lines,
	console_tail_is_the_last_lines_without_control_characters, console_keeps_the_end_of_a_flood,
	program_that_is_missing, timing_table, timing_of_a_guest_that_lies)
