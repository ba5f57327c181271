// SPDX-License-Identifier: Apache-2.0
// /network-interfaces
#include "vmm/routes.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mac.h"
#include "devices/net.h"
#include "vmm/monitor.h"
#include "vmm/option_value.h"
#include "vmm/options.h"

#include <net/if.h>
#include <string.h>

/* IPv4's least; Linux takes none below. */
#define MTU_MIN 68
#define MTU_MAX 65535

struct net_body {
	const char *id, *host, *mac;
	uint64_t mtu;
	const json_t *rx, *tx;
};

static struct config_net *find_net(struct config *config, const char *id)
{
	for (unsigned int i = 0; i < config->net_count; i++)
		if (config->nets[i].id && !strcmp(config->nets[i].id, id))
			return &config->nets[i];
	return NULL;
}

static int read_body(struct route_call *call, struct net_body *body, struct err *err)
{
	const struct json_field fields[] = {
		{.name = "iface_id", .type = JSON_READ_STRING, .ret = &body->id, .required = true},
		{.name = "host_dev_name",
			.type = JSON_READ_STRING,
			.ret = &body->host,
			.required = true},
		JSON_STRING("guest_mac", &body->mac),
		JSON_UINT("mtu", &body->mtu, MTU_MIN, MTU_MAX),
		JSON_OBJECT_FIELD("rx_rate_limiter", &body->rx),
		JSON_OBJECT_FIELD("tx_rate_limiter", &body->tx),
	};
	int r = json_read("network interface", call->body, fields, ARRAY_SIZE(fields), err);

	if (!r)
		r = route_check_id(call, "network interface", body->id, err);
	if (!r && (!*body->host || strlen(body->host) >= IFNAMSIZ))
		r = err_set(err, -EINVAL,
			"network interface: field 'host_dev_name': '%s' has not 1 to %d bytes",
			body->host, IFNAMSIZ - 1);
	return r;
}

/* Each tap and each address is one interface's. */
static int check_others(struct config *config, const struct config_net *replaced,
	const struct config_net *net, struct err *err)
{
	static const uint8_t none[6];

	for (unsigned int i = 0; i < config->net_count; i++) {
		const struct config_net *other = &config->nets[i];

		if (other == replaced)
			continue;
		if (other->host && !strcmp(other->host, net->host))
			return err_set(err, -EEXIST,
				"network interface '%s': '%s' has the device %s already", net->id,
				other->id, net->host);
		if (memcmp(net->mac, none, sizeof(none)) != 0 &&
			!memcmp(net->mac, other->mac, sizeof(none)))
			return err_set(err, -EEXIST,
				"network interface '%s': '%s' has this address already", net->id,
				other->id);
	}
	if (!replaced && config->net_count == CONFIG_NETS_MAX)
		return err_set(err, -ENOSPC, "network interface '%s': there are %d already",
			net->id, CONFIG_NETS_MAX);
	return 0;
}

int route_put_net(struct route_call *call, struct err *err)
{
	struct config *config = &call->monitor->config;
	struct config_net *replaced = find_net(config, call->id);
	struct config_net net = {.kind = CONFIG_NET_TAP, .pairs = 1};
	struct net_body body = {0};
	int r = read_body(call, &body, err);

	if (!r && body.mac)
		r = option_mac("network interface: field 'guest_mac'", body.mac, net.mac, err);
	if (!r)
		r = route_read_rate("network interface: rx_rate_limiter", body.rx, &net.rx, err);
	if (!r)
		r = route_read_rate("network interface: tx_rate_limiter", body.tx, &net.tx, err);
	net.id = body.id;
	net.host = body.host;
	net.mtu = (uint16_t)body.mtu;
	if (!r)
		r = check_others(config, replaced, &net, err);
	if (r < 0)
		return r;
	net.id = config_keep(config, body.id);
	net.host = config_keep(config, body.host);
	if (!net.id || !net.host) {
		config_drop(config, net.id);
		config_drop(config, net.host);
		return err_set(err, -ENOMEM, "network interface '%s': out of memory", body.id);
	}
	if (replaced) {
		config_drop(config, replaced->id);
		config_drop(config, replaced->host);
		*replaced = net;
	} else {
		config->nets[config->net_count++] = net;
	}
	return 0;
}

int route_patch_net(struct route_call *call, struct err *err)
{
	struct monitor *monitor = call->monitor;
	struct config_net *net = find_net(&monitor->config, call->id);
	struct machine_slot *slot = machine_find_slot(&monitor->machine, call->id);
	const json_t *rx_json = NULL, *tx_json = NULL;
	struct rate_limit_config rx, tx;
	const char *id = NULL;
	const struct json_field fields[] = {
		{.name = "iface_id", .type = JSON_READ_STRING, .ret = &id, .required = true},
		JSON_OBJECT_FIELD("rx_rate_limiter", &rx_json),
		JSON_OBJECT_FIELD("tx_rate_limiter", &tx_json),
	};
	int r = json_read("network interface", call->body, fields, ARRAY_SIZE(fields), err);

	if (!r)
		r = route_check_id(call, "network interface", id, err);
	if (r < 0)
		return r;
	if (!net || !slot)
		return err_set(err, -ENODEV, "network interface '%s': there is no such interface",
			call->id);
	rx = net->rx;
	tx = net->tx;
	r = route_read_rate("network interface: rx_rate_limiter", rx_json, &rx, err);
	if (!r)
		r = route_read_rate("network interface: tx_rate_limiter", tx_json, &tx, err);
	if (r < 0)
		return r;
	r = net_set_limits(slot->dev, rx_json ? &rx : NULL, tx_json ? &tx : NULL);
	if (r < 0)
		return err_errno(err, -r, "network interface '%s': rate limit", id);
	net->rx = rx;
	net->tx = tx;
	return 0;
}

static void describe_mac(struct json_out *out, const uint8_t *mac)
{
	static const uint8_t none[6];
	char text[MAC_TEXT_SIZE];

	mac_format(mac, text);
	json_put_string(out, "guest_mac", memcmp(mac, none, sizeof(none)) ? text : NULL);
}

void route_describe_nets(const struct monitor *monitor, struct json_out *out)
{
	const struct config *config = &monitor->config;

	json_begin(out, "network-interfaces", '[');
	for (unsigned int i = 0; i < config->net_count; i++) {
		const struct config_net *net = &config->nets[i];

		json_begin(out, NULL, '{');
		json_put_string(out, "iface_id", net->id);
		json_put_string(out, "host_dev_name", net->host);
		describe_mac(out, net->mac);
		if (net->mtu)
			json_put_uint(out, "mtu", net->mtu);
		else
			json_put_null(out, "mtu");
		route_describe_rate(out, "rx_rate_limiter", &net->rx);
		route_describe_rate(out, "tx_rate_limiter", &net->tx);
		json_end(out, '}');
	}
	json_end(out, ']');
}
