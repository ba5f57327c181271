// SPDX-License-Identifier: Apache-2.0
// One layer as a stream of tar bytes: decompressed, and checked against its digests on the way.
#pragma once

#include "image/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct archive;
struct err;

/* Read from the blob at a time. */
#define LAYER_READ_SIZE (128u * 1024)

/*
 * struct layer_stream - a blob being read
 * @fd:		of the blob; not owned. Alternatively @data and @data_left, for tests.
 * @name:	of the layer, for messages; not owned
 * @blob_digest, @diff_id:	of the compressed and the plain bytes; NULL to check nothing
 * @empty:	there are no bytes at all
 * @failure:	-errno of the first read that failed, else 0
 */
struct layer_stream {
	int fd;
	const uint8_t *data;
	size_t data_left;
	const char *name;
	const char *blob_digest;
	const char *diff_id;
	struct digest_state blob_state;
	struct digest_state diff_state;
	struct archive *raw;
	uint64_t produced;
	bool empty;
	int failure;
	uint8_t *buf;
};

/*
 * layer_stream_open() - prepare for reading
 * @stream:	fd or data, name and the digests filled in by the caller, the rest zero
 *
 * gzip, zstd and no compression are told apart by the first bytes.
 *
 * Return: 0 or -errno. layer_stream_close() frees, after a failure too.
 */
int layer_stream_open(struct layer_stream *stream, struct err *err);
void layer_stream_close(struct layer_stream *stream);

/*
 * layer_stream_read() - the next piece of tar bytes
 * @ret_data:	valid until the next call
 *
 * Return: its length, 0 at the end, or -errno with @err set.
 */
ssize_t layer_stream_read(struct layer_stream *stream, const void **ret_data, struct err *err);

/*
 * layer_stream_check() - read what is left and compare the digests
 * layer_stream_check_blob() - only that of the blob; for after a failure, whose reason it may be
 *
 * To be called at most once for a stream, by layers_apply().
 *
 * Return: 0, -EBADMSG for a wrong digest, or -errno.
 */
int layer_stream_check(struct layer_stream *stream, struct err *err);
int layer_stream_check_blob(struct layer_stream *stream, struct err *err);
