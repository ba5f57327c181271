// SPDX-License-Identifier: Apache-2.0
// The capabilities and the identity a command is left with.
#pragma once

#include "guest-init/user.h"

/*
 * caps_become() - switch the calling thread to @user for good
 *
 * Root keeps Docker's default set in bounding, permitted and effective; anyone else has it in
 * bounding only. Inheritable and ambient are empty.
 *
 * Return: 0 or -errno; on error the process must not execute anything.
 */
int caps_become(const struct user *user, struct err *err);
