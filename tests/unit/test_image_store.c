// SPDX-License-Identifier: Apache-2.0
// Tests of image/store.h.
#include "image/store.h"

#include "base/err.h"
#include "tests/lib/image_fixture.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[FIXTURE_PATH_SIZE];
static struct err err;

static struct store *open_store(void)
{
	struct store *store = NULL;

	ck_assert_msg(!store_open(dir, &store, &err), "%s", err.msg);
	return store;
}

START_TEST(makes_private_folders)
{
	char path[FIXTURE_PATH_SIZE * 2];
	struct store *store = NULL;
	struct stat st;

	fixture_make(dir);
	snprintf(path, sizeof(path), "%s/a/b", dir);
	ck_assert_msg(!store_open(path, &store, &err), "%s", err.msg);
	store_close(store);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0700);
	ck_assert_msg(!store_open(path, &store, &err), "%s", err.msg);
	store_close(store);
	store_close(NULL);
	fixture_remove(dir);
}
END_TEST

START_TEST(place_comes_from_the_environment)
{
	struct store *store = NULL;

	fixture_make(dir);
	ck_assert_int_eq(setenv("HULL_STORE", dir, 1), 0);
	ck_assert_msg(!store_open(NULL, &store, &err), "%s", err.msg);
	store_close(store);
	ck_assert_int_eq(fixture_count(dir, "."), 4);
	fixture_remove(dir);
}
END_TEST

START_TEST(file_in_the_way)
{
	struct store *store = NULL;
	char path[FIXTURE_PATH_SIZE * 2];

	fixture_make(dir);
	fixture_write(dir, "x", "", 0);
	snprintf(path, sizeof(path), "%s/x", dir);
	ck_assert_int_eq(store_open(path, &store, &err), -ENOTDIR);
	snprintf(path, sizeof(path), "%s/x/y", dir);
	ck_assert_int_eq(store_open(path, &store, &err), -ENOTDIR);
	ck_assert_int_eq(store_open("", &store, &err), -EINVAL);
	fixture_remove(dir);
}
END_TEST

START_TEST(publishes_whole_files)
{
	struct store_temp temp = STORE_TEMP_INIT;
	struct store *store;
	char *text;

	fixture_make(dir);
	store = open_store();
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(store_temp_file(store, &temp, &err), 0);
		ck_assert_int_eq(dprintf(temp.fd, "text %d", i), 6);
		ck_assert_int_eq(store_temp_publish(&temp, store->rootfs_fd, "name", &err), 0);
		store_temp_discard(&temp);
	}
	ck_assert_uint_eq(fixture_read(dir, "rootfs/name", &text), 6);
	ck_assert_str_eq(text, "text 1");
	free(text);
	ck_assert_int_eq(fixture_count(dir, "tmp"), 0);
	store_close(store);
	fixture_remove(dir);
}
END_TEST

START_TEST(publishes_folders_over_folders)
{
	struct store_temp temp = STORE_TEMP_INIT;
	struct store *store;

	fixture_make(dir);
	store = open_store();
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(store_temp_dir(store, &temp, &err), 0);
		ck_assert_int_eq(mkdirat(temp.fd, i ? "new" : "old", 0700), 0);
		ck_assert_int_eq(store_temp_publish(&temp, store->pulled_fd, "name", &err), 0);
		store_temp_discard(&temp);
	}
	ck_assert_int_eq(fixture_count(dir, "pulled/name"), 1);
	ck_assert_int_eq(fixture_count(dir, "pulled/name/new"), 0);
	ck_assert_int_eq(fixture_count(dir, "tmp"), 0);
	store_close(store);
	fixture_remove(dir);
}
END_TEST

START_TEST(discards_everything)
{
	struct store_temp temp = STORE_TEMP_INIT;
	struct store *store;

	fixture_make(dir);
	store = open_store();
	store_temp_discard(&temp);
	ck_assert_int_eq(store_temp_dir(store, &temp, &err), 0);
	ck_assert_int_eq(mkdirat(temp.fd, "a", 0700), 0);
	ck_assert_int_eq(symlinkat("/", temp.fd, "link"), 0);
	store_temp_discard(&temp);
	store_temp_discard(&temp);
	ck_assert_int_eq(fixture_count(dir, "tmp"), 0);
	ck_assert_int_eq(access("/etc", F_OK), 0);
	store_close(store);
	fixture_remove(dir);
}
END_TEST

/* A child that has made entries in tmp/ and now lives until it is killed. */
static pid_t start_builder(void)
{
	int fds[2];
	pid_t pid;
	char byte;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		struct store_temp file = STORE_TEMP_INIT, folder = STORE_TEMP_INIT;
		struct store *store = open_store();

		if (store_temp_file(store, &file, NULL) || store_temp_dir(store, &folder, NULL) ||
			mkdirat(folder.fd, "x", 0700) || write(fds[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	close(fds[1]);
	return pid;
}

START_TEST(next_run_cleans_up)
{
	pid_t pid;

	fixture_make(dir);
	pid = start_builder();
	/* Alive, its entries are left alone. */
	store_close(open_store());
	ck_assert_int_eq(fixture_count(dir, "tmp"), 2);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(fixture_count(dir, "tmp"), 2);
	store_close(open_store());
	ck_assert_int_eq(fixture_count(dir, "tmp"), 0);
	fixture_remove(dir);
}
END_TEST

START_TEST(lock_excludes)
{
	struct store *store;
	int lock = -1, fds[2];
	char byte = 'x';
	pid_t pid;

	fixture_make(dir);
	store = open_store();
	ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
	ck_assert_int_eq(store_lock(store, "a", &lock, &err), 0);
	pid = fork();
	if (!pid) {
		int other = -1, r;

		/* This copy would keep the lock. */
		close(lock);
		r = store_lock(open_store(), "a", &other, NULL);

		_exit(r || write(fds[1], &byte, 1) != 1);
	}
	usleep(50 * 1000);
	ck_assert_int_eq(read(fds[0], &byte, 1), -1);
	close(lock);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	close(fds[1]);
	store_close(store);
	fixture_remove(dir);
}
END_TEST

SUITE("image_store", makes_private_folders, place_comes_from_the_environment, file_in_the_way,
	publishes_whole_files, publishes_folders_over_folders, discards_everything,
	next_run_cleans_up, lock_excludes)
