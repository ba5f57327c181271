// SPDX-License-Identifier: Apache-2.0
// Tests of devices/balloon.h and of giving pages back to this host.
#include "devices/balloon.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/le.h"
#include "devices/backend/reclaim.h"
#include "devices/virtio.h"
#include "devices/virtqueue.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/loop_step.h"
#include "tests/lib/suite.h"

#include <linux/virtio_balloon.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE 4096u
#define CALLS_MAX 512
#define ACTUAL offsetof(struct virtio_balloon_config, actual)
#define POISON offsetof(struct virtio_balloon_config, poison_val)

/* Writes down what it is told. */
static struct {
	struct reclaim base;
	unsigned int count;
	struct {
		uint64_t gpa;
		size_t len;
	} calls[CALLS_MAX];
} reclaim;

static struct loop loop;
static struct fake_driver f;
static struct virtio_dev *dev;

static void fake_release(struct reclaim *base, uint8_t *hva, size_t len)
{
	ck_assert_uint_lt(reclaim.count, CALLS_MAX);
	ck_assert(hva >= f.ram);
	ck_assert_uint_le((size_t)(hva - f.ram) + len, FAKE_RAM_SIZE);
	reclaim.calls[reclaim.count].gpa = FAKE_RAM_GPA + (uint64_t)(hva - f.ram);
	reclaim.calls[reclaim.count++].len = len;
}

static void fake_reclaim_free(struct reclaim *base)
{
}

static const struct reclaim_ops fake_ops = {.release = fake_release, .free = fake_reclaim_free};

static void start_with(const struct balloon_config *config, uint64_t features)
{
	memset(&reclaim, 0, sizeof(reclaim));
	reclaim.base.ops = &fake_ops;
	ck_assert_int_eq(loop_init(&loop), 0);
	fake_driver_init(&f);
	ck_assert_int_eq(balloon_new(&loop, &f.mem, &reclaim.base, config, &dev), 0);
	ck_assert_uint_eq(features & ~dev->features, 0);
	ck_assert_int_eq(fake_driver_start(&f, dev, features), 0);
}

static void setup(void)
{
	start_with(&(struct balloon_config){.target_mib = 1}, 0);
}

static void teardown(void)
{
	fake_driver_reset(&f);
	dev->ops->free(dev);
	fake_driver_fini(&f);
	loop_fini(&loop);
}

static void restart(const struct balloon_config *config, uint64_t features)
{
	teardown();
	start_with(config, features);
}

/* Put page numbers into a queue. */
static void send_pages(unsigned int queue, const uint32_t *pfns, unsigned int count)
{
	uint64_t gpa = fake_alloc(&f, 4 * count, 4);

	memcpy(fake_ptr(&f, gpa), pfns, 4 * count);
	fake_add(&f.queues[queue], &(struct fake_buf){gpa, 4 * count, false}, 1);
	fake_kick(&f, queue);
}

static void expect_call(unsigned int i, uint64_t pfn, unsigned int pages)
{
	ck_assert_uint_eq(reclaim.calls[i].gpa, pfn * PAGE);
	ck_assert_uint_eq(reclaim.calls[i].len, pages * PAGE);
}

static void expect_used(unsigned int queue)
{
	uint32_t id, len;

	ck_assert(fake_used(&f.queues[queue], &id, &len));
	ck_assert_uint_eq(len, 0);
}

static void expect_not_used(unsigned int queue)
{
	uint32_t id, len;

	ck_assert(!fake_used(&f.queues[queue], &id, &len));
}

static uint32_t config_word(unsigned int offset)
{
	uint32_t value = 0;

	dev->ops->read_config(dev, offset, &value, 4);
	return value;
}

static void write_word(unsigned int offset, uint32_t value)
{
	dev->ops->write_config(dev, offset, &value, 4);
}

START_TEST(pages_go_in_runs)
{
	/* Downwards, upwards, one alone, one twice. */
	const uint32_t pfns[] = {0x123, 0x122, 0x121, 0x130, 0x131, 0x180, 0x122};

	send_pages(0, pfns, ARRAY_SIZE(pfns));
	expect_used(0);
	ck_assert_uint_eq(reclaim.count, 3);
	expect_call(0, 0x121, 3);
	expect_call(1, 0x130, 2);
	expect_call(2, 0x180, 1);
}
END_TEST

START_TEST(a_list_in_pieces)
{
	/* A page number that lies across two buffers. */
	uint64_t gpa = fake_alloc(&f, 16, 4);
	const struct fake_buf bufs[] = {{gpa, 6, false}, {gpa + 6, 2, false}};
	const uint32_t pfns[] = {0x110, 0x111};

	memcpy(fake_ptr(&f, gpa), pfns, sizeof(pfns));
	fake_add(&f.queues[0], bufs, 2);
	fake_kick(&f, 0);
	expect_used(0);
	ck_assert_uint_eq(reclaim.count, 1);
	expect_call(0, 0x110, 2);
}
END_TEST

START_TEST(many_pages)
{
	uint32_t pfns[400];

	for (unsigned int i = 0; i < ARRAY_SIZE(pfns); i++)
		pfns[i] = 0x100 + i;
	send_pages(0, pfns, ARRAY_SIZE(pfns));
	expect_used(0);
	/* A batch, and the rest. */
	ck_assert_uint_eq(reclaim.count, 2);
	expect_call(0, 0x100, 256);
	expect_call(1, 0x200, 144);
}
END_TEST

static const uint32_t outside[] = {0, 0xff, 0x300, 0xffffffff, 0x100000};

START_TEST(page_outside)
{
	send_pages(0, &outside[_i], 1);
	ck_assert(atomic_load(&dev->broken));
	ck_assert_uint_eq(reclaim.count, 0);
	expect_not_used(0);
}
END_TEST

START_TEST(broken_and_used_again)
{
	send_pages(0, &outside[0], 1);
	ck_assert(atomic_load(&dev->broken));
	fake_driver_reset(&f);
	ck_assert_int_eq(fake_driver_start(&f, dev, 0), 0);
	send_pages(0, (const uint32_t[]){0x150}, 1);
	expect_used(0);
	expect_call(0, 0x150, 1);
}
END_TEST

START_TEST(odd_list)
{
	fake_add(&f.queues[0], &(struct fake_buf){fake_alloc(&f, 8, 4), 7, false}, 1);
	fake_kick(&f, 0);
	ck_assert(atomic_load(&dev->broken));
}
END_TEST

START_TEST(list_too_long)
{
	fake_add(&f.queues[0], &(struct fake_buf){FAKE_RAM_GPA, 4 * 4097, false}, 1);
	fake_kick(&f, 0);
	ck_assert(atomic_load(&dev->broken));
	ck_assert_uint_eq(reclaim.count, 0);
}
END_TEST

START_TEST(list_to_write)
{
	fake_add(&f.queues[_i], &(struct fake_buf){fake_alloc(&f, 4, 4), 4, true}, 1);
	fake_kick(&f, _i);
	ck_assert(atomic_load(&dev->broken));
}
END_TEST

START_TEST(deflating_gives_nothing_back)
{
	send_pages(1, (const uint32_t[]){0x150}, 1);
	expect_used(1);
	ck_assert_uint_eq(reclaim.count, 0);
}
END_TEST

/* Each request is 1024 pages: four of them are the bound of a notify. */
START_TEST(a_notify_is_bounded)
{
	uint64_t gpa = fake_alloc(&f, 4096, 4);
	uint32_t *pfns = fake_ptr(&f, gpa);

	for (unsigned int i = 0; i < 1024; i++)
		pfns[i] = 0x100 + i % 256;
	for (unsigned int i = 0; i < 6; i++)
		fake_add(&f.queues[0], &(struct fake_buf){gpa, 4096, false}, 1);
	dev->ops->notify(dev, 0);
	for (unsigned int i = 0; i < 4; i++)
		expect_used(0);
	expect_not_used(0);
	ck_assert_uint_eq(f.later, 1);
	fake_kick(&f, 0);
	expect_used(0);
	expect_used(0);
}
END_TEST

START_TEST(target)
{
	unsigned int before = f.config_signals;

	ck_assert_uint_eq(config_word(0), 256);
	ck_assert_int_eq(balloon_set_target(dev, 2), 0);
	ck_assert_uint_eq(config_word(0), 512);
	ck_assert_uint_eq(f.config_signals, before + 1);
	/* The guest has two MiB. */
	ck_assert_int_eq(balloon_set_target(dev, 3), -EINVAL);
	ck_assert_int_eq(balloon_set_target(dev, UINT32_MAX), -EINVAL);
	ck_assert_uint_eq(config_word(0), 512);
	ck_assert_uint_eq(f.config_signals, before + 1);
}
END_TEST

START_TEST(config_space)
{
	struct balloon_stats stats;
	uint64_t wide = UINT64_MAX;
	uint8_t byte = 7;

	write_word(ACTUAL, 99);
	ck_assert_uint_eq(config_word(ACTUAL), 99);
	balloon_get_stats(dev, &stats);
	ck_assert_uint_eq(stats.actual_pages, 99);
	ck_assert_uint_eq(stats.target_pages, 256);
	/* Only that, and whole. */
	write_word(0, 5);
	write_word(8, 5);
	write_word(2, 5);
	write_word(0xfc, 5);
	dev->ops->write_config(dev, ACTUAL, &byte, 1);
	dev->ops->write_config(dev, 0, &wide, 8);
	ck_assert_uint_eq(config_word(0), 256);
	ck_assert_uint_eq(config_word(ACTUAL), 99);
	ck_assert_uint_eq(config_word(8), 0);
	dev->ops->read_config(dev, 0xf0, &wide, 8);
	ck_assert_uint_eq(wide, 0);
}
END_TEST

static void report(unsigned int queue, bool write)
{
	const struct fake_buf bufs[] = {{FAKE_RAM_GPA + 0x100000, 0x80000, write},
		{FAKE_RAM_GPA + 0x1f0000, 0x4000, write}};

	fake_add(&f.queues[queue], bufs, 2);
	fake_kick(&f, queue);
}

START_TEST(reported_pages)
{
	const struct balloon_config config = {.reporting = true, .stats_s = 1};

	/* Queues have numbers only when they were negotiated. */
	restart(&config, 1u << VIRTIO_BALLOON_F_REPORTING);
	report(2, true);
	expect_used(2);
	restart(&config, 1u << VIRTIO_BALLOON_F_REPORTING | 1u << VIRTIO_BALLOON_F_STATS_VQ);
	report(3, true);
	expect_used(3);
	ck_assert_uint_eq(reclaim.count, 2);
	expect_call(0, 0x200, 0x80);
	expect_call(1, 0x2f0, 4);
}
END_TEST

START_TEST(report_to_read)
{
	restart(&(struct balloon_config){.reporting = true}, 1u << VIRTIO_BALLOON_F_REPORTING);
	report(2, false);
	ck_assert(atomic_load(&dev->broken));
	ck_assert_uint_eq(reclaim.count, 0);
}
END_TEST

START_TEST(queue_that_was_not_negotiated)
{
	restart(&(struct balloon_config){.reporting = true}, 0);
	report(2, true);
	expect_not_used(2);
	ck_assert_uint_eq(reclaim.count, 0);
}
END_TEST

START_TEST(poison)
{
	uint32_t both = 1u << VIRTIO_BALLOON_F_REPORTING | 1u << VIRTIO_BALLOON_F_PAGE_POISON;

	restart(&(struct balloon_config){.reporting = true}, both);
	write_word(POISON, 0);
	report(2, true);
	expect_used(2);
	ck_assert_uint_eq(reclaim.count, 2);
	write_word(POISON, 0xaaaaaaaa);
	ck_assert_uint_eq(config_word(POISON), 0xaaaaaaaa);
	report(2, true);
	expect_used(2);
	ck_assert_uint_eq(reclaim.count, 2);
	/* A reset forgets it. */
	fake_driver_reset(&f);
	ck_assert_uint_eq(config_word(POISON), 0);
}
END_TEST

static void send_stats(unsigned int tag, uint64_t value)
{
	uint64_t gpa = fake_alloc(&f, 20, 2);
	uint8_t *p = fake_ptr(&f, gpa);

	le16_store(p, (uint16_t)tag);
	le64_store(p + 2, value);
	le16_store(p + 10, BALLOON_STAT_FREE_MEMORY);
	le64_store(p + 12, 77);
	fake_add(&f.queues[2], &(struct fake_buf){gpa, 20, false}, 1);
	fake_kick(&f, 2);
}

static void with_stats(void)
{
	restart(&(struct balloon_config){.stats_s = 1}, 1u << VIRTIO_BALLOON_F_STATS_VQ);
}

/* Let the timer fire. */
static void after_a_second(void)
{
	nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 50000000}, NULL);
	loop_step(&loop);
}

START_TEST(statistics)
{
	struct balloon_stats stats;

	with_stats();
	send_stats(BALLOON_STAT_DIRECT_RECLAIM, 1ull << 40);
	/* Held until the next are wanted. */
	expect_not_used(2);
	balloon_get_stats(dev, &stats);
	ck_assert_uint_eq(
		stats.present, 1u << BALLOON_STAT_DIRECT_RECLAIM | 1u << BALLOON_STAT_FREE_MEMORY);
	ck_assert_uint_eq(stats.values[BALLOON_STAT_DIRECT_RECLAIM], 1ull << 40);
	ck_assert_uint_eq(stats.values[BALLOON_STAT_FREE_MEMORY], 77);
	after_a_second();
	expect_used(2);
	send_stats(BALLOON_STAT_COUNT, 1);
	balloon_get_stats(dev, &stats);
	/* A tag that nobody knows is left out. */
	ck_assert_uint_eq(stats.present, 1u << BALLOON_STAT_FREE_MEMORY);
	/* No second time unless it answers. */
	after_a_second();
	expect_used(2);
	after_a_second();
	expect_not_used(2);
}
END_TEST

START_TEST(statistics_too_long)
{
	with_stats();
	fake_add(&f.queues[2], &(struct fake_buf){FAKE_RAM_GPA, 641, false}, 1);
	fake_kick(&f, 2);
	ck_assert(atomic_load(&dev->broken));
}
END_TEST

START_TEST(statistics_twice)
{
	with_stats();
	send_stats(0, 1);
	send_stats(0, 2);
	/* The older one goes back at once. */
	expect_used(2);
	expect_not_used(2);
}
END_TEST

START_TEST(polling)
{
	ck_assert_int_eq(balloon_set_polling(dev, 1), -ENOTSUP);
	with_stats();
	ck_assert_int_eq(balloon_set_polling(dev, UINT32_MAX), -EINVAL);
	ck_assert_int_eq(balloon_set_polling(dev, 0), 0);
	send_stats(0, 1);
	after_a_second();
	expect_not_used(2);
	ck_assert_int_eq(balloon_set_polling(dev, 1), 0);
	after_a_second();
	expect_used(2);
}
END_TEST

/* Nothing is written behind a reset or while a snapshot is made. */
START_TEST(nothing_late)
{
	uint64_t touched = 0;

	with_stats();
	send_stats(0, 1);
	if (_i)
		fake_driver_reset(&f);
	else
		dev->ops->quiesce(dev);
	memset(f.ram, 0, FAKE_RAM_SIZE);
	after_a_second();
	for (uint64_t i = 0; i < FAKE_RAM_SIZE; i++)
		touched += f.ram[i];
	ck_assert_uint_eq(touched, 0);
}
END_TEST

START_TEST(quiesce_puts_statistics_back)
{
	with_stats();
	send_stats(0, 1);
	dev->ops->quiesce(dev);
	ck_assert(virtq_pending(&dev->queues[2]));
	fake_kick(&f, 2);
	expect_not_used(2);
	after_a_second();
	expect_used(2);
}
END_TEST

START_TEST(statistics_go_on_after_a_pause)
{
	with_stats();
	send_stats(0, 1);
	fake_driver_pause(&f);
	after_a_second();
	expect_not_used(2);
	fake_driver_resume(&f);
	expect_not_used(2);
	after_a_second();
	expect_used(2);
}
END_TEST

START_TEST(save_and_load)
{
	const uint8_t bad[16] = {1, 2}; /* 513 pages */
	struct buf buf = BUF_INIT(64);
	struct balloon_stats stats;

	with_stats();
	ck_assert_int_eq(balloon_set_target(dev, 2), 0);
	ck_assert_int_eq(balloon_set_polling(dev, 9), 0);
	write_word(ACTUAL, 100);
	write_word(POISON, 3);
	dev->ops->quiesce(dev);
	ck_assert_int_eq(dev->ops->save(dev, &buf), 0);
	with_stats();
	fake_driver_reset(&f);
	ck_assert_int_eq(dev->ops->load(dev, buf.data, buf.len - 1), -EINVAL);
	ck_assert_int_eq(dev->ops->load(dev, bad, sizeof(bad)), -EINVAL);
	ck_assert_int_eq(dev->ops->load(dev, buf.data, buf.len), 0);
	balloon_get_stats(dev, &stats);
	ck_assert_uint_eq(stats.target_pages, 512);
	ck_assert_uint_eq(stats.actual_pages, 100);
	ck_assert_uint_eq(stats.stats_s, 9);
	ck_assert_uint_eq(config_word(POISON), 3);
	/* A balloon without statistics can't poll. */
	restart(&(struct balloon_config){0}, 0);
	fake_driver_reset(&f);
	ck_assert_int_eq(dev->ops->load(dev, buf.data, buf.len), -EINVAL);
	buf_fini(&buf);
}
END_TEST

START_TEST(target_beyond_memory)
{
	struct virtio_dev *other;

	ck_assert_int_eq(balloon_new(&loop, &f.mem, &reclaim.base,
				 &(struct balloon_config){.target_mib = 3}, &other),
		-EINVAL);
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(balloon_stat_name(BALLOON_STAT_SWAP_IN), "swap_in");
	ck_assert_str_eq(balloon_stat_name(BALLOON_STAT_DIRECT_RECLAIM), "direct_reclaim");
}
END_TEST

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

START_TEST(counts)
{
	const uint64_t *n = dev->counters;

	send_pages(0, (const uint32_t[]){0x150}, 1);
	send_pages(1, (const uint32_t[]){0x150}, 1);
	send_pages(1, (const uint32_t[]){0x151}, 1);
	ck_assert_uint_eq(n[BALLOON_INFLATES], 1);
	ck_assert_uint_eq(n[BALLOON_DEFLATES], 2);
	ck_assert_uint_eq(n[BALLOON_BROKEN], 0);
	send_pages(0, &outside[0], 1);
	ck_assert_uint_eq(n[BALLOON_BROKEN], 1);
}
END_TEST

SUITE_CASES("balloon", setup, teardown, {counts}, {pages_go_in_runs}, {a_list_in_pieces},
	{many_pages}, {page_outside, ARRAY_SIZE(outside)}, {broken_and_used_again}, {odd_list},
	{list_too_long}, {list_to_write, 2}, {deflating_gives_nothing_back}, {a_notify_is_bounded},
	{target}, {config_space}, {reported_pages}, {report_to_read},
	{queue_that_was_not_negotiated}, {poison}, {statistics}, {statistics_too_long},
	{statistics_twice}, {polling}, {nothing_late, 2}, {quiesce_puts_statistics_back},
	{statistics_go_on_after_a_pause}, {save_and_load}, {target_beyond_memory}, {names},
	{host_pages_read_as_zeroes, ARRAY_SIZE(ranges)}, {host_only_whole_pages},
	{host_large_pages}, {host_list_of_pieces_full})
