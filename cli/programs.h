// SPDX-License-Identifier: Apache-2.0
// Where the other parts of hull are: found beside this program, wherever that was installed.
#pragma once

#include <limits.h>

struct err;

struct programs {
	char monitor[PATH_MAX]; /* bin/hull-vmm */
	char kernel[PATH_MAX];  /* lib/hull/vmlinux */
	char initrd[PATH_MAX];  /* lib/hull/initramfs */
};

/*
 * programs_find() - make the paths, from /proc/self/exe
 *
 * Return: 0 or -errno with a message; -ENOENT if hull-vmm or the initramfs isn't there.
 */
int programs_find(struct programs *ret, struct err *err);
