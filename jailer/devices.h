// SPDX-License-Identifier: Apache-2.0
// The device nodes of the VM's root directory.
#pragma once

struct err;
struct tree;

/*
 * devices_minor() - of a device without a fixed number
 * @list:	/proc/misc
 *
 * Return: it, or -ENOENT where there is no such device.
 */
int devices_minor(const char *list, const char *name);

/*
 * devices_make() - make kvm, net/tun, urandom and, where the host has it, userfaultfd
 *
 * Return: 0 or -errno with @err set.
 */
int devices_make(struct tree *tree, struct err *err);
