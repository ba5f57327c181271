// SPDX-License-Identifier: Apache-2.0
// The stages of the jail; what calls them and in which order is sandbox.c's.
#pragma once

#include "vmm/config.h"

#include <stdbool.h>
#include <sys/types.h>

struct err;

/*
 * Each returns 0 or -errno with @err set. Where the host lacks what it needs, the code is -ENOTSUP
 * and nothing has been changed.
 * Context: loop thread, while there is no other.
 */

/*
 * stage_process() - the directory of this process in /proc
 *
 * Return: a descriptor of /proc/self, which hull-jailer hands over where there is no /proc, or
 * -errno with @err set.
 */
int stage_process(struct err *err);

/* stage_has_own_root() - is the root directory the VM's own, made by hull-jailer? Asked before the
 * environment is blanked. */
bool stage_has_own_root(void);

/* stage_uid_choose() - a user ID that no other VM has. @process: of stage_process(); @ret_uid: of
 * the range CONFIG_JAIL_UID_FIRST ff. */
int stage_uid_choose(int process, uid_t *ret_uid, struct err *err);

/* stage_become() - be @uid and @gid, without further groups. Needs root. */
int stage_become(uid_t uid, gid_t gid, struct err *err);

/* stage_may_make_namespaces() - is root here one who may? That of a container often isn't. */
bool stage_may_make_namespaces(void);

/* stage_namespaces() - be alone in new mount, network, IPC, UTS and cgroup namespaces. Needs root.
 */
int stage_namespaces(struct err *err);

/*
 * stage_user_namespace() - be in a new user namespace, in which there is but this user
 * @process:	of stage_process()
 * @others:	and in new namespaces of the other kinds, which belong to it
 *
 * The process has all capabilities in there.
 */
int stage_user_namespace(int process, bool others, struct err *err);

/*
 * stage_root() - see an empty, read-only file system
 * @config:	what is in it nevertheless
 *
 * Needs a mount namespace of its own and the right to mount in it.
 */
int stage_root(const struct config_jail *config, struct err *err);

/* stage_capabilities() - none, and no way to one: bounding set, ambient, no_new_privs. */
int stage_capabilities(struct err *err);

/* stage_landlock() - no file system, no network, no signals to others; @config: the exceptions. */
int stage_landlock(const struct config_jail *config, struct err *err);

/*
 * stage_limits() - resource limits, no core, no ptrace
 * @config:	the whole VM's
 * @alone:	there is nobody else in the user namespace, so that its threads can be counted
 */
int stage_limits(const struct config *config, bool alone, struct err *err);
