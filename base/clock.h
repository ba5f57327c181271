// SPDX-License-Identifier: Apache-2.0
// What time it is, in one number.
#pragma once

#include <stdint.h>
#include <time.h>

/* clock_read() - any of the kernel's clocks, in ns. Context: any thread. */
static inline uint64_t clock_read(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* clock_ns(), clock_us(), clock_ms() - CLOCK_MONOTONIC, for deadlines and durations. */
static inline uint64_t clock_ns(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

static inline uint64_t clock_us(void)
{
	return clock_ns() / 1000;
}

static inline uint64_t clock_ms(void)
{
	return clock_ns() / 1000000;
}

/* clock_cpu_ns() - what all threads of this process have used so far. Context: any thread. */
static inline uint64_t clock_cpu_ns(void)
{
	return clock_read(CLOCK_PROCESS_CPUTIME_ID);
}
