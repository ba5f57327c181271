// SPDX-License-Identifier: Apache-2.0
// One layer as a stream of tar bytes.
#include "image/layer_stream.h"

#include "base/err.h"
#include "image/limits.h"

#include <archive.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The next bytes of the blob, 0 at its end. */
static ssize_t blob_read(struct layer_stream *stream, const void **ret_data)
{
	ssize_t n;

	if (stream->data) {
		n = (ssize_t)(stream->data_left < LAYER_READ_SIZE ? stream->data_left
								  : LAYER_READ_SIZE);
		*ret_data = stream->data;
		stream->data += n;
		stream->data_left -= (size_t)n;
	} else {
		do
			n = read(stream->fd, stream->buf, LAYER_READ_SIZE);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return -errno;
		*ret_data = stream->buf;
	}
	if (n && stream->blob_digest)
		digest_add(&stream->blob_state, *ret_data, (size_t)n);
	return n;
}

static la_ssize_t raw_read(struct archive *archive, void *arg, const void **ret_data)
{
	struct layer_stream *stream = arg;
	ssize_t n = blob_read(stream, ret_data);

	if (n < 0) {
		archive_set_error(archive, (int)-n, "%s", strerror((int)-n));
		return -1;
	}
	return n;
}

static int raw_failed(struct layer_stream *stream, struct err *err)
{
	const char *why = archive_error_string(stream->raw);

	stream->failure = -EBADMSG;
	return err_set(err, -EBADMSG, "%s: damaged: %s", stream->name, why ? why : "unknown error");
}

int layer_stream_open(struct layer_stream *stream, struct err *err)
{
	struct archive_entry *entry;
	int r;

	stream->buf = malloc(LAYER_READ_SIZE);
	if (stream->blob_digest)
		digest_start(&stream->blob_state, stream->blob_digest);
	if (stream->diff_id)
		digest_start(&stream->diff_state, stream->diff_id);
	stream->raw = stream->buf ? archive_read_new() : NULL;
	if (!stream->raw)
		return err_set(err, -ENOMEM, "%s: out of memory", stream->name);
	/* These two are built into the library: it never starts a program to decompress. */
	if (archive_read_support_filter_gzip(stream->raw) != ARCHIVE_OK ||
		archive_read_support_filter_zstd(stream->raw) != ARCHIVE_OK ||
		archive_read_support_format_raw(stream->raw) != ARCHIVE_OK ||
		archive_read_support_format_empty(stream->raw) != ARCHIVE_OK)
		return raw_failed(stream, err);
	if (archive_read_open(stream->raw, stream, NULL, raw_read, NULL) != ARCHIVE_OK)
		return raw_failed(stream, err);
	r = archive_read_next_header(stream->raw, &entry);
	if (r != ARCHIVE_OK && r != ARCHIVE_EOF)
		return raw_failed(stream, err);
	stream->empty = r == ARCHIVE_EOF;
	return 0;
}

void layer_stream_close(struct layer_stream *stream)
{
	if (stream->raw)
		archive_read_free(stream->raw);
	stream->raw = NULL;
	free(stream->buf);
	stream->buf = NULL;
}

ssize_t layer_stream_read(struct layer_stream *stream, const void **ret_data, struct err *err)
{
	la_int64_t offset;
	size_t n;
	int r;

	if (stream->failure)
		return stream->failure;
	if (stream->empty)
		return 0;
	do
		r = archive_read_data_block(stream->raw, ret_data, &n, &offset);
	while (r == ARCHIVE_OK && !n);
	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK)
		return raw_failed(stream, err);
	stream->produced += n;
	if (stream->produced > LAYER_STREAM_MAX) {
		stream->failure = -EFBIG;
		return err_set(err, -EFBIG, "%s: unpacks to more than %llu GiB", stream->name,
			(unsigned long long)(LAYER_STREAM_MAX >> 30));
	}
	if (stream->diff_id)
		digest_add(&stream->diff_state, *ret_data, n);
	return (ssize_t)n;
}

static int compare(struct layer_stream *stream, struct digest_state *state, const char *expected,
	const char *what, struct err *err)
{
	char digest[IMAGE_DIGEST_SIZE];

	if (!expected)
		return 0;
	digest_finish(state, digest);
	if (strcmp(digest, expected) != 0)
		return err_set(
			err, -EBADMSG, "%s: wrong digest: the %s %s", stream->name, what, digest);
	return 0;
}

int layer_stream_check_blob(struct layer_stream *stream, struct err *err)
{
	const void *data;
	ssize_t n;

	if (!stream->blob_digest)
		return 0;
	do
		n = blob_read(stream, &data);
	while (n > 0);
	if (n < 0)
		return err_errno(err, (int)-n, "%s: read", stream->name);
	return compare(stream, &stream->blob_state, stream->blob_digest, "blob holds", err);
}

int layer_stream_check(struct layer_stream *stream, struct err *err)
{
	const void *data;
	ssize_t n;
	int r;

	do
		n = layer_stream_read(stream, &data, err);
	while (n > 0);
	/* What follows the compressed data belongs to the blob, too. */
	r = layer_stream_check_blob(stream, err);
	if (r)
		return r;
	if (n < 0)
		return (int)n;
	return compare(stream, &stream->diff_state, stream->diff_id, "unpacked layer is", err);
}
