// SPDX-License-Identifier: Apache-2.0
// The network namespace that the VM joins.
#pragma once

struct err;

/* netns_open() - Return: a descriptor of network namespace @path, or -errno with @err set. */
int netns_open(const char *path, struct err *err);
