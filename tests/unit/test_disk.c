// SPDX-License-Identifier: Apache-2.0
// Tests of devices/backend/disk.h over real files, both ways of reading them.
#include "devices/backend/disk.h"

#include "base/err.h"
#include "base/loop.h"
#include "tests/lib/loop_step.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILE_SIZE (1 << 20)
#define BATCH 1000

/* Every test of what a disk does runs so; direct I/O needs a file system that has it. */
static const struct disk_options ways[] = {
	{.io = DISK_IO_SYNC},
	{.io = DISK_IO_URING},
	{.io = DISK_IO_SYNC, .direct = true},
	{.io = DISK_IO_URING, .direct = true},
};
#define WAYS 4

static struct loop loop;
static char path[64];
static int file;
static struct disk *disk;
static unsigned int batches;

static uint8_t buffer[FILE_SIZE] __attribute__((aligned(4096)));
static uint8_t *const second = buffer + FILE_SIZE / 2;

static void on_batch_done(void *owner)
{
	ck_assert_ptr_eq(owner, &loop);
	batches++;
}

static void setup(void)
{
	ck_assert_int_eq(loop_init(&loop), 0);
	/* Not /tmp, which may be a file system in memory without direct I/O. */
	snprintf(path, sizeof(path), "/var/tmp/hull-disk-XXXXXX");
	file = mkstemp(path);
	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(ftruncate(file, FILE_SIZE), 0);
}

static void teardown(void)
{
	disk_free(disk);
	close(file);
	unlink(path);
	loop_fini(&loop);
}

static bool open_way(int way)
{
	struct err err = {0};
	int r = disk_open(&loop, path, &ways[way], &disk, &err);

	if (r == -EINVAL && ways[way].direct && strstr(err.msg, "direct I/O")) {
		printf("# no direct I/O here: %s\n", err.msg);
		return false;
	}
	ck_assert_msg(r == 0, "%s", err.msg);
	disk->batch_done = on_batch_done;
	disk->owner = &loop;
	return true;
}

struct request {
	struct disk_req req;
	struct iovec iov[3];
	int done;
	int result;
};

static void on_done(struct disk_req *req, int result)
{
	struct request *r = (struct request *)(void *)req;

	r->done++;
	r->result = result;
}

static struct request make(enum disk_op op, uint64_t offset, uint64_t len)
{
	return (struct request){
		.req = {.op = op, .offset = offset, .len = len, .done = on_done},
	};
}

static void start(struct request *r)
{
	r->req.iov = r->iov;
	for (r->req.iov_count = 0; r->req.iov_count < 3 && r->iov[r->req.iov_count].iov_len;)
		r->req.iov_count++;
	disk->ops->start(disk, &r->req);
}

/* Let the loop run until @r is answered. Return: its result. */
static int finish(const struct request *r)
{
	for (int i = 0; i < 10000 && !r->done; i++) {
		loop_step(&loop);
		if (!r->done)
			poll(NULL, 0, 1);
	}
	ck_assert_int_eq(r->done, 1);
	return r->result;
}

static int run(struct request *r)
{
	start(r);
	disk->ops->commit(disk);
	return finish(r);
}

static int move(enum disk_op op, uint64_t offset, void *data, size_t len)
{
	struct request r = make(op, offset, len);

	r.iov[0] = (struct iovec){data, len};
	return run(&r);
}

static void fill(uint8_t *at, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)((i * 2654435761U + seed) >> 8);
}

START_TEST(round_trip)
{
	struct request r;

	if (!open_way(_i))
		return;
	ck_assert_uint_eq(disk->capacity, FILE_SIZE);
	fill(buffer, 65536, 1);
	ck_assert_int_eq(move(DISK_WRITE, 8192, buffer, 65536), 0);
	r = make(DISK_FLUSH, 0, 0);
	ck_assert_int_eq(run(&r), 0);
	ck_assert_int_eq(move(DISK_READ, 8192, second, 65536), 0);
	ck_assert_mem_eq(buffer, second, 65536);
	/* Buffers and lengths that direct I/O doesn't take. */
	r = make(DISK_WRITE, 512, 1024);
	r.iov[0] = (struct iovec){buffer + 1, 100};
	r.iov[1] = (struct iovec){buffer + 1001, 923};
	r.iov[2] = (struct iovec){buffer + 3, 1};
	r.req.durable = true;
	ck_assert_int_eq(run(&r), 0);
	r = make(DISK_READ, 512, 1024);
	r.iov[0] = (struct iovec){second + 3, 1000};
	r.iov[1] = (struct iovec){second + 2000, 24};
	ck_assert_int_eq(run(&r), 0);
	ck_assert_mem_eq(second + 3, buffer + 1, 100);
	ck_assert_mem_eq(second + 103, buffer + 1001, 900);
	ck_assert_uint_eq(second[2023], buffer[3]);
	/* What is written one way is read the other. */
	ck_assert_int_eq(move(DISK_READ, 0, second, 4096), 0);
	ck_assert_mem_eq(second + 512, buffer + 1, 100);
}
END_TEST

START_TEST(a_batch_larger_than_the_ring)
{
	static struct request requests[BATCH];

	if (!open_way(_i))
		return;
	fill(buffer, 512 * BATCH, 2);
	for (unsigned int pass = 0; pass < 2; pass++) {
		for (unsigned int i = 0; i < BATCH; i++) {
			requests[i] = make(pass ? DISK_READ : DISK_WRITE, 512 * i, 512);
			requests[i].iov[0] = (struct iovec){buffer + 512 * i, 512};
			start(&requests[i]);
		}
		disk->ops->commit(disk);
		for (unsigned int i = 0; i < BATCH; i++)
			ck_assert_int_eq(finish(&requests[i]), 0);
		if (!pass)
			memset(buffer, 0, sizeof(buffer));
	}
	fill(second, 512, 2);
	ck_assert_mem_eq(buffer, second, 512);
}
END_TEST

START_TEST(truncated_while_in_use)
{
	if (!open_way(_i))
		return;
	ck_assert_int_eq(ftruncate(file, FILE_SIZE / 2), 0);
	ck_assert_int_eq(move(DISK_READ, FILE_SIZE / 2, buffer, 4096), -EIO);
	ck_assert_int_eq(move(DISK_READ, FILE_SIZE / 2 - 4096, buffer, 8192), -EIO);
	ck_assert_int_eq(move(DISK_READ, FILE_SIZE / 2 - 4096, buffer, 4096), 0);
	ck_assert_int_eq(ftruncate(file, FILE_SIZE / 2 + 100), 0);
	ck_assert_int_eq(move(DISK_READ, FILE_SIZE / 2, buffer, 4096), -EIO);
	ck_assert_uint_eq(disk->capacity, FILE_SIZE);
	ck_assert_int_eq(disk->ops->refresh(disk), 0);
	ck_assert_uint_eq(disk->capacity, FILE_SIZE / 2);
	ck_assert_int_eq(ftruncate(file, 0), 0);
	ck_assert_int_lt(disk->ops->refresh(disk), 0);
	ck_assert_uint_eq(disk->capacity, FILE_SIZE / 2);
	ck_assert_int_eq(ftruncate(file, 2 * FILE_SIZE), 0);
	ck_assert_int_eq(disk->ops->refresh(disk), 0);
	ck_assert_uint_eq(disk->capacity, 2 * FILE_SIZE);
}
END_TEST

START_TEST(no_room)
{
	const struct rlimit limit = {65536 + 4096, 65536 + 4096};

	if (!open_way(_i))
		return;
	ck_assert_int_eq(ftruncate(file, 4096), 0);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	/* The first part fits; that it doesn't go on is told. */
	ck_assert_int_eq(move(DISK_WRITE, 65536, buffer, 8192), -EFBIG);
	ck_assert_int_eq(move(DISK_WRITE, 65536, buffer, 4096), 0);
}
END_TEST

static blkcnt_t blocks(void)
{
	struct stat st;

	fsync(file);
	ck_assert_int_eq(fstat(file, &st), 0);
	return st.st_blocks;
}

START_TEST(holes_and_zeroes)
{
	static uint8_t expected[FILE_SIZE];
	struct request r;
	blkcnt_t full, now;

	if (!open_way(_i))
		return;
	memset(buffer, 0xee, FILE_SIZE);
	ck_assert_int_eq(move(DISK_WRITE, 0, buffer, FILE_SIZE), 0);
	full = blocks();
	r = make(DISK_DISCARD, 65536, 131072);
	ck_assert_int_eq(run(&r), 0);
	now = blocks();
	ck_assert_int_le(now, full - 131072 / 512 + 16);
	/* Zeroes that keep their place, and at odd sectors. */
	r = make(DISK_WRITE_ZEROES, 512, 1024);
	r.req.durable = true;
	ck_assert_int_eq(run(&r), 0);
	r = make(DISK_WRITE_ZEROES, 512 * 1024, 131072);
	r.req.unmap = true;
	ck_assert_int_eq(run(&r), 0);
	ck_assert_int_le(blocks(), now - 131072 / 512 + 16);
	ck_assert_int_eq(move(DISK_READ, 0, buffer, FILE_SIZE), 0);
	memset(expected, 0xee, FILE_SIZE);
	memset(expected + 512, 0, 1024);
	memset(expected + 65536, 0, 131072);
	memset(expected + 512 * 1024, 0, 131072);
	ck_assert(!memcmp(buffer, expected, FILE_SIZE));
	ck_assert_uint_eq(disk->capacity, FILE_SIZE);
}
END_TEST

START_TEST(drain_and_cancel)
{
	static struct request requests[BATCH];

	if (!open_way(_i))
		return;
	for (unsigned int pass = 0; pass < 4; pass++) {
		for (unsigned int i = 0; i < 200; i++) {
			requests[i] = make(i % 2 ? DISK_WRITE : DISK_READ, 4096 * i, 4096);
			requests[i].iov[0] = (struct iovec){buffer + 4096 * i, 4096};
			start(&requests[i]);
		}
		/* What is only noted is drained too. */
		if (pass % 2)
			disk->ops->commit(disk);
		if (pass < 2)
			disk->ops->drain(disk);
		else
			disk->ops->cancel(disk);
		for (unsigned int i = 0; i < 200; i++) {
			ck_assert_int_eq(requests[i].done, 1);
			ck_assert(requests[i].result == 0 ||
				  (pass >= 2 && (requests[i].result == -ECANCELED ||
							requests[i].result == -EINTR)));
		}
	}
	ck_assert_uint_eq(batches, 0);
	ck_assert_int_eq(move(DISK_READ, 0, buffer, 4096), 0);
}
END_TEST

/* Without io_uring */

static void refuse_io_uring(int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {
		.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(io_uring_refused)
{
	static const int errors[] = {ENOSYS, EPERM, ENOMEM};
	const struct disk_options automatic = {.io = DISK_IO_AUTO}, forced = {.io = DISK_IO_URING};
	struct err err = {0};

	refuse_io_uring(errors[_i]);
	ck_assert_int_eq(disk_open(&loop, path, &forced, &disk, &err), -errors[_i]);
	ck_assert_ptr_null(disk);
	ck_assert_msg(strstr(err.msg, "io_uring is refused"), "%s", err.msg);
	ck_assert_msg(strstr(err.msg, path), "%s", err.msg);
	/* And the file was let go: it can be locked again. */
	ck_assert_int_eq(disk_open(&loop, path, &automatic, &disk, &err), 0);
	ck_assert_int_eq(move(DISK_WRITE, 0, buffer, 4096), 0);
}
END_TEST

/* What can't be a disk */

static void expect_refused(const struct disk_options *options, int code, const char *text)
{
	struct disk *d = NULL;
	struct err err = {0};

	ck_assert_int_eq(disk_open(&loop, path, options, &d, &err), code);
	ck_assert_ptr_null(d);
	ck_assert_msg(strstr(err.msg, text), "%s", err.msg);
	ck_assert_msg(strstr(err.msg, path), "%s", err.msg);
}

START_TEST(refused)
{
	const struct disk_options rw = {.io = DISK_IO_SYNC},
				  ro = {.io = DISK_IO_SYNC, .read_only = true};

	ck_assert_int_eq(truncate(path, 0), 0);
	expect_refused(&rw, -EINVAL, "is empty");
	ck_assert_int_eq(truncate(path, 1000), 0);
	expect_refused(&rw, -EINVAL, "size 1000 is not a multiple of 512");
	unlink(path);
	expect_refused(&rw, -ENOENT, "No such file");
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	expect_refused(&rw, -EINVAL, "neither a file nor a block device");
	unlink(path);
	snprintf(path, sizeof(path), "/tmp");
	expect_refused(&rw, -EISDIR, "is a directory");
	expect_refused(&ro, -EISDIR, "is a directory");
	path[0] = '\0';
}
END_TEST

START_TEST(locks)
{
	const struct disk_options rw = {.io = DISK_IO_SYNC},
				  ro = {.io = DISK_IO_SYNC, .read_only = true};
	struct disk *reader = NULL, *reader2 = NULL;

	ck_assert_int_eq(disk_open(&loop, path, &rw, &disk, NULL), 0);
	expect_refused(&rw, -EBUSY, "in use");
	expect_refused(&ro, -EBUSY, "in use");
	disk_free(disk);
	disk = NULL;
	ck_assert_int_eq(disk_open(&loop, path, &ro, &reader, NULL), 0);
	ck_assert_int_eq(disk_open(&loop, path, &ro, &reader2, NULL), 0);
	expect_refused(&rw, -EBUSY, "in use");
	disk_free(reader);
	disk_free(reader2);
}
END_TEST

static int from_fd(int fd, bool read_only, struct disk **ret, struct err *err)
{
	const struct disk_options options = {.read_only = read_only};

	return disk_from_fd(&loop, fd, "fd=9", &options, ret, err);
}

START_TEST(from_descriptor)
{
	struct disk *d = NULL;
	struct err err = {0};
	int fd;

	ck_assert_int_eq(from_fd(open(path, O_RDONLY), false, &d, &err), -EBADF);
	ck_assert_ptr_nonnull(strstr(err.msg, "fd=9"));
	ck_assert_int_eq(from_fd(open(path, O_WRONLY), false, &d, &err), -EBADF);
	ck_assert_int_eq(from_fd(open(path, O_RDWR | O_APPEND), false, &d, &err), -EBADF);
	ck_assert_int_eq(from_fd(open(path, O_PATH), true, &d, &err), -EBADF);
	ck_assert_int_eq(from_fd(999, true, &d, &err), -EBADF);
	ck_assert_ptr_null(d);
	ck_assert_int_eq(from_fd(open(path, O_RDONLY), true, &d, &err), 0);
	ck_assert(d->read_only);
	disk_free(d);
	d = NULL;
	/* io_uring would give up on such a one instead of waiting. */
	fd = open(path, O_RDWR | O_NONBLOCK);
	ck_assert_int_eq(from_fd(fd, false, &disk, &err), 0);
	ck_assert(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
}
END_TEST

SUITE_CASES("disk", setup, teardown, {round_trip, WAYS}, {a_batch_larger_than_the_ring, WAYS},
	{truncated_while_in_use, WAYS}, {no_room, WAYS}, {holes_and_zeroes, WAYS},
	{drain_and_cancel, WAYS}, {io_uring_refused, 3}, {refused}, {locks}, {from_descriptor})
