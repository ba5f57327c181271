// SPDX-License-Identifier: Apache-2.0
// What to run in the guest, as hull-vmm's API takes it.
#include "cli/spec_json.h"

#include "base/json_write.h"
#include "base/mac.h"
#include "protocol/agent.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static void put_root(struct json_out *out, enum agent_root root)
{
	static const char *const modes[] = {
		[AGENT_ROOT_TMPFS] = "tmpfs",
		[AGENT_ROOT_DISK] = "disk",
		[AGENT_ROOT_READONLY] = "none",
	};

	json_begin(out, "rootfs", '{');
	json_put_string(out, "drive_id", SPEC_DRIVE_IMAGE);
	json_put_string(out, "writable", modes[root]);
	if (root == AGENT_ROOT_DISK)
		json_put_string(out, "writable_drive_id", SPEC_DRIVE_WRITES);
	json_end(out, '}');
}

static void put_strings(struct json_out *out, const char *key, char *const *strings)
{
	json_begin(out, key, '[');
	for (; *strings; strings++)
		json_put_bytes(out, NULL, *strings);
	json_end(out, ']');
}

/* The limits that hull sets. */
static void put_rlimits(struct json_out *out, const struct agent_spec *spec)
{
	json_begin(out, "rlimits", '[');
	for (size_t i = 0; i < spec->n_rlimits; i++) {
		if (spec->rlimits[i].resource != RLIMIT_NOFILE)
			continue;
		json_begin(out, NULL, '{');
		json_put_string(out, "type", "RLIMIT_NOFILE");
		json_put_uint(out, "soft", spec->rlimits[i].soft);
		json_put_uint(out, "hard", spec->rlimits[i].hard);
		json_end(out, '}');
	}
	json_end(out, ']');
}

static void put_process(struct json_out *out, const struct agent_spec *spec)
{
	json_begin(out, "process", '{');
	put_strings(out, "args", spec->args);
	put_strings(out, "env", spec->env);
	json_put_bytes(out, "cwd", spec->cwd);
	json_put_bytes(out, "user", spec->user);
	json_put_bool(out, "terminal", spec->terminal);
	if (spec->terminal) {
		json_begin(out, "consoleSize", '{');
		json_put_uint(out, "height", spec->rows);
		json_put_uint(out, "width", spec->cols);
		json_end(out, '}');
	}
	put_rlimits(out, spec);
	json_put_bool(out, "stdin", spec->terminal || spec->stdin_port);
	/* Whoever wants the output is attached. */
	json_put_uint(out, "log_size", 0);
	json_end(out, '}');
}

static void put_ip(struct json_out *out, const struct agent_ip *ip, int prefix)
{
	char text[INET6_ADDRSTRLEN + sizeof("/128")];

	inet_ntop(ip->family == 4 ? AF_INET : AF_INET6, ip->bytes, text, INET6_ADDRSTRLEN);
	if (prefix >= 0)
		snprintf(text + strlen(text), sizeof("/128"), "/%d", prefix);
	json_put_string(out, NULL, text);
}

static void put_interface(struct json_out *out, const struct agent_interface *interface)
{
	char text[MAC_TEXT_SIZE];

	mac_format(interface->mac, text);
	json_begin(out, NULL, '{');
	json_put_string(out, "mac", text);
	if (interface->mtu)
		json_put_uint(out, "mtu", interface->mtu);
	json_begin(out, "addresses", '[');
	for (size_t i = 0; i < interface->n_addresses; i++)
		put_ip(out, &interface->addresses[i], interface->prefixes[i]);
	json_end(out, ']');
	json_begin(out, "gateways", '[');
	for (int i = 0; i < 2; i++)
		if (interface->gateways[i].family)
			put_ip(out, &interface->gateways[i], -1);
	json_end(out, ']');
	json_end(out, '}');
}

static void put_network(struct json_out *out, const struct agent_spec *spec)
{
	json_begin(out, "network", '{');
	json_begin(out, "interfaces", '[');
	for (size_t i = 0; i < spec->n_interfaces; i++)
		put_interface(out, &spec->interfaces[i]);
	json_end(out, ']');
	if (spec->resolv_conf)
		json_put_string(out, "resolv_conf", spec->resolv_conf);
	if (spec->hosts)
		json_put_string(out, "hosts", spec->hosts);
	json_end(out, '}');
}

int spec_json(const struct agent_spec *spec, struct buf *ret)
{
	struct json_out out = {.buf = ret};

	json_begin(&out, NULL, '{');
	put_root(&out, spec->root);
	json_put_string(&out, "hostname", spec->hostname);
	put_process(&out, spec);
	if (spec->pids_max)
		json_put_uint(&out, "pids_limit", spec->pids_max);
	put_network(&out, spec);
	json_end(&out, '}');
	return out.error;
}
