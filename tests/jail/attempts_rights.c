// SPDX-License-Identifier: Apache-2.0
// Attempts: being somebody else, or more than nobody.
#include "tests/jail/attempts.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rights. */

static long set_root(void)
{
	return syscall(SYS_setuid, 0);
}

static long set_root_group(void)
{
	return syscall(SYS_setgid, 0);
}

static long set_groups(void)
{
	gid_t group = 0;

	return syscall(SYS_setgroups, 1, &group);
}

static long raise_capability(void)
{
	struct {
		uint32_t version;
		int pid;
	} head = {0x20080522, 0};
	struct {
		uint32_t effective, permitted, inheritable;
	} data[2] = {{1, 1, 0}};

	return syscall(SYS_capset, &head, data);
}

static long raise_ambient(void)
{
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0);
}

static long clear_securebits(void)
{
	return prctl(PR_SET_SECUREBITS, 0, 0, 0, 0);
}

static long want_new_privileges(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

static long become_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long raise_limit(void)
{
	const struct rlimit limit = {1, 1};

	return setrlimit(RLIMIT_CORE, &limit);
}

static long do_mlock(void)
{
	static char page[4096] __attribute__((aligned(4096)));

	return mlock(page, sizeof(page));
}

static const struct attempt rows[] = {
	{"setuid 0", set_root, CALL(setuid), WITHOUT(NOT(EPERM, EINVAL)), .bare_root = true},
	{"setgid 0", set_root_group, CALL(setgid), WITHOUT(NOT(EPERM, EINVAL)), .bare_root = true},
	{"setgroups", set_groups, CALL(setgroups), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"capset", raise_capability, CALL(capset), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"ambient capabilities", raise_ambient, CALL(prctl), WITHOUT(NOT(EPERM))},
	{"securebits", clear_securebits, CALL(prctl), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"new privileges", want_new_privileges, CALL(prctl), WITHOUT(NOT(EINVAL))},
	{"dumpable", become_dumpable, CALL(prctl), WITHOUT(DONE), BARE},
	{"raise a limit", raise_limit, CALL(prlimit64), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"mlock", do_mlock, CALL(mlock), WITHOUT(NOT(EPERM)), BARE},
};

const struct attempts attempts_rights = {rows, sizeof(rows) / sizeof(rows[0])};
