// SPDX-License-Identifier: Apache-2.0
// Tests of cli/vm_limits.h.
#include "cli/vm_limits.h"

#include "base/err.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>

static struct err err;

START_TEST(whole_cpus_are_not_limited)
{
	uint64_t vcpus = 0;
	uint32_t milli = 7;

	ck_assert_int_eq(vm_limits_cpus("3", 64, &vcpus, &milli, &err), 0);
	ck_assert_uint_eq(vcpus, 3);
	ck_assert_uint_eq(milli, 0);
	ck_assert_int_eq(vm_limits_cpus("0", 64, &vcpus, &milli, &err), -ERANGE);
	ck_assert_int_eq(vm_limits_cpus("65", 64, &vcpus, &milli, &err), -ERANGE);
	ck_assert_int_eq(vm_limits_cpus("", 64, &vcpus, &milli, &err), -EINVAL);
}
END_TEST

START_TEST(fractions_of_cpus)
{
	static const struct {
		const char *text;
		uint64_t vcpus;
		uint32_t milli;
	} cases[] = {
		{"1.5", 2, 1500},
		{"0.01", 1, 10},
		{"2.0", 2, 2000},
		{"63.001", 64, 63001},
		{"64.000", 64, 64000},
		{"00.25", 1, 250},
		{".5", 1, 500},
	};
	uint64_t vcpus = 0;
	uint32_t milli = 0;

	ck_assert_int_eq(vm_limits_cpus(cases[_i].text, 64, &vcpus, &milli, &err), 0);
	ck_assert_uint_eq(vcpus, cases[_i].vcpus);
	ck_assert_uint_eq(milli, cases[_i].milli);
}
END_TEST

START_TEST(bad_fractions)
{
	static const struct {
		const char *text;
		int code;
	} cases[] = {
		{"1.", -EINVAL},
		{".", -EINVAL},
		{"1.5.", -EINVAL},
		{"1.2345", -EINVAL},
		{"1.x", -EINVAL},
		{"x.1", -EINVAL},
		{"-1.5", -EINVAL},
		{"0.009", -ERANGE},
		{"0.0", -ERANGE},
		{"64.001", -ERANGE},
		{"18446744073709551616.5", -ERANGE},
	};
	uint64_t vcpus = 0;
	uint32_t milli = 0;

	ck_assert_int_eq(vm_limits_cpus(cases[_i].text, 64, &vcpus, &milli, &err), cases[_i].code);
}
END_TEST

START_TEST(numbers_that_mean_no_limit)
{
	uint64_t value = 1;

	ck_assert_int_eq(vm_limits_pids("-1", &value, &err), 0);
	ck_assert_uint_eq(value, 0);
	ck_assert_int_eq(vm_limits_pids("4194304", &value, &err), 0);
	ck_assert_uint_eq(value, 4194304);
	ck_assert_int_eq(vm_limits_memory_swap("-1", &value, &err), 0);
	ck_assert_uint_eq(value, VM_LIMITS_SWAP_UNLIMITED);
	ck_assert_int_eq(vm_limits_memory_swap("1G", &value, &err), 0);
	ck_assert_uint_eq(value, 1 << 30);
}
END_TEST

START_TEST(rates_need_a_disk)
{
	static const char *const bad[] = {"", "x", ":1", "/dev/null:1",
		"/dev/null:", "/dev/null:-1", "/dev/null:0", "/nonexistent:1"};
	struct vm_limits limits = {0};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_lt(vm_limits_add_io(&limits, VM_LIMITS_READ_BPS, bad[i], &err), 0);
		ck_assert_int_lt(vm_limits_add_io(&limits, VM_LIMITS_WRITE_IOPS, bad[i], &err), 0);
	}
	ck_assert_uint_eq(limits.io_count, 0);
	limits.io_count = VM_LIMITS_IO_MAX;
	ck_assert_int_eq(
		vm_limits_add_io(&limits, VM_LIMITS_READ_BPS, "/dev/null:1", &err), -E2BIG);
}
END_TEST

START_TEST(what_takes_a_group)
{
	struct vm_limits limits = {0};

	ck_assert_ptr_null(vm_limits_asked(&limits));
	limits.pids = 5;
	ck_assert_ptr_null(vm_limits_asked(&limits));
	limits.io_count = 1;
	limits.io[0].rate = VM_LIMITS_WRITE_IOPS;
	ck_assert_str_eq(vm_limits_asked(&limits), "--device-write-iops");
	limits.memory_swap = 1;
	ck_assert_str_eq(vm_limits_asked(&limits), "--memory-swap");
	limits.quota = 1;
	ck_assert_str_eq(vm_limits_asked(&limits), "--cpu-quota");
	limits.cpus = 1;
	ck_assert_str_eq(vm_limits_asked(&limits), "--cpus");
}
END_TEST

START_TEST(limits_that_do_not_fit)
{
	struct vm_limits limits = {.memory_swap = 100};

	ck_assert_int_eq(vm_limits_check(&limits, 100, &err), 0);
	ck_assert_int_eq(vm_limits_check(&limits, 101, &err), -EINVAL);
	limits = (struct vm_limits){.memory_swap = VM_LIMITS_SWAP_UNLIMITED};
	ck_assert_int_eq(vm_limits_check(&limits, UINT64_MAX - 1, &err), 0);
	limits = (struct vm_limits){.period = 1000};
	ck_assert_int_eq(vm_limits_check(&limits, 1, &err), -EINVAL);
	limits.quota = 1000;
	ck_assert_int_eq(vm_limits_check(&limits, 1, &err), 0);
	limits.cpus = 1500;
	ck_assert_int_eq(vm_limits_check(&limits, 1, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "--cpu-quota"));
}
END_TEST

SUITE_CASES("cli_vm_limits", NULL, NULL, {whole_cpus_are_not_limited}, {fractions_of_cpus, 7},
	{bad_fractions, 11}, {numbers_that_mean_no_limit}, {rates_need_a_disk},
	{what_takes_a_group}, {limits_that_do_not_fit})
