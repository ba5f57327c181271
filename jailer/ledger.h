// SPDX-License-Identifier: Apache-2.0
// What was made so far, so that a failure can take it back.
#pragma once

#include <sys/stat.h>

struct err;

/* Directories and nodes of the tree, and cgroups down to the VM's in each of a few hierarchies. */
#define LEDGER_MAX 160
#define LEDGER_NAME_MAX 255

enum ledger_kind {
	LEDGER_FILE,
	LEDGER_DIR,
	LEDGER_CGROUP,
	LEDGER_OWNER,
};

/*
 * struct ledger_entry
 * @dir:	of what is removed, or the directory whose owner and mode were changed
 */
struct ledger_entry {
	enum ledger_kind kind;
	int dir;
	char name[LEDGER_NAME_MAX + 1];
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

struct ledger {
	struct ledger_entry entries[LEDGER_MAX];
	unsigned int count;
};

/*
 * ledger_room() - can one more be noted? Asked before it is made.
 * Return: 0, or -ENOSPC with @err set.
 */
int ledger_room(const struct ledger *ledger, struct err *err);

/*
 * ledger_made() - note that @name was made in @dir
 * @dir:	descriptor that stays open as long as the ledger is of use
 */
void ledger_made(struct ledger *ledger, enum ledger_kind kind, int dir, const char *name);

/* ledger_owner() - note how @dir was before its owner and mode are changed. */
void ledger_owner(struct ledger *ledger, int dir, const struct stat *before);

/*
 * ledger_undo() - take everything back, the last first
 *
 * What somebody else has put into one of the directories stays, and the directory with it.
 */
void ledger_undo(struct ledger *ledger);
