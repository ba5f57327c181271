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
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct fixture {
	struct loop loop;
	struct monitor monitor;
	char script[64];
	bool ended;
};

static void on_ended(struct monitor *monitor)
{
	struct fixture *f = container_of(monitor, struct fixture, monitor);

	f->ended = true;
	loop_quit(&f->loop);
}

/* Run a shell script as the monitor, up to its end. Descriptors: 3 control, 4 life, 8 console. */
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
		.container_fd = rootfs,
		.rootfs_fd = rootfs,
		.disk_fd = -1,
		.passt_fd = -1,
		.cgroup_fd = -1,
		/* The first of a process ID namespace can't kill itself. */
		.no_jail = true,
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
	ck_assert_int_eq(monitor_init(&f->monitor, &f->loop,
				 1u << MONITOR_CONTROL | 1u << MONITOR_LIFE, on_ended, &err),
		0);
	ck_assert_int_eq(write(f->monitor.fds[MONITOR_LIFE], "before\n", 7), 7);
	ck_assert_msg(!monitor_start(&f->monitor, &config, &err), "%s", err.msg);
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

/* What was sent before it ran it finds, and what it says last is there when it has ended. */
START_TEST(connections)
{
	char text[32] = "";
	struct fixture f;

	run(&f, "read word <&4; echo got $word >&3; test -e /dev/fd/5 && echo more >&3; "
		"test -s /dev/fd/9 || echo container $(readlink /dev/fd/9) >&3");
	ck_assert_int_gt(read(f.monitor.fds[MONITOR_CONTROL], text, sizeof(text) - 1), 0);
	ck_assert_str_eq(text, "got before\ncontainer /dev/null\n");
	ck_assert_int_eq(f.monitor.fds[MONITOR_IN], -1);
	ck_assert_int_eq(read(f.monitor.fds[MONITOR_CONTROL], text, sizeof(text)), 0);
	teardown(&f);
}
END_TEST

START_TEST(console_tail_is_the_last_lines_without_control_characters)
{
	char text[CONSOLE_SIZE + 2];
	struct fixture f;

	run(&f, "printf 'one\\r\\ntwo\\033[31m\\tx\\r\\nthree\\r\\n\\n' >&8");
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

	run(&f, "head -c 100000 /dev/zero | tr '\\0' x >&8; echo >&8; echo last >&8");
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
		.container_fd = -1,
		.rootfs_fd = -1,
		.disk_fd = -1,
		.passt_fd = -1,
		.cgroup_fd = -1};
	struct monitor monitor;
	struct loop loop;
	struct err err;

	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(monitor_init(&monitor, &loop, 0, on_ended, &err), 0);
	ck_assert_int_eq(monitor_start(&monitor, &config, &err), -ENOENT);
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

START_TEST(timing_document)
{
	struct timing timing = {0};
	char CLEANUP_FREE *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	timing_mark_at(&timing, TIMING_HULL, 1000);
	timing.cpu_ns[TIMING_HULL] = 5;
	timing_mark_at(&timing, TIMING_RUN, 2000);
	timing.cpu_ns[TIMING_RUN] = 6;
	timing_mark_at(&timing, TIMING_OUTPUT, 1500);
	timing_write(&timing, out);
	fclose(out);
	ck_assert_str_eq(text,
		"{\"phases\": [\n"
		"  {\"phase\": \"hull started\", \"ns\": 1000, \"cpu_ns\": 5, \"by\": \"hull\"},\n"
		"  {\"phase\": \"first output\", \"ns\": 1500, \"by\": \"hull\"},\n"
		"  {\"phase\": \"first KVM_RUN\", \"ns\": 2000, \"cpu_ns\": 6, "
		"\"by\": \"hull-vmm\"}\n"
		"]}\n");
}
END_TEST

/* Take marks that are given as JSON. */
__attribute__((format(printf, 2, 3))) static void mark(
	struct timing *timing, const char *format, ...)
{
	char text[256];
	json_t *json;
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	json = json_pack("{s:o, s:{s:i}}", "timings_ns", json_loads(text, 0, NULL),
		"timings_cpu_ns", "run", 77);
	ck_assert_ptr_nonnull(json);
	timing_mark_api(timing, json);
	json_decref(json);
}

START_TEST(timing_marks_of_the_monitor)
{
	struct timing timing = {0};
	unsigned long long base;

	timing_mark(&timing, TIMING_SPAWN);
	base = timing.ns[TIMING_SPAWN];
	usleep(2000);
	mark(&timing,
		"{\"run\":%llu,\"hello\":%llu,\"guest_init\":1000,\"guest_dial\":51000,"
		"\"started\":%llu}",
		base + 500, base + 1000000, base + 1000001);
	ck_assert_uint_eq(timing.ns[TIMING_RUN], base + 500);
	ck_assert_uint_eq(timing.cpu_ns[TIMING_RUN], 77);
	ck_assert_uint_eq(timing.cpu_ns[TIMING_CONTACT], 0);
	ck_assert_uint_eq(timing.ns[TIMING_CONTACT], base + 1000000);
	ck_assert_uint_eq(timing.ns[TIMING_INIT], base + 950000);
	ck_assert_uint_eq(timing.ns[TIMING_STARTED], base + 1000001);
	ck_assert_uint_eq(timing.ns[TIMING_KVM], 0);
	timing_mark_api(&timing, NULL);
}
END_TEST

START_TEST(timing_of_a_guest_that_lies)
{
	struct timing timing = {0};

	timing_mark(&timing, TIMING_SPAWN);
	mark(&timing, "{\"hello\":%llu,\"guest_init\":9000000000000000000,\"guest_dial\":1}",
		(unsigned long long)timing.ns[TIMING_SPAWN] + 1);
	ck_assert_uint_le(timing.ns[TIMING_INIT], clock_ns());
	ck_assert_uint_ge(timing.ns[TIMING_INIT], timing.ns[TIMING_SPAWN]);
	timing.ns[TIMING_INIT] = 0;
	mark(&timing,
		"{\"hello\":1,\"guest_init\":0,\"guest_dial\":900,\"started\":-1,\"ended\":\"x\"}");
	ck_assert_uint_ge(timing.ns[TIMING_INIT], timing.ns[TIMING_SPAWN]);
	ck_assert_uint_le(timing.ns[TIMING_INIT], clock_ns());
	ck_assert_uint_eq(timing.ns[TIMING_CONTACT], timing.ns[TIMING_SPAWN]);
	ck_assert_uint_eq(timing.ns[TIMING_STARTED] | timing.ns[TIMING_EXITED], 0);
}
END_TEST

SUITE("cli_monitor", exit_codes_tell_the_end, connections,
	console_tail_is_the_last_lines_without_control_characters, console_keeps_the_end_of_a_flood,
	program_that_is_missing, timing_table, timing_document, timing_marks_of_the_monitor,
	timing_of_a_guest_that_lies)
