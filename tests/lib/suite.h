// SPDX-License-Identifier: Apache-2.0
// The main() of a unit test: SUITE(name, tests...) runs the named Check tests.
#pragma once

#include <check.h>
#include <stdlib.h>

#define SUITE_TIMEOUT_S 20

static inline int suite_run(const char *name, const TTest *const *tests, size_t count)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, SUITE_TIMEOUT_S);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define SUITE(name, ...)                                                                           \
	int main(void)                                                                             \
	{                                                                                          \
		const TTest *tests[] = {__VA_ARGS__};                                              \
                                                                                                   \
		return suite_run(name, tests, sizeof(tests) / sizeof(tests[0]));                   \
	}
