// SPDX-License-Identifier: Apache-2.0
// The guest's network interfaces, set up over rtnetlink.
#include "guest-init/network.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mac.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* After sys/socket.h, whose struct sockaddr they need. */
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#define LOOPBACK_INDEX 1
/* A request has at most three attributes. */
#define REQUEST_MAX 256
/* One answer of the kernel: a datagram of whole messages, as rtnetlink sizes them. */
#define ANSWER_MAX 16384

/* Begin a request whose body is @body. Return: where its header is, or -errno. */
static int request_begin(
	struct buf *buf, uint16_t type, uint16_t flags, const void *body, size_t len)
{
	const struct nlmsghdr header = {
		.nlmsg_type = type,
		.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags),
	};
	int at = (int)buf->len;
	int r = buf_add(buf, &header, sizeof(header));

	if (r == 0)
		r = buf_add(buf, body, len);
	return r < 0 ? r : at;
}

static int request_attribute(struct buf *buf, uint16_t type, const void *data, size_t len)
{
	const struct rtattr header = {
		.rta_type = type, .rta_len = (uint16_t)(sizeof(header) + len)};
	const uint8_t padding[RTA_ALIGNTO] = {0};
	int r = buf_add(buf, &header, sizeof(header));

	if (r == 0)
		r = buf_add(buf, data, len);
	return r < 0 ? r : buf_add(buf, padding, RTA_ALIGN(len) - len);
}

static void request_end(struct buf *buf, int at)
{
	uint32_t len = (uint32_t)buf->len - (uint32_t)at;

	memcpy(buf->data + at + offsetof(struct nlmsghdr, nlmsg_len), &len, sizeof(len));
}

int network_link_message(struct buf *buf, uint32_t index, uint16_t mtu)
{
	const struct ifinfomsg body = {
		.ifi_index = (int)index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	uint32_t value = mtu;
	int at = request_begin(buf, RTM_NEWLINK, 0, &body, sizeof(body));
	int r = at < 0 ? at : 0;

	if (r == 0 && mtu)
		r = request_attribute(buf, IFLA_MTU, &value, sizeof(value));
	if (r == 0)
		request_end(buf, at);
	return r;
}

static uint8_t ip_family(const struct agent_ip *ip)
{
	return ip->family == 4 ? AF_INET : AF_INET6;
}

static size_t ip_size(const struct agent_ip *ip)
{
	return ip->family == 4 ? 4 : 16;
}

int network_address_message(
	struct buf *buf, uint32_t index, const struct agent_interface *interface, size_t i)
{
	const struct agent_ip *ip = &interface->addresses[i];
	const struct ifaddrmsg body = {
		.ifa_family = ip_family(ip),
		.ifa_prefixlen = interface->prefixes[i],
		/* Nobody else is there to have the address: it can be used at once. */
		.ifa_flags = ip->family == 6 ? IFA_F_NODAD : 0,
		.ifa_index = index,
	};
	int at = request_begin(buf, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
	int r = at < 0 ? at : request_attribute(buf, IFA_LOCAL, ip->bytes, ip_size(ip));

	if (r == 0)
		r = request_attribute(buf, IFA_ADDRESS, ip->bytes, ip_size(ip));
	if (r == 0)
		request_end(buf, at);
	return r;
}

int network_route_message(
	struct buf *buf, uint32_t index, const struct agent_interface *interface, size_t i)
{
	const struct agent_ip *gateway = &interface->gateways[i];
	const struct rtmsg body = {
		.rtm_family = ip_family(gateway),
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
		/* The gateway need not be in the interface's own network. */
		.rtm_flags = RTNH_F_ONLINK,
	};
	int at = request_begin(buf, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
	int r = at < 0 ? at : request_attribute(buf, RTA_GATEWAY, gateway->bytes, ip_size(gateway));

	if (r == 0)
		r = request_attribute(buf, RTA_OIF, &index, sizeof(index));
	if (r == 0)
		request_end(buf, at);
	return r;
}

/* Send the request in @buf and take the kernel's verdict. Return: 0 or -errno. */
static int request_send(int sock, struct buf *buf)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} answer;
	ssize_t n = send(sock, buf->data, buf->len, 0);

	buf->len = 0;
	if (n >= 0)
		n = recv(sock, &answer, sizeof(answer), 0);
	if (n < 0)
		return -errno;
	if ((size_t)n < offsetof(typeof(answer), error) + sizeof(answer.error.error) ||
		answer.header.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return answer.error.error;
}

/* Is the link that @message tells of the one with @mac? */
static bool link_matches(const struct nlmsghdr *message, const uint8_t *mac)
{
	const uint8_t *p = (const uint8_t *)message + NLMSG_LENGTH(sizeof(struct ifinfomsg));
	const uint8_t *end = (const uint8_t *)message + message->nlmsg_len;
	struct rtattr attribute;

	while (p + sizeof(attribute) <= end) {
		memcpy(&attribute, p, sizeof(attribute));
		if (attribute.rta_len < sizeof(attribute) || p + attribute.rta_len > end)
			return false;
		if (attribute.rta_type == IFLA_ADDRESS &&
			attribute.rta_len == sizeof(attribute) + MAC_SIZE)
			return !memcmp(p + sizeof(attribute), mac, MAC_SIZE);
		p += RTA_ALIGN(attribute.rta_len);
	}
	return false;
}

/* One datagram of the kernel's list. Return: 1 at its end, 0 when more follows. */
static int links_scan(const uint8_t *data, size_t len, const uint8_t *mac, uint32_t *ret_index)
{
	struct nlmsghdr header;
	struct ifinfomsg body;

	while (len >= sizeof(header)) {
		memcpy(&header, data, sizeof(header));
		if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > len)
			return 1;
		if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR)
			return 1;
		if (header.nlmsg_type == RTM_NEWLINK &&
			header.nlmsg_len >= NLMSG_LENGTH(sizeof(body)) &&
			link_matches((const void *)data, mac)) {
			memcpy(&body, data + NLMSG_HDRLEN, sizeof(body));
			*ret_index = (uint32_t)body.ifi_index;
		}
		if (NLMSG_ALIGN(header.nlmsg_len) >= len)
			break;
		len -= NLMSG_ALIGN(header.nlmsg_len);
		data += NLMSG_ALIGN(header.nlmsg_len);
	}
	return 0;
}

/* The index of the interface with @mac. Return: 0 or -errno, -ENODEV if there is none. */
static int link_find(int sock, const uint8_t *mac, uint32_t *ret_index)
{
	const struct {
		struct nlmsghdr header;
		struct ifinfomsg body;
	} request = {
		.header = {.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_GETLINK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	};
	static _Alignas(struct nlmsghdr) uint8_t answer[ANSWER_MAX];
	int done = 0;

	*ret_index = 0;
	if (send(sock, &request, sizeof(request), 0) < 0)
		return -errno;
	while (!done) {
		ssize_t n = recv(sock, answer, sizeof(answer), 0);

		if (n < 0)
			return -errno;
		done = links_scan(answer, (size_t)n, mac, ret_index);
	}
	return *ret_index ? 0 : -ENODEV;
}

static int interface_setup(
	int sock, struct buf *buf, const struct agent_interface *interface, struct err *err)
{
	const uint8_t *mac = interface->mac;
	const char *what = "finding it";
	uint32_t index = 0;
	int r = link_find(sock, mac, &index);

	if (r == 0) {
		what = "bringing it up";
		r = network_link_message(buf, index, interface->mtu);
		if (r == 0)
			r = request_send(sock, buf);
	}
	for (size_t i = 0; i < interface->n_addresses && r == 0; i++) {
		what = "its address";
		r = network_address_message(buf, index, interface, i);
		if (r == 0)
			r = request_send(sock, buf);
	}
	for (size_t i = 0; i < 2 && r == 0; i++) {
		if (!interface->gateways[i].family)
			continue;
		what = "its default route";
		r = network_route_message(buf, index, interface, i);
		if (r == 0)
			r = request_send(sock, buf);
	}
	if (r < 0)
		return err_errno(err, -r, "the network interface %02x:%02x:%02x:%02x:%02x:%02x: %s",
			mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], what);
	return 0;
}

int network_setup(const struct agent_spec *spec, struct err *err)
{
	int CLEANUP_FD sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct buf buf = BUF_INIT(REQUEST_MAX);
	int r = 0;

	if (sock < 0)
		return spec->n_interfaces ? err_errno(err, errno, "the guest's network") : 0;
	/* Programs expect 127.0.0.1 to work; without it the others still may. */
	if (network_link_message(&buf, LOOPBACK_INDEX, 0) == 0)
		request_send(sock, &buf);
	for (size_t i = 0; i < spec->n_interfaces && r == 0; i++)
		r = interface_setup(sock, &buf, &spec->interfaces[i], err);
	buf_fini(&buf);
	return r;
}
