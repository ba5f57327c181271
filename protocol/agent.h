// SPDX-License-Identifier: Apache-2.0
// The agent protocol: what hull on the host and hull-init in the guest say to each other.
#pragma once

#include "protocol/agent_spec.h"

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
 *      guest (hull-init)                         host
 *        | ---- HELLO ----------------------------> |
 *        | <--- START (spec) ---------------------- |
 *        | ==== dials one connection a stream ====> |
 *        | ---- STARTED --------------------------> |   or FAILED, then only SHUTDOWN follows
 *        | <--- SIGNAL, RESIZE -------------------- |   any number, only after STARTED
 *        | <--- EXEC, FREEZE, STATS, ARCHIVE ------ |   the same, each with an id of its own
 *        | ---- EXITED ---------------------------> |   all output has been sent and half-closed
 *        | <--- SHUTDOWN, or the host closes ------ |   at any time: the guest powers off
 *
 * FAILED may also follow STARTED, in place of EXITED, when hull-init itself can't go on.
 *
 * EXEC is to a further command in the container what START is to the first: its id stands in the
 * header of its STARTED, FAILED, EXITED, SIGNAL and RESIZE. FREEZE and ARCHIVE are answered by one
 * RESULT, STATS by one USAGE, or by RESULT when there is none. The host chooses an id from 1 to
 * 65535 that isn't in use; it is in use until EXITED, FAILED, RESULT or USAGE has come for it. At
 * most AGENT_IDS_MAX are, beyond that hull-init answers FAILED or RESULT. With the container's
 * EXITED (or FAILED) all ids end without a word.
 *
 * A stream is one connection of raw bytes without frames, in one or both directions:
 *   stdin             host -> guest; the host half-closes (SHUT_WR) at the end of input
 *   stdout, stderr    guest -> host; the guest half-closes at the end of output; when the host
 *                     closes first, the process gets EPIPE
 *   tty               both ways; the host's half-close means nothing more will be typed, which a
 *                     reader of lines learns as if Ctrl-D had been typed; its close hangs up
 *   archive           one way, a tar archive; whoever sends it half-closes at its end
 *
 * The control connection carries frames. All integers are little-endian; a field called zero is
 * sent as 0 and refused otherwise.
 *
 *      0        4      6    8
 *      +--------+------+----+-------------------+    length: bytes of payload, AGENT_FRAME_MAX
 *      | length | type | id | payload ...       |            at most
 *      +--------+------+----+-------------------+    id: 0 = the container and its own command
 *
 * Each type has one legal payload length, or a range, one direction and a kind of id (enum
 * agent_type). Anything else ends the connection: both sides treat the other as hostile, and a
 * reader never resynchronises.
 */

#define AGENT_PORT 1024u

/* "hull" as it lies in memory, first in HELLO: a port that something else dialed is told at once.
 */
#define AGENT_MAGIC 0x6c6c7568u

/* Raised with every change that an older peer would misread; peers of different versions don't
 * talk. */
#define AGENT_VERSION 3

#define AGENT_HEADER_SIZE 8u

/* The largest payload. START is the only big one: room for the arguments and environment of nearly
 * all commands, yet a hostile peer costs the other side no more than this. */
#define AGENT_FRAME_MAX (256u * 1024)

/* A message in FAILED: one line on a terminal. Same as ERR_MSG_MAX less its NUL. */
#define AGENT_TEXT_MAX 511u

/* Commands and requests under way besides the container's own command. */
#define AGENT_IDS_MAX 64u
/* The last signal number of Linux. */
#define AGENT_SIGNAL_MAX 64u

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
	AGENT_EXEC = 9,     /* host:  struct agent_spec, of which the command's part counts */
	AGENT_FREEZE = 10,  /* host:  struct agent_freeze */
	AGENT_STATS = 11,   /* host:  nothing */
	AGENT_ARCHIVE = 12, /* host:  struct agent_archive */
	AGENT_RESULT = 13,  /* guest: struct agent_result */
	AGENT_USAGE = 14,   /* guest: struct agent_usage */
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

/*
 * struct agent_freeze - stop all processes of the container, or let them go on
 *
 *      0    4
 *      +----+
 *      | on |       1 or 0
 *      +----+
 *
 * The RESULT comes when it is done. Freezing what is frozen does nothing.
 */
struct agent_freeze {
	bool on;
};

/*
 * struct agent_archive - files in or out of the container, as a tar archive
 *
 *      0      4       8
 *      +------+-------+----------+
 *      | port | flags | path ... |       flags: AGENT_ARCHIVE_PUT or 0
 *      +------+-------+----------+
 *
 * @port:	of the host, to be dialed for the stream
 * @put:	unpack what comes into the directory @path; else send @path, with its own name ("."
 *		where it has none) at the front of all names, and everything below it
 * @path:	absolute, in the container's file system; 1 to AGENT_CWD_MAX bytes, no NUL. Symlinks
 *		are followed as the container would
 *
 * RESULT comes when all is written, or read; before the end of the stream only when it failed.
 */
struct agent_archive {
	uint32_t port;
	bool put;
	char path[AGENT_CWD_MAX + 1];
};

#define AGENT_ARCHIVE_PUT 1u

/*
 * struct agent_result - a request is done
 *
 *      0      4
 *      +------+----------------+
 *      | code | message ...    |     up to AGENT_TEXT_MAX bytes, no NUL; none if code is 0
 *      +------+----------------+
 *
 * @code:	0, or why it failed: one of Linux' errno, 1 to AGENT_ERRNO_MAX
 * @message:	as in struct agent_failed
 */
struct agent_result {
	uint32_t code;
	char message[AGENT_TEXT_MAX + 1];
};

#define AGENT_ERRNO_MAX 4095u

/*
 * struct agent_usage - what the container uses, from its cgroup
 *
 *      0          8           16             24            32         40
 *      +----------+-----------+--------------+-------------+----------+
 *      | cpu_us   | user_us   | system_us    | memory      | peak     |
 *      +----------+-----------+--------------+-------------+----------+
 *      | cache    | pids      | read_bytes   | write_bytes | reads    |
 *      +----------+-----------+--------------+-------------+----------+
 *      | writes   | oom_kills | memory_total |
 *      +----------+-----------+--------------+
 *
 * @cpu_us, @user_us, @system_us: CPU time since the start, in us
 * @memory, @peak, @cache:	bytes now, at most so far, and of it the page cache
 * @pids:	processes and threads
 * @read_bytes ...: of all disks
 * @oom_kills:	processes killed for want of memory
 * @memory_total: bytes that the guest's kernel manages
 *
 * Whatever the kernel doesn't tell is 0. All of it is the guest's word: for display only.
 */
struct agent_usage {
	uint64_t cpu_us, user_us, system_us;
	uint64_t memory, peak, cache;
	uint64_t pids;
	uint64_t read_bytes, write_bytes, reads, writes;
	uint64_t oom_kills;
	uint64_t memory_total;
};

/*
 * struct agent_msg - one message
 * @id:		0 for the container, else what the host gave a further command or request
 * @spec:	the payload of AGENT_START and AGENT_EXEC, borrowed from the reader; for
 *		agent_spec_decode()
 */
struct agent_msg {
	enum agent_type type;
	uint16_t id;
	union {
		struct agent_hello hello;
		struct {
			const uint8_t *data;
			size_t len;
		} spec;
		struct agent_started started;
		struct agent_failed failed;
		struct agent_exited exited;
		struct agent_signal signal;
		struct agent_resize resize;
		struct agent_freeze freeze;
		struct agent_archive archive;
		struct agent_result result;
		struct agent_usage usage;
	};
};

/*
 * agent_encode() - append @msg as one frame
 * @msg:	anything but AGENT_START and AGENT_EXEC, whose frames agent_encode_spec() makes
 *
 * Return: 0; -EINVAL if a value is out of its range; -EMSGSIZE or -ENOMEM from the buffer. On error
 * nothing was added.
 */
int agent_encode(struct buf *buf, const struct agent_msg *msg);

/*
 * agent_encode_spec() - append a START frame, or with an @id other than 0 an EXEC frame
 *
 * Return: as agent_spec_encode(); on error nothing was added.
 */
int agent_encode_spec(struct buf *buf, uint16_t id, const struct agent_spec *spec);

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
 *		r = agent_reader_fill(&reader, fd); // 0: the peer closed; < 0 but -EAGAIN: broken
 *		while ((r = agent_reader_next(&reader, &msg)) > 0)
 *			handle(&msg);               // r < 0: close
 *
 * It holds at most one frame of the largest size. Reading all messages after each fill keeps it
 * from being full.
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
