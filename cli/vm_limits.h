// SPDX-License-Identifier: Apache-2.0
// What of the host's resources a VM may take at most, and its processes in the guest.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

/* Microseconds: what the kernel takes, and its default. */
#define VM_LIMITS_PERIOD_MIN 1000
#define VM_LIMITS_PERIOD_MAX 1000000
#define VM_LIMITS_PERIOD_DEFAULT 100000
#define VM_LIMITS_QUOTA_MIN 1000
/* 64 CPUs for the longest period; the kernel takes more. */
#define VM_LIMITS_QUOTA_MAX (UINT64_C(64) * VM_LIMITS_PERIOD_MAX)

/* Rates of devices; a VM has a handful of disks, each with four rates. */
#define VM_LIMITS_IO_MAX 32

#define VM_LIMITS_SWAP_UNLIMITED UINT64_MAX

/* Names in io.max. */
enum vm_limits_rate {
	VM_LIMITS_READ_BPS,
	VM_LIMITS_WRITE_BPS,
	VM_LIMITS_READ_IOPS,
	VM_LIMITS_WRITE_IOPS,
};

/*
 * struct vm_limits_io - the rate of one disk, for reading or for writing
 * @device:	a whole disk, never a partition, which the kernel doesn't limit
 */
struct vm_limits_io {
	dev_t device;
	enum vm_limits_rate rate;
	uint64_t value;
};

/*
 * struct vm_limits
 * @cpus:	milli-CPUs, from a --cpus with a fraction, or 0
 * @quota:	microseconds of CPU time in a period, or 0
 * @period:	microseconds, or 0 for the default
 * @memory_swap:	bytes of memory and swap together, 0 if not given, VM_LIMITS_SWAP_UNLIMITED
 * @pids:	in the guest, 0 for no limit
 * @io:		@io_count of them
 */
struct vm_limits {
	uint32_t cpus;
	uint64_t quota;
	uint64_t period;
	uint64_t memory_swap;
	uint64_t pids;
	struct vm_limits_io io[VM_LIMITS_IO_MAX];
	unsigned int io_count;
};

/*
 * vm_limits_cpus() - the text of --cpus
 * @max:	of vCPUs
 * @ret_vcpus:	how many vCPUs there shall be: a fraction is rounded up
 * @ret_milli:	the limit of a fraction, or 0 for none
 *
 * Return: 0 or -errno with a message.
 */
int vm_limits_cpus(
	const char *text, uint32_t max, uint64_t *ret_vcpus, uint32_t *ret_milli, struct err *err);

/* vm_limits_memory_swap() - a size, or -1. Return: 0 or -errno with a message. */
int vm_limits_memory_swap(const char *text, uint64_t *ret, struct err *err);

/* vm_limits_pids() - a number; 0 and -1 mean no limit. Return: 0 or -errno with a message. */
int vm_limits_pids(const char *text, uint64_t *ret, struct err *err);

/* vm_limits_add_io() - DEVICE:RATE. Return: 0 or -errno with a message. */
int vm_limits_add_io(
	struct vm_limits *limits, enum vm_limits_rate rate, const char *text, struct err *err);

/*
 * vm_limits_check() - do they fit each other?
 * @memory:	bytes of the guest
 *
 * Return: 0 or -errno with a message.
 */
int vm_limits_check(const struct vm_limits *limits, uint64_t memory, struct err *err);

/* vm_limits_asked() - the option by which something was asked for that takes a control group, or
 * NULL.
 */
const char *vm_limits_asked(const struct vm_limits *limits);
