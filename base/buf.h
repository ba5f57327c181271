// SPDX-License-Identifier: Apache-2.0
// A growable byte buffer with a ceiling, for messages that are built or gathered.
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * struct buf - bytes [0, len) of a heap block
 * @max:	the most it may ever hold; every user states its reason
 *
 * Zero-initialise with BUF_INIT(max). buf_fini() frees; the struct may then be used again.
 */
struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
	size_t max;
};

#define BUF_INIT(limit) ((struct buf){.max = (limit)})

/* Free the block. NULL-safe, and harmless on a buffer that never held anything. */
void buf_fini(struct buf *buf);

/*
 * buf_reserve() - make room for @n more bytes behind len
 *
 * Return: 0, -EMSGSIZE above the ceiling, -ENOMEM.
 */
int buf_reserve(struct buf *buf, size_t n);

/* buf_add() - append @n bytes of @data. Return: as buf_reserve(); on error nothing was added. */
int buf_add(struct buf *buf, const void *data, size_t n);

/* buf_printf() - append formatted text, without its NUL. Return: as buf_reserve(). */
int buf_printf(struct buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* buf_drop() - forget the first @n bytes (at most len), moving the rest to the front. */
void buf_drop(struct buf *buf, size_t n);
