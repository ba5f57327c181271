// SPDX-License-Identifier: Apache-2.0
// Random bytes of the host's kernel.
#include "devices/backend/entropy.h"

#include "base/err.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

/* syscalls: loop: getrandom */

/* GRND_NONBLOCK only matters until the generator is ready, once after the host's start. */
static int host_fill(struct entropy *entropy, void *data, size_t len)
{
	uint8_t *p = data;

	while (len) {
		ssize_t n = getrandom(p, len, GRND_NONBLOCK);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static void host_free(struct entropy *entropy)
{
}

static const struct entropy_ops host_ops = {
	.fill = host_fill,
	.free = host_free,
};

int entropy_host_new(struct entropy **ret, struct err *err)
{
	/* Without state, so one serves all. */
	static struct entropy host = {.ops = &host_ops};
	uint8_t byte;
	int r = host_fill(&host, &byte, sizeof(byte));

	if (r < 0)
		return err_errno(err, -r, "rng: the host's random numbers");
	*ret = &host;
	return 0;
}
