// SPDX-License-Identifier: Apache-2.0
// The network's part of the container's specification; for agent_spec.c alone.
#pragma once

#include "protocol/agent.h"

/* Is what the spec says of the network within its bounds? */
bool agent_network_valid(const struct agent_spec *spec);

/* Append the fields of all interfaces. Return: as buf_add(). */
int agent_network_encode(struct buf *buf, const struct agent_spec *spec);

/*
 * agent_network_take() - decode one of the three fields
 * @value:	untrusted, of @len bytes
 * @spec:	gets another interface, or its last one gets more
 *
 * Return: 0 or -EPROTO.
 */
int agent_network_take(
	struct agent_spec *spec, enum agent_field type, const uint8_t *value, uint32_t len);

/* agent_field_add() - append one field. Return: as buf_add(), or -EMSGSIZE. */
int agent_field_add(struct buf *buf, enum agent_field type, const void *data, size_t len);
