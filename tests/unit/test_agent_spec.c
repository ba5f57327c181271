// SPDX-License-Identifier: Apache-2.0
// Tests of protocol/agent_spec.h: the container's specification.
#include "base/le.h"
#include "protocol/agent.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SPEC_MAX (2 * AGENT_FRAME_MAX)

static char *args[] = {(char[]){"sh"}, (char[]){""}, (char[]){"-c"}, NULL};
static char *env[] = {(char[]){"A=1"}, (char[]){"B="}, NULL};

static struct agent_spec full(void)
{
	return (struct agent_spec){
		.args = args,
		.env = env,
		.cwd = "/w",
		.user = "u:g",
		.hostname = "box-1.a_b",
		.root = AGENT_ROOT_READONLY,
		.stdin_port = 1,
		.stdout_port = 2,
		.stderr_port = UINT32_MAX - 1,
		.wall_clock_ns = 1234567890123456789,
		.rlimits = {{7, 1, UINT64_MAX}, {15, 0, 0}},
		.n_rlimits = 2,
		.caps_given = true,
		.caps = 1ull << AGENT_CAP_MAX | 1,
		.mounts = {{AGENT_MOUNT_TMPFS, 0, AGENT_MOUNT_NOEXEC, 1 << 20, "/scratch"},
			{AGENT_MOUNT_DISK, 25, AGENT_MOUNT_READONLY, 0, "/data"}},
		.n_mounts = 2,
		.pids_max = AGENT_PIDS_MAX,
	};
}

START_TEST(round_trip)
{
	const struct agent_spec sent = full();
	struct buf buf = BUF_INIT(SPEC_MAX);
	struct agent_spec got;

	ck_assert_int_eq(agent_spec_encode(&buf, &sent), 0);
	ck_assert_int_eq(agent_spec_decode(buf.data, buf.len, &got), 0);
	/* The result must not refer to the bytes it came from. */
	memset(buf.data, 0xff, buf.len);
	buf_fini(&buf);
	for (int i = 0; i < 3; i++)
		ck_assert_str_eq(got.args[i], args[i]);
	ck_assert_ptr_null(got.args[3]);
	ck_assert_str_eq(got.env[0], "A=1");
	ck_assert_str_eq(got.env[1], "B=");
	ck_assert_ptr_null(got.env[2]);
	ck_assert_str_eq(got.cwd, "/w");
	ck_assert_str_eq(got.user, "u:g");
	ck_assert_str_eq(got.hostname, "box-1.a_b");
	ck_assert_int_eq(got.root, AGENT_ROOT_READONLY);
	ck_assert(!got.terminal);
	ck_assert_uint_eq(got.stdin_port, 1);
	ck_assert_uint_eq(got.stdout_port, 2);
	ck_assert_uint_eq(got.stderr_port, UINT32_MAX - 1);
	ck_assert_uint_eq(got.wall_clock_ns, 1234567890123456789);
	ck_assert(got.caps_given);
	ck_assert_uint_eq(got.caps, 1ull << 40 | 1);
	ck_assert_uint_eq(got.n_mounts, 2);
	ck_assert_int_eq(got.mounts[0].kind, AGENT_MOUNT_TMPFS);
	ck_assert_uint_eq(got.mounts[0].flags, AGENT_MOUNT_NOEXEC);
	ck_assert_uint_eq(got.mounts[0].size, 1 << 20);
	ck_assert_str_eq(got.mounts[0].path, "/scratch");
	ck_assert_int_eq(got.mounts[1].kind, AGENT_MOUNT_DISK);
	ck_assert_uint_eq(got.mounts[1].disk, 25);
	ck_assert_uint_eq(got.mounts[1].flags, AGENT_MOUNT_READONLY);
	ck_assert_str_eq(got.mounts[1].path, "/data");
	ck_assert_uint_eq(got.pids_max, AGENT_PIDS_MAX);
	ck_assert_uint_eq(got.n_rlimits, 2);
	ck_assert_uint_eq(got.rlimits[0].resource, 7);
	ck_assert_uint_eq(got.rlimits[0].soft, 1);
	ck_assert_uint_eq(got.rlimits[0].hard, UINT64_MAX);
	agent_spec_fini(&got);
	agent_spec_fini(&got);
	agent_spec_fini(NULL);
}
END_TEST

START_TEST(defaults)
{
	const struct agent_spec sent = {.args = args};
	struct buf buf = BUF_INIT(SPEC_MAX);
	struct agent_spec got;

	ck_assert_int_eq(agent_spec_encode(&buf, &sent), 0);
	ck_assert_int_eq(agent_spec_decode(buf.data, buf.len, &got), 0);
	ck_assert_ptr_null(got.env[0]);
	ck_assert_str_eq(got.cwd, "/");
	ck_assert_str_eq(got.user, "");
	ck_assert_str_eq(got.hostname, "hull");
	ck_assert_int_eq(got.root, AGENT_ROOT_TMPFS);
	ck_assert_uint_eq(got.stdout_port, 0);
	ck_assert_uint_eq(got.wall_clock_ns, 0);
	agent_spec_fini(&got);
	buf_fini(&buf);
}
END_TEST

START_TEST(terminal)
{
	const struct agent_spec sent = {
		.args = args, .terminal = true, .tty_port = 9, .rows = 24, .cols = 80};
	struct buf buf = BUF_INIT(SPEC_MAX);
	struct agent_spec got;

	ck_assert_int_eq(agent_spec_encode(&buf, &sent), 0);
	ck_assert_int_eq(agent_spec_decode(buf.data, buf.len, &got), 0);
	ck_assert(got.terminal);
	ck_assert_uint_eq(got.tty_port, 9);
	ck_assert_uint_eq(got.rows, 24);
	ck_assert_uint_eq(got.cols, 80);
	agent_spec_fini(&got);
	buf_fini(&buf);
}
END_TEST

static struct agent_spec networked(void)
{
	struct agent_spec spec = {
		.args = args,
		.n_interfaces = 2,
		.resolv_conf = "nameserver 10.0.2.3\n",
		.hosts = "10.0.0.9\tdb\n",
	};

	spec.interfaces[0] = (struct agent_interface){
		.mac = {2, 0, 0, 0, 0, 1},
		.mtu = 1400,
		.n_addresses = 2,
		.addresses = {{4, {10, 0, 2, 15}}, {6, {0xfd, [15] = 2}}},
		.prefixes = {24, 64},
		.gateways = {{4, {10, 0, 2, 2}}, {6, {0xfd, [15] = 1}}},
	};
	spec.interfaces[1].mac[5] = 2;
	return spec;
}

START_TEST(network)
{
	const struct agent_spec sent = networked();
	struct buf buf = BUF_INIT(SPEC_MAX);
	struct agent_spec got;

	ck_assert_int_eq(agent_spec_encode(&buf, &sent), 0);
	ck_assert_int_eq(agent_spec_decode(buf.data, buf.len, &got), 0);
	ck_assert_uint_eq(got.n_interfaces, 2);
	ck_assert_mem_eq(&got.interfaces[0], &sent.interfaces[0], sizeof(struct agent_interface));
	ck_assert_mem_eq(&got.interfaces[1], &sent.interfaces[1], sizeof(struct agent_interface));
	ck_assert_str_eq(got.resolv_conf, sent.resolv_conf);
	ck_assert_str_eq(got.hosts, sent.hosts);
	agent_spec_fini(&got);
	buf_fini(&buf);
}
END_TEST

/* Each change breaks one rule of an otherwise legal network. */
#define NETWORK_REFUSED(change)                                                                    \
	do {                                                                                       \
		struct agent_spec spec = networked();                                              \
		struct buf buf = BUF_INIT(SPEC_MAX);                                               \
                                                                                                   \
		change;                                                                            \
		ck_assert_int_eq(agent_spec_encode(&buf, &spec), -EINVAL);                         \
		ck_assert_uint_eq(buf.len, 0);                                                     \
		buf_fini(&buf);                                                                    \
	} while (0)

START_TEST(bad_network_is_not_sent)
{
	static char text[AGENT_ETC_MAX + 2];

	memset(text, '#', AGENT_ETC_MAX + 1);
	NETWORK_REFUSED(spec.n_interfaces = AGENT_INTERFACES_MAX + 1);
	NETWORK_REFUSED(spec.interfaces[0].mtu = AGENT_MTU_MIN - 1);
	NETWORK_REFUSED(spec.interfaces[0].n_addresses = AGENT_ADDRESSES_MAX + 1);
	NETWORK_REFUSED(spec.interfaces[0].addresses[0].family = 5);
	NETWORK_REFUSED(spec.interfaces[0].prefixes[0] = 33);
	NETWORK_REFUSED(spec.interfaces[0].prefixes[1] = 129);
	NETWORK_REFUSED(spec.interfaces[0].gateways[0].family = 6);
	NETWORK_REFUSED(spec.interfaces[0].gateways[1].family = 4);
	NETWORK_REFUSED(spec.resolv_conf = text);
	NETWORK_REFUSED(spec.hosts = text);
}
END_TEST

/* Decode a legal spec followed by one field of @len bytes. */
static int decode_behind(
	const struct agent_spec *spec, uint16_t type, const void *value, size_t len)
{
	struct buf buf = BUF_INIT(SPEC_MAX);
	struct agent_spec got;
	uint8_t header[8] = {0};
	int r;

	ck_assert_int_eq(agent_spec_encode(&buf, spec), 0);
	le16_store(header, type);
	le32_store(header + 4, (uint32_t)len);
	ck_assert_int_eq(buf_add(&buf, header, sizeof(header)), 0);
	ck_assert_int_eq(buf_add(&buf, value, len), 0);
	r = agent_spec_decode(buf.data, buf.len, &got);
	if (r == 0)
		agent_spec_fini(&got);
	buf_fini(&buf);
	return r;
}

START_TEST(bad_network_is_not_taken)
{
	const struct agent_spec alone = {.args = args}, spec = networked();
	static const uint8_t link[9] = {2}, address[20] = {24}, odd[20] = {24, 1}, wide[8] = {33};

	ck_assert_int_eq(decode_behind(&alone, AGENT_FIELD_INTERFACE, link, 8), 0);
	ck_assert_int_eq(decode_behind(&alone, AGENT_FIELD_INTERFACE, link, 7), -EPROTO);
	ck_assert_int_eq(decode_behind(&alone, AGENT_FIELD_INTERFACE, link, 9), -EPROTO);
	/* An address of no interface, and one of the last. */
	ck_assert_int_eq(decode_behind(&alone, AGENT_FIELD_ADDRESS, address, 8), -EPROTO);
	ck_assert_int_eq(decode_behind(&alone, AGENT_FIELD_GATEWAY, address, 4), -EPROTO);
	ck_assert_int_eq(decode_behind(&spec, AGENT_FIELD_ADDRESS, address, 8), 0);
	ck_assert_int_eq(decode_behind(&spec, AGENT_FIELD_ADDRESS, address, 20), 0);
	ck_assert_int_eq(decode_behind(&spec, AGENT_FIELD_ADDRESS, address, 3), -EPROTO);
	ck_assert_int_eq(decode_behind(&spec, AGENT_FIELD_ADDRESS, address, 9), -EPROTO);
	ck_assert_int_eq(decode_behind(&spec, AGENT_FIELD_ADDRESS, odd, 8), -EPROTO);
	ck_assert_int_eq(decode_behind(&spec, AGENT_FIELD_ADDRESS, wide, 8), -EPROTO);
	ck_assert_int_eq(decode_behind(&spec, AGENT_FIELD_GATEWAY, address, 4), 0);
	ck_assert_int_eq(decode_behind(&spec, AGENT_FIELD_GATEWAY, address, 5), -EPROTO);
	ck_assert_int_eq(decode_behind(&spec, AGENT_FIELD_RESOLV_CONF, "x", 1), -EPROTO);
}
END_TEST

/* Each entry breaks one rule of an otherwise legal spec. */
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		struct agent_spec s = full();                                                      \
		struct buf buf = BUF_INIT(SPEC_MAX);                                               \
                                                                                                   \
		change;                                                                            \
		ck_assert_int_eq(agent_spec_encode(&buf, &s), -EINVAL);                            \
		ck_assert_uint_eq(buf.len, 0);                                                     \
		buf_fini(&buf);                                                                    \
	} while (0)

START_TEST(encoder_refuses)
{
	char *none[] = {NULL};
	char name[AGENT_CWD_MAX + 2];

	REFUSED(s.args = NULL);
	REFUSED(s.args = none);
	REFUSED(s.cwd = "relative");
	REFUSED(s.cwd = "");
	memset(name, '/', sizeof(name));
	name[AGENT_CWD_MAX + 1] = '\0';
	REFUSED(s.cwd = name);
	memset(name, 'a', sizeof(name));
	name[AGENT_USER_MAX + 1] = '\0';
	REFUSED(s.user = name);
	name[AGENT_HOSTNAME_MAX + 1] = '\0';
	REFUSED(s.hostname = name);
	REFUSED(s.hostname = "");
	REFUSED(s.hostname = ".a");
	REFUSED(s.hostname = "-a");
	REFUSED(s.hostname = "a b");
	REFUSED(s.hostname = "a/b");
	REFUSED(s.hostname = "a\nb");
	REFUSED(s.root = (enum agent_root)3);
	REFUSED(s.stdin_port = AGENT_PORT);
	REFUSED(s.stdout_port = UINT32_MAX);
	REFUSED(s.stderr_port = s.stdout_port);
	REFUSED(s.stdin_port = s.stdout_port);
	REFUSED(s.stdin_port = s.stderr_port);
	REFUSED(s.tty_port = 5);
	REFUSED(s.rows = 5);
	REFUSED((s.terminal = true, s.tty_port = 5));
	REFUSED((s.terminal = true, s.stdin_port = s.stdout_port = s.stderr_port = 0));
	REFUSED(s.n_rlimits = AGENT_RLIMITS_MAX + 1);
	REFUSED(s.rlimits[0].resource = 16);
	REFUSED(s.rlimits[0].resource = s.rlimits[1].resource);
	REFUSED(s.rlimits[1].soft = 1);
	REFUSED(s.caps = 1ull << (AGENT_CAP_MAX + 1));
	REFUSED(s.caps_given = false);
	REFUSED(s.pids_max = AGENT_PIDS_MAX + 1);
	REFUSED(s.n_mounts = AGENT_MOUNTS_MAX + 1);
	REFUSED(s.mounts[0].path = "relative");
	REFUSED(s.mounts[0].path = NULL);
	REFUSED(s.mounts[0].kind = (enum agent_mount_kind)2);
	REFUSED(s.mounts[0].disk = 1);
	REFUSED(s.mounts[1].disk = 26);
	REFUSED(s.mounts[1].size = 1);
	REFUSED(s.mounts[0].flags = 4);
}
END_TEST

START_TEST(too_large)
{
	static char big[AGENT_FRAME_MAX];
	char *one[] = {big, NULL};
	struct agent_spec spec = {.args = one};
	struct buf buf = BUF_INIT(SPEC_MAX);

	memset(big, 'x', sizeof(big) - 1);
	ck_assert_int_eq(agent_spec_encode(&buf, &spec), -EMSGSIZE);
	ck_assert_uint_eq(buf.len, 0);
	ck_assert_int_eq(agent_encode_spec(&buf, 0, &spec), -EMSGSIZE);
	ck_assert_uint_eq(buf.len, 0);
	big[sizeof(big) - 100] = '\0';
	ck_assert_int_eq(agent_encode_spec(&buf, 0, &spec), 0);
	ck_assert_uint_eq(le32_load(buf.data), buf.len - AGENT_HEADER_SIZE);
	ck_assert_uint_eq(le16_load(buf.data + 4), AGENT_START);
	buf_fini(&buf);
}
END_TEST

/* A legal spec to which the hostile tests add one field. */
static void add(struct buf *buf, uint32_t type, const void *value, uint32_t len)
{
	uint8_t header[8] = {0};

	le16_store(header, (uint16_t)type);
	le32_store(header + 4, len);
	ck_assert_int_eq(buf_add(buf, header, sizeof(header)), 0);
	ck_assert_int_eq(buf_add(buf, value, len), 0);
}

static int decode_with(uint32_t type, const void *value, uint32_t len, int times)
{
	struct buf buf = BUF_INIT(SPEC_MAX);
	struct agent_spec got;
	int r;

	add(&buf, AGENT_FIELD_ARG, "sh", 2);
	for (int i = 0; i < times; i++)
		add(&buf, type, value, len);
	r = agent_spec_decode(buf.data, buf.len, &got);
	if (r == 0)
		agent_spec_fini(&got);
	buf_fini(&buf);
	return r;
}

START_TEST(decoder_refuses_fields)
{
	uint8_t v[5000] = {0};

	ck_assert_int_eq(decode_with(0, v, 0, 0), 0);
	ck_assert_int_eq(decode_with(0, v, 0, 1), -EPROTO);
	ck_assert_int_eq(decode_with(11, v, 0, 1), -EPROTO);
	ck_assert_int_eq(decode_with(65535, v, 0, 1), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_ARG, "a\0b", 3, 1), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_ENV, "a\0", 2, 1), -EPROTO);
	/* All that may occur once. */
	ck_assert_int_eq(decode_with(AGENT_FIELD_CWD, "/", 1, 1), 0);
	ck_assert_int_eq(decode_with(AGENT_FIELD_CWD, "/", 1, 2), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_USER, "u", 1, 1), 0);
	ck_assert_int_eq(decode_with(AGENT_FIELD_USER, "u", 1, 2), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_HOSTNAME, "h", 1, 1), 0);
	ck_assert_int_eq(decode_with(AGENT_FIELD_HOSTNAME, "h", 1, 2), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_ROOT, v, 4, 1), 0);
	ck_assert_int_eq(decode_with(AGENT_FIELD_ROOT, v, 4, 2), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_STREAMS, v, 12, 1), 0);
	ck_assert_int_eq(decode_with(AGENT_FIELD_STREAMS, v, 12, 2), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_CLOCK, v, 8, 1), 0);
	ck_assert_int_eq(decode_with(AGENT_FIELD_CLOCK, v, 8, 2), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_RLIMIT, v, 24, 1), 0);
	ck_assert_int_eq(decode_with(AGENT_FIELD_RLIMIT, v, 24, 2), -EPROTO);
	/* Lengths. */
	ck_assert_int_eq(decode_with(AGENT_FIELD_ROOT, v, 3, 1), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_ROOT, v, 5, 1), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_STREAMS, v, 11, 1), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_STREAMS, v, 13, 1), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_TERMINAL, v, 9, 1), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_CLOCK, v, 7, 1), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_RLIMIT, v, 23, 1), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_RLIMIT, v, 25, 1), -EPROTO);
	memset(v, '/', sizeof(v));
	ck_assert_int_eq(decode_with(AGENT_FIELD_CWD, v, AGENT_CWD_MAX, 1), 0);
	ck_assert_int_eq(decode_with(AGENT_FIELD_CWD, v, AGENT_CWD_MAX + 1, 1), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_USER, v, AGENT_USER_MAX, 1), 0);
	ck_assert_int_eq(decode_with(AGENT_FIELD_USER, v, AGENT_USER_MAX + 1, 1), -EPROTO);
	/* Values. */
	ck_assert_int_eq(decode_with(AGENT_FIELD_CWD, "a", 1, 1), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_HOSTNAME, "a b", 3, 1), -EPROTO);
	memset(v, 0, sizeof(v));
	ck_assert_int_eq(decode_with(AGENT_FIELD_TERMINAL, v, 8, 1), -EPROTO);
	v[0] = 7;
	ck_assert_int_eq(decode_with(AGENT_FIELD_TERMINAL, v, 8, 1), 0);
	ck_assert_int_eq(decode_with(AGENT_FIELD_ROOT, v, 4, 1), -EPROTO);
	memset(v, 0, sizeof(v));
	v[4] = 1;
	ck_assert_int_eq(decode_with(AGENT_FIELD_RLIMIT, v, 24, 1), -EPROTO);
	memset(v, 0, sizeof(v));
	ck_assert_int_eq(decode_with(AGENT_FIELD_CAPS, v, 8, 1), 0);
	ck_assert_int_eq(decode_with(AGENT_FIELD_CAPS, v, 8, 2), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_CAPS, v, 7, 1), -EPROTO);
	v[7] = 1;
	ck_assert_int_eq(decode_with(AGENT_FIELD_CAPS, v, 8, 1), -EPROTO);
}
END_TEST

START_TEST(decoder_refuses_mounts)
{
	uint8_t v[5000] = {0};

	memset(v + 16, '/', sizeof(v) - 16);
	ck_assert_int_eq(decode_with(AGENT_FIELD_MOUNT, v, 17, AGENT_MOUNTS_MAX), 0);
	ck_assert_int_eq(decode_with(AGENT_FIELD_MOUNT, v, 17, AGENT_MOUNTS_MAX + 1), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_MOUNT, v, 16, 1), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_MOUNT, v, 3, 1), -EPROTO);
	ck_assert_int_eq(decode_with(AGENT_FIELD_MOUNT, v, 16 + AGENT_CWD_MAX, 1), 0);
	ck_assert_int_eq(decode_with(AGENT_FIELD_MOUNT, v, 17 + AGENT_CWD_MAX, 1), -EPROTO);
	v[18] = 0;
	ck_assert_int_eq(decode_with(AGENT_FIELD_MOUNT, v, 20, 1), -EPROTO);
	v[18] = '/';
	for (int i = 0; i < 8; i++) {
		memset(v, 0, 16);
		v[i] = 255;
		ck_assert_int_eq(decode_with(AGENT_FIELD_MOUNT, v, 20, 1), -EPROTO);
	}
}
END_TEST

START_TEST(decoder_refuses_both_kinds_of_streams)
{
	struct buf buf = BUF_INIT(SPEC_MAX);
	uint8_t value[12] = {0};
	struct agent_spec got;

	add(&buf, AGENT_FIELD_ARG, "sh", 2);
	add(&buf, AGENT_FIELD_STREAMS, value, 12);
	value[0] = 7;
	add(&buf, AGENT_FIELD_TERMINAL, value, 8);
	ck_assert_int_eq(agent_spec_decode(buf.data, buf.len, &got), -EPROTO);
	buf_fini(&buf);
}
END_TEST

START_TEST(decoder_needs_an_argument)
{
	struct agent_spec got;

	ck_assert_int_eq(agent_spec_decode(NULL, 0, &got), -EPROTO);
}
END_TEST

/* Every cut of a legal spec that doesn't fall between fields is refused, and none reads beyond its
 * end. */
START_TEST(decoder_refuses_cuts)
{
	const struct agent_spec sent = full();
	struct buf buf = BUF_INIT(SPEC_MAX);
	size_t next = 0;

	ck_assert_int_eq(agent_spec_encode(&buf, &sent), 0);
	for (size_t len = 0; len < buf.len; len++) {
		uint8_t *copy = malloc(len ? len : 1);
		struct agent_spec got;
		int r;

		memcpy(copy, buf.data, len);
		r = agent_spec_decode(copy, len, &got);
		if (len == next)
			next += 8 + le32_load(buf.data + len + 4);
		else
			ck_assert_int_eq(r, -EPROTO);
		if (r == 0)
			agent_spec_fini(&got);
		free(copy);
	}
	buf_fini(&buf);
}
END_TEST

START_TEST(decoder_refuses_header_faults)
{
	uint8_t bytes[] = {1, 0, 0, 0, 2, 0, 0, 0, 's', 'h'};
	struct agent_spec got;

	ck_assert_int_eq(agent_spec_decode(bytes, sizeof(bytes), &got), 0);
	agent_spec_fini(&got);
	bytes[2] = 1;
	ck_assert_int_eq(agent_spec_decode(bytes, sizeof(bytes), &got), -EPROTO);
	bytes[2] = 0;
	bytes[4] = 3;
	ck_assert_int_eq(agent_spec_decode(bytes, sizeof(bytes), &got), -EPROTO);
	bytes[4] = 2;
	bytes[7] = 0xff;
	ck_assert_int_eq(agent_spec_decode(bytes, sizeof(bytes), &got), -EPROTO);
}
END_TEST

START_TEST(most_fields)
{
	static uint8_t bytes[AGENT_FRAME_MAX + 8];
	struct agent_spec got;
	size_t n = 0;

	for (size_t i = 0; i < sizeof(bytes); i += 8)
		bytes[i] = AGENT_FIELD_ARG;
	ck_assert_int_eq(agent_spec_decode(bytes, sizeof(bytes), &got), -EPROTO);
	ck_assert_int_eq(agent_spec_decode(bytes, AGENT_FRAME_MAX, &got), 0);
	while (got.args[n])
		ck_assert_str_eq(got.args[n++], "");
	ck_assert_uint_eq(n, AGENT_FRAME_MAX / 8);
	agent_spec_fini(&got);
}
END_TEST

SUITE("agent_spec", round_trip, defaults, terminal, encoder_refuses, too_large,
	decoder_refuses_fields, decoder_refuses_mounts, decoder_refuses_both_kinds_of_streams,
	decoder_needs_an_argument, decoder_refuses_cuts, decoder_refuses_header_faults, most_fields,
	network, bad_network_is_not_sent, bad_network_is_not_taken)
