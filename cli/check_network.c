// SPDX-License-Identifier: Apache-2.0
// Items of an audit: where guests' packets can go.
#include "cli/check_items.h"

#include "base/cleanup.h"

#include <errno.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

/*
 * What can be known
 *
 * A guest's packets leave by passt, as the host's own, or by a tap device: routed on where
 * forwarding is on for that device, or bridged. What a packet filter does with them is its rules'
 * affair. Those are told over netlink, whose opening may load modules, and would have to be
 * understood; so where there is a filter at all, what is not decided without it is unknown, not
 * fine. Where there is none, nothing stops a packet.
 */

/* The metadata service's address, as /proc/net/route has it on a little-endian host. */
#define METADATA_ROUTE "FEA9FEA9"
#define HOST_MASK "FFFFFFFF"
/* include/uapi/linux/route.h */
#define ROUTE_REJECT 0x200

/* Tap devices that are looked at. */
#define TAPS_MAX 4096

/* Of the flags in /sys/class/net/NAME/tun_flags: include/uapi/linux/if_tun.h */
#define TAP_FLAG 0x2

/*
 * struct tap - a tap device of this network namespace
 * @bridge:	whose port it is, or ""
 * @isolated:	from the bridge's other ports that are
 * @forwards:	1 if packets that come from it are routed on, 0 if not, or -errno
 */
struct tap {
	char name[IF_NAMESIZE];
	char bridge[IF_NAMESIZE];
	bool isolated;
	int forwards;
};

/*
 * struct guest_net - ways out for guests
 * @elsewhere:	a monitor has one that isn't here
 * @unseen:	0, or -errno: not all can be known
 */
struct guest_net {
	const struct check_host *host;
	struct tap *taps;
	size_t count;
	bool elsewhere;
	bool passt;
	int unseen;
};

static bool is_here(const struct guest_net *net, const char *name)
{
	for (size_t i = 0; i < net->count; i++)
		if (!strcmp(net->taps[i].name, name))
			return true;
	return false;
}

static int find_tap_fd(const struct check_fd *fd, void *arg)
{
	struct guest_net *net = arg;

	if (fd->tap[0] && !is_here(net, fd->tap))
		net->elsewhere = true;
	return 0;
}

/* Return: does a file hold something but 0? */
static bool is_on(const struct check_host *host, const char *path)
{
	int64_t value;

	return !check_read_number(host->root, path, &value) && value;
}

static int forwards(const struct check_host *host, const char *tap)
{
	char path[128];
	int64_t value;
	int r;

	snprintf(path, sizeof(path), "proc/sys/net/ipv4/conf/%s/forwarding", tap);
	r = check_read_number(host->root, path, &value);
	if (r < 0)
		r = check_read_number(host->root, "proc/sys/net/ipv4/ip_forward", &value);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "proc/sys/net/ipv6/conf/%s/forwarding", tap);
	return value || is_on(host, path);
}

static void tap_fill(const struct check_host *host, struct tap *tap, const char *name)
{
	char path[128], link[CHECK_LINE_SIZE];
	const char *slash;

	snprintf(tap->name, sizeof(tap->name), "%s", name);
	tap->forwards = forwards(host, tap->name);
	snprintf(path, sizeof(path), "sys/class/net/%s/brport/isolated", tap->name);
	tap->isolated = is_on(host, path);
	snprintf(path, sizeof(path), "sys/class/net/%s/brport/bridge", tap->name);
	if (check_link(host->root, path, link, sizeof(link)) < 0)
		return;
	slash = strrchr(link, '/');
	snprintf(tap->bridge, sizeof(tap->bridge), "%.15s", slash ? slash + 1 : link);
}

static int find_taps(struct guest_net *net)
{
	char path[512], text[CHECK_LINE_SIZE];
	struct dirent *entry;
	DIR *dir;
	int r = check_opendir(net->host->root, "sys/class/net", &dir);

	if (r < 0)
		return r;
	net->taps = calloc(TAPS_MAX, sizeof(net->taps[0]));
	if (!net->taps)
		r = -ENOMEM;
	while (!r && (entry = check_next(dir))) {
		snprintf(path, sizeof(path), "sys/class/net/%s/tun_flags", entry->d_name);
		if (check_read_line(net->host->root, path, text, sizeof(text)) < 0 ||
			!(strtoul(text, NULL, 16) & TAP_FLAG) ||
			strlen(entry->d_name) >= IF_NAMESIZE)
			continue;
		if (net->count == TAPS_MAX)
			r = -E2BIG;
		else
			tap_fill(net->host, &net->taps[net->count++], entry->d_name);
	}
	closedir(dir);
	return r;
}

/* Any passt may be a VM's: which, only its sockets tell. */
static int find_passt(struct guest_net *net)
{
	struct dirent *entry;
	DIR *proc;
	int r = check_opendir(net->host->root, "proc", &proc);

	if (r < 0)
		return r;
	while (!net->passt && (entry = check_next(proc))) {
		char path[300], name[32];

		snprintf(path, sizeof(path), "proc/%s/comm", entry->d_name);
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
			!check_read_line(net->host->root, path, name, sizeof(name)))
			net->passt = !strcmp(name, "passt") || !strncmp(name, "passt.", 6);
	}
	closedir(proc);
	return 0;
}

static void guest_net_find(struct guest_net *net, const struct check_host *host)
{
	*net = (struct guest_net){.host = host, .unseen = host->processes};
	if (!net->unseen)
		net->unseen = find_taps(net);
	if (!net->unseen)
		net->unseen = find_passt(net);
	for (size_t i = 0; i < host->monitor_count && !net->unseen; i++) {
		int r = check_fds(&host->monitors[i], find_tap_fd, net);

		if (r < 0 && r != -ENOENT && r != -ESRCH)
			net->unseen = r;
	}
}

/* Does this network namespace have the sockets over which nftables' rules come? 1, 0, -errno */
static int has_nfnetlink(const struct check_host *host)
{
	FILE CLEANUP_FILE *file = NULL;
	char line[256];
	uint64_t protocol;
	int r = check_open(host->root, "proc/net/netlink", &file);

	while (!r && fgets(line, sizeof(line), file))
		if (!check_word_number(line, 1, 10, &protocol) && protocol == NETLINK_NETFILTER)
			return 1;
	return r;
}

/*
 * Return: could there be rules that filter? 1, 0, -errno. What is built into the kernel isn't in
 * /sys/module.
 */
static int has_filter(const struct check_host *host)
{
	static const char *const paths[] = {"sys/module/nf_tables", "sys/module/ip_tables",
		"sys/module/ebtables", "proc/net/ip_tables_names"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		int r = check_exists(host->root, paths[i]);

		if (r)
			return r;
	}
	return has_nfnetlink(host);
}

/* Does the main table refuse the address? */
static bool is_refused(const struct check_host *host)
{
	FILE CLEANUP_FILE *file = NULL;
	char line[512];
	uint64_t flags;

	if (check_open(host->root, "proc/net/route", &file) < 0)
		return false;
	while (fgets(line, sizeof(line), file))
		if (check_word_is(line, 1, METADATA_ROUTE) && check_word_is(line, 7, HOST_MASK) &&
			!check_word_number(line, 3, 16, &flags) && flags & ROUTE_REJECT)
			return true;
	return false;
}

static void say_open(const struct check_host *host, const char *what, struct check_finding *finding)
{
	int filter = has_filter(host);

	if (!filter)
		check_say(finding, CHECK_WARN, "%s, and there is no packet filter", what);
	else
		check_say(finding, CHECK_UNKNOWN,
			"%s; what the packet filter lets pass, \"nft list ruleset\" tells", what);
}

/* What can't be told of either item's question. Return: is there no way out at all? */
static bool say_unseen(const struct guest_net *net, struct check_finding *finding)
{
	if (net->unseen)
		check_unreadable(finding, "not all network devices can be known", net->unseen);
	if (net->elsewhere)
		check_say(finding, CHECK_UNKNOWN,
			"there are tap devices in another network namespace");
	if (net->unseen || net->elsewhere || net->count || net->passt)
		return false;
	check_say(finding, CHECK_PASS, "no guest has a network");
	return true;
}

void check_metadata(const struct check_host *host, struct check_finding *finding)
{
	struct guest_net net;
	bool refused = is_refused(host);
	char text[128];

	guest_net_find(&net, host);
	if (say_unseen(&net, finding))
		goto out;
	if (net.passt && !refused)
		say_open(host, "passt runs, which reaches what the host reaches", finding);
	for (size_t i = 0; i < net.count; i++) {
		const struct tap *tap = &net.taps[i];

		if (*tap->bridge) {
			snprintf(text, sizeof(text), "%s is on bridge %s", tap->name, tap->bridge);
			say_open(host, text, finding);
		} else if (tap->forwards < 0) {
			check_unreadable(finding, "forwarding", tap->forwards);
		} else if (tap->forwards && !refused) {
			snprintf(text, sizeof(text), "what comes from %s is forwarded", tap->name);
			say_open(host, text, finding);
		}
	}
	check_say(finding, CHECK_PASS, "%s",
		refused ? "the main routing table refuses it" : "nothing is forwarded from a tap");
out:
	free(net.taps);
}

/* Two ports that are isolated don't see each other; one alone is seen by the rest. */
static void check_bridged(
	const struct guest_net *net, const struct tap *tap, struct check_finding *finding)
{
	char text[128];

	for (const struct tap *other = net->taps; *tap->bridge && other < tap; other++) {
		if (strcmp(tap->bridge, other->bridge) != 0 || (tap->isolated && other->isolated))
			continue;
		snprintf(text, sizeof(text), "%s and %s are on bridge %s", other->name, tap->name,
			tap->bridge);
		say_open(net->host, text, finding);
	}
}

void check_taps(const struct check_host *host, struct check_finding *finding)
{
	struct guest_net net;
	size_t routed = 0;

	guest_net_find(&net, host);
	if (say_unseen(&net, finding))
		goto out;
	for (size_t i = 0; i < net.count; i++) {
		const struct tap *tap = &net.taps[i];

		if (tap->forwards < 0)
			check_unreadable(finding, "forwarding", tap->forwards);
		routed += tap->forwards > 0;
		check_bridged(&net, tap, finding);
	}
	/* From one to all others. */
	if (routed && net.count > 1)
		say_open(host, "what comes from one tap is forwarded to others", finding);
	check_say(finding, CHECK_PASS, "%zu tap device%s", net.count, net.count == 1 ? "" : "s");
out:
	free(net.taps);
}
