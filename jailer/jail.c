// SPDX-License-Identifier: Apache-2.0
// From a process of root's to the program in its jail.
#include "jailer/jail.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "jailer/resources.h"
#include "jailer/root.h"

#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

/*
 * Theory of operation
 *
 * All is made and open, so that each step only takes something away:
 *
 *     cgroups       while the process is still root, and before it uses anything
 *     network       another namespace, where there is one to join
 *     root          the VM's directory. Of /proc the process keeps a descriptor of its own
 *                   directory: hull-vmm's jail makes a user namespace, which is told through it
 *                   who is who in there, and then closes it. Another program finds it open.
 *     input, output to /dev/null
 *     limits        last of what may need a file
 *     user          groups, group, user. The saved IDs stay root's, which execve() overwrites with
 *                   the new ones: should it fail, what was made can still be removed.
 */

/* That hull-jailer has started it, and where the descriptor of /proc/self is. Also in
 * vmm/sandbox/sandbox.c. */
#define PROCESS_VARIABLE "HULL_JAILER_PROC_FD"

uint64_t jail_cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* What a program would be given beside its user ID. */
static int drop_inheritable(struct err *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
		syscall(SYS_capget, &header, data) < 0)
		return err_errno(err, errno, "capabilities");
	for (size_t i = 0; i < ARRAY_SIZE(data); i++)
		data[i].inheritable = 0;
	return syscall(SYS_capset, &header, data) < 0 ? err_errno(err, errno, "capabilities") : 0;
}

static int become(uid_t uid, gid_t gid, struct err *err)
{
	int r = drop_inheritable(err);

	if (r < 0)
		return r;
	if (setgroups(0, NULL) < 0)
		return err_errno(err, errno, "giving up groups");
	if (setresgid(gid, gid, 0) < 0)
		return err_errno(err, errno, "--gid %u", gid);
	if (setresuid(uid, uid, 0) < 0)
		return err_errno(err, errno, "--uid %u", uid);
	return 0;
}

static void be_root_again(void)
{
	if (setresuid(0, 0, 0) < 0 || setresgid(0, 0, 0) < 0)
		_exit(1);
}

static int redirect(const struct jail *jail, int *saved, struct err *err)
{
	for (int fd = 0; fd <= STDERR_FILENO && jail->null_fd >= 0; fd++) {
		saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (saved[fd] < 0 || dup2(jail->null_fd, fd) < 0)
			return err_errno(err, errno, "/dev/null");
	}
	return 0;
}

static void restore(const int *saved)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (saved[fd] >= 0)
			dup2(saved[fd], fd);
}

#define NUMBER_MAX 24

/* Return: only on failure, -errno. */
static int execute(const struct jail *jail, int process, struct err *err)
{
	const struct options *options = &jail->options;
	char path[OPTIONS_NAME_MAX + 2], start[NUMBER_MAX], cpu[NUMBER_MAX];
	char id[OPTIONS_ID_MAX + 1], variable[sizeof(PROCESS_VARIABLE) + NUMBER_MAX];
	char *environment[] = {variable, NULL};
	const char ready = JAIL_READY;
	const char *first[] = {path, "--id", id, "--start-time-us", start, "--start-time-cpu-us",
		"0", "--parent-cpu-time-us", cpu};
	char CLEANUP_FREE *arguments = NULL;
	size_t count = 0;

	/* With the NULL at the end. */
	while (options->arguments[count++])
		continue;
	arguments = malloc(sizeof(first) + count * sizeof(*first));
	if (!arguments)
		return err_set(err, -ENOMEM, "out of memory");
	memcpy(arguments, first, sizeof(first));
	memcpy(arguments + sizeof(first), options->arguments, count * sizeof(*first));
	snprintf(path, sizeof(path), "/%s", options->exec_name);
	snprintf(id, sizeof(id), "%s", options->id);
	snprintf(start, sizeof(start), "%" PRIu64, jail->start_us);
	snprintf(cpu, sizeof(cpu), "%" PRIu64, jail->cpu_us + jail_cpu_us());
	snprintf(variable, sizeof(variable), "%s=%d", PROCESS_VARIABLE, process);
	if (jail->ready_fd >= 0 && io_write_full(jail->ready_fd, &ready, 1) < 0)
		return err_set(err, -EPIPE, "hull-jailer has ended");
	execve(path, (char **)(void *)arguments, environment);
	return err_errno(err, errno, "executing %s in %s as user %u%s", path, jail->tree.root.path,
		options->uid, errno == ENOENT ? ": it needs an interpreter or libraries" : "");
}

static int enter(struct jail *jail, int process, int *saved, struct err *err)
{
	int r = cgroups_enter(&jail->cgroups, err);

	if (!r && jail->netns_fd >= 0 && setns(jail->netns_fd, CLONE_NEWNET) < 0)
		r = err_errno(err, errno, "--netns %s", jail->options.netns);
	if (!r)
		r = root_change(jail->tree.root.fd, err);
	if (!r)
		r = redirect(jail, saved, err);
	if (!r)
		r = resources_set(&jail->options, err);
	if (!r)
		r = become(jail->options.uid, jail->options.gid, err);
	if (!r)
		r = execute(jail, process, err);
	return r;
}

int jail_enter(struct jail *jail, struct err *err)
{
	int CLEANUP_FD kept = -1, process = root_process(err);
	int saved[STDERR_FILENO + 1] = {-1, -1, -1};
	int r;

	if (process < 0)
		return process;
	/* It outlives execve(). */
	kept = fcntl(process, F_DUPFD, STDERR_FILENO + 1);
	r = kept < 0 ? err_errno(err, errno, "/proc/self") : enter(jail, kept, saved, err);
	be_root_again();
	restore(saved);
	cgroups_leave(&jail->cgroups);
	return r;
}
