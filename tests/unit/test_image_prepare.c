// SPDX-License-Identifier: Apache-2.0
// Tests of image_prepare(): layouts, archives through skopeo, two builders, a killed builder.
#include "image/image.h"

#include "base/err.h"
#include "image/layout.h"
#include "tests/lib/image_fixture.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[FIXTURE_PATH_SIZE];
static char store_dir[FIXTURE_PATH_SIZE * 2];
static struct layout_maker maker;
static struct err err;

/* A layout of one layer in @dir, to be changed before use. */
static void start_with(const struct layout_maker *wanted)
{
	struct tar tar;

	fixture_make(dir);
	snprintf(store_dir, sizeof(store_dir), "%s/store", dir);
	tar_begin(&tar, "none");
	tar_file(&tar, "x", "y");
	tar_end(&tar);
	maker = wanted ? *wanted : (struct layout_maker){0};
	maker.layers[0] = &tar;
	layout_make(dir, &maker);
	tar_fini(&tar);
}

static int prepare(const char *reference, struct image *image)
{
	struct store *store;
	int r;

	memset(&err, 0, sizeof(err));
	ck_assert_msg(!store_open(store_dir, &store, &err), "%s", err.msg);
	r = image_prepare(store, reference, image, &err);
	store_close(store);
	return r;
}

static int store_entries(void)
{
	return fixture_count(store_dir, "rootfs") + fixture_count(store_dir, "pulled") +
	       fixture_count(store_dir, "tmp");
}

static void check_fails(int code, const char *word)
{
	struct image image = IMAGE_INIT;

	ck_assert_int_eq(prepare(dir, &image), code);
	ck_assert_msg(strstr(err.msg, word), "message without %s: %s", word, err.msg);
	ck_assert_msg(strstr(err.msg, dir), "message without the image's name: %s", err.msg);
	ck_assert_int_eq(image.rootfs_fd, -1);
	ck_assert_int_eq(store_entries(), 0);
	fixture_remove(dir);
}

START_TEST(builds_once)
{
	struct image image = IMAGE_INIT, again = IMAGE_INIT;
	struct stat a, b;

	start_with(NULL);
	ck_assert_msg(!prepare(dir, &image), "%s", err.msg);
	ck_assert_str_eq(image.digest, maker.manifest_digest);
	ck_assert_str_eq(image.config.cmd[0], "sh");
	ck_assert_int_eq(write(image.rootfs_fd, "x", 1), -1);
	ck_assert_msg(!prepare(dir, &again), "%s", err.msg);
	ck_assert_int_eq(fstat(image.rootfs_fd, &a) | fstat(again.rootfs_fd, &b), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ck_assert_int_eq(store_entries(), 1);
	image_fini(&image);
	image_fini(&image);
	image_fini(&again);
	fixture_remove(dir);
}
END_TEST

START_TEST(does_without_diff_ids)
{
	struct layout_maker wanted = {.no_diff_ids = 1};
	struct image image = IMAGE_INIT;

	start_with(&wanted);
	ck_assert_msg(!prepare(dir, &image), "%s", err.msg);
	image_fini(&image);
	fixture_remove(dir);
}
END_TEST

START_TEST(other_cpu)
{
	struct layout_maker wanted = {.architecture = "s390x"};

	start_with(&wanted);
	check_fails(-ENOEXEC, "linux/s390x, this machine runs linux/" IMAGE_ARCH);
}
END_TEST

START_TEST(bad_config)
{
	struct layout_maker wanted = {.config = "{\"Env\":[1]}"};

	start_with(&wanted);
	check_fails(-EBADMSG, "Env[0]");
}
END_TEST

START_TEST(config_is_missing)
{
	char path[FIXTURE_PATH_SIZE * 2];

	start_with(NULL);
	snprintf(path, sizeof(path), "%s/%s", dir, layout_blob_path(maker.config_digest));
	ck_assert_int_eq(unlink(path), 0);
	check_fails(-ENOENT, "config sha256:");
}
END_TEST

START_TEST(layer_is_missing)
{
	char path[FIXTURE_PATH_SIZE * 2];

	start_with(NULL);
	snprintf(path, sizeof(path), "%s/%s", dir, layout_blob_path(maker.layer_digests[0]));
	ck_assert_int_eq(unlink(path), 0);
	check_fails(-ENOENT, "layer sha256:");
}
END_TEST

START_TEST(layer_is_changed)
{
	char *bytes;
	size_t n;

	start_with(NULL);
	n = fixture_read(dir, layout_blob_path(maker.layer_digests[0]), &bytes);
	bytes[n - 1] ^= 1;
	fixture_write(dir, layout_blob_path(maker.layer_digests[0]), bytes, n);
	free(bytes);
	check_fails(-EBADMSG, "wrong digest");
}
END_TEST

START_TEST(layer_is_truncated)
{
	char *bytes;
	size_t n;

	start_with(NULL);
	n = fixture_read(dir, layout_blob_path(maker.layer_digests[0]), &bytes);
	fixture_write(dir, layout_blob_path(maker.layer_digests[0]), bytes, n / 2);
	free(bytes);
	check_fails(-EBADMSG, "truncated");
}
END_TEST

START_TEST(image_is_missing)
{
	start_with(NULL);
	fixture_remove(dir);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	snprintf(store_dir, sizeof(store_dir), "%s/store", dir);
	check_fails(-EBADMSG, "not an OCI layout");
}
END_TEST

static pid_t start_prepare(void)
{
	pid_t pid = fork();

	if (!pid) {
		struct image image = IMAGE_INIT;

		_exit(prepare(dir, &image) ? 1 : 0);
	}
	return pid;
}

START_TEST(two_at_once)
{
	enum { BUILDERS = 8 };
	pid_t pids[BUILDERS];

	start_with(NULL);
	for (int i = 0; i < BUILDERS; i++)
		pids[i] = start_prepare();
	for (int i = 0; i < BUILDERS; i++) {
		int status;

		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_int_eq(store_entries(), 1);
	fixture_remove(dir);
}
END_TEST

START_TEST(killed_at_any_point)
{
	struct image image = IMAGE_INIT;

	start_with(NULL);
	for (int i = 0; i < 16; i++) {
		pid_t pid = start_prepare();

		usleep((useconds_t)(i * 400));
		kill(pid, SIGKILL);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		if (i % 4 == 3) {
			ck_assert_msg(!prepare(dir, &image), "%s", err.msg);
			image_fini(&image);
			ck_assert_int_eq(store_entries(), 1);
			fixture_remove(store_dir);
		}
	}
	fixture_remove(dir);
}
END_TEST

static bool have_skopeo(void)
{
	if (!system("skopeo --version >/dev/null 2>&1"))
		return true;
	fprintf(stderr, "skipped: skopeo is not installed\n");
	return false;
}

static void make_archive(const char *transport, char ret_reference[FIXTURE_PATH_SIZE * 2])
{
	char command[FIXTURE_PATH_SIZE * 5];

	snprintf(ret_reference, FIXTURE_PATH_SIZE * 2, "%s:%s/archive.tar", transport, dir);
	snprintf(command, sizeof(command),
		"skopeo --override-arch " IMAGE_ARCH
		" copy -q --insecure-policy oci:%s:latest %s:a/b:latest >%s/log 2>&1",
		dir, ret_reference, dir);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(archives_through_skopeo)
{
	static const char *const transports[] = {"docker-archive", "oci-archive"};

	if (!have_skopeo())
		return;
	for (int i = 0; i < 2; i++) {
		char reference[FIXTURE_PATH_SIZE * 2];
		struct image image = IMAGE_INIT;

		start_with(NULL);
		make_archive(transports[i], reference);
		ck_assert_msg(!prepare(reference, &image), "%s", err.msg);
		ck_assert_str_eq(image.config.cmd[0], "sh");
		image_fini(&image);
		ck_assert_int_eq(store_entries(), 2);
		/* With the archive unchanged there is no need for skopeo. */
		ck_assert_int_eq(setenv("PATH", "/nonexistent", 1), 0);
		ck_assert_msg(!prepare(reference, &image), "%s", err.msg);
		image_fini(&image);
		fixture_write(dir, "archive.tar", "x", 1);
		ck_assert_int_eq(prepare(reference, &image), -ENOENT);
		ck_assert_ptr_nonnull(strstr(err.msg, "skopeo"));
		ck_assert_int_eq(setenv("PATH", "/usr/bin:/bin:/usr/local/bin", 1), 0);
		ck_assert_int_eq(prepare(reference, &image), -EIO);
		ck_assert_int_eq(fixture_count(store_dir, "tmp"), 0);
		fixture_remove(dir);
	}
}
END_TEST

/* A script in place of skopeo. */
static void fake_skopeo(const char *script)
{
	char path[FIXTURE_PATH_SIZE * 2];

	fixture_write(dir, "skopeo", script, strlen(script));
	snprintf(path, sizeof(path), "%s/skopeo", dir);
	ck_assert_int_eq(chmod(path, 0755), 0);
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", dir);
	ck_assert_int_eq(setenv("PATH", path, 1), 0);
}

START_TEST(skopeo_speaks_for_itself)
{
	struct image image = IMAGE_INIT;

	start_with(NULL);
	fake_skopeo("#!/bin/sh\necho first >&2\n"
		    "echo 'time=\"now\" level=fatal msg=\"no \\\"such\\\" image\"' >&2\nexit 1\n");
	ck_assert_int_eq(prepare("example.com/nothing", &image), -EIO);
	ck_assert_str_eq(err.msg, "image example.com/nothing: skopeo: no \"such\" image");
	ck_assert_int_eq(store_entries(), 0);
	fixture_remove(dir);
}
END_TEST

/* skopeo that is killed can't remove what it has unpacked: it must lie where it's cleaned up. */
START_TEST(skopeo_unpacks_into_the_store)
{
	struct image image = IMAGE_INIT;
	char want[FIXTURE_PATH_SIZE * 3];

	start_with(NULL);
	fake_skopeo("#!/bin/sh\ntmp=/var/tmp\n"
		    "while [ $# -gt 0 ]; do [ \"$1\" != --tmpdir ] || tmp=$2; shift; done\n"
		    "cd \"$tmp\" && pwd >&2\nexit 1\n");
	ck_assert_int_eq(prepare("example.com/nothing", &image), -EIO);
	snprintf(want, sizeof(want), "skopeo: %s/tmp/", store_dir);
	ck_assert_msg(strstr(err.msg, want), "%s", err.msg);
	ck_assert_int_eq(store_entries(), 0);
	fixture_remove(dir);
}
END_TEST

SUITE("image_prepare", builds_once, does_without_diff_ids, other_cpu, bad_config, config_is_missing,
	layer_is_missing, layer_is_changed, layer_is_truncated, image_is_missing, two_at_once,
	killed_at_any_point, archives_through_skopeo, skopeo_speaks_for_itself,
	skopeo_unpacks_into_the_store)
