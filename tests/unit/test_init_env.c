// SPDX-License-Identifier: Apache-2.0
// Tests of guest-init/env.h.
#include "guest-init/env.h"

#include "tests/lib/suite.h"

#include <string.h>

static char **build(char *const *env, bool terminal)
{
	const struct agent_spec spec = {.env = env, .hostname = "box", .terminal = terminal};
	char **ret;

	ck_assert_int_eq(env_build(&spec, "/home", &ret), 0);
	return ret;
}

START_TEST(adds_what_is_missing)
{
	char *none[] = {NULL};
	char **env = build(none, false);

	ck_assert_str_eq(env[0], "PATH=" ENV_PATH_DEFAULT);
	ck_assert_str_eq(env[1], "HOSTNAME=box");
	ck_assert_str_eq(env[2], "HOME=/home");
	ck_assert_ptr_null(env[3]);
	free(env);
	env = build(none, true);
	ck_assert_str_eq(env[3], "TERM=xterm");
	ck_assert_ptr_null(env[4]);
	free(env);
}
END_TEST

START_TEST(keeps_what_is_there)
{
	char a[] = "HOME=", b[] = "PATH=/x", c[] = "TERM=vt100", d[] = "HOSTNAME=y", e[] = "odd";
	char *given[] = {a, b, c, d, e, NULL};
	char **env = build(given, true);

	for (int i = 0; i < 5; i++)
		ck_assert_ptr_eq(env[i], given[i]);
	ck_assert_ptr_null(env[5]);
	free(env);
}
END_TEST

START_TEST(names_match_whole)
{
	char a[] = "HOMER=x", b[] = "HOM=y", c[] = "HOME", d[] = "=HOME";
	char *given[] = {a, b, c, d, NULL};
	char **env = build(given, false);

	ck_assert_str_eq(env_get(env, "HOME"), "/home");
	ck_assert_str_eq(env_get(env, "HOMER"), "x");
	ck_assert_ptr_null(env_get(env, "HO"));
	free(env);
}
END_TEST

START_TEST(first_of_two_counts)
{
	char a[] = "A=1", b[] = "A=2";
	char *given[] = {a, b, NULL};

	ck_assert_str_eq(env_get(given, "A"), "1");
}
END_TEST

static void candidates(const char *path, const char *const *want)
{
	char got[ENV_CANDIDATE_MAX];

	for (; *want; want++) {
		ck_assert(env_candidate(&path, "sh", got));
		ck_assert_str_eq(got, *want);
	}
	ck_assert(!env_candidate(&path, "sh", got));
	ck_assert(!env_candidate(&path, "sh", got));
}

START_TEST(path_entries)
{
	candidates(NULL, (const char *const[]){NULL});
	candidates("", (const char *const[]){"./sh", NULL});
	candidates("/bin", (const char *const[]){"/bin/sh", NULL});
	candidates("/a:/b/", (const char *const[]){"/a/sh", "/b//sh", NULL});
	candidates(":/a", (const char *const[]){"./sh", "/a/sh", NULL});
	candidates("/a::b:", (const char *const[]){"/a/sh", "./sh", "b/sh", "./sh", NULL});
}
END_TEST

START_TEST(path_entries_too_long)
{
	static char path[ENV_CANDIDATE_MAX + 16];
	char name[ENV_CANDIDATE_MAX], got[ENV_CANDIDATE_MAX];
	const char *rest = path;

	/* Just too long, then one that fits. */
	memset(path, 'd', ENV_CANDIDATE_MAX - 3);
	strcpy(path + ENV_CANDIDATE_MAX - 3, ":/b");
	ck_assert(env_candidate(&rest, "sh", got));
	ck_assert_str_eq(got, "/b/sh");
	/* Just short enough. */
	rest = path + 1;
	ck_assert(env_candidate(&rest, "sh", got));
	ck_assert_uint_eq(strlen(got), ENV_CANDIDATE_MAX - 1);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	rest = "/a:/b";
	ck_assert(!env_candidate(&rest, name, got));
}
END_TEST

SUITE("init_env", adds_what_is_missing, keeps_what_is_there, names_match_whole, first_of_two_counts,
	path_entries, path_entries_too_long)
