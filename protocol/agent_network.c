// SPDX-License-Identifier: Apache-2.0
// The agent protocol: the network's part of the container's specification.
#include "protocol/agent_network.h"

#include "base/le.h"
#include "base/mac.h"

#include <errno.h>

#define INTERFACE_SIZE (MAC_SIZE + 2u)
#define ADDRESS_HEADER_SIZE 4u

/* Bytes of an address, 0 for a family that there isn't. */
static uint32_t ip_size(uint8_t family)
{
	return family == 4 ? 4 : family == 6 ? 16 : 0;
}

static bool interface_valid(const struct agent_interface *interface)
{
	if (interface->mtu && interface->mtu < AGENT_MTU_MIN)
		return false;
	if (interface->n_addresses > AGENT_ADDRESSES_MAX)
		return false;
	for (size_t i = 0; i < interface->n_addresses; i++) {
		uint32_t size = ip_size(interface->addresses[i].family);

		if (!size || interface->prefixes[i] > 8 * size)
			return false;
	}
	for (size_t i = 0; i < 2; i++)
		if (interface->gateways[i].family && interface->gateways[i].family != 4 + 2 * i)
			return false;
	return true;
}

bool agent_network_valid(const struct agent_spec *spec)
{
	if (spec->n_interfaces > AGENT_INTERFACES_MAX)
		return false;
	for (size_t i = 0; i < spec->n_interfaces; i++)
		if (!interface_valid(&spec->interfaces[i]))
			return false;
	if (spec->resolv_conf && strnlen(spec->resolv_conf, AGENT_ETC_MAX + 1) > AGENT_ETC_MAX)
		return false;
	return !spec->hosts || strnlen(spec->hosts, AGENT_ETC_MAX + 1) <= AGENT_ETC_MAX;
}

static int interface_encode(struct buf *buf, const struct agent_interface *interface)
{
	uint8_t value[ADDRESS_HEADER_SIZE + 16] = {0};
	int r;

	memcpy(value, interface->mac, MAC_SIZE);
	le16_store(value + MAC_SIZE, interface->mtu);
	r = agent_field_add(buf, AGENT_FIELD_INTERFACE, value, INTERFACE_SIZE);
	for (size_t i = 0; i < interface->n_addresses && r == 0; i++) {
		const struct agent_ip *ip = &interface->addresses[i];

		memset(value, 0, ADDRESS_HEADER_SIZE);
		value[0] = interface->prefixes[i];
		memcpy(value + ADDRESS_HEADER_SIZE, ip->bytes, sizeof(ip->bytes));
		r = agent_field_add(
			buf, AGENT_FIELD_ADDRESS, value, ADDRESS_HEADER_SIZE + ip_size(ip->family));
	}
	for (size_t i = 0; i < 2 && r == 0; i++)
		if (interface->gateways[i].family)
			r = agent_field_add(buf, AGENT_FIELD_GATEWAY, interface->gateways[i].bytes,
				ip_size(interface->gateways[i].family));
	return r;
}

int agent_network_encode(struct buf *buf, const struct agent_spec *spec)
{
	int r = 0;

	for (size_t i = 0; i < spec->n_interfaces && r == 0; i++)
		r = interface_encode(buf, &spec->interfaces[i]);
	return r;
}

static int ip_take(struct agent_ip *ip, const uint8_t *value, uint32_t len)
{
	if (len != 4 && len != 16)
		return -EPROTO;
	ip->family = len == 4 ? 4 : 6;
	memcpy(ip->bytes, value, len);
	return 0;
}

static int address_take(struct agent_interface *interface, const uint8_t *value, uint32_t len)
{
	size_t n = interface->n_addresses;

	if (n == AGENT_ADDRESSES_MAX || len < ADDRESS_HEADER_SIZE)
		return -EPROTO;
	if (value[1] || le16_load(value + 2))
		return -EPROTO;
	if (ip_take(&interface->addresses[n], value + ADDRESS_HEADER_SIZE,
		    len - ADDRESS_HEADER_SIZE) < 0)
		return -EPROTO;
	interface->prefixes[n] = value[0];
	interface->n_addresses = n + 1;
	return 0;
}

static int gateway_take(struct agent_interface *interface, const uint8_t *value, uint32_t len)
{
	struct agent_ip *gateway = &interface->gateways[len == 4 ? 0 : 1];

	/* The second of a family would hide the first. */
	return gateway->family ? -EPROTO : ip_take(gateway, value, len);
}

int agent_network_take(
	struct agent_spec *spec, enum agent_field type, const uint8_t *value, uint32_t len)
{
	struct agent_interface *last;

	if (type == AGENT_FIELD_INTERFACE) {
		if (len != INTERFACE_SIZE || spec->n_interfaces == AGENT_INTERFACES_MAX)
			return -EPROTO;
		last = &spec->interfaces[spec->n_interfaces++];
		memcpy(last->mac, value, MAC_SIZE);
		last->mtu = le16_load(value + MAC_SIZE);
		return 0;
	}
	if (!spec->n_interfaces)
		return -EPROTO;
	last = &spec->interfaces[spec->n_interfaces - 1];
	return type == AGENT_FIELD_ADDRESS ? address_take(last, value, len)
					   : gateway_take(last, value, len);
}
