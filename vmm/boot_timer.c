// SPDX-License-Identifier: Apache-2.0
// --boot-timer: a register by which a guest tells that it has booted.
#include "vmm/boot_timer.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "devices/bus.h"
#include "vmm/monitor.h"

#include <time.h>

/* syscalls: vcpu: clock_gettime */

/* The first page of the hole below 4 GiB, where Firecracker has it on x86_64. */
#define BOOT_TIMER_GPA 0xc0000000ull
#define BOOT_TIMER_SIZE 4096
#define BOOT_TIMER_VALUE 123

static void timer_write(void *dev, uint64_t offset, const void *data, unsigned int len)
{
	struct monitor *monitor = dev;
	const uint8_t *byte = data;
	uint64_t us, cpu_us;

	if (offset || len != 1 || *byte != BOOT_TIMER_VALUE)
		return;
	/* Once is all that makes sense; a guest can't flood the log. */
	if (atomic_exchange(&monitor->booted, true))
		return;
	us = clock_us() - monitor->boot_began_us;
	cpu_us = clock_read(CLOCK_PROCESS_CPUTIME_ID) / 1000 - monitor->boot_began_cpu_us;
	log_info("Guest-boot-time = %6llu us %llu ms, %6llu CPU us %llu CPU ms",
		(unsigned long long)us, (unsigned long long)us / 1000, (unsigned long long)cpu_us,
		(unsigned long long)cpu_us / 1000);
}

static const struct bus_ops timer_ops = {.write = timer_write};

int boot_timer_add(struct monitor *monitor, struct err *err)
{
	int r;

	monitor->boot_began_us = clock_us();
	monitor->boot_began_cpu_us = clock_read(CLOCK_PROCESS_CPUTIME_ID) / 1000;
	r = bus_add(&monitor->vm.mmio, BOOT_TIMER_GPA, BOOT_TIMER_SIZE, &timer_ops, monitor);
	return r < 0 ? err_errno(err, -r, "boot timer") : 0;
}
