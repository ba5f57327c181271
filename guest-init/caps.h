// SPDX-License-Identifier: Apache-2.0
// The capabilities and the identity a command is left with.
#pragma once

#include "guest-init/user.h"

#include <stdint.h>

/* What Docker and podman's docker profile grant: enough for the usual servers and package managers.
 * Bit N is CAP_N. */
extern const uint64_t caps_default;

/*
 * caps_become() - switch the calling thread to @user for good
 * @caps:	bit N is CAP_N; those that the kernel doesn't know, or the caller hasn't got, are
 *left out
 *
 * Root has them in bounding, permitted and effective; anyone else in bounding only. Inheritable and
 * ambient are empty.
 *
 * Return: 0 or -errno; on error the process must not execute anything.
 */
int caps_become(const struct user *user, uint64_t caps, struct err *err);
