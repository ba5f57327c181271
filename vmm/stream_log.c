// SPDX-License-Identifier: Apache-2.0
// The last output of a command.
#include "vmm/stream_log.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* syscalls: loop: clock_gettime */

/* What stands in the ring before each piece. */
struct entry {
	uint64_t time_ns;
	uint32_t stream;
	uint32_t len;
};

void stream_log_init(struct stream_log *log, uint32_t size)
{
	*log = (struct stream_log){0};
	if (!size)
		return;
	if (size > STREAM_LOG_MAX)
		size = STREAM_LOG_MAX;
	log->size = 4096;
	while (log->size < size)
		log->size *= 2;
}

void stream_log_fini(struct stream_log *log)
{
	free(log->ring.data);
	*log = (struct stream_log){0};
}

void stream_frame(uint8_t head[STREAM_FRAME], unsigned int stream, uint32_t len)
{
	memset(head, 0, STREAM_FRAME);
	head[0] = (uint8_t)stream;
	head[4] = (uint8_t)(len >> 24);
	head[5] = (uint8_t)(len >> 16);
	head[6] = (uint8_t)(len >> 8);
	head[7] = (uint8_t)len;
}

void stream_log_add(struct stream_log *log, unsigned int stream, const void *data, uint32_t len)
{
	struct entry entry = {.stream = stream, .len = len}, oldest;
	const uint32_t most = log->size - (uint32_t)sizeof(entry);

	if (!log->size || !len)
		return;
	if (!log->ring.data) {
		void *memory = malloc(log->size);

		if (!memory)
			return;
		ring_init(&log->ring, memory, log->size);
	}
	if (len > most) {
		data = (const uint8_t *)data + (len - most);
		entry.len = len = most;
	}
	entry.time_ns = clock_read(CLOCK_REALTIME);
	while (ring_free(&log->ring) < sizeof(entry) + len) {
		ring_get(&log->ring, &oldest, sizeof(oldest));
		ring_consume(&log->ring, oldest.len);
	}
	ring_put(&log->ring, &entry, sizeof(entry));
	ring_put(&log->ring, data, len);
}

/*
 * struct reader - goes over the log, from the oldest entry on
 * @ring:	a copy, from which is taken
 * @skip:	lines to be passed over first
 * @line_begins: the next byte is the first of a line
 */
struct reader {
	const struct stream_log_query *query;
	struct ring ring;
	uint64_t skip;
	bool line_begins;
	uint8_t *piece;
	struct entry entry;
};

/* Take the next piece that is asked for. Return: false at the end. */
static bool next(struct reader *reader)
{
	struct entry *entry = &reader->entry;

	while (ring_get(&reader->ring, entry, sizeof(*entry)) == sizeof(*entry)) {
		ring_get(&reader->ring, reader->piece, entry->len);
		if (reader->query->streams & 1u << entry->stream &&
			entry->time_ns >= reader->query->since_ns)
			return true;
	}
	return false;
}

/* How many lines there are, an unfinished one included. */
static uint64_t count_lines(struct reader reader)
{
	uint64_t lines = 0;
	bool open = false;

	while (next(&reader)) {
		for (uint32_t i = 0; i < reader.entry.len; i++)
			lines += reader.piece[i] == '\n';
		open = reader.piece[reader.entry.len - 1] != '\n';
	}
	return lines + open;
}

static int put_time(struct reader *reader, struct buf *out)
{
	const uint64_t ns = reader->entry.time_ns;
	const time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	return buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%09uZ ", tm.tm_year + 1900,
		tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		(unsigned int)(ns % 1000000000));
}

/* Append the piece at hand, without the lines to be skipped. */
static int put_piece(struct reader *reader, struct buf *out)
{
	const uint8_t *at = reader->piece, *end = at + reader->entry.len;
	size_t head = out->len;
	uint8_t frame[STREAM_FRAME] = {0};
	int r = 0;

	if (reader->query->framed)
		r = buf_add(out, frame, sizeof(frame));
	while (at < end && !r) {
		const uint8_t *lf = memchr(at, '\n', (size_t)(end - at));
		const uint8_t *stop = lf ? lf + 1 : end;

		if (!reader->skip) {
			if (reader->query->timestamps && reader->line_begins)
				r = put_time(reader, out);
			if (!r)
				r = buf_add(out, at, (size_t)(stop - at));
		} else if (lf) {
			reader->skip--;
		}
		reader->line_begins = lf;
		at = stop;
	}
	if (r || !reader->query->framed)
		return r;
	if (out->len == head + STREAM_FRAME)
		out->len = head;
	else
		stream_frame(out->data + head, reader->entry.stream,
			(uint32_t)(out->len - head - STREAM_FRAME));
	return 0;
}

int stream_log_read(
	const struct stream_log *log, const struct stream_log_query *query, struct buf *out)
{
	struct reader reader = {.query = query, .ring = log->ring, .line_begins = true};
	uint64_t lines;
	int r = 0;

	if (!log->ring.data)
		return 0;
	reader.piece = malloc(log->size);
	if (!reader.piece)
		return -ENOMEM;
	if (query->tail != UINT64_MAX) {
		lines = count_lines(reader);
		reader.skip = lines > query->tail ? lines - query->tail : 0;
	}
	while (!r && next(&reader))
		r = put_piece(&reader, out);
	free(reader.piece);
	return r;
}
