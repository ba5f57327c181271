// SPDX-License-Identifier: Apache-2.0
// Tests of cli/network.h.
#include "cli/network.h"

#include "base/err.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>

static struct network network;
static struct agent_spec spec;
static struct err err;

static void start(void)
{
	network_fini(&network);
	network = (struct network){0};
	spec = (struct agent_spec){0};
	err = (struct err){0};
}

static void apply(void)
{
	ck_assert_msg(network_check(&network, &err) == 0, "%s", err.msg);
	ck_assert_msg(network_apply(&network, &spec, &err) == 0, "%s", err.msg);
}

START_TEST(none_is_the_default)
{
	start();
	apply();
	ck_assert_uint_eq(spec.n_interfaces, 0);
	ck_assert_ptr_null(spec.resolv_conf);
	ck_assert_ptr_null(spec.hosts);
	ck_assert_int_eq(network_add_host(&network, "db:10.0.0.9", &err), 0);
	ck_assert_int_eq(network_add_host(&network, "six:fd00::1", &err), 0);
	apply();
	ck_assert_str_eq(spec.hosts, "10.0.0.9\tdb\nfd00::1\tsix\n");
	network_fini(&network);
}
END_TEST

START_TEST(passt_has_a_network_of_its_own)
{
	start();
	ck_assert_int_eq(network_parse(&network, "passt,mtu=1400", &err), 0);
	ck_assert_int_eq(network_add_publish(&network, "8080:80", &err), 0);
	ck_assert_int_eq(network_add_publish(&network, "53/udp", &err), 0);
	ck_assert_int_eq(network_add_search(&network, "example.org", &err), 0);
	apply();
	ck_assert_uint_eq(spec.n_interfaces, 1);
	ck_assert_uint_eq(spec.interfaces[0].mtu, 1400);
	ck_assert_uint_eq(spec.interfaces[0].n_addresses, 1);
	ck_assert_uint_eq(spec.interfaces[0].prefixes[0], 24);
	ck_assert_mem_eq(spec.interfaces[0].addresses[0].bytes, "\x0a\x00\x02\x0f", 4);
	ck_assert_mem_eq(spec.interfaces[0].gateways[0].bytes, "\x0a\x00\x02\x02", 4);
	/* Locally assigned, and not a group. */
	ck_assert_uint_eq(spec.interfaces[0].mac[0] & 3, 2);
	ck_assert_str_eq(spec.resolv_conf, "nameserver 10.0.2.3\nsearch example.org\n");
	ck_assert_str_eq(network.publish.items[0], "t8080:80");
	ck_assert_str_eq(network.publish.items[1], "u53:53");
	network_fini(&network);
}
END_TEST

START_TEST(tap_has_what_is_said)
{
	static const uint8_t mac[] = {2, 0xab, 0, 0, 0, 1};

	start();
	ck_assert_int_eq(network_parse(&network,
				 "tap=tap0,ip=192.168.7.2/24,ip=fd07::2/64,gateway=192.168.7.1,"
				 "gateway=fd07::1,mac=02:ab:00:00:00:01",
				 &err),
		0);
	ck_assert_int_eq(network_add_dns(&network, "192.168.7.1", &err), 0);
	ck_assert_int_eq(network_add_dns(&network, "fd07::1", &err), 0);
	apply();
	ck_assert_str_eq(network.tap, "tap0");
	ck_assert_mem_eq(spec.interfaces[0].mac, mac, 6);
	ck_assert_uint_eq(spec.interfaces[0].n_addresses, 2);
	ck_assert_uint_eq(spec.interfaces[0].addresses[1].family, 6);
	ck_assert_uint_eq(spec.interfaces[0].prefixes[1], 64);
	ck_assert_uint_eq(spec.interfaces[0].gateways[0].family, 4);
	ck_assert_uint_eq(spec.interfaces[0].gateways[1].family, 6);
	ck_assert_str_eq(spec.resolv_conf, "nameserver 192.168.7.1\nnameserver fd07::1\n");
	/* The last option wins as a whole. */
	ck_assert_int_eq(network_parse(&network, "none", &err), 0);
	ck_assert_int_eq(network.interface.n_addresses, 0);
	network_fini(&network);
}
END_TEST

static const struct {
	int (*fn)(struct network *, const char *, struct err *);
	const char *text;
	const char *message;
} bad[] = {
	{network_parse, "", "none of none"},
	{network_parse, "bridge", "none of none"},
	{network_parse, "none,mtu=1400,x", "\"x\""},
	{network_parse, "passt,ip=10.0.0.1/8", "\"ip\""},
	{network_parse, "passt,mtu=67", "67"},
	{network_parse, "passt,mtu=65536", "65536"},
	{network_parse, "passt,mac=02:00:00:00:00", "02:00:00:00:00"},
	{network_parse, "passt,mac=02:00:00:00:00:0g", "0g"},
	{network_parse, "passt,mac=02:00:00:00:00:01:02", "01:02"},
	{network_parse, "passt,mac=03:00:00:00:00:01", "group"},
	{network_parse, "tap=", "interface's name"},
	{network_parse, "tap=a/b", "a/b"},
	{network_parse, "tap=sixteen-bytes-xx", "sixteen"},
	{network_parse, "tap=t,ip=10.0.0.1", "prefix"},
	{network_parse, "tap=t,ip=10.0.0.1/33", "33"},
	{network_parse, "tap=t,ip=fd00::1/129", "129"},
	{network_parse, "tap=t,ip=10.0.0/8", "10.0.0"},
	{network_parse, "tap=t,gateway=gw", "gw"},
	{network_parse, "tap=t,gateway=1.1.1.1,gateway=1.1.1.2", "1.1.1.2"},
	{network_parse, "tap=t,ip=1.1.1.1/8,ip=1.1.1.2/8,ip=1.1.1.3/8,ip=1.1.1.4/8,ip=1.1.1.5/8",
		"more than 4"},
	{network_add_dns, "localhost", "localhost"},
	{network_add_search, "-x", "-x"},
	{network_add_host, "db", "NAME:ADDRESS"},
	{network_add_host, "d b:1.1.1.1", "d b"},
	{network_add_host, "db:1.1.1", "1.1.1"},
	{network_add_publish, "0", "0"},
	{network_add_publish, "80:65536", "65536"},
	{network_add_publish, "80:80/sctp", "/sctp"},
	{network_add_publish, "x:80", "x"},
};

START_TEST(bad_values)
{
	start();
	ck_assert_int_lt(bad[_i].fn(&network, bad[_i].text, &err), 0);
	ck_assert_msg(strstr(err.msg, bad[_i].message), "%s: %s", bad[_i].text, err.msg);
	network_fini(&network);
}
END_TEST

START_TEST(options_must_fit_together)
{
	start();
	ck_assert_int_eq(network_add_publish(&network, "80", &err), 0);
	ck_assert_int_eq(network_check(&network, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "--publish"));
	start();
	ck_assert_int_eq(network_add_dns(&network, "1.1.1.1", &err), 0);
	ck_assert_int_eq(network_check(&network, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "--dns"));
	start();
	for (int i = 0; i < 2000; i++)
		ck_assert_int_eq(network_add_host(&network, "db:10.0.0.9", &err), 0);
	ck_assert_int_eq(network_check(&network, &err), 0);
	ck_assert_int_eq(network_apply(&network, &spec, &err), -EMSGSIZE);
	network_fini(&network);
}
END_TEST

int main(void)
{
	const struct suite_case cases[] = {
		{none_is_the_default, 0},
		{passt_has_a_network_of_its_own, 0},
		{tap_has_what_is_said, 0},
		{bad_values, sizeof(bad) / sizeof(bad[0])},
		{options_must_fit_together, 0},
	};

	return suite_run("cli_network", cases, sizeof(cases) / sizeof(cases[0]), NULL, NULL);
}
