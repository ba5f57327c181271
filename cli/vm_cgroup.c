// SPDX-License-Identifier: Apache-2.0
// The control group of one VM.
#include "cli/vm_cgroup.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "cli/vm_limits.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define SHARED "hull"
#define CALLERS "hull-callers"

/*
 * Beside the guest's memory: the monitor itself and what the kernel keeps for it, as page tables of
 * both sides, which grow with the guest's memory, and buffers of sockets; docs/security.md has what
 * was measured. The page cache of disks is counted too, but given back when there is no more room.
 */
#define OVERHEAD_FIXED (UINT64_C(48) << 20)
#define OVERHEAD_SHARE 64
#define OVERHEAD_PASST (UINT64_C(64) << 20)

/* Beside vCPUs: the monitor's loop, workers of io_uring (see vmm/sandbox/limits.c), two threads of
 * the kernel for KVM, passt. */
#define PIDS_MORE 128

/* Somebody forks, or removes what is made, in just that moment: that often it doesn't happen. */
#define TRIES 16

/* For processes that have ended to be gone. */
#define END_MS 2000

/* The same of a leftover; the next start tries again. */
#define SWEEP_MS 200

static bool has_mark(int dir, const char *name)
{
	char value;

	return fgetxattr(dir, name, &value, 1) == 1 && value == '1';
}

/* @own: relative to the uppermost one that is seen. */
static bool is_delegated(int dir, const char *own)
{
	if (geteuid() != 0)
		return faccessat(dir, ".", W_OK, AT_EACCESS) == 0;
	/* The root of the hierarchy, or a container's own. */
	return !*own || has_mark(dir, "trusted.delegate") || has_mark(dir, "user.delegate");
}

static int move_callers(int dir)
{
	int CLEANUP_FD leaf = cgroup_make(dir, CALLERS);

	if (leaf == -EEXIST)
		leaf = cgroup_open(dir, CALLERS);
	return leaf < 0 ? leaf : cgroup_evacuate(dir, leaf);
}

/* @ours: what is in the group may be moved. */
static int enable(int dir, const char *where, unsigned int wanted, bool ours, struct err *err)
{
	unsigned int have = 0;
	int r = cgroup_controllers(dir, "cgroup.controllers", &have);

	for (int i = 0; i < CGROUP_CONTROLLERS && !r; i++)
		if (wanted & ~have & 1u << i)
			return err_set(err, -ENOTSUP, "the control group %s has no controller %s",
				where, cgroup_controller_names[i]);
	for (int i = 0; i < TRIES && !r; i++) {
		r = cgroup_enable(dir, wanted);
		if (r != -EBUSY || !ours)
			break;
		r = move_callers(dir);
	}
	return r < 0 ? err_errno(err, -r, "enabling controllers in the control group %s", where)
		     : 0;
}

/* /hull, in @top. It may go with the last VM of others at any time. Return: 0 or -errno. */
static int open_shared(struct vm_cgroup *cgroup, int top, unsigned int wanted, struct err *err)
{
	int r;

	cgroup->base_fd = cgroup_make(top, SHARED);
	if (cgroup->base_fd == -EEXIST)
		cgroup->base_fd = cgroup_open(top, SHARED);
	if (cgroup->base_fd < 0) {
		r = cgroup->base_fd;
		cgroup->base_fd = -1;
		return err_errno(err, -r, "the control group /" SHARED);
	}
	if (cgroup->shared_fd < 0)
		cgroup->shared_fd = fcntl(top, F_DUPFD_CLOEXEC, 0);
	return enable(cgroup->base_fd, "/" SHARED, wanted, false, err);
}

static int random_name(char *ret, size_t size, struct err *err)
{
	uint32_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return err_errno(err, errno, "random numbers for a name");
	snprintf(ret, size, "hull-%d-%08" PRIx32, (int)getpid(), number);
	return 0;
}

/* Return: 0; -ENOENT if the directory above, or what was made, is gone; other -errno. */
static int make_group(struct vm_cgroup *cgroup, struct err *err)
{
	int CLEANUP_FD fd = -1;
	int r = random_name(cgroup->name, sizeof(cgroup->name), err);

	if (r < 0)
		return r;
	fd = cgroup_make(cgroup->base_fd, cgroup->name);
	if (fd < 0)
		return err_errno(err, -fd, "making the control group %s", cgroup->name);
	/* Until here it looks like a leftover. */
	if (flock(fd, LOCK_EX) < 0) {
		err_errno(err, errno, "control group %s", cgroup->name);
		cgroup_remove(cgroup->base_fd, cgroup->name, -1, 0);
		return err->code;
	}
	if (faccessat(cgroup->base_fd, cgroup->name, F_OK, 0) < 0)
		return err_errno(err, errno, "control group %s", cgroup->name);
	cgroup->fd = TAKE_FD(fd);
	return 0;
}

static int make_in_shared(struct vm_cgroup *cgroup, const struct cgroup_host *host,
	unsigned int wanted, struct err *err)
{
	int r = enable(host->top_fd, host->mount, wanted, false, err);

	for (int i = 0; i < TRIES && !r; i++) {
		r = open_shared(cgroup, host->top_fd, wanted, err);
		if (!r)
			r = make_group(cgroup, err);
		if (r != -ENOENT && r != -ENODEV)
			break;
		cleanup_fd(&cgroup->base_fd);
		cgroup->base_fd = -1;
		if (i + 1 < TRIES)
			r = 0;
	}
	return r;
}

static int make_in_base(struct vm_cgroup *cgroup, const char *where, unsigned int wanted, bool ours,
	struct err *err)
{
	int r = enable(cgroup->base_fd, where, wanted, ours, err);

	for (int i = 0; i < TRIES && !r; i++) {
		r = make_group(cgroup, err);
		if (r != -ENOENT)
			break;
		if (i + 1 < TRIES)
			r = 0;
	}
	return r;
}

/* Choose the place, see the head of vm_cgroup.h, and make the group there. */
static int make(
	struct vm_cgroup *cgroup, struct cgroup_host *host, unsigned int wanted, struct err *err)
{
	char *slash = strrchr(host->own, '/');
	bool leaf = !strcmp(slash ? slash + 1 : host->own, CALLERS);
	int CLEANUP_FD own = -1;

	if (leaf)
		*(slash ? slash : host->own) = '\0';
	own = cgroup_open(host->top_fd, host->own);
	if (own < 0)
		return err_errno(err, -own, "the control group /%s", host->own);
	if (!leaf && !is_delegated(own, host->own)) {
		if (geteuid() == 0)
			return make_in_shared(cgroup, host, wanted, err);
		return err_set(err, -EACCES, "the control group /%s is not delegated to user %u",
			host->own, geteuid());
	}
	cgroup->base_fd = TAKE_FD(own);
	if (!*host->own)
		return make_in_base(
			cgroup, host->mount, wanted, !cgroup_is_root(cgroup->base_fd), err);
	return make_in_base(cgroup, host->own, wanted, true, err);
}

static int put(const struct vm_cgroup *cgroup, const char *file, const char *text, struct err *err)
{
	int r = cgroup_write(cgroup->fd, file, text);

	return r < 0 ? err_errno(err, -r, "writing \"%s\" to %s of the control group", text, file)
		     : 0;
}

static int put_number(
	const struct vm_cgroup *cgroup, const char *file, uint64_t value, struct err *err)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return put(cgroup, file, text, err);
}

static int put_memory(
	const struct vm_cgroup *cgroup, const struct vm_cgroup_config *config, struct err *err)
{
	uint64_t memory = config->memory, swap = config->limits->memory_swap;
	int r = put_number(cgroup, "memory.max",
		memory + memory / OVERHEAD_SHARE + OVERHEAD_FIXED + config->disk +
			(config->passt ? OVERHEAD_PASST : 0),
		err);

	if (r < 0)
		return r;
	if (swap == VM_LIMITS_SWAP_UNLIMITED)
		r = put(cgroup, "memory.swap.max", "max", err);
	else
		r = put_number(cgroup, "memory.swap.max", swap ? swap - memory : 0, err);
	/* A kernel without swap has no such file, and nothing to forbid. */
	if (r == -ENOENT && !swap)
		r = 0;
	/* A VM is of no use without its passt, nor the other way round. */
	return r < 0 ? r : put(cgroup, "memory.oom.group", "1", err);
}

static int put_cpu(const struct vm_cgroup *cgroup, const struct vm_limits *limits, struct err *err)
{
	uint64_t quota = limits->quota, period = limits->period;
	char text[48];

	if (!period)
		period = VM_LIMITS_PERIOD_DEFAULT;
	if (limits->cpus)
		quota = limits->cpus * period / 1000;
	if (!quota)
		return 0;
	snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64, quota, period);
	return put(cgroup, "cpu.max", text, err);
}

/* A line leaves the device's other rates as they are. */
static int put_io(const struct vm_cgroup *cgroup, const struct vm_limits_io *io, struct err *err)
{
	static const char *const keys[] = {
		[VM_LIMITS_READ_BPS] = "rbps",
		[VM_LIMITS_WRITE_BPS] = "wbps",
		[VM_LIMITS_READ_IOPS] = "riops",
		[VM_LIMITS_WRITE_IOPS] = "wiops",
	};
	char text[64];

	snprintf(text, sizeof(text), "%u:%u %s=%" PRIu64, major(io->device), minor(io->device),
		keys[io->rate], io->value);
	return put(cgroup, "io.max", text, err);
}

static int put_limits(
	const struct vm_cgroup *cgroup, const struct vm_cgroup_config *config, struct err *err)
{
	const struct vm_limits *limits = config->limits;
	int r = put_memory(cgroup, config, err);

	if (!r)
		r = put_number(cgroup, "pids.max", config->vcpus + PIDS_MORE, err);
	if (!r)
		r = put_cpu(cgroup, limits, err);
	for (unsigned int i = 0; i < limits->io_count && !r; i++)
		r = put_io(cgroup, &limits->io[i], err);
	return r;
}

static int make_limited(
	struct vm_cgroup *cgroup, const struct vm_cgroup_config *config, struct err *err)
{
	const struct vm_limits *limits = config->limits;
	unsigned int wanted = 1u << CGROUP_MEMORY | 1u << CGROUP_PIDS;
	struct cgroup_host host = CGROUP_HOST_INIT;
	int CLEANUP_FD proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (proc < 0)
		return err_errno(err, errno, "/proc/self");
	if (limits->cpus || limits->quota)
		wanted |= 1u << CGROUP_CPU;
	if (limits->io_count)
		wanted |= 1u << CGROUP_IO;
	r = cgroup_host_open(&host, proc, err);
	if (!r)
		r = make(cgroup, &host, wanted, err);
	if (!r)
		r = put_limits(cgroup, config, err);
	cgroup_host_close(&host);
	return r;
}

int vm_cgroup_make(struct vm_cgroup *ret, const struct vm_cgroup_config *config, struct err *err)
{
	static const char advice[] = "systemd-run --user --scope -p Delegate=yes hull run ...";
	const char *asked = vm_limits_asked(config->limits);
	bool root = geteuid() == 0;
	struct err why = {0};
	int r;

	*ret = VM_CGROUP_INIT;
	r = make_limited(ret, config, &why);
	if (!r)
		return 0;
	vm_cgroup_end(ret);
	if (asked && root)
		return err_set(err, r, "%s: %s", asked, why.msg);
	if (asked)
		return err_set(err, r, "%s: %s; try \"%s\"", asked, why.msg, advice);
	if (config->optional)
		return 0;
	if (root)
		return err_set(err, r, "jail: %s; with --jail-without cgroup it goes on", why.msg);
	log_warn(
		"no limit of the VM's memory and threads: %s; try \"%s\", or --jail-without cgroup "
		"for silence",
		why.msg, advice);
	return 0;
}

/* hull-PID-RANDOM? */
static bool is_group_name(const char *name)
{
	size_t digits;

	if (strncmp(name, "hull-", 5) != 0)
		return false;
	name += 5;
	digits = strspn(name, "0123456789");
	return digits && name[digits] == '-' &&
	       strspn(name + digits + 1, "0123456789abcdef") == 8 && !name[digits + 9];
}

static void sweep(int base, const char *name)
{
	int CLEANUP_FD fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	/* The kernel refuses to remove one in which a process still is: one that was stopped, and
	 * so couldn't learn that its hull is gone. */
	if (cgroup_remove(base, name, -1, 0) == -EBUSY && !cgroup_write(fd, "cgroup.kill", "1"))
		cgroup_remove(base, name, fd, SWEEP_MS);
}

void vm_cgroup_sweep(const struct vm_cgroup *cgroup)
{
	int fd = cgroup->fd < 0 ? -1 : cgroup_open(cgroup->base_fd, "");
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		cleanup_fd(&fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (is_group_name(entry->d_name) && strcmp(entry->d_name, cgroup->name) != 0)
			sweep(cgroup->base_fd, entry->d_name);
	closedir(dir);
}

bool vm_cgroup_out_of_memory(const struct vm_cgroup *cgroup)
{
	char text[512];
	const char *kills;

	if (cgroup->fd < 0 || cgroup_read(cgroup->fd, "memory.events", text, sizeof(text)) < 0)
		return false;
	kills = strstr(text, "\noom_kill ");
	return kills && strtoull(kills + strlen("\noom_kill "), NULL, 10) > 0;
}

void vm_cgroup_end(struct vm_cgroup *cgroup)
{
	int r;

	if (cgroup->fd >= 0) {
		r = cgroup_remove(cgroup->base_fd, cgroup->name, cgroup->fd, END_MS);
		if (r < 0)
			log_warn("control group %s stays: %s", cgroup->name, strerror(-r));
	}
	if (cgroup->shared_fd >= 0)
		cgroup_remove(cgroup->shared_fd, SHARED, -1, 0);
	cleanup_fd(&cgroup->fd);
	cleanup_fd(&cgroup->base_fd);
	cleanup_fd(&cgroup->shared_fd);
	*cgroup = VM_CGROUP_INIT;
}
