// SPDX-License-Identifier: Apache-2.0
// The agent protocol: the specification of a container and of its commands.
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* PATH_MAX less its NUL. */
#define AGENT_CWD_MAX 4095u
/* Two names of at most 127 bytes and a colon; Linux tools allow 32 for each. */
#define AGENT_USER_MAX 255u
/* The kernel's __NEW_UTS_LEN. */
#define AGENT_HOSTNAME_MAX 64u
/* Linux has 16 resources. */
#define AGENT_RLIMITS_MAX 16u
/* Of file systems beside the root; and CAP_CHECKPOINT_RESTORE, the last capability of Linux. */
#define AGENT_MOUNTS_MAX 16u
#define AGENT_CAP_MAX 40u
/* Network interfaces, and addresses of each: more than a container is given anywhere. */
#define AGENT_INTERFACES_MAX 4u
#define AGENT_ADDRESSES_MAX 4u
/* What IPv4 needs at least (RFC 791), and the longest that virtio-net can name. */
#define AGENT_MTU_MIN 68u
#define AGENT_MTU_MAX 65535u
/* The kernel's PID_MAX_LIMIT. */
#define AGENT_PIDS_MAX 4194304u
/* Text of resolv.conf, and lines for hosts: hundreds of entries. */
#define AGENT_ETC_MAX 16384u

/* Where the container's writes go. */
enum agent_root {
	AGENT_ROOT_TMPFS = 0, /* an overlay in the guest's memory */
	AGENT_ROOT_DISK = 1,  /* an overlay on the ext4 in /dev/vdb */
	/* nowhere: the image itself; /tmp, /run, /var/tmp, /dev/shm are tmpfs */
	AGENT_ROOT_READONLY = 2,
};

/* One resource limit: @resource is RLIMIT_x of Linux; UINT64_MAX = unlimited. */
struct agent_rlimit {
	uint32_t resource;
	uint64_t soft;
	uint64_t hard;
};

enum agent_mount_kind {
	AGENT_MOUNT_TMPFS = 0,
	AGENT_MOUNT_DISK = 1, /* the ext4 of a disk */
};

#define AGENT_MOUNT_READONLY (1u << 0)
#define AGENT_MOUNT_NOEXEC (1u << 1)

/*
 * struct agent_mount - a further file system; always nosuid and nodev
 * @disk:	for AGENT_MOUNT_DISK: the disk's number, 0 = /dev/vda, up to 25 = /dev/vdz
 * @flags:	AGENT_MOUNT_x
 * @size:	for AGENT_MOUNT_TMPFS: bytes at most, or 0 for the kernel's default
 * @path:	absolute, at most AGENT_CWD_MAX, in the container; made when missing
 */
struct agent_mount {
	enum agent_mount_kind kind;
	uint8_t disk;
	uint8_t flags;
	uint64_t size;
	const char *path;
};

/* An IP address. @family: 4 or 6, or 0 for none; @bytes: the first 4 or all 16, network order. */
struct agent_ip {
	uint8_t family;
	uint8_t bytes[16];
};

/* agent_ip_parse() - read an address. @text: untrusted. Return: 0 or -EINVAL. */
int agent_ip_parse(const char *text, struct agent_ip *ret);

/*
 * agent_ip_parse_prefix() - read ADDRESS/LENGTH
 * @text:	untrusted
 *
 * Return: 0; -ENOENT if there is no slash; -EINVAL for the address, -ERANGE for the length.
 */
int agent_ip_parse_prefix(const char *text, struct agent_ip *ret, uint8_t *ret_prefix);

/*
 * struct agent_interface - how to set up one network interface of the guest
 * @mac:	which one
 * @mtu:	AGENT_MTU_MIN to AGENT_MTU_MAX, or 0 to leave it as the device says
 * @addresses, @prefixes:	@n_addresses of them; a prefix is at most 32 or 128 bits
 * @gateways:	of the default routes, for IPv4 and IPv6; family 0 for none
 */
struct agent_interface {
	uint8_t mac[6];
	uint16_t mtu;
	size_t n_addresses;
	struct agent_ip addresses[AGENT_ADDRESSES_MAX];
	uint8_t prefixes[AGENT_ADDRESSES_MAX];
	struct agent_ip gateways[2];
};

/*
 * struct agent_spec - what START carries: the container and its command; and EXEC: of it the
 * command, which is all but @hostname, @root, @wall_clock_ns, @mounts, @pids_max, the network and
 * @hosts
 * @args:	NULL-terminated, at least one; args[0] is looked up in the environment's PATH when
 *		it has no slash
 * @env:	NULL-terminated "NAME=value" strings, or NULL; HOME is added when it's missing
 * @cwd:	absolute, at most AGENT_CWD_MAX, made when missing; NULL = "/"
 * @user:	as in an OCI image: USER, UID, USER:GROUP, UID:GID...; at most AGENT_USER_MAX;
 *		NULL or "" = root
 * @hostname:	1 to AGENT_HOSTNAME_MAX of A-Z a-z 0-9 . - _ and not first . or -; NULL = "hull"
 * @root:	where writes go
 * @terminal:	give it a pseudo-terminal on tty_port; the three other ports are then 0
 * @rows, @cols:	the terminal's first size; 0 = unknown
 * @stdin_port, @stdout_port, @stderr_port:	host ports to dial, or 0 for /dev/null
 * @wall_clock_ns:	time of day to set, ns since 1970, or 0 to leave the guest's clock alone
 * @rlimits:	@n_rlimits of them, at most AGENT_RLIMITS_MAX, no resource twice
 * @caps_given, @caps:	the command's capabilities, bit N is CAP_N of Linux, up to AGENT_CAP_MAX;
 *		where they aren't given: those that docker gives
 * @mounts:	@n_mounts of them, at most AGENT_MOUNTS_MAX, made in their order
 * @pids_max:	processes and threads that there may be in the container at a time, at most
 *		AGENT_PIDS_MAX, or 0 for as many as the guest can
 * @interfaces:	@n_interfaces of them, at most AGENT_INTERFACES_MAX
 * @resolv_conf:	text of /etc/resolv.conf, at most AGENT_ETC_MAX; NULL = says that there is
 *		no network
 * @hosts:	lines to add to /etc/hosts, at most AGENT_ETC_MAX; NULL = none
 * @storage:	what agent_spec_fini() frees; NULL in a spec that the caller filled in
 *
 * Ports are neither AGENT_PORT nor UINT32_MAX, and no two are the same.
 *
 * A spec to be encoded only borrows its pointers. A decoded one points into one block of its own.
 *
 * On the wire it is a sequence of fields in any order:
 *
 *      0      2      4        8
 *      +------+------+--------+------------------+
 *      | type | zero | length | value ...        |     type: enum agent_field
 *      +------+------+--------+------------------+
 *
 * Strings are sent without a NUL, and none may hold one. A field that isn't marked "repeated" may
 * occur once. (Order matters only where it is said.)
 */
struct agent_spec {
	char *const *args;
	char *const *env;
	const char *cwd;
	const char *user;
	const char *hostname;
	enum agent_root root;
	bool terminal;
	uint16_t rows, cols;
	uint32_t tty_port;
	uint32_t stdin_port, stdout_port, stderr_port;
	uint64_t wall_clock_ns;
	struct agent_rlimit rlimits[AGENT_RLIMITS_MAX];
	size_t n_rlimits;
	bool caps_given;
	uint64_t caps;
	struct agent_mount mounts[AGENT_MOUNTS_MAX];
	size_t n_mounts;
	uint32_t pids_max;
	struct agent_interface interfaces[AGENT_INTERFACES_MAX];
	size_t n_interfaces;
	const char *resolv_conf;
	const char *hosts;
	void *storage;
};

enum agent_field {
	AGENT_FIELD_ARG = 1,      /* string, repeated, in order */
	AGENT_FIELD_ENV = 2,      /* string, repeated, in order */
	AGENT_FIELD_CWD = 3,      /* string */
	AGENT_FIELD_USER = 4,     /* string */
	AGENT_FIELD_HOSTNAME = 5, /* string */
	AGENT_FIELD_ROOT = 6,     /* le32 enum agent_root */
	AGENT_FIELD_TERMINAL = 7, /* le32 port, le16 rows, le16 cols */
	AGENT_FIELD_STREAMS = 8,  /* le32 stdin, le32 stdout, le32 stderr port */
	AGENT_FIELD_CLOCK = 9,    /* le64 ns */
	AGENT_FIELD_RLIMIT = 10,  /* le32 resource, le32 zero, le64 soft, le64 hard; repeated */
	/* mac, le16 mtu; repeated; the following two belong to the last */
	AGENT_FIELD_INTERFACE = 11,
	AGENT_FIELD_ADDRESS = 12,     /* u8 prefix, u8 zero, le16 zero, 4 or 16 bytes; repeated */
	AGENT_FIELD_GATEWAY = 13,     /* 4 or 16 bytes; repeated, once for each family */
	AGENT_FIELD_RESOLV_CONF = 14, /* string */
	AGENT_FIELD_HOSTS = 15,       /* string */
	AGENT_FIELD_CAPS = 16,        /* le64 */
	/* u8 kind, u8 disk, u8 flags, u8 zero, le32 zero, le64 size, path; repeated, in order */
	AGENT_FIELD_MOUNT = 17,
	AGENT_FIELD_PIDS = 18, /* le32 */
};

/*
 * agent_spec_encode() - append the fields of @spec (the payload of START, no frame header)
 *
 * Return: 0; -EINVAL if @spec breaks a rule above; -EMSGSIZE if it doesn't fit a frame or the
 * buffer; -ENOMEM.
 */
int agent_spec_encode(struct buf *buf, const struct agent_spec *spec);

/*
 * agent_spec_decode() - check and copy the payload of START
 * @data, @len:	untrusted; not referred to afterwards
 * @ret:	written on success only; free with agent_spec_fini()
 *
 * Fields that were not sent have their defaults: env is an empty array, cwd "/", user "", hostname
 * "hull", resolv_conf and hosts NULL.
 *
 * Return: 0, -EPROTO, or -ENOMEM.
 */
int agent_spec_decode(const void *data, size_t len, struct agent_spec *ret);

/* Free a decoded spec. Harmless on NULL, on a zeroed one, and on one filled in by the caller. */
void agent_spec_fini(struct agent_spec *spec);
