// SPDX-License-Identifier: Apache-2.0
// A container's network: what the user asked for, and what the guest is told.
#include "cli/network.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mac.h"
#include "cli/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Longest --network, --publish or --add-host. */
#define TEXT_MAX 512

static int parse_ip(const char *text, struct agent_ip *ret, struct err *err)
{
	if (agent_ip_parse(text, ret) < 0)
		return err_set(err, -EINVAL, "\"%s\" is not an IP address", text);
	return 0;
}

static int parse_address(struct agent_interface *interface, const char *text, struct err *err)
{
	size_t n = interface->n_addresses;

	if (n == AGENT_ADDRESSES_MAX)
		return err_set(err, -E2BIG, "more than %u addresses", AGENT_ADDRESSES_MAX);
	switch (agent_ip_parse_prefix(text, &interface->addresses[n], &interface->prefixes[n])) {
	case 0:
		interface->n_addresses = n + 1;
		return 0;
	case -ENOENT:
		return err_set(
			err, -EINVAL, "ip \"%s\" has no prefix length, as in 10.0.0.2/24", text);
	case -ERANGE:
		return err_set(err, -EINVAL, "ip \"%s\": its prefix length is not 0 to %d", text,
			interface->addresses[n].family == 4 ? 32 : 128);
	default:
		return err_set(
			err, -EINVAL, "\"%s\" is not an IP address and a prefix length", text);
	}
}

static int parse_gateway(struct agent_interface *interface, const char *text, struct err *err)
{
	struct agent_ip ip;
	int r = parse_ip(text, &ip, err);

	if (r < 0)
		return r;
	if (interface->gateways[ip.family == 6].family)
		return err_set(err, -EEXIST, "gateway \"%s\" is the second of its family", text);
	interface->gateways[ip.family == 6] = ip;
	return 0;
}

static int parse_mac(uint8_t *mac, const char *text, struct err *err)
{
	if (mac_parse(text, mac) < 0)
		return err_set(err, -EINVAL, "\"%s\" is not a MAC, as in 02:00:00:00:00:01", text);
	if (mac[0] & MAC_GROUP)
		return err_set(err, -EINVAL, "MAC %s is a group's, not an interface's", text);
	return 0;
}

static int parse_tap(struct network *network, const char *name, struct err *err)
{
	size_t len = strlen(name);

	if (!len || len >= sizeof(network->tap) || strchr(name, '/'))
		return err_set(err, -EINVAL, "\"%s\" is not an interface's name: 1 to %zu bytes",
			name, sizeof(network->tap) - 1);
	memcpy(network->tap, name, len + 1);
	return 0;
}

static int parse_part(struct network *network, char *part, struct err *err)
{
	struct agent_interface *interface = &network->interface;
	char *value = strchr(part, '=');
	uint64_t mtu = 0;
	int r;

	if (!value)
		return err_set(err, -EINVAL, "\"%s\" is not known", part);
	*value++ = '\0';
	if (!strcmp(part, "mtu")) {
		r = value_number(value, AGENT_MTU_MIN, AGENT_MTU_MAX, &mtu, err);
		interface->mtu = (uint16_t)mtu;
		return r;
	}
	if (!strcmp(part, "mac")) {
		network->has_mac = true;
		return parse_mac(interface->mac, value, err);
	}
	if (network->kind == NETWORK_TAP && !strcmp(part, "ip"))
		return parse_address(interface, value, err);
	if (network->kind == NETWORK_TAP && !strcmp(part, "gateway"))
		return parse_gateway(interface, value, err);
	return err_set(err, -EINVAL, "\"%s\" is not known here", part);
}

int network_parse(struct network *network, const char *text, struct err *err)
{
	char copy[TEXT_MAX], *saved, *part;
	int r = 0;

	if (strlen(text) >= sizeof(copy))
		return err_set(err, -ENAMETOOLONG, "longer than %d bytes", TEXT_MAX - 1);
	memcpy(copy, text, strlen(text) + 1);
	/* The last one wins, as with other options. */
	network->kind = NETWORK_NONE;
	network->tap[0] = '\0';
	network->has_mac = false;
	network->interface = (struct agent_interface){0};
	part = strtok_r(copy, ",", &saved);
	if (part && !strcmp(part, "passt")) {
		network->kind = NETWORK_PASST;
	} else if (part && !strncmp(part, "tap=", 4)) {
		network->kind = NETWORK_TAP;
		r = parse_tap(network, part + 4, err);
	} else if (!part || strcmp(part, "none")) {
		return err_set(err, -EINVAL, "\"%s\" is none of none, passt, tap=NAME", text);
	}
	while (r == 0 && (part = strtok_r(NULL, ",", &saved)))
		r = parse_part(network, part, err);
	return r;
}

static int add(struct strlist *list, const char *text, struct err *err)
{
	int r = strlist_add(list, text);

	return r < 0 ? err_errno(err, -r, "\"%s\"", text) : 0;
}

int network_add_dns(struct network *network, const char *text, struct err *err)
{
	struct agent_ip ip;
	int r = parse_ip(text, &ip, err);

	return r < 0 ? r : add(&network->dns, text, err);
}

int network_add_search(struct network *network, const char *text, struct err *err)
{
	int r = value_hostname(text, err);

	return r < 0 ? r : add(&network->dns_search, text, err);
}

int network_add_host(struct network *network, const char *text, struct err *err)
{
	char copy[TEXT_MAX], line[TEXT_MAX + 8];
	struct agent_ip ip;
	char *colon;
	int r;

	if (strlen(text) >= sizeof(copy))
		return err_set(err, -ENAMETOOLONG, "longer than %d bytes", TEXT_MAX - 1);
	memcpy(copy, text, strlen(text) + 1);
	colon = strchr(copy, ':');
	if (!colon)
		return err_set(err, -EINVAL, "\"%s\" is not NAME:ADDRESS", text);
	*colon++ = '\0';
	r = value_hostname(copy, err);
	if (!r)
		r = parse_ip(colon, &ip, err);
	if (r < 0)
		return r;
	snprintf(line, sizeof(line), "%s\t%s\n", colon, copy);
	return add(&network->hosts, line, err);
}

int network_add_publish(struct network *network, const char *text, struct err *err)
{
	char copy[TEXT_MAX], line[32], *slash, *colon;
	uint64_t outer = 0, inner = 0;
	char protocol = 't';
	int r = 0;

	if (strlen(text) >= sizeof(copy))
		return err_set(err, -ENAMETOOLONG, "longer than %d bytes", TEXT_MAX - 1);
	memcpy(copy, text, strlen(text) + 1);
	slash = strchr(copy, '/');
	if (slash) {
		if (strcmp(slash, "/tcp") && strcmp(slash, "/udp"))
			return err_set(err, -EINVAL, "\"%s\" is neither /tcp nor /udp", slash);
		protocol = slash[1];
		*slash = '\0';
	}
	colon = strchr(copy, ':');
	if (colon)
		*colon = '\0';
	r = value_number(colon ? colon + 1 : copy, 1, UINT16_MAX, &inner, err);
	outer = inner;
	if (!r && colon)
		r = value_number(copy, 1, UINT16_MAX, &outer, err);
	if (r < 0)
		return r;
	snprintf(line, sizeof(line), "%c%u:%u", protocol, (unsigned int)outer, (unsigned int)inner);
	return add(&network->publish, line, err);
}

int network_check(struct network *network, struct err *err)
{
	struct agent_interface *interface = &network->interface;

	if (network->publish.count && network->kind != NETWORK_PASST)
		return err_set(err, -EINVAL, "--publish needs --network passt");
	if (network->kind == NETWORK_NONE)
		return network->dns.count || network->dns_search.count
			       ? err_set(err, -EINVAL, "--dns needs a network, see --network")
			       : 0;
	if (network->kind == NETWORK_PASST) {
		interface->n_addresses = 1;
		interface->prefixes[0] = NETWORK_PASST_PREFIX;
		parse_ip(NETWORK_PASST_ADDRESS, &interface->addresses[0], err);
		parse_ip(NETWORK_PASST_GATEWAY, &interface->gateways[0], err);
		if (!network->dns.count && add(&network->dns, NETWORK_PASST_DNS, err) < 0)
			return err->code;
	}
	if (network->has_mac)
		return 0;
	if (getrandom(interface->mac, MAC_SIZE, 0) != MAC_SIZE)
		return err_errno(err, errno, "a random MAC");
	interface->mac[0] = (uint8_t)((interface->mac[0] & ~MAC_GROUP) | MAC_LOCAL);
	return 0;
}

static int resolv_conf(struct network *network)
{
	struct buf *buf = &network->resolv_text;
	int r = 0;

	if (!network->dns.count)
		r = buf_printf(buf, "# No name server was given (--dns).\n");
	for (size_t i = 0; i < network->dns.count && !r; i++)
		r = buf_printf(buf, "nameserver %s\n", network->dns.items[i]);
	for (size_t i = 0; i < network->dns_search.count && !r; i++)
		r = buf_printf(buf, "%s%s", i ? " " : "search ", network->dns_search.items[i]);
	if (!r && network->dns_search.count)
		r = buf_printf(buf, "\n");
	return r ? r : buf_add(buf, "", 1);
}

static int hosts(struct network *network)
{
	int r = 0;

	for (size_t i = 0; i < network->hosts.count && !r; i++)
		r = buf_printf(&network->hosts_text, "%s", network->hosts.items[i]);
	return r ? r : buf_add(&network->hosts_text, "", 1);
}

int network_apply(struct network *network, struct agent_spec *spec, struct err *err)
{
	int r = 0;

	/* One more for the NUL, which isn't sent. */
	network->resolv_text = BUF_INIT(AGENT_ETC_MAX + 1);
	network->hosts_text = BUF_INIT(AGENT_ETC_MAX + 1);
	if (network->hosts.count)
		r = hosts(network);
	if (!r && network->kind != NETWORK_NONE)
		r = resolv_conf(network);
	if (r == -EMSGSIZE)
		return err_set(
			err, r, "--dns and --add-host: more than %u bytes of text", AGENT_ETC_MAX);
	if (r < 0)
		return err_errno(err, -r, "the network's options");
	spec->hosts = (const char *)network->hosts_text.data;
	if (network->kind == NETWORK_NONE)
		return 0;
	spec->resolv_conf = (const char *)network->resolv_text.data;
	spec->interfaces[0] = network->interface;
	spec->n_interfaces = 1;
	return 0;
}

void network_fini(struct network *network)
{
	strlist_fini(&network->dns);
	strlist_fini(&network->dns_search);
	strlist_fini(&network->hosts);
	strlist_fini(&network->publish);
	buf_fini(&network->resolv_text);
	buf_fini(&network->hosts_text);
}
