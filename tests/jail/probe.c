// SPDX-License-Identifier: Apache-2.0
// Tries, from inside the jail, what a guest that has taken over the monitor might try. Usage: probe
// [NAME]...
//
// For each attempt (those whose names have a NAME in them) a child enters the jail as the monitor
// does and makes it: behind the filter of a loop thread, behind that of a vCPU's, and without
// filters, where the other layers have to hold alone; and, so that it is seen to be an attempt at
// all, without a jail. Prints a line 'ok ATTEMPT' or 'not ok ATTEMPT' for each, with the reason.
// Run it as root and as somebody else: the layers differ.
#include "tests/jail/attempts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "vmm/config.h"
#include "vmm/fatal.h"
#include "vmm/sandbox/sandbox.h"
#include "vmm/sandbox/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LANDLOCK_SCOPES 6
#define CHILD_SECONDS 60
#define CHILD_FAILED 99

enum mode {
	MODE_BARE,
	MODE_LOOP,
	MODE_VCPU,
	MODE_OTHERS,
	MODES,
};

static const char *const mode_names[MODES] = {
	"no jail",
	"loop filter",
	"vcpu filter",
	"no filter",
};

/*
 * struct result
 * @status:	waitpid()'s
 * @code:	0 or the attempt's errno, or -1 if it didn't come to that
 * @text:	what the child said on standard error
 */
struct result {
	int status;
	int code;
	char text[512];
};

static struct {
	bool root;
	long landlock;
} host;

_Noreturn static void child(const struct attempt *attempt, enum mode mode)
{
	struct sandbox sandbox = {0};
	struct config config;
	struct err err;
	int code, r = 0;

	/* Whatever it waits for. */
	alarm(CHILD_SECONDS);
	config_init(&config);
	attempts_open();
	if (mode != MODE_BARE)
		r = sandbox_enter(&sandbox, &config, &err);
	if (!r && (mode == MODE_LOOP || mode == MODE_VCPU))
		r = seccomp_enter(mode == MODE_LOOP ? SECCOMP_LOOP : SECCOMP_VCPU);
	if (r < 0) {
		log_error("%s", err.msg);
		_exit(CHILD_FAILED);
	}
	code = attempt->run() < 0 ? errno : 0;
	if (write(STDOUT_FILENO, &code, sizeof(code)) != sizeof(code))
		_exit(CHILD_FAILED);
	_exit(0);
}

static int run(const struct attempt *attempt, enum mode mode, struct result *ret)
{
	int out[2], err[2];
	ssize_t n;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	if (pipe2(err, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		child(attempt, mode);
	}
	if (waitpid(pid, &ret->status, 0) < 0)
		return -errno;
	n = read(out[0], &ret->code, sizeof(ret->code));
	if (n != sizeof(ret->code))
		ret->code = -1;
	n = read(err[0], ret->text, sizeof(ret->text) - 1);
	ret->text[n > 0 ? n : 0] = '\0';
	for (int i = 0; i < 2; i++) {
		close(out[i]);
		close(err[i]);
	}
	return 0;
}

static bool is_set(const struct outcome *outcome)
{
	return outcome->done || outcome->errnos[0];
}

static bool is_outcome(const struct outcome *outcome, const struct result *result)
{
	if (!WIFEXITED(result->status) || WEXITSTATUS(result->status) || result->text[0])
		return false;
	if (!result->code)
		return outcome->done;
	for (size_t i = 0; i < ARRAY_SIZE(outcome->errnos) && outcome->errnos[i]; i++)
		if (outcome->errnos[i] == result->code)
			return true;
	return false;
}

static bool is_refused(
	const struct attempt *attempt, const char *thread, const struct result *result)
{
	char line[160];

	if (!attempt->call)
		return WIFSIGNALED(result->status) && WTERMSIG(result->status) == SIGSYS &&
		       result->code < 0 && !result->text[0];
	snprintf(line, sizeof(line),
		"hull-vmm: error: seccomp: system call %s (%ld) of the %s thread is not allowed\n",
		attempt->call, attempt->nr, thread);
	return WIFEXITED(result->status) && WEXITSTATUS(result->status) == FATAL_EXIT_SYS &&
	       result->code < 0 && !strcmp(result->text, line);
}

static bool is_right(const struct attempt *attempt, enum mode mode, const struct result *result)
{
	static const struct outcome done = {.done = true}, scoped = {.errnos = {EPERM}};
	const struct outcome *outcome = host.root ? &attempt->root : &attempt->user;

	if (mode == MODE_BARE)
		return is_outcome(&done, result);
	if (mode == MODE_OTHERS && attempt->scoped && host.landlock >= LANDLOCK_SCOPES)
		return is_outcome(&scoped, result);
	if (mode == MODE_OTHERS)
		return is_outcome(outcome, result);
	outcome = mode == MODE_LOOP ? &attempt->loop : &attempt->vcpu;
	if (is_set(outcome))
		return is_outcome(outcome, result);
	return is_refused(attempt, mode == MODE_LOOP ? "loop" : "vcpu", result);
}

static void tell(const struct result *result)
{
	if (WIFSIGNALED(result->status))
		printf(" # ended by signal %d", WTERMSIG(result->status));
	else if (WEXITSTATUS(result->status))
		printf(" # exit code %d", WEXITSTATUS(result->status));
	else
		printf(" # it %s%s", result->code ? "failed: " : "worked",
			result->code ? strerror(result->code) : "");
	if (result->text[0])
		printf(": %.*s", (int)strcspn(result->text, "\n"), result->text);
}

/* What this kernel hasn't got can't be seen to work in it. */
static bool is_absent(const struct result *result)
{
	return result->code == ENOSYS || result->code == EAFNOSUPPORT ||
	       (WIFSIGNALED(result->status) && WTERMSIG(result->status) == SIGSEGV);
}

/* Return: whether all went as it should. */
static bool make(const struct attempt *attempt)
{
	bool all = true, bare = host.root ? attempt->bare_root : attempt->bare_user;

	for (int mode = bare ? MODE_BARE : MODE_BARE + 1; mode < MODES; mode++) {
		struct result result;
		int r = run(attempt, (enum mode)mode, &result);
		bool right = !r && is_right(attempt, (enum mode)mode, &result);
		bool absent = !r && !right && mode == MODE_BARE && is_absent(&result);

		printf("%s %s (%s)", right || absent ? "ok" : "not ok", attempt->name,
			mode_names[mode]);
		if (r < 0)
			printf(" # %s", strerror(-r));
		else if (absent)
			printf(" # SKIP this kernel hasn't got it");
		else if (!right)
			tell(&result);
		printf("\n");
		fflush(stdout);
		if (absent)
			break;
		all &= right;
	}
	return all;
}

static bool is_wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strstr(name, argv[i]))
			return true;
	return argc == 1;
}

int main(int argc, char **argv)
{
	static const struct attempts *const kinds[] = {&attempts_files, &attempts_processes,
		&attempts_rights, &attempts_kernel, &attempts_code};
	bool all = true;
	int r;

	log_setup("hull-vmm", LOG_WARN);
	host.root = geteuid() == 0;
	host.landlock =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	printf("# as user %u, Landlock %ld\n", geteuid(), host.landlock);
	fflush(stdout);
	r = attempts_serve();
	if (r < 0) {
		printf("not ok serving # %s\n", strerror(-r));
		return 1;
	}
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		for (size_t i = 0; i < kinds[k]->count; i++)
			if (is_wanted(kinds[k]->rows[i].name, argc, argv))
				all &= make(&kinds[k]->rows[i]);
	attempts_unserve();
	return all ? 0 : 1;
}
