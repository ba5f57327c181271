// SPDX-License-Identifier: Apache-2.0
// Signals that end the monitor, for clients that go by its exit code.
#include "vmm/fatal.h"

#include "base/cleanup.h"

#include <string.h>
#include <unistd.h>

/* syscalls: loop, vcpu: exit_group, write; start: rt_sigaction */

struct fatal {
	int signo;
	int code;
	const char *text;
};

static const struct fatal fatals[] = {
	{SIGSYS, FATAL_EXIT_SYS, "hull-vmm: error: ended by SIGSYS\n"},
	{SIGBUS, 149, "hull-vmm: error: ended by SIGBUS\n"},
	{SIGSEGV, 150, "hull-vmm: error: ended by SIGSEGV\n"},
	{SIGXFSZ, 151, "hull-vmm: error: ended by SIGXFSZ\n"},
	{SIGXCPU, 154, "hull-vmm: error: ended by SIGXCPU\n"},
	{SIGILL, 157, "hull-vmm: error: ended by SIGILL\n"},
};

/* Nothing of the process can be relied on: say it and go. */
static void on_fatal(int signo)
{
	for (size_t i = 0; i < ARRAY_SIZE(fatals); i++) {
		if (fatals[i].signo != signo)
			continue;
		if (write(STDERR_FILENO, fatals[i].text, strlen(fatals[i].text)) < 0) {
			/* There is nobody else to be told. */
		}
		_exit(fatals[i].code);
	}
}

void fatal_init(void)
{
	struct sigaction action = {.sa_handler = on_fatal};

	for (size_t i = 0; i < ARRAY_SIZE(fatals); i++)
		sigaction(fatals[i].signo, &action, NULL);
}

void fatal_unblock(sigset_t *set)
{
	for (size_t i = 0; i < ARRAY_SIZE(fatals); i++)
		sigdelset(set, fatals[i].signo);
}
