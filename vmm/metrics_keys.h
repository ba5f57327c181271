// SPDX-License-Identifier: Apache-2.0
// What is counted: its keys, in the order of a line of metrics, and who counts it.
#pragma once

#include "vmm/metrics.h"

#include <stdbool.h>
#include <stddef.h>

/* The key is Firecracker's, and nothing here corresponds to it: always 0. */
#define METRICS_NOT_COUNTED (-1)

/*
 * struct metrics_key
 * @counter:	of the group's source: an enum metric, a device's counter; or METRICS_NOT_COUNTED
 * @aggregate:	an object of the least, the largest and the sum of times
 */
struct metrics_key {
	const char *group;
	const char *name;
	int counter;
	bool aggregate;
};

/*
 * struct metrics_group - keys that are counted in one place
 * @virtio_id:	of the devices that count, or 0
 * @label:	what a device's name is called where each is told of by itself; NULL where there is
 *		but one
 * @noun:	whose counts these are, for a sentence
 * @counters:	how many
 */
struct metrics_group {
	const char *name;
	enum metrics_source source;
	uint32_t virtio_id;
	const char *label;
	const char *noun;
	unsigned int counters;
};

/* metrics_keys() - all of them, in order. Return: @ret_count rows. */
const struct metrics_key *metrics_keys(size_t *ret_count);

/* metrics_group() - Return: that of this name; what isn't a device's is the monitor's. */
const struct metrics_group *metrics_group(const char *name);

/* metrics_group_of_device() - Return: that of the device's kind, or NULL. */
const struct metrics_group *metrics_group_of_device(uint32_t virtio_id);
