// SPDX-License-Identifier: Apache-2.0
// Tests of cli/spec.h and cli/run_options.h: options and image put together.
#include "cli/spec.h"

#include "base/err.h"
#include "cli/run_options.h"
#include "image/image.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>

/* A NULL-terminated array as argv is one. */
#define WORDS(...) ((char **)(uintptr_t)(const char *[]){__VA_ARGS__, NULL})

static char *none[] = {NULL};

struct fixture {
	struct run_options options;
	struct image_config config;
	struct spec spec;
	struct err err;
};

static void setup(struct fixture *f)
{
	*f = (struct fixture){
		.config = {none, none, none, (char *)(uintptr_t) "", (char *)(uintptr_t) "",
			(char *)(uintptr_t) ""},
	};
}

/* Parse the words behind `hull run`, then merge. */
static int build(struct fixture *f, char *const *argv)
{
	int r = run_options_parse(argv, &f->options, &f->err);

	return r < 0 ? r : spec_build(&f->options, &f->config, "box", &f->spec, &f->err);
}

static void teardown(struct fixture *f)
{
	spec_fini(&f->spec);
	run_options_fini(&f->options);
}

#define BUILD(f, ...) build(&(f), WORDS(__VA_ARGS__))

/* The command is these words. */
static void expect_args(const struct fixture *f, const char *const *words)
{
	size_t i;

	for (i = 0; words[i]; i++)
		ck_assert_str_eq(f->spec.agent.args[i], words[i]);
	ck_assert_ptr_null(f->spec.agent.args[i]);
}

#define EXPECT_ARGS(f, ...) expect_args(&(f), (const char *[]){__VA_ARGS__, NULL})

START_TEST(command_of_image_and_user)
{
	char **entrypoint = WORDS("/entry", "-v");
	char **cmd = WORDS("serve");
	struct fixture f;

	setup(&f);
	f.config.cmd = cmd;
	ck_assert_int_eq(BUILD(f, "img"), 0);
	EXPECT_ARGS(f, "serve");
	teardown(&f);

	f.config.entrypoint = entrypoint;
	ck_assert_int_eq(BUILD(f, "img"), 0);
	EXPECT_ARGS(f, "/entry", "-v", "serve");
	teardown(&f);

	ck_assert_int_eq(BUILD(f, "img", "a", "-b"), 0);
	EXPECT_ARGS(f, "/entry", "-v", "a", "-b");
	teardown(&f);
}
END_TEST

START_TEST(entrypoint_of_the_user)
{
	char **entrypoint = WORDS("/entry");
	char **cmd = WORDS("serve");
	struct fixture f;

	setup(&f);
	f.config.entrypoint = entrypoint;
	f.config.cmd = cmd;
	ck_assert_int_eq(BUILD(f, "--entrypoint", "sh", "img"), 0);
	EXPECT_ARGS(f, "sh");
	teardown(&f);

	ck_assert_int_eq(BUILD(f, "--entrypoint=sh", "img", "-c", "true"), 0);
	EXPECT_ARGS(f, "sh", "-c", "true");
	teardown(&f);

	ck_assert_int_eq(BUILD(f, "--entrypoint=", "img", "ls"), 0);
	EXPECT_ARGS(f, "ls");
	teardown(&f);

	ck_assert_int_eq(BUILD(f, "--entrypoint=", "img"), 0);
	EXPECT_ARGS(f, "serve");
	teardown(&f);
}
END_TEST

START_TEST(some_command_is_needed)
{
	struct fixture f;

	setup(&f);
	ck_assert_int_eq(BUILD(f, "img"), -EINVAL);
	ck_assert_str_eq(f.err.msg, "image img names no command of its own: give one behind it");
	teardown(&f);
}
END_TEST

START_TEST(environment_in_order)
{
	char **env = WORDS("PATH=/image", "I=image", "U=image");
	struct fixture f;

	setup(&f);
	f.config.env = env;
	ck_assert_int_eq(BUILD(f, "-e", "U=user", "-t", "img", "x"), 0);
	ck_assert_str_eq(strlist_get_env(&f.spec.env, "PATH"), "/image");
	ck_assert_str_eq(strlist_get_env(&f.spec.env, "I"), "image");
	ck_assert_str_eq(strlist_get_env(&f.spec.env, "U"), "user");
	ck_assert_str_eq(strlist_get_env(&f.spec.env, "HOSTNAME"), "box");
	ck_assert_str_eq(strlist_get_env(&f.spec.env, "TERM"), "xterm");
	ck_assert_uint_eq(f.spec.env.count, 5);
	teardown(&f);

	ck_assert_int_eq(BUILD(f, "img", "x"), 0);
	ck_assert_ptr_null(strlist_get_env(&f.spec.env, "TERM"));
	teardown(&f);
}
END_TEST

START_TEST(user_and_directory)
{
	struct fixture f;

	setup(&f);
	ck_assert_int_eq(BUILD(f, "img", "x"), 0);
	ck_assert_str_eq(f.spec.agent.cwd, "/");
	ck_assert_str_eq(f.spec.agent.user, "");
	ck_assert_str_eq(f.spec.agent.hostname, "box");
	teardown(&f);

	f.config.user = (char *)(uintptr_t) "web";
	f.config.working_dir = (char *)(uintptr_t) "/srv";
	ck_assert_int_eq(BUILD(f, "img", "x"), 0);
	ck_assert_str_eq(f.spec.agent.cwd, "/srv");
	ck_assert_str_eq(f.spec.agent.user, "web");
	teardown(&f);

	ck_assert_int_eq(BUILD(f, "-w/tmp", "-u", "0:0", "img", "x"), 0);
	ck_assert_str_eq(f.spec.agent.cwd, "/tmp");
	ck_assert_str_eq(f.spec.agent.user, "0:0");
	teardown(&f);

	f.config.working_dir = (char *)(uintptr_t) "srv";
	ck_assert_int_eq(BUILD(f, "img", "x"), -EINVAL);
	teardown(&f);
}
END_TEST

START_TEST(streams_and_root)
{
	struct fixture f;

	setup(&f);
	ck_assert_int_eq(BUILD(f, "img", "x"), 0);
	ck_assert_uint_eq(f.spec.agent.stdin_port, 0);
	ck_assert_uint_ne(f.spec.agent.stdout_port, 0);
	ck_assert_uint_ne(f.spec.agent.stderr_port, 0);
	ck_assert_int_eq(f.spec.agent.root, AGENT_ROOT_TMPFS);
	teardown(&f);

	ck_assert_int_eq(BUILD(f, "-i", "--read-only", "img", "x"), 0);
	ck_assert_uint_ne(f.spec.agent.stdin_port, 0);
	ck_assert_int_eq(f.spec.agent.root, AGENT_ROOT_READONLY);
	teardown(&f);

	ck_assert_int_eq(BUILD(f, "-it", "--disk", "1G", "img", "x"), 0);
	ck_assert(f.spec.agent.terminal);
	ck_assert_uint_ne(f.spec.agent.tty_port, 0);
	ck_assert_uint_eq(f.spec.agent.stdin_port, 0);
	ck_assert_int_eq(f.spec.agent.root, AGENT_ROOT_DISK);
	teardown(&f);
}
END_TEST

START_TEST(what_does_not_fit_a_frame_is_refused)
{
	static char big[AGENT_FRAME_MAX];
	struct fixture f;

	setup(&f);
	memset(big, 'x', sizeof(big) - 1);
	ck_assert_int_eq(BUILD(f, "img", big), -EMSGSIZE);
	ck_assert_str_eq(
		f.err.msg, "the command and its environment are too large: more than 256 KiB");
	teardown(&f);
}
END_TEST

START_TEST(options_have_defaults_and_limits)
{
	struct run_options o;
	struct err err;
	char **plain = WORDS("img");
	char **help = WORDS("--help", "--cpus");
	char **empty = WORDS("");

	ck_assert_int_eq(run_options_parse(plain, &o, &err), 0);
	ck_assert_uint_eq(o.cpus, 1);
	ck_assert_uint_eq(o.memory, RUN_MEMORY_DEFAULT);
	ck_assert_uint_eq(o.start_timeout_s, RUN_START_TIMEOUT_DEFAULT_S);
	ck_assert_str_eq(o.image, "img");
	ck_assert_ptr_null(o.command[0]);
	run_options_fini(&o);
	ck_assert_int_eq(run_options_parse(help, &o, &err), -EINVAL);
	run_options_fini(&o);
	help[1] = NULL;
	ck_assert_int_eq(run_options_parse(help, &o, &err), 0);
	ck_assert(o.help);
	run_options_fini(&o);
	ck_assert_int_eq(run_options_parse(empty, &o, &err), -EINVAL);
	run_options_fini(&o);
}
END_TEST

SUITE("cli_spec", command_of_image_and_user, entrypoint_of_the_user, some_command_is_needed,
	environment_in_order, user_and_directory, streams_and_root,
	what_does_not_fit_a_frame_is_refused, options_have_defaults_and_limits)
