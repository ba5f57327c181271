// SPDX-License-Identifier: Apache-2.0
// passt, or another user-space network, as the host's end of a network device.
#pragma once

struct err;
struct loop;
struct nic;

/*
 * nic_passt_connect() - connect to passt's UNIX stream socket
 * @path:	untrusted
 * @ret:	owned by the caller: nic_free()
 *
 * Return: 0 or -errno with @err set.
 */
int nic_passt_connect(struct loop *loop, const char *path, struct nic **ret, struct err *err);

/*
 * nic_passt_from_fd() - the same over a socket that is connected already
 * @fd:		stream socket; taken over on success
 *
 * Return: 0 or -errno with @err set.
 */
int nic_passt_from_fd(struct loop *loop, int fd, struct nic **ret, struct err *err);
