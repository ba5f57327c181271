// SPDX-License-Identifier: Apache-2.0
// What a guest that has taken over the monitor might try from inside the jail.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
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

/* For the rows. */
#define CALL(name) #name, SYS_##name
/* clang-format off */
#define DONE {.done = true}
#define NOT(...) {.errnos = {__VA_ARGS__}}
/* clang-format on */
#define WITHOUT(...) .root = __VA_ARGS__, .user = __VA_ARGS__
#define LOOP_TOO(...) .loop = __VA_ARGS__, WITHOUT(__VA_ARGS__)
#define ALL_TOO(...) .vcpu = __VA_ARGS__, LOOP_TOO(__VA_ARGS__)
#define BARE .bare_root = true, .bare_user = true

/* struct attempts - those of one kind, a file each */
struct attempts {
	const struct attempt *rows;
	size_t count;
};

extern const struct attempts attempts_files, attempts_processes, attempts_rights, attempts_kernel,
	attempts_code;

/* What the parent is, and has; the children inherit the values. */
struct attempts_target {
	pid_t pid;
	char secret[16];
	char name[32];
	char file[40];
	uint16_t port;
	int shm;
	int host_root, host_mnt, host_net, host_user, tty;
};

extern struct attempts_target attempts_target;

/* attempts_serve() - in the parent: be what the attempts are aimed at. Return: 0 or -errno. */
int attempts_serve(void);

/* attempts_unserve() - take down what would outlive the process. */
void attempts_unserve(void);

/* attempts_open() - in the child, before the jail: descriptors that may be had there, too. */
void attempts_open(void);
