// SPDX-License-Identifier: Apache-2.0
// Resource limits.
#pragma once

struct err;
struct options;

/* resources_set() - set those that are asked for. Return: 0 or -errno with @err set. */
int resources_set(const struct options *options, struct err *err);
