// SPDX-License-Identifier: Apache-2.0
// The keys of a line of metrics.
#pragma once

#include "vmm/metrics.h"

#include <stdbool.h>
#include <stddef.h>

/* @aggregate: an object of the least, the largest and the sum of times */
struct metrics_key {
	const char *group;
	const char *name;
	enum metric metric;
	bool aggregate;
};

/* metrics_keys() - all of them, in order. Return: @ret_count rows. */
const struct metrics_key *metrics_keys(size_t *ret_count);
