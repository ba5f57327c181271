// SPDX-License-Identifier: Apache-2.0
// What the container's side tells PID 1.
#include "guest-init/report.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <stdio.h>
#include <string.h>

void report_failed(struct report *report, enum agent_exit code, const char *message)
{
	*report = (struct report){.kind = REPORT_FAILED, .code = (int)code};
	snprintf(report->message, sizeof(report->message), "%s", message);
}

int report_send(int sock, const struct report *report, int fd)
{
	ssize_t n = io_send_fd(sock, report, sizeof(*report), fd);

	return n < 0 ? (int)n : 0;
}

static bool report_valid(const struct report *report, int fd)
{
	bool wants_fd = report->kind == REPORT_TTY || report->kind == REPORT_STARTED;

	if (report->kind < REPORT_TTY || report->kind > REPORT_EXITED)
		return false;
	return (fd >= 0) == wants_fd && memchr(report->message, 0, sizeof(report->message));
}

int report_recv(int sock, struct report *ret, int *ret_fd)
{
	int CLEANUP_FD fd = -1;
	ssize_t n = io_recv_fd(sock, ret, sizeof(*ret), &fd);

	*ret_fd = -1;
	if (n <= 0)
		return (int)n;
	if ((size_t)n != sizeof(*ret) || !report_valid(ret, fd))
		return -EPROTO;
	*ret_fd = TAKE_FD(fd);
	return 1;
}
