// SPDX-License-Identifier: Apache-2.0
// What of the host's resources a VM may take at most.
#include "cli/vm_limits.h"

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "cli/value.h"
#include "protocol/agent_spec.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Milli-CPUs: less than this is less than the kernel's shortest quota in its default period. */
#define CPUS_MIN 10

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int vm_limits_cpus(
	const char *text, uint32_t max, uint64_t *ret_vcpus, uint32_t *ret_milli, struct err *err)
{
	const char *point = strchr(text, '.');
	uint64_t milli = 0, unit = 100;
	const char *p = text;

	if (!point) {
		*ret_milli = 0;
		return value_number(text, 1, max, ret_vcpus, err);
	}
	for (; is_digit(*p) && milli <= (uint64_t)max * 1000; p++)
		milli = milli * 10 + (uint64_t)(*p - '0') * 1000;
	p += strspn(p, "0123456789");
	if (p != point || !is_digit(point[1]))
		goto malformed;
	for (p = point + 1; is_digit(*p) && unit; p++, unit /= 10)
		milli += (uint64_t)(*p - '0') * unit;
	if (*p)
		goto malformed;
	if (milli < CPUS_MIN || milli > (uint64_t)max * 1000)
		return err_set(err, -ERANGE, "%s is not from 0.01 to %u", text, max);
	*ret_milli = (uint32_t)milli;
	*ret_vcpus = (milli + 999) / 1000;
	return 0;

malformed:
	return err_set(err, -EINVAL,
		"\"%s\" is neither a whole number nor one with up to three decimals", text);
}

int vm_limits_memory_swap(const char *text, uint64_t *ret, struct err *err)
{
	if (!strcmp(text, "-1")) {
		*ret = VM_LIMITS_SWAP_UNLIMITED;
		return 0;
	}
	return value_size(text, ret, err);
}

int vm_limits_pids(const char *text, uint64_t *ret, struct err *err)
{
	if (!strcmp(text, "-1")) {
		*ret = 0;
		return 0;
	}
	return value_number(text, 0, AGENT_PIDS_MAX, ret, err);
}

/* The disk of a partition, as sysfs knows it; a disk stays what it is. */
static int whole_disk(const char *path, dev_t device, dev_t *ret, struct err *err)
{
	char name[64], text[32] = "";
	FILE CLEANUP_FILE *file = NULL;

	*ret = device;
	snprintf(
		name, sizeof(name), "/sys/dev/block/%u:%u/partition", major(device), minor(device));
	if (access(name, F_OK) < 0)
		return 0;
	snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/../dev", major(device), minor(device));
	file = fopen(name, "re");
	if (!file || !fgets(text, sizeof(text), file) || !cgroup_parse_device(text, ret))
		return err_set(
			err, -ENODEV, "%s: cannot tell which disk it is a partition of", path);
	return 0;
}

static int read_device(const char *path, dev_t *ret, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_errno(err, errno, "%s", path);
	if (!S_ISBLK(st.st_mode))
		return err_set(err, -ENOTBLK, "%s is not a block device", path);
	return whole_disk(path, st.st_rdev, ret, err);
}

int vm_limits_add_io(
	struct vm_limits *limits, enum vm_limits_rate rate, const char *text, struct err *err)
{
	struct vm_limits_io *io = &limits->io[limits->io_count];
	const char *colon = strrchr(text, ':');
	char path[PATH_MAX];
	int r;

	if (!colon || colon == text)
		return err_set(err, -EINVAL, "\"%s\" is not DEVICE:RATE", text);
	if (colon - text >= PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "the device's path is too long");
	if (limits->io_count == VM_LIMITS_IO_MAX)
		return err_set(
			err, -E2BIG, "%s: more than %d rates of devices", text, VM_LIMITS_IO_MAX);
	if (rate == VM_LIMITS_READ_BPS || rate == VM_LIMITS_WRITE_BPS)
		r = value_size(colon + 1, &io->value, err);
	else
		r = value_number(colon + 1, 1, UINT32_MAX - 1, &io->value, err);
	if (r < 0)
		return r;
	if (!io->value)
		return err_set(err, -ERANGE, "\"%s\" leaves nothing to run with", text);
	snprintf(path, sizeof(path), "%.*s", (int)(colon - text), text);
	r = read_device(path, &io->device, err);
	if (r < 0)
		return r;
	io->rate = rate;
	limits->io_count++;
	return 0;
}

int vm_limits_check(const struct vm_limits *limits, uint64_t memory, struct err *err)
{
	if (limits->cpus && (limits->quota || limits->period))
		return err_set(err, -EINVAL, "--cpus with a fraction and --%s exclude each other",
			limits->quota ? "cpu-quota" : "cpu-period");
	if (limits->period && !limits->quota)
		return err_set(err, -EINVAL, "--cpu-period goes with --cpu-quota");
	if (limits->memory_swap && limits->memory_swap < memory)
		return err_set(err, -EINVAL,
			"--memory-swap: %" PRIu64 " bytes are less than those of --memory, %" PRIu64
			", which it counts too",
			limits->memory_swap, memory);
	return 0;
}

const char *vm_limits_asked(const struct vm_limits *limits)
{
	static const char *const rates[] = {
		[VM_LIMITS_READ_BPS] = "--device-read-bps",
		[VM_LIMITS_WRITE_BPS] = "--device-write-bps",
		[VM_LIMITS_READ_IOPS] = "--device-read-iops",
		[VM_LIMITS_WRITE_IOPS] = "--device-write-iops",
	};

	if (limits->cpus)
		return "--cpus";
	if (limits->quota)
		return "--cpu-quota";
	if (limits->memory_swap)
		return "--memory-swap";
	return limits->io_count ? rates[limits->io[0].rate] : NULL;
}
