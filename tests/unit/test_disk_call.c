// SPDX-License-Identifier: Apache-2.0
// Tests of devices/backend/disk_call.h: what a request becomes, and how it goes on.
#include "devices/backend/disk_call.h"

#include "devices/backend/disk_host.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>

static struct disk_host host;
static struct disk_req req;
static struct disk_call call;
static uint8_t data[16384] __attribute__((aligned(4096)));
static struct iovec iov[3];

static void setup(void)
{
	host = (struct disk_host){.fds = {5, -1}};
	iov[0] = (struct iovec){data, 4096};
	iov[1] = (struct iovec){data + 4096, 512};
	iov[2] = (struct iovec){data + 8192, 3584};
}

static void begin(enum disk_op op, uint64_t len)
{
	req = (struct disk_req){.op = op, .iov = iov, .iov_count = 3, .offset = 1024, .len = len};
	disk_call_next(&host, &req, &call);
}

/* The call gives @result; another one is due. */
static void goes_on(int64_t result)
{
	ck_assert_int_eq(disk_call_done(&host, &req, result), 1);
	disk_call_next(&host, &req, &call);
}

static void ends(int64_t result, int expected)
{
	ck_assert_int_eq(disk_call_done(&host, &req, result), expected);
}

START_TEST(short_transfers)
{
	begin(_i ? DISK_WRITE : DISK_READ, 8192);
	ck_assert_int_eq(call.kind, _i ? DISK_CALL_WRITEV : DISK_CALL_READV);
	ck_assert_uint_eq(call.offset, 1024);
	ck_assert_int_eq(call.iov_count, 3);
	goes_on(1);
	ck_assert_uint_eq(call.offset, 1025);
	ck_assert_ptr_eq(call.iov->iov_base, data + 1);
	ck_assert_uint_eq(call.iov->iov_len, 4095);
	goes_on(-EINTR);
	ck_assert_uint_eq(call.offset, 1025);
	goes_on(4095 + 512);
	ck_assert_uint_eq(call.offset, 1024 + 4608);
	ck_assert_int_eq(call.iov_count, 1);
	ck_assert_ptr_eq(call.iov->iov_base, data + 8192);
	goes_on(3583);
	ends(1, 0);
}
END_TEST

START_TEST(transfers_that_end_early)
{
	begin(DISK_READ, 8192);
	goes_on(4096);
	ends(0, -EIO);
	begin(DISK_READ, 8192);
	ends(-EIO, -EIO);
	begin(DISK_WRITE, 8192);
	ends(0, -ENOSPC);
	begin(DISK_WRITE, 8192);
	goes_on(512);
	ends(-ENOSPC, -ENOSPC);
}
END_TEST

START_TEST(durable_writes)
{
	begin(DISK_WRITE, 8192);
	ck_assert_int_eq(call.flags, 0);
	req.durable = true;
	disk_call_next(&host, &req, &call);
	ck_assert_int_eq(call.flags, RWF_DSYNC);
}
END_TEST

START_TEST(flushes)
{
	begin(DISK_FLUSH, 0);
	ck_assert_int_eq(call.kind, DISK_CALL_FDATASYNC);
	ends(0, 0);
	begin(DISK_FLUSH, 0);
	ends(-EIO, -EIO);
}
END_TEST

START_TEST(direct_where_it_fits)
{
	host.fds[DISK_FD_DIRECT] = 6;
	host.memory_mask = 511;
	host.offset_mask = 511;
	begin(DISK_READ, 8192);
	ck_assert_int_eq(call.fd, DISK_FD_DIRECT);
	/* After an odd part the rest doesn't fit. */
	goes_on(100);
	ck_assert_int_eq(call.fd, DISK_FD_BUFFERED);
	goes_on(412);
	ck_assert_int_eq(call.fd, DISK_FD_DIRECT);
	setup();
	host.fds[DISK_FD_DIRECT] = 6;
	host.memory_mask = 4095;
	host.offset_mask = 511;
	begin(DISK_READ, 8192);
	ck_assert_int_eq(call.fd, DISK_FD_DIRECT);
	iov[2].iov_base = data + 8192 + 512;
	begin(DISK_READ, 8192);
	ck_assert_int_eq(call.fd, DISK_FD_BUFFERED);
	iov[2].iov_base = data + 8192;
	host.offset_mask = 4095;
	begin(DISK_READ, 8192);
	ck_assert_int_eq(call.fd, DISK_FD_BUFFERED);
}
END_TEST

START_TEST(discards)
{
	begin(DISK_DISCARD, 8192);
	ck_assert_int_eq(call.kind, DISK_CALL_FALLOCATE);
	ck_assert_int_eq(call.flags, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	ck_assert_uint_eq(call.len, 8192);
	ends(0, 0);
	/* It is advice: who can't take it may ignore it. */
	begin(DISK_DISCARD, 8192);
	ends(-EOPNOTSUPP, 0);
	begin(DISK_DISCARD, 8192);
	ends(-EIO, -EIO);
}
END_TEST

START_TEST(zeroes)
{
	begin(DISK_WRITE_ZEROES, 8192);
	ck_assert_int_eq(call.kind, DISK_CALL_FALLOCATE);
	ck_assert_int_eq(call.flags, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
	ends(0, 0);
	/* Holes read as zeroes. */
	begin(DISK_WRITE_ZEROES, 8192);
	req.unmap = true;
	disk_call_next(&host, &req, &call);
	ck_assert_int_eq(call.flags, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	ends(0, 0);
	begin(DISK_WRITE_ZEROES, 8192);
	req.durable = true;
	goes_on(0);
	ck_assert_int_eq(call.kind, DISK_CALL_FDATASYNC);
	ends(0, 0);
	begin(DISK_WRITE_ZEROES, 8192);
	ends(-EIO, -EIO);
}
END_TEST

START_TEST(zeroes_written)
{
	const uint64_t len = (1 << 20) + 1536;
	uint64_t total = 0;

	begin(DISK_WRITE_ZEROES, len);
	req.unmap = true;
	req.durable = true;
	disk_call_next(&host, &req, &call);
	goes_on(-EOPNOTSUPP);
	ck_assert_int_eq(call.flags, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
	goes_on(-EOPNOTSUPP);
	while (call.kind == DISK_CALL_WRITEV) {
		uint64_t part = 0;

		ck_assert_uint_eq(call.offset, 1024 + total);
		for (int i = 0; i < call.iov_count; i++)
			part += call.iov[i].iov_len;
		ck_assert_uint_gt(part, 0);
		ck_assert_uint_le(total + part, len);
		/* Now and then a short one. */
		part = total ? part : 512;
		total += part;
		goes_on((int64_t)part);
	}
	ck_assert_uint_eq(total, len);
	ck_assert_int_eq(call.kind, DISK_CALL_FDATASYNC);
	ends(0, 0);
	/* It isn't tried again. */
	begin(DISK_WRITE_ZEROES, len);
	ck_assert_int_eq(call.kind, DISK_CALL_WRITEV);
	ends(-ENOSPC, -ENOSPC);
}
END_TEST

SUITE_CASES("disk_call", setup, NULL, {short_transfers, 2}, {transfers_that_end_early},
	{durable_writes}, {flushes}, {direct_where_it_fits}, {discards}, {zeroes}, {zeroes_written})
