// SPDX-License-Identifier: Apache-2.0
// Tests of devices/backend/reclaim.h: giving pages back to this host.
#include "devices/backend/reclaim.h"

#include "base/cleanup.h"
#include "devices/guest_mem.h"
#include "tests/lib/suite.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u

/* Guest memory as the monitor makes it: 64 pages, all written, pages 16 to 47 from a file. */
static struct guest_mem host_mem;
static uint8_t *host_ram;
static struct reclaim *host;

static void host_setup(size_t page_size)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);
	char page[PAGE];

	host_mem = (struct guest_mem){0};
	host_ram =
		mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(host_ram, MAP_FAILED);
	memset(page, 'F', sizeof(page));
	for (int i = 0; i < 32; i++)
		ck_assert_int_eq(write(fd, page, sizeof(page)), sizeof(page));
	ck_assert_ptr_ne(mmap(host_ram + 16 * PAGE, 32 * PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_FIXED, fd, 0),
		MAP_FAILED);
	close(fd);
	ck_assert_int_eq(guest_mem_add(&host_mem, 0, 64 * PAGE, host_ram), 0);
	host_mem.files[host_mem.file_count++] =
		(struct guest_mem_file){host_ram + 16 * PAGE, 32 * PAGE};
	memset(host_ram, 'G', 64 * PAGE);
	ck_assert_int_eq(reclaim_host_new(&host_mem, page_size, &host), 0);
}

static void host_teardown(void)
{
	reclaim_free(host);
	munmap(host_ram, 64 * PAGE);
}

/* Page by page: G what the guest wrote, F what the file has, 0 given back. */
static void expect_pages(unsigned int from, unsigned int to, char content)
{
	for (unsigned int i = 0; i < 64; i++) {
		char expected = content;

		if (i < from || i >= to)
			expected = 'G';
		ck_assert_int_eq(host_ram[i * PAGE], expected);
		ck_assert_int_eq(host_ram[i * PAGE + PAGE - 1], expected);
	}
}

static const unsigned int ranges[][2] = {{0, 4}, {60, 64}, {16, 48}, {20, 24}, {16, 20}, {44, 48},
	{12, 20}, {40, 52}, {8, 60}, {0, 64}};

START_TEST(host_pages_read_as_zeroes)
{
	unsigned int from = ranges[_i][0], to = ranges[_i][1];

	host_setup(PAGE);
	host->ops->release(host, host_ram + from * PAGE, (to - from) * PAGE);
	expect_pages(from, to, 0);
	/* Used again, given back again: never what is in the file. */
	memset(host_ram, 'G', 64 * PAGE);
	host->ops->release(host, host_ram + from * PAGE, (to - from) * PAGE);
	expect_pages(from, to, 0);
	host_teardown();
}
END_TEST

START_TEST(host_only_whole_pages)
{
	host_setup(PAGE);
	host->ops->release(host, host_ram + 1, 3 * PAGE - 2);
	expect_pages(1, 2, 0);
	host->ops->release(host, host_ram + 10 * PAGE + 1, PAGE);
	host->ops->release(host, host_ram + 10 * PAGE + 1, 5);
	expect_pages(1, 2, 0);
	host_teardown();
}
END_TEST

/* With pages of 16 KiB behind it, what is less stays. */
START_TEST(host_large_pages)
{
	host_setup(4 * PAGE);
	/* Where the mapping begins is any multiple of 4 KiB. */
	unsigned int first = (unsigned int)(-(uintptr_t)host_ram / PAGE % 4);

	host->ops->release(host, host_ram + (first + 1) * PAGE, 10 * PAGE);
	expect_pages(first + 4, first + 8, 0);
	host_teardown();
}
END_TEST

/* Every second page of a file: more pieces than the list has room for. None shows the file. */
START_TEST(host_list_of_pieces_full)
{
	const unsigned int count = 4 * RECLAIM_FILES_MAX;
	uint8_t *ram = mmap(
		NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct guest_mem mem = {.file_count = 1, .files = {{ram, count * PAGE}}};
	unsigned int given = 0;

	ck_assert_int_eq(guest_mem_add(&mem, 0, count * PAGE, ram), 0);
	memset(ram, 'G', count * PAGE);
	ck_assert_int_eq(reclaim_host_new(&mem, PAGE, &host), 0);
	for (unsigned int i = 1; i < count; i += 2) {
		host->ops->release(host, ram + i * PAGE, PAGE);
		ck_assert(ram[i * PAGE] == 0 || ram[i * PAGE] == 'G');
		given += !ram[i * PAGE];
		ck_assert_int_eq(ram[(i - 1) * PAGE], 'G');
	}
	/* The last page is at the file's end, where nothing is split. */
	ck_assert_uint_eq(given, RECLAIM_FILES_MAX);
	reclaim_free(host);
	munmap(ram, count * PAGE);
}
END_TEST

SUITE_CASES("reclaim", NULL, NULL, {host_pages_read_as_zeroes, ARRAY_SIZE(ranges)},
	{host_only_whole_pages}, {host_large_pages}, {host_list_of_pieces_full})
