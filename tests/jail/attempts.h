// SPDX-License-Identifier: Apache-2.0
// What a guest that has taken over the monitor might try from inside the jail.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * struct outcome - what comes of an attempt that no filter stopped
 * @done:	it works
 * @errnos:	or fails with one of these, up to the first 0
 */
struct outcome {
	bool done;
	int errnos[4];
};

/*
 * struct attempt
 * @run:	Return: negative with errno set if it failed
 * @call, @nr:	the system call that the filters refuse; @call NULL: the process is killed at once
 * @loop, @vcpu: what comes of it where that thread's filter lets it through; all zero: it doesn't
 * @root, @user: without filters, where root or somebody else started the monitor
 * @scoped:	a Landlock of version 6 or newer refuses it with EPERM, whatever @user says
 * @bare_root, @bare_user: it works when there is no jail, so it is the jail that it fails by
 */
struct attempt {
	const char *name;
	long (*run)(void);
	const char *call;
	long nr;
	struct outcome loop, vcpu;
	struct outcome root, user;
	bool scoped;
	bool bare_root, bare_user;
};

extern const struct attempt attempts[];
extern const size_t attempts_count;

/* attempts_serve() - in the parent: be what the attempts are aimed at. Return: 0 or -errno. */
int attempts_serve(void);

/* attempts_unserve() - take down what would outlive the process. */
void attempts_unserve(void);

/* attempts_open() - in the child, before the jail: descriptors that may be had there, too. */
void attempts_open(void);
