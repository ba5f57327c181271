// SPDX-License-Identifier: Apache-2.0
// The main() of a unit test: SUITE(name, tests...) runs the named Check tests.
#pragma once

#include <check.h>
#include <stdlib.h>

#define SUITE_TIMEOUT_S 20

/* @loops: a loop test runs with _i from 0 to @loops - 1; 0 for a plain test. */
struct suite_case {
	const TTest *test;
	int loops;
};

static inline int suite_run(const char *name, const struct suite_case *cases, size_t count,
	void (*before)(void), void (*after)(void))
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, SUITE_TIMEOUT_S);
	if (before)
		tcase_add_checked_fixture(tcase, before, after);
	for (size_t i = 0; i < count; i++)
		tcase_add_loop_test(tcase, cases[i].test, 0, cases[i].loops ? cases[i].loops : 1);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Tests that need neither a fixture nor a loop. */
#define SUITE(name, ...)                                                                           \
	int main(void)                                                                             \
	{                                                                                          \
		const TTest *tests[] = {__VA_ARGS__};                                              \
		struct suite_case cases[sizeof(tests) / sizeof(tests[0])] = {0};                   \
                                                                                                   \
		for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)                      \
			cases[i].test = tests[i];                                                  \
		return suite_run(name, cases, sizeof(tests) / sizeof(tests[0]), NULL, NULL);       \
	}

/* {test, loops} rows; @setup and @teardown run around each test, or NULL. */
#define SUITE_CASES(name, setup, teardown, ...)                                                    \
	int main(void)                                                                             \
	{                                                                                          \
		const struct suite_case cases[] = {__VA_ARGS__};                                   \
                                                                                                   \
		return suite_run(name, cases, sizeof(cases) / sizeof(cases[0]), setup, teardown);  \
	}
