// SPDX-License-Identifier: Apache-2.0
// The files in the container's /etc that tell of this container, not of the image.
#pragma once

#include "base/err.h"

struct agent_spec;

/*
 * etc_write() - /etc/hostname, hosts, resolv.conf as @spec says, and mtab if missing
 *
 * Runs in the container's root while that is writable. A link in the place of a file is replaced,
 * not followed; a directory in its place is left alone.
 *
 * Return: 0 or -errno.
 */
int etc_write(const struct agent_spec *spec, struct err *err);
