// SPDX-License-Identifier: Apache-2.0
// A 16550A serial port.
#pragma once

#include "base/loop.h"
#include "base/ring.h"
#include "devices/bus.h"
#include "devices/rate_limit.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 * Output: a vCPU's byte goes into a ring; at a line's end, or when much has gathered, the same
 * thread writes the ring out, never waiting. A timer on the loop writes what is left after
 * SERIAL_FLUSH_MS, and the loop waits for a full descriptor to drain. What doesn't fit into the
 * ring is dropped and counted: a reader that stops must not stop the guest. So each line costs one
 * write, not one per byte.
 *
 * Input: the loop reads into a ring that is the receive FIFO, and stops reading while it is full.
 *
 * How the output never waits depends on what it is. O_NONBLOCK belongs to the open file
 * description, which stdout shares with the shell and other programs, so it is not set there: a
 * pipe or terminal is opened anew through /proc/self/fd, a socket is sent to with MSG_DONTWAIT,
 * a regular file doesn't wait for readers. Where a new open is refused, the loop alone writes, in
 * pieces that poll() promised room for.
 */

struct buf;
struct irq;

/* Ports of a UART. */
#define SERIAL_SIZE 8
/* Output held while the reader is slow: a whole kernel log. */
#define SERIAL_OUT_MAX 65536
/* Input held for the guest. */
#define SERIAL_IN_MAX 256
/* At the end a slow reader is waited for, this long, this often. */
#define SERIAL_LINGER_MS 10
#define SERIAL_LINGER_TRIES 32
/* How long a byte without a newline may wait. */
#define SERIAL_FLUSH_MS 10

/* What it counts. */
enum serial_counter {
	SERIAL_READS,
	SERIAL_WRITES,
	SERIAL_BAD_READS, /* accesses of another width */
	SERIAL_BAD_WRITES,
	SERIAL_WRITE_OUTS, /* of the gathered output */
	SERIAL_ERRORS,     /* of them */
	SERIAL_DROPPED,    /* bytes of output lost for any reason */
	SERIAL_LIMITED,    /* of these, because of the rate limit */
	SERIAL_COUNTERS,
};

enum serial_out {
	SERIAL_OUT_NONE,
	SERIAL_OUT_WRITE, /* write() doesn't wait */
	SERIAL_OUT_SEND,  /* send(MSG_DONTWAIT) */
	SERIAL_OUT_POLL,  /* write() may wait: only on the loop, after poll() */
};

/*
 * struct serial - one port
 * @lock:	guards all that follows; vCPU threads and the loop take it, nobody waits holding it
 */
struct serial {
	struct loop *loop;
	const struct irq *irq;
	struct loop_timer flush_timer;
	struct loop_source out_src;
	struct loop_source in_src;
	struct loop_source kick_src; /* eventfd: a vCPU made room in the receive FIFO */
	int in_fd;
	bool in_file; /* epoll can't watch it, but reading never waits */

	pthread_mutex_t lock;
	int out_fd;
	enum serial_out out_kind;
	bool out_blocked; /* the loop waits for EPOLLOUT */
	bool timer_set;
	bool in_full; /* the loop has stopped reading */
	bool in_eof;
	uint64_t counters[SERIAL_COUNTERS];
	struct rate_bucket limit;
	struct ring out;
	struct ring in;
	uint8_t ier, lcr, mcr, scr, fcr;
	uint8_t dll, dlm;
	bool thr_pending; /* THRE interrupt not yet seen */
	bool overrun;
	bool line; /* level of the interrupt output, to find edges */
	uint8_t msr_delta;
	uint8_t in_data[SERIAL_IN_MAX];
	uint8_t *out_data;
};

/*
 * serial_init() - make a port
 * @s:		stays in place until serial_fini()
 * @loop, @irq:	outlive it
 * @out_fd:	where output goes, -1 to discard it; stays the caller's, its flags are not changed
 * @in_fd:	where input comes from, -1 for none; stays the caller's
 *
 * The process ignores SIGPIPE: output whose reader is gone is counted as dropped.
 *
 * Return: 0 or -errno (nothing is left to free). Context: loop, or before it runs.
 */
int serial_init(struct serial *s, struct loop *loop, const struct irq *irq, int out_fd, int in_fd);

/*
 * serial_fini() - write out what is left and free
 *
 * Waits for a slow reader, up to SERIAL_LINGER_MS * SERIAL_LINGER_TRIES. The descriptors given to
 * serial_init() stay open.
 *
 * Return: output bytes lost in all, those not even now written out included.
 * Context: loop, vCPUs stopped.
 */
uint64_t serial_fini(struct serial *s);

/* serial_flush() - write out what can be without waiting. Context: loop. */
void serial_flush(struct serial *s);

/* serial_dropped() - output bytes lost so far. Context: any thread. */
uint64_t serial_dropped(struct serial *s);

/* serial_count() - all that was counted so far. Context: any thread. */
void serial_count(struct serial *s, uint64_t ret[SERIAL_COUNTERS]);

/*
 * serial_set_limit() - bound the output, at any time
 * @config:	bytes; NULL: no limit. What is more is dropped and counted: nothing waits for tokens
 *
 * Context: any thread.
 */
void serial_set_limit(struct serial *s, const struct rate_bucket_config *config);

/*
 * serial_save() - write out what can be, then append the registers and the input that the guest
 *	has not read to @out
 *
 * Return: 0 or -errno. Context: loop, vCPUs stopped.
 */
int serial_save(struct serial *s, struct buf *out);

/*
 * serial_load() - take back what serial_save() appended
 * @data, @len:	untrusted
 *
 * Return: 0, or -EINVAL if it makes no sense, and then nothing is changed. Context: loop, vCPUs
 * stopped.
 */
int serial_load(struct serial *s, const void *data, size_t len);

/* For bus_add() at an I/O port with the struct serial as its device, SERIAL_SIZE bytes. */
extern const struct bus_ops serial_bus_ops;
