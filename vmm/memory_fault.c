// SPDX-License-Identifier: Apache-2.0
// SIGBUS in guest memory: what takes the place of pages that their file no longer has.
#include "vmm/memory_fault.h"

#include "base/err.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* syscalls: loop, vcpu: mmap(2 & PROT_EXEC == 0), rt_sigaction(0 == SIGBUS), write */

#define PAGE 4096u

/* A signal handler gets no argument of ours. */
static struct {
	atomic_uintptr_t begin, end;
	atomic_bool told;
	bool installed;
	struct sigaction before;
} watched;

static void tell(void)
{
	static const char line[] = "hull-vmm: warn: memory: a file that is mapped into guest "
				   "memory was cut short; zeroes are in its place\n";

	if (atomic_exchange(&watched.told, true))
		return;
	if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0) {
		/* Nobody listens. */
	}
}

/* Only what is safe in a handler: system calls and atomics. */
static void on_bus_error(int signo, siginfo_t *info, void *context)
{
	uintptr_t page = (uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1);
	int saved = errno;

	if (info->si_code == BUS_ADRERR && page >= atomic_load(&watched.begin) &&
		page < atomic_load(&watched.end) &&
		mmap((uint8_t *)info->si_addr - ((uintptr_t)info->si_addr - page), PAGE,
			PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			0) != MAP_FAILED)
		tell();
	else
		/* Something else, bad memory for one: the access is repeated, and means what it
		 * did without us. */
		sigaction(signo, &watched.before, NULL);
	/* One that another process sent isn't. */
	if (info->si_code <= 0 && watched.before.sa_handler != SIG_DFL &&
		watched.before.sa_handler != SIG_IGN)
		watched.before.sa_handler(signo);
	errno = saved;
}

int memory_fault_watch(void *ram, size_t size, struct err *err)
{
	struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};

	atomic_store(&watched.begin, (uintptr_t)ram);
	atomic_store(&watched.end, (uintptr_t)ram + size);
	atomic_store(&watched.told, false);
	if (watched.installed)
		return 0;
	if (sigaction(SIGBUS, &action, &watched.before) < 0)
		return err_errno(err, errno, "memory: watching for files that are cut short");
	watched.installed = true;
	return 0;
}
