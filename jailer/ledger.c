// SPDX-License-Identifier: Apache-2.0
// What was made so far.
#include "jailer/ledger.h"

#include "base/err.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A process that ends is in its cgroup for a moment longer. */
#define CGROUP_TRIES 200
#define CGROUP_PAUSE_NS 5000000

int ledger_room(const struct ledger *ledger, struct err *err)
{
	if (ledger->count == LEDGER_MAX)
		return err_set(
			err, -ENOSPC, "more than %d directories and files to make", LEDGER_MAX);
	return 0;
}

void ledger_made(struct ledger *ledger, enum ledger_kind kind, int dir, const char *name)
{
	struct ledger_entry *entry = &ledger->entries[ledger->count++];

	*entry = (struct ledger_entry){.kind = kind, .dir = dir};
	snprintf(entry->name, sizeof(entry->name), "%s", name);
}

void ledger_owner(struct ledger *ledger, int dir, const struct stat *before)
{
	ledger->entries[ledger->count++] = (struct ledger_entry){
		.kind = LEDGER_OWNER,
		.dir = dir,
		.uid = before->st_uid,
		.gid = before->st_gid,
		.mode = before->st_mode & ALLPERMS,
	};
}

static int remove_cgroup(const struct ledger_entry *entry)
{
	const struct timespec pause = {.tv_nsec = CGROUP_PAUSE_NS};
	int r = unlinkat(entry->dir, entry->name, AT_REMOVEDIR);

	for (int i = 0; i < CGROUP_TRIES && r < 0 && errno == EBUSY; i++) {
		nanosleep(&pause, NULL);
		r = unlinkat(entry->dir, entry->name, AT_REMOVEDIR);
	}
	return r;
}

static int undo(const struct ledger_entry *entry)
{
	switch (entry->kind) {
	case LEDGER_FILE:
		return unlinkat(entry->dir, entry->name, 0);
	case LEDGER_DIR:
		return unlinkat(entry->dir, entry->name, AT_REMOVEDIR);
	case LEDGER_CGROUP:
		return remove_cgroup(entry);
	case LEDGER_OWNER:
	default:
		if (fchown(entry->dir, entry->uid, entry->gid) < 0)
			return -1;
		return fchmod(entry->dir, entry->mode);
	}
}

void ledger_undo(struct ledger *ledger)
{
	while (ledger->count) {
		const struct ledger_entry *entry = &ledger->entries[--ledger->count];

		/* Another VM's jailer may use the directories by now that all share. */
		if (undo(entry) < 0 && errno != ENOENT && errno != ENOTEMPTY)
			log_warn("taking back %s: %s",
				entry->kind == LEDGER_OWNER ? "an owner" : entry->name,
				strerror(errno));
	}
}
