// SPDX-License-Identifier: Apache-2.0
// What hull-init needs of the machine it runs in: the guest in main.c, a stand-in for tests.
#pragma once

#include "base/err.h"

#include <stdint.h>

struct agent_spec;

struct platform {
	/* Connect to host port @port. Return: a blocking close-on-exec socket, or -errno. */
	int (*dial)(uint32_t port, struct err *err);
	/* Mount the image read-only on the directory @target. Return: 0 or -errno. */
	int (*mount_image)(const char *target, struct err *err);
	/* Mount the ext4 of disk @disk, 0 = /dev/vda, on the directory @target. @flags: MS_x.
	 * Return: 0 or -errno. */
	int (*mount_disk)(
		unsigned int disk, const char *target, unsigned long flags, struct err *err);
	/* Set up the network interfaces. Return: 0 or -errno. */
	int (*network)(const struct agent_spec *spec, struct err *err);
	/* Switch the machine off. Does not return. */
	void (*power_off)(void);
};
