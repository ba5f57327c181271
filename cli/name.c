// SPDX-License-Identifier: Apache-2.0
// A container's name.
#include "cli/name.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

int name_random(char name[NAME_RANDOM_DIGITS + 1], struct err *err)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t bytes[NAME_RANDOM_DIGITS];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return err_errno(err, errno, "random numbers for a name");
	for (int i = 0; i < NAME_RANDOM_DIGITS; i++)
		name[i] = digits[bytes[i] & 15];
	name[NAME_RANDOM_DIGITS] = '\0';
	return 0;
}

int name_hold(const char *name, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int CLEANUP_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int len;

	if (fd < 0)
		return err_errno(err, errno, "name %s", name);
	len = snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "hull/%u/%s",
		(unsigned int)getuid(), name);
	if (len < 0 || len >= (int)sizeof(addr.sun_path) - 1)
		return err_set(err, -ENAMETOOLONG, "name %s: too long", name);
	if (bind(fd, (struct sockaddr *)&addr,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) < 0) {
		if (errno == EADDRINUSE)
			return err_set(err, -EADDRINUSE,
				"name %s: in use by another running container", name);
		return err_errno(err, errno, "name %s", name);
	}
	return TAKE_FD(fd);
}
