// SPDX-License-Identifier: Apache-2.0
// The agent protocol: what hull on the host and hull-init in the guest say to each other.
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 * hull-init dials the host (CID 2) at AGENT_PORT: that is the control connection, and its HELLO
 * tells the host that the guest is up. The host answers with one START, which says what to run and
 * at which host ports hull-init shall dial for the streams.
 *
 *      guest (hull-init)                         host (hull)
 *        | ---- HELLO ----------------------------> |
 *        | <--- START (spec) ---------------------- |
 *        | ==== dials one connection a stream ====> |
 *        | ---- STARTED --------------------------> |   or FAILED, then only SHUTDOWN follows
 *        | <--- SIGNAL, RESIZE -------------------- |   any number, only after STARTED
 *        | ---- EXITED ---------------------------> |   all output has been sent and half-closed
 * before | <--- SHUTDOWN, or the host closes ------ |   the guest powers off
 *
 * FAILED may also follow STARTED, in place of EXITED, when hull-init itself can't go on.
 *
 * A stream is one connection of raw bytes without frames, in one or both directions:
 *   stdin    host -> guest; the host half-closes (SHUT_WR) at the end of input
 *   stdout, stderr   guest -> host; the guest half-closes at the end of output; when the host
 * closes first, the process gets EPIPE tty      both ways; the host's half-close means nothing more
 * will be typed, its close hangs up
 *
 * The control connection carries frames. All integers are little-endian; a field called zero is
 * sent as 0 and refused otherwise.
 *
 *      0        4      6         8
 *      +--------+------+---------+-------------------+
 *      | length | type | process | payload ...       |     length: bytes of payload, at most
 * AGENT_FRAME_MAX
 *      +--------+------+---------+-------------------+     process: 0 = the container's own command
 *
 * Each type has one legal payload length, or a range, and one direction (enum agent_type). Anything
 * else ends the connection: both sides treat the other as hostile, and a reader never
 * resynchronises.
 */

#define AGENT_PORT 1024u

/* "hull" as it lies in memory, first in HELLO: a port that something else dialed is told at once.
 */
#define AGENT_MAGIC 0x6c6c7568u

/* Raised with every change that an older peer would misread; peers of different versions don't
 * talk. */
#define AGENT_VERSION 2

#define AGENT_HEADER_SIZE 8u

/* The largest payload. START is the only big one: room for the arguments and environment of nearly
 * all commands, yet a hostile peer costs the other side no more than this. */
#define AGENT_FRAME_MAX (256u * 1024)

/* A message in FAILED: one line on a terminal. Same as ERR_MSG_MAX less its NUL. */
#define AGENT_TEXT_MAX 511u

/* PATH_MAX less its NUL. */
#define AGENT_CWD_MAX 4095u
/* Two names of at most 127 bytes and a colon; Linux tools allow 32 for each. */
#define AGENT_USER_MAX 255u
/* The kernel's __NEW_UTS_LEN. */
#define AGENT_HOSTNAME_MAX 64u
/* Linux has 16 resources. */
#define AGENT_RLIMITS_MAX 16u
/* The last signal number of Linux. */
#define AGENT_SIGNAL_MAX 64u

/* Network interfaces, and addresses of each: more than a container is given anywhere. */
#define AGENT_INTERFACES_MAX 4u
#define AGENT_ADDRESSES_MAX 4u
/* What IPv4 needs at least (RFC 791), and the longest that virtio-net can name. */
#define AGENT_MTU_MIN 68u
#define AGENT_MTU_MAX 65535u
/* Text of resolv.conf, and lines for hosts: hundreds of entries. */
#define AGENT_ETC_MAX 16384u

/* Exit codes in FAILED, those of docker and podman. */
enum agent_exit {
	AGENT_EXIT_ERROR = 125,   /* hull's own failure, or a bad user, directory... */
	AGENT_EXIT_NOEXEC = 126,  /* the command can't be executed */
	AGENT_EXIT_NOTFOUND = 127 /* there is no such command */
};

/* The side that sends a message. */
enum agent_side {
	AGENT_GUEST,
	AGENT_HOST,
};

enum agent_type {
	AGENT_HELLO = 1,    /* guest: struct agent_hello */
	AGENT_START = 2,    /* host:  struct agent_spec */
	AGENT_STARTED = 3,  /* guest: struct agent_started */
	AGENT_FAILED = 4,   /* guest: struct agent_failed */
	AGENT_EXITED = 5,   /* guest: struct agent_exited */
	AGENT_SIGNAL = 6,   /* host:  struct agent_signal */
	AGENT_RESIZE = 7,   /* host:  struct agent_resize */
	AGENT_SHUTDOWN = 8, /* host:  nothing */
};

/*
 * struct agent_hello - the first message of the guest
 *
 *      0       4         6      8         16        24
 *      +-------+---------+------+---------+---------+
 *      | magic | version | zero | init_ns | dial_ns |
 *      +-------+---------+------+---------+---------+
 *
 * @init_ns:	guest's CLOCK_BOOTTIME when hull-init began, in ns
 * @dial_ns:	the same just before it sent this
 *
 * The decoder has checked magic and version. The marks are the guest's word: for display only.
 */
struct agent_hello {
	uint64_t init_ns;
	uint64_t dial_ns;
};

/*
 * struct agent_started - the command has been executed
 *
 *      0     4      8         16
 *      +-----+------+---------+
 *      | pid | zero | exec_ns |
 *      +-----+------+---------+
 *
 * @pid:	in the guest's outermost pid namespace; for display only
 * @exec_ns:	guest's CLOCK_BOOTTIME after the exec, in ns
 */
struct agent_started {
	uint32_t pid;
	uint64_t exec_ns;
};

/*
 * struct agent_failed - the command could not be started, or hull-init can't go on
 *
 *      0      4
 *      +------+----------------+
 *      | code | message ...    |     1 to AGENT_TEXT_MAX bytes, no NUL
 *      +------+----------------+
 *
 * @code:	one of enum agent_exit, checked by the decoder
 * @message:	NUL-terminated; one line without "hull:"; hostile: escape before it is shown
 */
struct agent_failed {
	uint32_t code;
	char message[AGENT_TEXT_MAX + 1];
};

/*
 * struct agent_exited - the command ended
 *
 *      0      4        8
 *      +------+--------+
 *      | code | signal |
 *      +------+--------+
 *
 * @code:	exit status 0 to 255; 0 when a signal killed it
 * @signal:	0, or the signal that killed it, at most AGENT_SIGNAL_MAX
 */
struct agent_exited {
	uint32_t code;
	uint32_t signal;
};

/*
 * struct agent_signal - send a signal to the command
 *
 *      0       4       8
 *      +-------+-------+
 *      | signo | flags |       flags: AGENT_SIGNAL_GROUP or 0
 *      +-------+-------+
 *
 * @signo:	1 to AGENT_SIGNAL_MAX, numbered as Linux does on the guest's CPU
 * @to_group:	to the terminal's foreground process group; without a terminal, to the command's
 * group
 */
struct agent_signal {
	uint32_t signo;
	bool to_group;
};

#define AGENT_SIGNAL_GROUP 1u

/*
 * struct agent_resize - the terminal's size changed; ignored by a command without one
 *
 *      0      2      4
 *      +------+------+
 *      | rows | cols |
 *      +------+------+
 */
struct agent_resize {
	uint16_t rows;
	uint16_t cols;
};

/* Where the container's writes go. */
enum agent_root {
	AGENT_ROOT_TMPFS = 0, /* an overlay in the guest's memory */
	AGENT_ROOT_DISK = 1,  /* an overlay on the ext4 in /dev/vdb */
	AGENT_ROOT_READONLY =
		2, /* nowhere: the image itself; /tmp, /run, /var/tmp, /dev/shm are tmpfs */
};

/* One resource limit: @resource is RLIMIT_x of Linux; UINT64_MAX = unlimited. */
struct agent_rlimit {
	uint32_t resource;
	uint64_t soft;
	uint64_t hard;
};

/* An IP address. @family: 4 or 6, or 0 for none; @bytes: the first 4 or all 16, network order. */
struct agent_ip {
	uint8_t family;
	uint8_t bytes[16];
};

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
 * struct agent_spec - what START carries: the container and its command
 * @args:	NULL-terminated, at least one; args[0] is looked up in the environment's PATH when
 * it has no slash
 * @env:	NULL-terminated "NAME=value" strings, or NULL; HOME is added when it's missing
 * @cwd:	absolute, at most AGENT_CWD_MAX, made when missing; NULL = "/"
 * @user:	as in an OCI image: USER, UID, USER:GROUP, UID:GID...; at most AGENT_USER_MAX; NULL
 * or
 * "" = root
 * @hostname:	1 to AGENT_HOSTNAME_MAX of A-Z a-z 0-9 . - _ and not first . or -; NULL = "hull"
 * @root:	where writes go
 * @terminal:	give it a pseudo-terminal on tty_port; the three other ports are then 0
 * @rows, @cols:	the terminal's first size; 0 = unknown
 * @stdin_port, @stdout_port, @stderr_port:	host ports to dial, or 0 for /dev/null
 * @wall_clock_ns:	time of day to set, ns since 1970, or 0 to leave the guest's clock alone
 * @rlimits:	@n_rlimits of them, at most AGENT_RLIMITS_MAX, no resource twice
 * @interfaces:	@n_interfaces of them, at most AGENT_INTERFACES_MAX
 * @resolv_conf: text of /etc/resolv.conf, at most AGENT_ETC_MAX; NULL = says that there is no
 * network
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
	AGENT_FIELD_INTERFACE =
		11, /* mac, le16 mtu; repeated; the following two belong to the last */
	AGENT_FIELD_ADDRESS = 12,     /* u8 prefix, u8 zero, le16 zero, 4 or 16 bytes; repeated */
	AGENT_FIELD_GATEWAY = 13,     /* 4 or 16 bytes; repeated, once for each family */
	AGENT_FIELD_RESOLV_CONF = 14, /* string */
	AGENT_FIELD_HOSTS = 15,       /* string */
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

/*
 * struct agent_msg - one message
 * @process:	frame header's process; always 0 for now, anything else is refused
 * @start:	the payload of AGENT_START, borrowed from the reader; for agent_spec_decode()
 */
struct agent_msg {
	enum agent_type type;
	uint16_t process;
	union {
		struct agent_hello hello;
		struct {
			const uint8_t *data;
			size_t len;
		} start;
		struct agent_started started;
		struct agent_failed failed;
		struct agent_exited exited;
		struct agent_signal signal;
		struct agent_resize resize;
	};
};

/*
 * agent_encode() - append @msg as one frame
 * @msg:	anything but AGENT_START, whose frame agent_encode_start() makes
 *
 * Return: 0; -EINVAL if a value is out of its range; -EMSGSIZE or -ENOMEM from the buffer. On error
 * nothing was added.
 */
int agent_encode(struct buf *buf, const struct agent_msg *msg);

/* agent_encode_start() - append a START frame. Return: as agent_spec_encode(); on error nothing was
 * added. */
int agent_encode_start(struct buf *buf, const struct agent_spec *spec);

/*
 * agent_flush() - write what @out holds to a socket and drop what was written
 * @fd:		blocking or not; SIGPIPE is never raised
 *
 * Return: 1 when @out is empty now, 0 when a non-blocking socket is full (wait for EPOLLOUT), or
 * -errno.
 */
int agent_flush(struct buf *out, int fd);

/*
 * struct agent_reader - gathers frames from a byte stream
 *
 *	agent_reader_init(&reader, AGENT_GUEST);
 *	on EPOLLIN:
 *		r = agent_reader_fill(&reader, fd);	// 0: the peer closed; < 0 but -EAGAIN:
 *broken while ((r = agent_reader_next(&reader, &msg)) > 0)
 *			handle(&msg);			// r < 0: close
 *
 * It holds at most one frame of the largest size. Reading all messages after each fill keeps it
 *from being full.
 *
 * @peer:	the side whose messages it reads; those of the other side are refused
 * @used:	bytes at the front of @buf that agent_reader_next() has handed out
 */
struct agent_reader {
	struct buf buf;
	size_t used;
	enum agent_side peer;
	bool broken;
};

/* agent_reader_init() - an empty reader; no memory is taken before the first byte. */
void agent_reader_init(struct agent_reader *reader, enum agent_side peer);
void agent_reader_fini(struct agent_reader *reader);

/*
 * agent_reader_fill() - one read(2) of what the socket has
 *
 * Return: bytes read; 0 at end of file; -EAGAIN when nothing is there; -ENOBUFS when the messages
 * in it have not been read; -ENOMEM or another -errno.
 */
int agent_reader_fill(struct agent_reader *reader, int fd);

/*
 * agent_reader_next() - take the next whole message
 * @ret:	what it borrows is valid until the next call on @reader
 *
 * Return: 1 with a message; 0 when more bytes are needed; -EPROTO for good once anything was wrong.
 */
int agent_reader_next(struct agent_reader *reader, struct agent_msg *ret);
