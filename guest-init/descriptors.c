// SPDX-License-Identifier: Apache-2.0
// The descriptors that a new process keeps of PID 1's.
#include "guest-init/descriptors.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <sys/syscall.h>

#define FD_END (FD_CHANNEL + 1)

int descriptors_keep(const int stdio[3], int channel, int ret_stdio[3])
{
	int from[] = {stdio[0], stdio[1], stdio[2], channel};

	/* First out of the way of the numbers to come. */
	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		if (from[i] < 0)
			continue;
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, FD_END);
		if (from[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		int to = FD_STDIO + (int)i;

		if (i < 3)
			ret_stdio[i] = from[i] < 0 ? -1 : to;
		if (from[i] < 0)
			close(to);
		else if (dup3(from[i], to, O_CLOEXEC) < 0)
			return -errno;
	}
	return syscall(SYS_close_range, FD_END, ~0U, 0) < 0 ? -errno : 0;
}
