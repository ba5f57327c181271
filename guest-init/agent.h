// SPDX-License-Identifier: Apache-2.0
// The guest's end of the agent protocol: takes one START, runs it, tells how it ended.
#pragma once

#include "guest-init/platform.h"

#include <stdnoreturn.h>

/*
 * agent_run() - serve the host until it is done with this machine, then switch off
 * @init_ns:	CLOCK_BOOTTIME at the start of PID 1
 *
 * The caller has made the file system with rootfs_enter(). Errors are told to the host, or, without
 * one, on standard error.
 */
noreturn void agent_run(const struct platform *platform, uint64_t init_ns);
