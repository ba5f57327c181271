// SPDX-License-Identifier: Apache-2.0
// Tests of vmm/metrics.h, with counters of the test's own in place of devices.
#include "vmm/metrics.h"

#include "base/err.h"
#include "devices/balloon.h"
#include "devices/blk.h"
#include "devices/net.h"
#include "devices/virtio.h"
#include "tests/lib/suite.h"
#include "vmm/metrics_keys.h"
#include "vmm/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/virtio_ids.h>
#include <string.h>
#include <sys/stat.h>

static struct monitor monitor;
static struct metrics *const metrics = &monitor.metrics;
static uint64_t root[BLK_COUNTERS], data[BLK_COUNTERS], balloon[BALLOON_COUNTERS],
	eth[NET_COUNTERS];
static struct virtio_dev devs[8];
static char dir[] = "/tmp/hull-test-metrics-XXXXXX";
static char path[64];
static int reader;

static void add_device(const char *id, uint32_t virtio_id, const uint64_t *counters)
{
	struct machine *machine = &monitor.machine;
	struct virtio_dev *dev = &devs[machine->slot_count];

	*dev = (struct virtio_dev){.id = virtio_id, .counters = counters};
	snprintf(machine->slots[machine->slot_count].id, MACHINE_ID_MAX, "%s", id);
	machine->slots[machine->slot_count++].dev = dev;
}

static void setup(void)
{
	strcpy(dir, "/tmp/hull-test-metrics-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	reader = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(reader, 0);
	config_init(&monitor.config);
	monitor.vm = VM_NONE(&monitor.loop);
	ck_assert_int_eq(loop_init(&monitor.loop), 0);
	metrics_init(metrics, &monitor);
}

static void teardown(void)
{
	metrics_fini(metrics);
	loop_fini(&monitor.loop);
	close(reader);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void add_devices(void)
{
	add_device("root", VIRTIO_ID_BLOCK, root);
	add_device("data", VIRTIO_ID_BLOCK, data);
	add_device("balloon", VIRTIO_ID_BALLOON, balloon);
	add_device("eth", VIRTIO_ID_NET, eth);
}

/* The next line that was written, or NULL. */
static json_t *next_line(void)
{
	static char text[65536];
	static size_t len;
	ssize_t n = read(reader, text + len, sizeof(text) - len);
	json_error_t error;
	json_t *line;
	char *end;

	len += n > 0 ? (size_t)n : 0;
	end = memchr(text, '\n', len);
	if (!end)
		return NULL;
	line = json_loadb(text, (size_t)(end - text), JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(line, "%s", error.text);
	len -= (size_t)(end + 1 - text);
	memmove(text, end + 1, len);
	return line;
}

static int64_t value(const json_t *line, const char *group, const char *name)
{
	const json_t *member = json_object_get(json_object_get(line, group), name);

	ck_assert_msg(json_is_integer(member), "%s.%s", group, name);
	return json_integer_value(member);
}

static json_t *flush(void)
{
	struct err err;
	json_t *line;

	ck_assert_int_eq(metrics_flush(metrics, &err), 0);
	line = next_line();
	ck_assert_ptr_nonnull(line);
	return line;
}

static void open_metrics(void)
{
	struct err err;
	json_t *first;

	ck_assert_int_eq(metrics_open(metrics, path, &err), 0);
	first = next_line();
	ck_assert_ptr_nonnull(first);
	json_decref(first);
}

START_TEST(a_line_tells_what_was_added)
{
	json_t *line;

	add_devices();
	open_metrics();
	root[BLK_READ_BYTES] = 4096;
	data[BLK_READ_BYTES] = 512;
	balloon[BALLOON_DEFLATES] = 7;
	eth[NET_RX_BYTES] = 9;
	eth[NET_TX_PACKETS] = 3;
	devs[0].signals = 3;
	devs[3].signals = 2;
	metrics_add(metrics, METRIC_PUT_DRIVE);
	metrics->now[METRIC_PAUSE_US] = 77;
	line = flush();
	ck_assert_int_eq(value(line, "block", "read_bytes"), 4608);
	ck_assert_int_eq(value(line, "block_root", "read_bytes"), 4096);
	ck_assert_int_eq(value(line, "block_data", "read_bytes"), 512);
	ck_assert_int_eq(value(line, "balloon", "deflate_count"), 7);
	ck_assert_int_eq(value(line, "net_eth", "rx_bytes_count"), 9);
	ck_assert_int_eq(value(line, "net", "tx_packets_count"), 3);
	ck_assert_int_eq(value(line, "interrupts", "triggers"), 5);
	ck_assert_int_eq(value(line, "put_api_requests", "drive_count"), 1);
	ck_assert_int_eq(value(line, "latencies_us", "pause_vm"), 77);
	json_decref(line);
	root[BLK_READ_BYTES] += 1;
	line = flush();
	ck_assert_int_eq(value(line, "block", "read_bytes"), 1);
	ck_assert_int_eq(value(line, "block_root", "read_bytes"), 1);
	ck_assert_int_eq(value(line, "block_data", "read_bytes"), 0);
	ck_assert_int_eq(value(line, "balloon", "deflate_count"), 0);
	ck_assert_int_eq(value(line, "interrupts", "triggers"), 0);
	/* A value stays what it is. */
	ck_assert_int_eq(value(line, "latencies_us", "pause_vm"), 77);
	json_decref(line);
}
END_TEST

/* Counters that begin again, as after a start that failed, are no huge difference. */
START_TEST(counters_that_begin_again)
{
	json_t *line;

	add_devices();
	open_metrics();
	root[BLK_UPDATES] = 5;
	json_decref(flush());
	root[BLK_UPDATES] = 2;
	line = flush();
	ck_assert_int_eq(value(line, "block_root", "update_count"), 2);
	json_decref(line);
}
END_TEST

/* A FIFO that nobody reads loses lines, as a whole; they are counted, and nothing is forgotten. */
START_TEST(lost_lines_are_counted)
{
	unsigned int lost = 0, got = 0;
	int64_t told = 0, missed = 0;
	struct err err;
	json_t *line;

	add_devices();
	ck_assert_int_ge(fcntl(reader, F_SETPIPE_SZ, 16384), 16384);
	open_metrics();
	for (unsigned int i = 0; i < 10; i++) {
		root[BLK_READS]++;
		lost += metrics_flush(metrics, &err) < 0;
	}
	ck_assert_uint_gt(lost, 5);
	/* Neither of them is torn. */
	for (; (line = next_line()); got++) {
		told += value(line, "block", "read_count");
		json_decref(line);
	}
	ck_assert_int_eq(metrics_flush(metrics, &err), 0);
	for (; (line = next_line()); got++) {
		told += value(line, "block", "read_count");
		missed += value(line, "logger", "missed_metrics_count");
		json_decref(line);
	}
	ck_assert_int_eq(told, 10);
	ck_assert_uint_eq((unsigned int)missed, lost);
	ck_assert_uint_eq(got, 10 - lost + 1);
}
END_TEST

START_TEST(properties_are_in_each_line)
{
	json_t *line;

	open_metrics();
	monitor.config.metrics_emit_id = true;
	monitor.config.metrics_properties = "{\"zone\":\"a\",\"n\":[1]}";
	for (unsigned int i = 0; i < 2; i++) {
		const json_t *properties;

		line = flush();
		properties = json_object_get(line, "properties");
		ck_assert_str_eq(json_string_value(json_object_get(properties, "zone")), "a");
		ck_assert_str_eq(json_string_value(json_object_get(line, "id")), monitor.config.id);
		json_decref(line);
	}
}
END_TEST

START_TEST(without_a_path)
{
	struct err err;

	ck_assert_int_eq(metrics_flush(metrics, &err), -EINVAL);
	ck_assert_int_eq(metrics_open(metrics, "/no/such/file", &err), -ENOENT);
	ck_assert_int_eq(metrics_open(metrics, dir, &err), -EISDIR);
	open_metrics();
	ck_assert_int_eq(metrics_open(metrics, path, &err), -EEXIST);
}
END_TEST

static const char *text_of(struct buf *buf)
{
	ck_assert_int_eq(metrics_text(metrics, buf), 0);
	ck_assert_int_eq(buf_add(buf, "", 1), 0);
	return (const char *)buf->data;
}

START_TEST(openmetrics_text)
{
	struct buf buf = BUF_INIT(1 << 20);
	const char *text;

	add_devices();
	add_device("a\"b", VIRTIO_ID_BLOCK, data);
	root[BLK_READ_BYTES] = 4096;
	data[BLK_READ_BYTES] = 1;
	metrics->now[METRIC_RESUME_US] = 5;
	metrics_add(metrics, METRIC_PUT_DRIVE);
	text = text_of(&buf);
	ck_assert_ptr_nonnull(strstr(text, "# TYPE hull_block_read_bytes counter\n"
					   "# HELP hull_block_read_bytes read_bytes of a block "
					   "device\n"
					   "hull_block_read_bytes_total{drive_id=\"root\"} 4096\n"
					   "hull_block_read_bytes_total{drive_id=\"data\"} 1\n"
					   "hull_block_read_bytes_total{drive_id=\"a\\\"b\"} 1\n"
					   "# TYPE"));
	ck_assert_ptr_nonnull(strstr(text, "# TYPE hull_latencies_us_resume_vm gauge\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nhull_latencies_us_resume_vm 5\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nhull_put_api_requests_drive_count_total 1\n"));
	ck_assert_ptr_nonnull(strstr(text, "hull_vm_info{id=\"anonymous-instance\""));
	/* What is not counted is not told. */
	ck_assert_ptr_null(strstr(text, "mmds"));
	ck_assert_ptr_null(strstr(text, "spoofed"));
	ck_assert_ptr_nonnull(strstr(text, "hull_net_rx_bytes_count_total{iface_id=\"eth\"} 0\n"));
	ck_assert_str_eq(text + strlen(text) - 6, "# EOF\n");
	buf_fini(&buf);
}
END_TEST

/* A line's numbers are since the last one; the text's are since the start, whatever was flushed. */
START_TEST(text_is_cumulative)
{
	struct buf buf = BUF_INIT(1 << 20);

	add_devices();
	open_metrics();
	root[BLK_WRITES] = 3;
	json_decref(flush());
	ck_assert_ptr_nonnull(
		strstr(text_of(&buf), "hull_block_write_count_total{drive_id=\"root\"} 3\n"));
	buf_fini(&buf);
}
END_TEST

/* Each key once, and the counters of each group within its source. */
START_TEST(table)
{
	size_t count;
	const struct metrics_key *keys = metrics_keys(&count);

	for (size_t i = 0; i < count; i++) {
		const struct metrics_group *group = metrics_group(keys[i].group);
		int limit = group->source == METRICS_MONITOR ? METRICS_COUNT : (int)group->counters;

		ck_assert_msg(keys[i].counter < limit, "%s.%s", keys[i].group, keys[i].name);
		for (size_t k = 0; k < i; k++) {
			bool same = !strcmp(keys[i].group, keys[k].group);

			ck_assert_msg(!same || strcmp(keys[i].name, keys[k].name) != 0, "%s.%s",
				keys[i].group, keys[i].name);
		}
	}
}
END_TEST

SUITE_CASES("metrics", setup, teardown, {a_line_tells_what_was_added}, {counters_that_begin_again},
	{lost_lines_are_counted}, {properties_are_in_each_line}, {without_a_path},
	{openmetrics_text}, {text_is_cumulative}, {table})
