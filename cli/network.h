// SPDX-License-Identifier: Apache-2.0
// A container's network: what the user asked for, and what the guest is told.
#pragma once

#include "base/buf.h"
#include "cli/strlist.h"
#include "protocol/agent.h"

#include <net/if.h>

struct err;

enum network_kind {
	NETWORK_NONE,
	NETWORK_TAP,   /* a tap interface that exists on the host */
	NETWORK_PASST, /* the host's own connections, through passt */
};

/* The guest's side of passt: a small network that exists between the two alone. */
#define NETWORK_PASST_ADDRESS "10.0.2.15"
#define NETWORK_PASST_PREFIX 24
#define NETWORK_PASST_GATEWAY "10.0.2.2"
#define NETWORK_PASST_DNS "10.0.2.3"

/*
 * struct network - options about the network, checked
 * @tap:	of NETWORK_TAP, else ""
 * @interface:	what the guest shall set up; its MAC is random unless given
 * @dns, @dns_search, @hosts: entries of --dns, --dns-search, and lines for /etc/hosts
 * @publish:	of --publish, as passt's -t and -u take them: "t8080:80", "u53:53"
 * @resolv_text, @hosts_text: filled by network_apply()
 *
 * Zero-initialise; network_fini() frees.
 */
struct network {
	enum network_kind kind;
	char tap[IFNAMSIZ];
	struct agent_interface interface;
	bool has_mac;
	struct strlist dns, dns_search, hosts, publish;
	struct buf resolv_text, hosts_text;
};

/*
 * Each takes the value of one option, @text of the user.
 *
 * Return: 0 or -errno with a message.
 */
/* none | passt[,mtu=N][,mac=MAC] | tap=NAME[,ip=ADDRESS/PREFIX][,gateway=ADDRESS][,mtu=][,mac=] */
int network_parse(struct network *network, const char *text, struct err *err);
int network_add_dns(struct network *network, const char *text, struct err *err);
int network_add_search(struct network *network, const char *text, struct err *err);
/* NAME:ADDRESS, as docker has it */
int network_add_host(struct network *network, const char *text, struct err *err);
/* [HOSTPORT:]PORT[/tcp|/udp] */
int network_add_publish(struct network *network, const char *text, struct err *err);

/*
 * network_check() - do the options fit together? Fills in passt's addresses and the MAC.
 *
 * Return: 0 or -errno with a message.
 */
int network_check(struct network *network, struct err *err);

/*
 * network_apply() - put the network into @spec, which then borrows from @network
 *
 * Return: 0 or -errno with a message.
 */
int network_apply(struct network *network, struct agent_spec *spec, struct err *err);

void network_fini(struct network *network);
