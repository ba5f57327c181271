// SPDX-License-Identifier: Apache-2.0
// Tests of image/reference.h.
#include "image/reference.h"

#include "base/err.h"
#include "tests/lib/image_fixture.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void check_source(const char *text, enum reference_kind kind, const char *source)
{
	struct reference ref = {0};
	struct err err = {0};

	ck_assert_msg(!reference_parse(text, &ref, &err), "%s: %s", text, err.msg);
	ck_assert_int_eq(ref.kind, kind);
	ck_assert_str_eq(ref.source, source);
	ck_assert_str_eq(ref.text, text);
	reference_fini(&ref);
}

static void check_bad(const char *text)
{
	struct reference ref = {0};
	struct err err = {0};

	ck_assert_msg(reference_parse(text, &ref, &err) == -EINVAL, "%s was accepted", text);
	ck_assert_int_ne(err.msg[0], 0);
	ck_assert_ptr_null(ref.text);
}

START_TEST(registry_names_become_canonical)
{
	static const char *const rows[][2] = {
		{"alpine", "docker://docker.io/library/alpine:latest"},
		{"alpine:3.19", "docker://docker.io/library/alpine:3.19"},
		{"docker://alpine", "docker://docker.io/library/alpine:latest"},
		{"user/app", "docker://docker.io/user/app:latest"},
		{"docker.io/alpine", "docker://docker.io/library/alpine:latest"},
		{"ghcr.io/a/b/c:v1", "docker://ghcr.io/a/b/c:v1"},
		{"localhost/app", "docker://localhost/app:latest"},
		{"localhost:5000/app:x", "docker://localhost:5000/app:x"},
		{"[::1]:5000/app", "docker://[::1]:5000/app:latest"},
		{"f/a.b__c-d--e", "docker://docker.io/f/a.b__c-d--e:latest"},
		{"alpine@sha256:" HEX64, "docker://docker.io/library/alpine@sha256:" HEX64},
		{"alpine:3@sha256:" HEX64, "docker://docker.io/library/alpine@sha256:" HEX64},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_source(rows[i][0], REFERENCE_REGISTRY, rows[i][1]);
}
END_TEST

START_TEST(bad_names_are_refused)
{
	static const char *const rows[] = {
		"",
		"Alpine",
		"alpine:",
		"alpine:-x",
		"alpine:a/b",
		"alpine@sha256:1234",
		"alpine@md5:" HEX64,
		"alpine@sha256:" HEX64 "0",
		"-alpine",
		"a//b",
		"a/b/",
		"a..b",
		"a___b",
		"alpine\n",
		"al pine",
		"bad_host.io/app",
		"host:port/app",
		"host.io:/app",
		"host.io:1234567/app",
		"docker://",
		"foo://bar",
		"docker://../x",
		"docker://a..b/x",
		"-a.b/x",
		".a/x",
		"oci:",
		"oci::tag",
		"docker-archive:",
		"oci-archive::x",
		"containers-storage:",
		"--all",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_bad(rows[i]);
}
END_TEST

START_TEST(other_transports_are_told)
{
	static const char *const rows[][2] = {
		{"dir:x", "transport dir "},
		{"dir:/x/y", "transport dir "},
		{"docker-daemon:x:latest", "transport docker-daemon "},
		{"ostree:x@/y", "transport ostree "},
		{"sif:x.sif", "transport sif "},
		{"tarball:x", "transport tarball "},
		{"https://host/x", "transport https "},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reference ref = {0};
		struct err err = {0};

		ck_assert_int_eq(reference_parse(rows[i][0], &ref, &err), -EINVAL);
		ck_assert_ptr_nonnull(strstr(err.msg, rows[i][1]));
		ck_assert_ptr_nonnull(strstr(err.msg, "oci-archive:"));
	}
	check_source("docker://dir:x", REFERENCE_REGISTRY, "docker://docker.io/library/dir:x");
	check_source("user/dir:x", REFERENCE_REGISTRY, "docker://docker.io/user/dir:x");
	check_source("docker:dind", REFERENCE_REGISTRY, "docker://docker.io/library/docker:dind");
}
END_TEST

START_TEST(long_ones_are_refused)
{
	char text[REFERENCE_MAX + 1];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	check_bad(text);
	text[REFERENCE_MAX - 1] = '\0';
	text[0] = '/';
	check_source(text, REFERENCE_LAYOUT, ({
		static char source[REFERENCE_MAX + 8] = "oci:";

		strcat(source, text);
		source;
	}));
}
END_TEST

static void check_layout(const char *text, const char *path, const char *tag)
{
	struct reference ref = {0};
	struct err err = {0};

	ck_assert_msg(!reference_parse(text, &ref, &err), "%s: %s", text, err.msg);
	ck_assert_int_eq(ref.kind, REFERENCE_LAYOUT);
	ck_assert_str_eq(ref.path, path);
	ck_assert_str_eq(ref.tag, tag);
	reference_fini(&ref);
}

START_TEST(paths_are_layouts)
{
	char dir[FIXTURE_PATH_SIZE];
	int fd;

	check_layout("/x/y", "/x/y", "latest");
	check_layout("./x:v1", "./x", "v1");
	check_layout("../x", "../x", "latest");
	check_layout(".", ".", "latest");
	check_layout("oci:x", "x", "latest");
	check_layout("oci:x:v1", "x", "v1");
	check_layout("/x:5000/y", "/x:5000/y", "latest");

	fixture_make(dir);
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(mkdir("a", 0755) | mkdir("a/b", 0755) | mkdir("a/b:c", 0755), 0);
	check_layout("a/b", "a/b", "latest");
	check_layout("a/b:v1", "a/b", "v1");
	check_layout("a/b:c", "a/b:c", "latest");
	/* A file isn't one, which is told when it's opened: it is no name of a registry, either. */
	fd = open("a/f", O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	check_layout("a/f", "a/f", "latest");
	check_layout("a/f:v1", "a/f", "v1");
	check_source("a/d", REFERENCE_REGISTRY, "docker://docker.io/a/d:latest");
	/* A folder must not hide the image of the same name. */
	check_source("a", REFERENCE_REGISTRY, "docker://docker.io/library/a:latest");
	ck_assert_int_eq(chdir("/"), 0);
	fixture_remove(dir);
}
END_TEST

START_TEST(archives_get_absolute_paths)
{
	ck_assert_int_eq(chdir("/"), 0);
	check_source("docker-archive:/a/b.tar", REFERENCE_ARCHIVE, "docker-archive:/a/b.tar");
	check_source("oci-archive:/a/b.tar:v1", REFERENCE_ARCHIVE, "oci-archive:/a/b.tar:v1");
	check_source("docker-archive:b.tar:n:t", REFERENCE_ARCHIVE, "docker-archive://b.tar:n:t");
	check_source("containers-storage:localhost/x:y", REFERENCE_STORAGE,
		"containers-storage:localhost/x:y");
}
END_TEST

SUITE("image_reference", registry_names_become_canonical, bad_names_are_refused,
	other_transports_are_told, long_ones_are_refused, paths_are_layouts,
	archives_get_absolute_paths)
