// SPDX-License-Identifier: Apache-2.0
// Tests of base/mac.h, and of IP addresses as text in protocol/agent_spec.h.
#include "base/mac.h"

#include "protocol/agent_spec.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>

START_TEST(macs)
{
	static const uint8_t expected[MAC_SIZE] = {0x02, 0xab, 0, 0x7f, 0xff, 1};
	static const char *const bad[] = {"", "02", "02:ab:00:7f:ff",
		"02:ab:00:7f:ff:", "02:ab:00:7f:ff:1", "02:ab:00:7f:ff:01:", "02:ab:00:7f:ff:011",
		"02-ab-00-7f-ff-01", " 2:ab:00:7f:ff:01", "+2:ab:00:7f:ff:01", "0g:ab:00:7f:ff:01",
		"02:ab:00:7f:ff:0"};
	char text[MAC_TEXT_SIZE];
	uint8_t mac[MAC_SIZE];

	ck_assert_int_eq(mac_parse("02:AB:00:7f:fF:01", mac), 0);
	ck_assert_mem_eq(mac, expected, MAC_SIZE);
	mac_format(mac, text);
	ck_assert_str_eq(text, "02:ab:00:7f:ff:01");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(mac_parse(bad[i], mac) == -EINVAL, "'%s'", bad[i]);
}
END_TEST

START_TEST(addresses)
{
	static const struct {
		const char *text;
		int result;
	} rows[] = {
		{"10.0.0.1/0", 0},
		{"10.0.0.1/32", 0},
		{"fd00::1/128", 0},
		{"10.0.0.1", -ENOENT},
		{"", -ENOENT},
		{"10.0.0/24", -EINVAL},
		{"/24", -EINVAL},
		{"fd00:::1/64", -EINVAL},
		{"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/1", -EINVAL},
		{"10.0.0.1/33", -ERANGE},
		{"10.0.0.1/", -ERANGE},
		{"10.0.0.1/ 1", -ERANGE},
		{"10.0.0.1/-1", -ERANGE},
		{"10.0.0.1/+1", -ERANGE},
		{"10.0.0.1/24x", -ERANGE},
		{"fd00::1/129", -ERANGE},
		{"fd00::1/18446744073709551617", -ERANGE},
	};
	struct agent_ip ip;
	uint8_t prefix;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(agent_ip_parse_prefix(rows[i].text, &ip, &prefix) == rows[i].result,
			"'%s'", rows[i].text);
	ck_assert_int_eq(agent_ip_parse_prefix("192.0.2.5/24", &ip, &prefix), 0);
	ck_assert_uint_eq(ip.family, 4);
	ck_assert_mem_eq(ip.bytes, "\xc0\x00\x02\x05", 4);
	ck_assert_uint_eq(prefix, 24);
	ck_assert_int_eq(agent_ip_parse("fd00::ff", &ip), 0);
	ck_assert_uint_eq(ip.family, 6);
	ck_assert_uint_eq(ip.bytes[15], 0xff);
	ck_assert_int_eq(agent_ip_parse("10.0.0.1/8", &ip), -EINVAL);
}
END_TEST

SUITE("address", macs, addresses)
