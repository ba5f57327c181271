// SPDX-License-Identifier: Apache-2.0
// Tests of guest-init/network.h: in a network namespace of their own, with the loopback interface,
// whose MAC is all zeroes, in the place of a device.
#include "guest-init/network.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "tests/lib/suite.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void enter_namespace(void)
{
	ck_assert_msg(unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0,
		"no network namespace can be made here: %s", strerror(errno));
}

/* Can a socket be bound to @text, an address of this machine? */
static bool have_address(const char *text)
{
	bool v6 = strchr(text, ':');
	struct sockaddr_in in4 = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	int CLEANUP_FD sock = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(sock, 0);
	if (v6)
		ck_assert_int_eq(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	else
		ck_assert_int_eq(inet_pton(AF_INET, text, &in4.sin_addr), 1);
	return bind(sock, v6 ? (void *)&in6 : (void *)&in4, v6 ? sizeof(in6) : sizeof(in4)) == 0;
}

/* The gateway of the default route, as the kernel prints it. */
static bool have_default_route(const char *gateway_hex)
{
	char line[256], want[64];
	FILE *file = fopen("/proc/thread-self/net/route", "re");
	bool found = false;

	ck_assert_ptr_nonnull(file);
	snprintf(want, sizeof(want), "lo\t00000000\t%s\t", gateway_hex);
	while (fgets(line, sizeof(line), file))
		found |= !strncmp(line, want, strlen(want));
	fclose(file);
	return found;
}

static struct agent_spec loopback(void)
{
	return (struct agent_spec){
		.n_interfaces = 1,
		.interfaces[0] = {.mtu = 1400,
			.n_addresses = 2,
			.addresses = {{4, {10, 9, 8, 7}}, {6, {0xfd, [15] = 2}}},
			.prefixes = {24, 64},
			.gateways[0] = {4, {192, 168, 7, 1}}},
	};
}

START_TEST(interface_is_set_up)
{
	const struct agent_spec spec = loopback();
	struct ifreq request = {.ifr_name = "lo"};
	int CLEANUP_FD sock = -1;
	struct err err = {0};

	enter_namespace();
	/* Without any address the kernel doesn't refuse foreign ones. */
	ck_assert_int_eq(network_setup(&(struct agent_spec){0}, &err), 0);
	ck_assert(!have_address("10.9.8.7"));
	ck_assert_msg(network_setup(&spec, &err) == 0, "%s", err.msg);
	ck_assert(have_address("10.9.8.7"));
	ck_assert(have_address("fd00::2"));
	ck_assert(have_address("127.0.0.1"));
	ck_assert(have_default_route("0107A8C0"));
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(ioctl(sock, SIOCGIFMTU, &request), 0);
	ck_assert_int_eq(request.ifr_mtu, 1400);
	ck_assert_int_eq(ioctl(sock, SIOCGIFFLAGS, &request), 0);
	ck_assert(request.ifr_flags & IFF_UP);
}
END_TEST

START_TEST(no_interfaces_still_loopback)
{
	const struct agent_spec spec = {0};
	struct err err = {0};

	enter_namespace();
	ck_assert_int_eq(network_setup(&spec, &err), 0);
	ck_assert(have_address("127.0.0.1"));
}
END_TEST

START_TEST(failures_name_the_interface)
{
	struct agent_spec spec = loopback();
	struct err err = {0};

	enter_namespace();
	spec.interfaces[0].mac[0] = 2;
	ck_assert_int_eq(network_setup(&spec, &err), -ENODEV);
	ck_assert_ptr_nonnull(strstr(err.msg, "02:00:00:00:00:00: finding it"));
	spec = loopback();
	spec.interfaces[0].addresses[1] = spec.interfaces[0].addresses[0];
	spec.interfaces[0].prefixes[1] = spec.interfaces[0].prefixes[0];
	ck_assert_int_eq(network_setup(&spec, &err), -EEXIST);
	ck_assert_ptr_nonnull(strstr(err.msg, "its address"));
	spec = loopback();
	spec.interfaces[0].n_addresses = 0;
	spec.interfaces[0].gateways[0].bytes[0] = 224;
	ck_assert_int_lt(network_setup(&spec, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "its default route"));
}
END_TEST

SUITE("init_network", interface_is_set_up, no_interfaces_still_loopback,
	failures_name_the_interface)
