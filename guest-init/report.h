// SPDX-License-Identifier: Apache-2.0
// What the container's side tells PID 1 on its socket, one message a packet.
#pragma once

#include "protocol/agent.h"

#include <stdbool.h>

enum report_kind {
	REPORT_TTY = 1, /* with the pseudo-terminal's master */
	REPORT_STARTED, /* with a pidfd of the command; @code is its pid in the container */
	REPORT_FAILED,  /* @code of enum agent_exit and @message */
	REPORT_EXITED,  /* @code and @signal as in struct agent_exited */
};

/*
 * struct report - one packet, in the byte order and layout of this machine: both ends are this
 * binary
 *
 * The sender is hull-init's own code before the container's first instruction, or the reaper, which
 * nothing in the container can reach. Still the receiver checks size and kind.
 */
struct report {
	enum report_kind kind;
	int code;
	int signal;
	char message[AGENT_TEXT_MAX + 1];
};

/* report_failed() - a REPORT_FAILED of @message, cut to fit. */
void report_failed(struct report *report, enum agent_exit code, const char *message);

/* report_send() - @fd may be -1. Return: 0 or -errno. */
int report_send(int sock, const struct report *report, int fd);

/*
 * report_recv() - the next packet
 * @ret_fd:	the caller's, or -1
 *
 * Return: 1, 0 at the end, -EPROTO, or -errno.
 */
int report_recv(int sock, struct report *ret, int *ret_fd);
