// SPDX-License-Identifier: Apache-2.0
// Tests of image/config.h, and through it of image/json.h and image/digest.h.
#include "image/config.h"

#include "base/err.h"
#include "image/digest.h"
#include "image/json.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int parse(const char *text, struct image_spec *spec, struct err *err)
{
	return image_spec_parse("config", text, strlen(text), spec, err);
}

/* @text must fail and the message must have @word in it. */
static void check_bad(const char *text, const char *word)
{
	struct image_spec spec = {0};
	struct err err = {0};

	ck_assert_msg(parse(text, &spec, &err) == -EBADMSG, "accepted: %s", text);
	ck_assert_msg(strstr(err.msg, word), "message without %s: %s", word, err.msg);
}

START_TEST(reads_all_fields)
{
	struct image_spec spec = {0};
	struct err err = {0};

	ck_assert_msg(!parse("{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{"
			     "\"User\":\"nobody:nogroup\",\"Env\":[\"A=1\",\"B=\"],"
			     "\"Entrypoint\":[\"/bin/sh\",\"-c\"],\"Cmd\":[\"echo\\n\"],"
			     "\"WorkingDir\":\"/srv\",\"StopSignal\":\"SIGINT\"},"
			     "\"rootfs\":{\"diff_ids\":[\"sha256:" HEX64 "\"]}}",
			      &spec, &err),
		"%s", err.msg);
	ck_assert_str_eq(spec.architecture, "amd64");
	ck_assert_str_eq(spec.os, "linux");
	ck_assert_str_eq(spec.config.user, "nobody:nogroup");
	ck_assert_str_eq(spec.config.env[1], "B=");
	ck_assert_ptr_null(spec.config.env[2]);
	ck_assert_str_eq(spec.config.entrypoint[1], "-c");
	ck_assert_str_eq(spec.config.cmd[0], "echo\n");
	ck_assert_ptr_null(spec.config.cmd[1]);
	ck_assert_str_eq(spec.config.working_dir, "/srv");
	ck_assert_str_eq(spec.config.stop_signal, "SIGINT");
	ck_assert_uint_eq(spec.ndiff_ids, 1);
	ck_assert_str_eq(spec.diff_ids[0], "sha256:" HEX64);
	image_spec_fini(&spec);
}
END_TEST

START_TEST(absent_and_null_are_empty)
{
	struct image_spec spec = {0};

	ck_assert_int_eq(parse("{}", &spec, NULL), 0);
	ck_assert_ptr_null(spec.config.env[0]);
	ck_assert_str_eq(spec.config.user, "");
	ck_assert_str_eq(spec.architecture, "");
	image_spec_fini(&spec);
	ck_assert_int_eq(parse("{\"config\":{\"Env\":null,\"User\":null}}", &spec, NULL), 0);
	ck_assert_ptr_null(spec.config.env[0]);
	image_spec_fini(&spec);
	image_spec_fini(&spec);
}
END_TEST

START_TEST(faults_name_the_field)
{
	check_bad("", "line 1");
	check_bad("[]", "not a JSON object");
	check_bad("{\"os\":\"linux\",\"os\":\"linux\"}", "duplicate");
	check_bad("{\"os\":1}", "os");
	check_bad("{\"config\":[]}", "config");
	check_bad("{\"config\":{\"Env\":\"A=1\"}}", "Env");
	check_bad("{\"config\":{\"Env\":[\"A\"]}}", "Env[0]");
	check_bad("{\"config\":{\"Env\":[\"A=1\",\"=1\"]}}", "Env[1]");
	check_bad("{\"config\":{\"Env\":[null]}}", "Env[0]");
	check_bad("{\"config\":{\"Cmd\":[1]}}", "Cmd[0]");
	check_bad("{\"config\":{\"Cmd\":[\"a\\u0000b\"]}}", "line 1");
	check_bad("{\"config\":{\"User\":\"a\\nb\"}}", "User");
	check_bad("{\"config\":{\"WorkingDir\":\"srv\"}}", "WorkingDir");
	check_bad("{\"config\":{\"WorkingDir\":\"/a\\u001bb\"}}", "WorkingDir");
	check_bad("{\"config\":{\"StopSignal\":9}}", "StopSignal");
	check_bad("{\"rootfs\":{\"diff_ids\":[\"sha256:1\"]}}", "diff_ids[0]");
	check_bad("{\"rootfs\":{\"diff_ids\":\"x\"}}", "diff_ids");
}
END_TEST

/* {"config":{"Cmd":[ @count strings of @len bytes ]}} */
static char *make_cmd(size_t count, size_t len)
{
	char *text = malloc(count * (len + 3) + 64), *at = text;

	ck_assert_ptr_nonnull(text);
	at += sprintf(at, "{\"config\":{\"Cmd\":[");
	for (size_t i = 0; i < count; i++) {
		*at++ = i ? ',' : ' ';
		*at++ = '"';
		memset(at, 'x', len);
		at += len;
		*at++ = '"';
	}
	sprintf(at, "]}}");
	return text;
}

START_TEST(strings_are_bounded)
{
	struct image_spec spec = {0};
	char *text = make_cmd(IMAGE_CONFIG_STRINGS_MAX + 1, 1);

	check_bad(text, "Cmd");
	free(text);
	text = make_cmd(1, IMAGE_CONFIG_BYTES_MAX);
	check_bad(text, "bytes in all");
	free(text);
	/* Five fields of one empty string each are counted, too. */
	text = make_cmd(1, IMAGE_CONFIG_BYTES_MAX - 6);
	ck_assert_int_eq(parse(text, &spec, NULL), 0);
	image_spec_fini(&spec);
	free(text);
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
	enum { DEPTH = 100000 };
	char *text = malloc(DEPTH + 8);

	ck_assert_ptr_nonnull(text);
	strcpy(text, "{\"a\":");
	memset(text + 5, '[', DEPTH);
	text[5 + DEPTH] = '\0';
	check_bad(text, "line 1");
	free(text);
}
END_TEST

START_TEST(large_documents_are_refused)
{
	size_t n = JSON_SIZE_MAX + 1;
	char *text = malloc(n);
	struct image_spec spec = {0};
	struct err err = {0};

	ck_assert_ptr_nonnull(text);
	memset(text, ' ', n);
	text[0] = '{';
	text[n - 1] = '}';
	ck_assert_int_eq(image_spec_parse("config", text, n, &spec, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "larger than"));
	text[n - 2] = '}';
	ck_assert_int_eq(image_spec_parse("config", text, n - 1, &spec, &err), 0);
	image_spec_fini(&spec);
	free(text);
}
END_TEST

START_TEST(digests_are_checked)
{
	char digest[IMAGE_DIGEST_SIZE];

	ck_assert(digest_is_valid("sha256:" HEX64));
	ck_assert(digest_is_valid("sha512:" HEX64 HEX64));
	ck_assert(!digest_is_valid("sha512:" HEX64));
	ck_assert(!digest_is_valid("sha256:" HEX64 "0"));
	ck_assert(!digest_is_valid("sha256:" HEX64 HEX64));
	ck_assert(!digest_is_valid("sha256"));
	ck_assert(!digest_is_valid("sha256:../../../../../../../../../../../../../../../../etc/x"));
	ck_assert(!digest_is_valid(
		"sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"));
	digest_of("sha256:", "abc", 3, digest);
	ck_assert_str_eq(
		digest, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	digest_of("sha512:", "abc", 3, digest);
	ck_assert(digest_is_valid(digest));
	ck_assert_int_eq(strncmp(digest, "sha512:ddaf35a193617aba", 23), 0);
	digest_of("md5:", "abc", 3, digest);
	ck_assert_str_eq(digest, "");
	digest_path("sha256:" HEX64, digest);
	ck_assert_str_eq(digest, "sha256/" HEX64);
}
END_TEST

SUITE("image_config", reads_all_fields, absent_and_null_are_empty, faults_name_the_field,
	strings_are_bounded, deep_nesting_is_refused, large_documents_are_refused,
	digests_are_checked)
