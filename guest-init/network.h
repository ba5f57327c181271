// SPDX-License-Identifier: Apache-2.0
// The guest's network interfaces, set up over rtnetlink.
#pragma once

#include "base/err.h"
#include "protocol/agent.h"

struct buf;

/*
 * network_setup() - bring up the loopback interface and those that the specification names
 *
 * Each is found by its MAC; then MTU, link, addresses and default routes are set. A kernel without
 * a network is an error only if there are interfaces to set up.
 *
 * Return: 0 or -errno.
 */
int network_setup(const struct agent_spec *spec, struct err *err);

/*
 * network_*_message() - append one request to @buf, ready to be sent
 * @index:	the interface's
 * @i:		which of its addresses; which gateway, 0 for IPv4 and 1 for IPv6
 *
 * Return: as buf_add().
 *
 * Spec: rtnetlink(7)
 */
int network_link_message(struct buf *buf, uint32_t index, uint16_t mtu);
int network_address_message(
	struct buf *buf, uint32_t index, const struct agent_interface *interface, size_t i);
int network_route_message(
	struct buf *buf, uint32_t index, const struct agent_interface *interface, size_t i);
