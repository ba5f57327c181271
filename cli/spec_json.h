// SPDX-License-Identifier: Apache-2.0
// What to run in the guest, as hull-vmm's API takes it.
#pragma once

struct agent_spec;
struct buf;

/* Ids of the drives that hold the image and what the container writes. */
#define SPEC_DRIVE_IMAGE "rootfs"
#define SPEC_DRIVE_WRITES "writes"

/*
 * spec_json() - append the body of PUT /container
 * @spec:	checked; its ports only tell which streams there are
 *
 * Return: 0, -EMSGSIZE or -ENOMEM from the buffer.
 */
int spec_json(const struct agent_spec *spec, struct buf *out);
