// SPDX-License-Identifier: Apache-2.0
// What an entropy device asks of its source of random bytes.
#pragma once

#include <stddef.h>

struct entropy;
struct err;

/*
 * struct entropy_ops
 * @fill:	fill all @len bytes (at most 64 KiB a call) without waiting; 0 or -errno
 * @free:	destroy it
 *
 * Context: loop.
 */
struct entropy_ops {
	int (*fill)(struct entropy *entropy, void *data, size_t len);
	void (*free)(struct entropy *entropy);
};

/* struct entropy - embedded first in each backend */
struct entropy {
	const struct entropy_ops *ops;
};

static inline void entropy_free(struct entropy *entropy)
{
	if (entropy)
		entropy->ops->free(entropy);
}

/*
 * entropy_host_new() - the host kernel's generator, getrandom()
 * @ret:	owned by the caller; holds no memory of its own
 *
 * Return: 0, or -EAGAIN with @err set while the host has not gathered enough yet: it never waits
 * for that, neither here nor later.
 */
int entropy_host_new(struct entropy **ret, struct err *err);
