// SPDX-License-Identifier: Apache-2.0
// For tests of cli/check*.c: a folder that looks like a host on which two jailed monitors run.
#pragma once

#include "cli/check.h"

#include <stddef.h>
#include <sys/types.h>

/* The monitors, and what their user IDs begin at. */
#define HOST_MONITOR 100
#define HOST_OTHER_MONITOR 110
#define HOST_UID 1900000000

/* Room for what each item finds. */
#define HOST_ITEMS_MAX 64

/*
 * struct host_fixture - the folder, in a temporary place
 *
 * All functions abort the test on failure. Names are relative to the folder.
 */
struct host_fixture {
	char root[256];
};

void host_make(struct host_fixture *host);
void host_remove(struct host_fixture *host);

/* host_config() - what an audit is to be told to look at it. */
struct check_config host_config(const struct host_fixture *host);

/* Make a file, with the folders above it, or put another content in place of its. */
void host_write(const struct host_fixture *host, const char *name, const char *text);
void host_write_bytes(
	const struct host_fixture *host, const char *name, const void *data, size_t n);
/* Put a symbolic link, a folder or a dead socket in the place of whatever has the name. */
void host_link(const struct host_fixture *host, const char *name, const char *target);
void host_folder(const struct host_fixture *host, const char *name);
void host_socket(const struct host_fixture *host, const char *name);
void host_delete(const struct host_fixture *host, const char *name);
void host_chmod(const struct host_fixture *host, const char *name, mode_t mode);

enum host_how {
	WRITE,
	DELETE,
	FOLDER,
	LINK,
	SOCKET,
	MODE,
};

/*
 * struct host_fault - something odd about a good host
 * @how:	is done to @path, with @text or @mode. FOLDER: a file can't be read
 * @item:	says so, with @status and @words
 */
struct host_fault {
	enum host_how how;
	const char *path;
	const char *text;
	const char *item;
	enum check_status status;
	const char *words;
	mode_t mode;
};

void host_apply(const struct host_fixture *host, const struct host_fault *fault);

/* host_look() - run all items. @found: room for HOST_ITEMS_MAX */
void host_look(const struct check_config *config, struct check_finding *found);

/* host_find() - what the item @id found. */
const struct check_finding *host_find(const struct check_finding *found, const char *id);

/* host_expect() - run all items: just @id has this @status and @words, others are as of a good
 * host. */
void host_expect(const struct check_config *config, const char *id, enum check_status status,
	const char *words);
