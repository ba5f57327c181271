// SPDX-License-Identifier: Apache-2.0
// Tests of image/layout.h and image/manifest.h.
#include "image/layout.h"

#include "base/err.h"
#include "image/manifest.h"
#include "tests/lib/image_fixture.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define INDEX "application/vnd.oci.image.index.v1+json"
#define OTHER_ARCH "s390x"

static char dir[FIXTURE_PATH_SIZE];
static struct layout_maker maker;
static struct err err;

static void start(void)
{
	struct tar tar;

	fixture_make(dir);
	tar_begin(&tar, "none");
	tar_file(&tar, "x", "y");
	tar_end(&tar);
	memset(&maker, 0, sizeof(maker));
	memset(&err, 0, sizeof(err));
	maker.layers[0] = &tar;
	layout_make(dir, &maker);
	tar_fini(&tar);
}

static int find(const char *tag)
{
	struct manifest manifest = {0};
	struct layout layout;
	int r = layout_open(AT_FDCWD, dir, "image", &layout, &err);

	if (r)
		return r;
	r = layout_manifest(&layout, tag, &manifest, &err);
	if (!r) {
		ck_assert_str_eq(manifest.digest, maker.manifest_digest);
		ck_assert_str_eq(manifest.config.digest, maker.config_digest);
		ck_assert_uint_eq(manifest.nlayers, 1);
		ck_assert_str_eq(manifest.layers[0].digest, maker.layer_digests[0]);
	}
	manifest_fini(&manifest);
	layout_close(&layout);
	return r;
}

static void check_fails(const char *tag, int code, const char *word)
{
	ck_assert_int_eq(find(tag), code);
	ck_assert_msg(strstr(err.msg, word), "message without %s: %s", word, err.msg);
	fixture_remove(dir);
}

static size_t manifest_size(void)
{
	struct stat st;
	char path[FIXTURE_PATH_SIZE * 2];

	snprintf(path, sizeof(path), "%s/%s", dir, layout_blob_path(maker.manifest_digest));
	ck_assert_int_eq(stat(path, &st), 0);
	return (size_t)st.st_size;
}

/* A row of an index that points to the manifest, with @more fields. */
static void row(char *text, size_t size, const char *more)
{
	snprintf(text, size, "{\"mediaType\":\"" MANIFEST "\",\"digest\":\"%s\",\"size\":%zu%s}",
		maker.manifest_digest, manifest_size(), more);
}

static void write_index(const char *rows)
{
	char text[4096];

	snprintf(text, sizeof(text), "{\"schemaVersion\":2,\"manifests\":[%s]}", rows);
	fixture_write(dir, "index.json", text, strlen(text));
}

START_TEST(finds_by_tag)
{
	start();
	ck_assert_msg(!find("latest"), "%s", err.msg);
	check_fails("v2", -ENOENT, "no tag v2; there is: latest");
}
END_TEST

START_TEST(untagged_is_latest)
{
	char text[1024];

	start();
	row(text, sizeof(text), "");
	write_index(text);
	ck_assert_msg(!find("latest"), "%s", err.msg);
	check_fails("v1", -ENOENT, "(untagged)");
}
END_TEST

START_TEST(chooses_the_platform)
{
	char rows[3000], row1[1000];

	start();
	row(row1, sizeof(row1),
		",\"platform\":{\"architecture\":\"" IMAGE_ARCH "\",\"os\":\"linux\"}");
	snprintf(rows, sizeof(rows),
		"{\"mediaType\":\"" MANIFEST "\",\"digest\":\"sha256:" HEX64 "\",\"size\":3,"
		"\"platform\":{\"architecture\":\"" OTHER_ARCH "\",\"os\":\"linux\"}},"
		"{\"mediaType\":\"" MANIFEST "\",\"digest\":\"sha256:" HEX64 "\",\"size\":3,"
		"\"platform\":{\"architecture\":\"" IMAGE_ARCH "\",\"os\":\"windows\"}},%s",
		row1);
	write_index(rows);
	ck_assert_msg(!find("latest"), "%s", err.msg);
	fixture_remove(dir);
}
END_TEST

START_TEST(follows_a_nested_index)
{
	char text[2000], row1[1000], digest[80];

	start();
	row(row1, sizeof(row1),
		",\"platform\":{\"architecture\":\"" IMAGE_ARCH "\",\"os\":\"linux\"}");
	snprintf(text, sizeof(text), "{\"manifests\":[%s]}", row1);
	layout_blob(dir, text, strlen(text), digest);
	snprintf(row1, sizeof(row1),
		"{\"mediaType\":\"" INDEX "\",\"digest\":\"%s\",\"size\":%zu,\"annotations\":"
		"{\"org.opencontainers.image.ref.name\":\"v1\"}}",
		digest, strlen(text));
	write_index(row1);
	ck_assert_msg(!find("v1"), "%s", err.msg);
	fixture_remove(dir);
}
END_TEST

START_TEST(other_cpu_names_both)
{
	char text[1024];

	start();
	row(text, sizeof(text),
		",\"platform\":{\"architecture\":\"" OTHER_ARCH "\",\"os\":\"linux\"}");
	write_index(text);
	ck_assert_int_eq(find("latest"), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(err.msg, "linux/" IMAGE_ARCH));
	check_fails("latest", -ENOEXEC, "linux/" OTHER_ARCH);
}
END_TEST

START_TEST(endless_index_is_refused)
{
	char text[1000], digest[80];
	size_t n = 0;

	/* An index can't contain its own digest, but a chain of them can be long. */
	start();
	row(text, sizeof(text), "");
	for (int i = 0; i < 8; i++) {
		char next[1400];

		n = (size_t)snprintf(next, sizeof(next), "{\"manifests\":[%s]}", text);
		layout_blob(dir, next, n, digest);
		snprintf(text, sizeof(text),
			"{\"mediaType\":\"" INDEX "\",\"digest\":\"%s\",\"size\":%zu}", digest, n);
	}
	write_index(text);
	check_fails("latest", -EBADMSG, "nested");
}
END_TEST

START_TEST(not_a_layout)
{
	char path[FIXTURE_PATH_SIZE * 2];

	start();
	snprintf(path, sizeof(path), "%s/oci-layout", dir);
	ck_assert_int_eq(unlink(path), 0);
	check_fails("latest", -EBADMSG, "not an OCI layout");

	start();
	fixture_write(dir, "oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}", 30);
	check_fails("latest", -EBADMSG, "imageLayoutVersion");

	start();
	snprintf(path, sizeof(path), "%s/index.json", dir);
	ck_assert_int_eq(unlink(path), 0);
	check_fails("latest", -EBADMSG, "no file index.json");

	start();
	ck_assert_int_eq(unlink(path), -1);
	snprintf(path, sizeof(path), "%s/index.json", dir);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	check_fails("latest", -EINVAL, "index.json is not a regular file");

	start();
	fixture_remove(dir);
	ck_assert_int_eq(find("latest"), -ENOENT);
}
END_TEST

START_TEST(manifest_blob_is_checked)
{
	char *data;
	size_t n;
	char path[FIXTURE_PATH_SIZE * 2];

	start();
	snprintf(path, sizeof(path), "%s/%s", dir, layout_blob_path(maker.manifest_digest));
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	check_fails("latest", -EINVAL, "is not a regular file");

	start();
	n = fixture_read(dir, layout_blob_path(maker.manifest_digest), &data);
	data[n - 1] = ' ';
	fixture_write(dir, layout_blob_path(maker.manifest_digest), data, n);
	check_fails("latest", -EBADMSG, "wrong digest");

	start();
	fixture_write(dir, layout_blob_path(maker.manifest_digest), data, n - 1);
	check_fails("latest", -EBADMSG, "truncated");
	free(data);

	start();
	snprintf(path, sizeof(path), "%s/%s", dir, layout_blob_path(maker.manifest_digest));
	ck_assert_int_eq(unlink(path), 0);
	check_fails("latest", -ENOENT, "is missing");
}
END_TEST

static int parse_manifest(const char *config, const char *layers)
{
	struct manifest manifest = {0};
	char text[4096];
	int r;

	snprintf(text, sizeof(text), "{\"schemaVersion\":2,\"config\":%s,\"layers\":%s}", config,
		layers);
	memset(&err, 0, sizeof(err));
	r = manifest_parse("manifest", text, strlen(text), &manifest, &err);
	manifest_fini(&manifest);
	return r;
}

#define CONFIG                                                                                     \
	"{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"sha256:" HEX64   \
	"\",\"size\":2}"
#define LAYER(type, digest, size)                                                                  \
	"[{\"mediaType\":\"" type "\",\"digest\":\"" digest "\",\"size\":" size "}]"
#define DOCKER_LAYER "application/vnd.docker.image.rootfs.diff.tar.gzip"

START_TEST(manifest_faults_name_the_field)
{
	static const char *const rows[][3] = {
		{"1", "[]", "config"},
		{"null", "[]", "config"},
		{CONFIG, "null", "layers"},
		{CONFIG, "{}", "layers"},
		{CONFIG, "[1]", "layers[0]"},
		{CONFIG, "[{}]", "layers[0] has no mediaType"},
		{CONFIG, LAYER("application/x", "sha256:" HEX64, "1"), "unknown mediaType"},
		{CONFIG, LAYER(DOCKER_LAYER, "sha256:../../../etc/passwd", "1"), "digest"},
		{CONFIG, LAYER(DOCKER_LAYER, "sha256:" HEX64, "-1"), "negative"},
		{CONFIG, LAYER(DOCKER_LAYER, "sha256:" HEX64, "\"1\""), "size"},
		{CONFIG, LAYER(DOCKER_LAYER, "sha256:" HEX64, "1.0"), "size"},
		{"{\"mediaType\":\"application/vnd.cncf.helm.config.v1+json\",\"digest\":"
		 "\"sha256:" HEX64 "\",\"size\":2}",
			"[]", "not a container image"},
	};

	ck_assert_int_eq(parse_manifest(CONFIG, LAYER(DOCKER_LAYER, "sha256:" HEX64, "1")), 0);
	ck_assert_int_eq(
		parse_manifest(CONFIG, LAYER(DOCKER_LAYER, "sha512:" HEX64 HEX64, "1")), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_msg(parse_manifest(rows[i][0], rows[i][1]) == -EBADMSG, "row %zu", i);
		ck_assert_msg(strstr(err.msg, rows[i][2]), "row %zu: %s", i, err.msg);
	}
}
END_TEST

START_TEST(counts_are_bounded)
{
	enum { COUNT = 5000 };
	static char text[COUNT * 4 + 100];
	struct manifest manifest = {0};
	struct index index = {0};
	char *at = text + sprintf(text, "{\"config\":" CONFIG ",\"layers\":[1");

	for (int i = 1; i < COUNT; i++)
		at += sprintf(at, ",1");
	sprintf(at, "]}");
	ck_assert_int_eq(manifest_parse("m", text, strlen(text), &manifest, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "5000 layers"));
	at = text + sprintf(text, "{\"manifests\":[1");
	for (int i = 1; i < COUNT; i++)
		at += sprintf(at, ",1");
	sprintf(at, "]}");
	ck_assert_int_eq(index_parse("i", text, strlen(text), &index, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "5000 entries"));
}
END_TEST

SUITE("image_layout", finds_by_tag, untagged_is_latest, chooses_the_platform,
	follows_a_nested_index, other_cpu_names_both, endless_index_is_refused, not_a_layout,
	manifest_blob_is_checked, manifest_faults_name_the_field, counts_are_bounded)
