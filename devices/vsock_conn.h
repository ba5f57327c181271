// SPDX-License-Identifier: Apache-2.0
// Inside virtio-vsock: its connections, and what its files share. vsock.c is the device and what
// comes from the guest, vsock_rx.c what goes to it, vsock_conn.c a connection, vsock_message.c
// SEQPACKET, vsock_host.c connections that begin on the host.
#pragma once

#include "base/loop.h"
#include "base/ring.h"
#include "devices/virtio.h"
#include "devices/virtqueue.h"
#include "devices/vsock.h"

#include <linux/virtio_vsock.h>
#include <linux/vm_sockets.h>
#include <sys/queue.h>

/*
 * Theory of operation
 *
 *     host socket                                                   guest
 *         | --recvmsg--> popped rx chains ------------------------>   |   never stored here
 *         | <--sendmsg-- popped tx chains <------------------------   |
 *         | <--sendmsg-- [ring, 64 KiB] <-- what the socket refused   |
 *
 * Guest to host: the guest may have VSOCK_BUF bytes under way that we haven't passed on (its
 * credit: buf_alloc less what fwd_cnt hasn't confirmed). So the ring always has room for what
 * it may send, and one that sends more is reset. Confirmation goes with any packet; a packet of
 * its own is made when the guest knows of less than half the buffer.
 *
 * Host to guest: nothing is read from the socket unless a guest buffer and credit are there, so
 * the slow side stops the fast one and nothing piles up here.
 *
 *                REQUEST from guest, backend connected: answer RESPONSE
 *                +--------------------------------------------+
 *                |                                            v
 *     (none) ----+                                      ESTABLISHED
 *                |                                        |      |
 *                +--> CONNECTING --RESPONSE from guest----^      |
 *        host connected, |                                |      |
 *        REQUEST sent    | timeout, error                 |      | RST from guest
 *                        v                                v      v
 *                      RESET (RST to be sent) <------- closed   LINGER (ring to be written out)
 *                        |                          both ways    |
 *                        +------------> DEAD <-------------------+
 *
 * Half close. End of file from the host becomes SHUTDOWN(SEND), after all data before it. A host
 * that no longer takes data becomes SHUTDOWN(RCV); what it already sent is still read. SHUTDOWN
 * from the guest becomes shutdown(2), for SEND after the ring is empty. Once the guest has closed
 * both ways and the ring is empty, RST confirms, and the socket is closed: data before the end is
 * never lost to the end. A host that has closed both ways is told of by SHUTDOWN of both; a guest
 * that hasn't answered it with RST in time has its connection forgotten without a word: all that
 * could be said has been.
 *
 * The host's socket is watched for edges, always for the same ones, but for EPOLLOUT while
 * something waits in the ring: so the connection remembers (readable, host_hup) what was reported.
 */

/* What a connection can hold for a slow host, and so the credit a guest gets. A power of two. */
#define VSOCK_BUF 65536
/* Largest payload of a packet to the guest: what Linux accepts. */
#define VSOCK_PACKET_MAX 65536
/* Largest message of a SEQPACKET connection, both ways: one must fit the ring to be passed on
 * whole.
 */
#define VSOCK_MESSAGE_MAX VSOCK_BUF
/* One read's chains, and their pieces: at least a whole chain's. */
#define VSOCK_GATHER_CHAINS 72
#define VSOCK_GATHER_IOVS VIRTQ_CHAIN_MAX
/* One write's packets. */
#define VSOCK_BATCH_PACKETS 32
#define VSOCK_HASH_SIZE 1024
/* Refusals waiting for a guest buffer; beyond that, the guest's packets wait. */
#define VSOCK_REPLIES_MAX 128

#define VSOCK_SHUTDOWN_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

/* Ports of the host's end for its own connections, taken in turn. */
#define VSOCK_HOST_PORT_FIRST (UINT32_C(1) << 30)
#define VSOCK_HOST_PORT_LAST (UINT32_C(0x7fffffff))

enum vsock_queue { VSOCK_RX, VSOCK_TX, VSOCK_EVENT, VSOCK_QUEUES };

enum vsock_state {
	VSOCK_CONNECTING,
	VSOCK_ESTABLISHED,
	VSOCK_RESET,
	VSOCK_LINGER,
	VSOCK_DEAD,
};

/* Packets owed to the guest, besides data, shutdown and reset. */
#define VSOCK_OWE_REQUEST 1U
#define VSOCK_OWE_RESPONSE 2U
#define VSOCK_OWE_CREDIT 4U

/*
 * struct vsock_messages - what a SEQPACKET connection needs besides
 * @in, @in_len, @in_pos: a message from the host, and how much of it the guest has
 * @end_count:	whole messages in the ring
 * @ends:	a bit for each byte of the ring: a message ends with it
 */
struct vsock_messages {
	uint32_t in_len, in_pos;
	uint32_t end_count;
	uint8_t ends[VSOCK_BUF / 8];
	uint8_t in[VSOCK_MESSAGE_MAX];
};

/*
 * struct vsock_conn - a connection
 * @type:	VIRTIO_VSOCK_TYPE_
 * @fd:		owned; -1 once closed
 * @gather:	bytes to try to read at once, 0 before the first time
 * @seq:	owned; NULL for streams
 * @readable:	recvmsg may give something
 * @host_ends:	no more will come behind what can be read now
 * @host_eof:	all of that has been read
 * @host_deaf:	the host takes no more: data for it is dropped
 * @host_hup:	the host's end is closed
 * @guest_shut:	SHUTDOWN bits from the guest
 * @shut_want, @shut_sent: SHUTDOWN bits for the guest
 * @peer_buf_alloc, @peer_fwd_cnt, @sent_cnt: the guest's credit for us and what we sent, modulo
 * 2^32
 * @fwd_cnt, @told_fwd_cnt: bytes passed on to the host, and what the guest knows of it
 */
struct vsock_conn {
	struct vsock *vsock;
	enum vsock_state state;
	uint16_t type;
	int fd;
	struct loop_source src;
	struct vsock_messages *seq;
	uint32_t gather;
	uint32_t host_port;
	uint32_t guest_port;
	unsigned int owe;
	bool hashed, queued, timed;
	bool readable, host_ends, host_eof, host_deaf, host_hup, write_shut;
	bool credit_asked;
	uint32_t guest_shut;
	uint32_t shut_want, shut_sent;
	uint32_t peer_buf_alloc, peer_fwd_cnt, sent_cnt;
	uint32_t fwd_cnt, told_fwd_cnt;
	uint64_t deadline_ms;
	LIST_ENTRY(vsock_conn) hash_link;
	LIST_ENTRY(vsock_conn) all_link;
	TAILQ_ENTRY(vsock_conn) rx_link;
	TAILQ_ENTRY(vsock_conn) timer_link;
	struct ring ring;
	uint8_t data[VSOCK_BUF]; /* last: untouched, and so no memory, while the host keeps up */
};

LIST_HEAD(vsock_conn_list, vsock_conn);
TAILQ_HEAD(vsock_conn_queue, vsock_conn);

/* A refusal to be sent for a connection that doesn't exist. */
struct vsock_reply {
	uint64_t cid;
	uint32_t host_port;
	uint32_t guest_port;
	uint16_t type;
};

/*
 * struct vsock_gather - chains that one read fills, see vsock_rx.c
 * @room:	bytes in @iov
 * @next:	where the next chain is popped to
 */
struct vsock_gather {
	unsigned int count, iov_count;
	uint32_t room;
	struct vsock_gathered {
		void *hdr;
		uint32_t room;
		uint16_t head;
	} chains[VSOCK_GATHER_CHAINS];
	struct iovec iov[VSOCK_GATHER_IOVS];
	struct virtq_chain next;
};

/*
 * struct vsock_batch - packets of one stream, taken in a row, that one write passes on
 * @conn:	NULL while empty
 * @heads:	their chains, not pushed yet
 */
struct vsock_batch {
	struct vsock_conn *conn;
	unsigned int count, iov_count;
	uint32_t len;
	uint16_t heads[VSOCK_BATCH_PACKETS];
	struct iovec iov[VIRTQ_CHAIN_MAX];
};

/*
 * struct vsock - the device
 * @count:	connections in @all, of every state but DEAD
 * @rx:		those with a packet for the guest, served in turn
 * @timers:	those that the guest owes an answer, oldest first: in CONNECTING a RESPONSE, in
 *		ESTABLISHED an RST
 * @dead:	freed when the outermost callback ends
 * @active:	between activate and reset, and not broken
 * @tx_stalled: the guest's packets wait until @replies has room
 * @event_owed: the guest is to be told that all connections are gone
 * @timeout_ms:	VSOCK_TIMEOUT_MS
 */
struct vsock {
	struct virtio_dev dev;
	struct virtq queues[VSOCK_QUEUES];
	struct virtio_vsock_config config;
	struct loop *loop;
	struct stream_backend *backend;
	uint64_t guest_cid;
	bool active;
	bool tx_stalled;
	bool event_owed;
	unsigned int timeout_ms;
	struct loop_timer timer;
	uint64_t counters[VSOCK_COUNTERS];
	uint32_t next_host_port;
	unsigned int count;
	struct vsock_conn_list all;
	struct vsock_conn_list dead;
	struct vsock_conn_list hash[VSOCK_HASH_SIZE];
	struct vsock_conn_queue rx;
	struct vsock_conn_queue timers;
	unsigned int reply_head, reply_count;
	struct vsock_reply replies[VSOCK_REPLIES_MAX];
	struct virtq_chain chain;
	struct vsock_gather gather;
	struct vsock_batch batch;
};

/* Context of all below: loop. */

/*
 * vsock_conn_new() - add a connection
 * @fd:		taken over on success
 * @state:	VSOCK_CONNECTING or VSOCK_ESTABLISHED; owes the guest REQUEST or RESPONSE
 * @type:	VIRTIO_VSOCK_TYPE_, that of @fd
 *
 * Return: the connection, or NULL when there are VSOCK_CONNS_MAX or no memory.
 */
struct vsock_conn *vsock_conn_new(struct vsock *vsock, int fd, uint32_t host_port,
	uint32_t guest_port, enum vsock_state state, uint16_t type);

/* vsock_conn_find() - Return: the connection the guest means, or NULL. */
struct vsock_conn *vsock_conn_find(struct vsock *vsock, uint32_t host_port, uint32_t guest_port);

/*
 * vsock_conn_packet() - a packet from the guest for this connection
 * @hdr:	a copy; its len bytes of payload are the front of @iov (changed here)
 */
void vsock_conn_packet(struct vsock_conn *conn, const struct virtio_vsock_hdr *hdr,
	struct iovec *iov, unsigned int count);

/* vsock_conn_write() - @len bytes from the guest, the front of @iov (changed here); they fit the
 * ring.
 */
void vsock_conn_write(struct vsock_conn *conn, struct iovec *iov, unsigned int count, uint32_t len);

/* vsock_conn_send() - one non-blocking send. Return: bytes; 0 if the socket is full, or failed and
 * then the host is deaf. */
uint32_t vsock_conn_send(struct vsock_conn *conn, struct iovec *iov, unsigned int count);

/* vsock_conn_credit() - how many bytes the guest has room for. */
uint32_t vsock_conn_credit(const struct vsock_conn *conn);

/* vsock_conn_has_input() - is there host data that could go to the guest, but for credit? */
bool vsock_conn_has_input(const struct vsock_conn *conn);

/* vsock_conn_pending() - does something wait in the ring that could go to the host? */
bool vsock_conn_pending(const struct vsock_conn *conn);

/*
 * vsock_message_read() - take the host's next message into conn->seq
 *
 * Return: 1; 0 if there is none now, or no more will come (host_eof). One that is too big for the
 * guest resets the connection.
 */
int vsock_message_read(struct vsock_conn *conn);

/*
 * vsock_message_write() - a piece of a message from the guest, as vsock_conn_write()
 * @end:	it is the last one
 */
void vsock_message_write(
	struct vsock_conn *conn, struct iovec *iov, unsigned int count, uint32_t len, bool end);

/* vsock_message_forget() - there is none in the ring any more. */
void vsock_message_forget(struct vsock_messages *seq);

/* vsock_message_flush() - send whole messages from the ring as far as the host takes them. */
void vsock_message_flush(struct vsock_conn *conn);

/* vsock_conn_reset() - give up: close the host's end, owe the guest RST. */
void vsock_conn_reset(struct vsock_conn *conn);

/*
 * vsock_conn_forget() - the guest no longer knows it
 *
 * What it sent before still goes to the host, in state LINGER.
 */
void vsock_conn_forget(struct vsock_conn *conn);

/* vsock_conn_flush() - write the ring to the host, as far as it takes it. */
void vsock_conn_flush(struct vsock_conn *conn);

/* vsock_conn_queue() - put it on the rx list if it has something for the guest. */
void vsock_conn_queue(struct vsock_conn *conn);

/* vsock_conn_settle() - after any change: what follows from it, what to send, what to watch. */
void vsock_conn_settle(struct vsock_conn *conn);

/* vsock_conn_destroy() - remove it, at once; the struct is freed by vsock_reap(). */
void vsock_conn_destroy(struct vsock_conn *conn);

/* vsock_iov_store() - copy to @iov from byte @skip of it on; there is room. */
void vsock_iov_store(const struct iovec *iov, size_t skip, const void *data, size_t n);

/* vsock_conn_take_credit() - note what a packet of the guest's says of its room. */
void vsock_conn_take_credit(struct vsock_conn *conn, const struct virtio_vsock_hdr *hdr);

/* vsock_wait_for_guest() - it has timeout_ms to answer; then vsock_on_timeout() decides. */
void vsock_wait_for_guest(struct vsock_conn *conn);

/* vsock_broken() - the device rests until it is reset, its connections are gone. */
void vsock_broken(struct vsock *vsock, const char *why);

/* vsock_rx_run() - give the guest what is waiting for it, as far as it has buffers. */
void vsock_rx_run(struct vsock *vsock);

/* vsock_signal() - one interrupt for all that was used since the last. */
void vsock_signal(struct vsock *vsock);

/* vsock_incoming() - a client on the host wants guest port @port; as struct stream_backend says. */
int vsock_incoming(void *ctx, int fd, uint32_t port, bool seqpacket);

/* vsock_on_timeout() - the timer's function: give up those the guest hasn't answered. */
void vsock_on_timeout(struct loop_timer *timer);

/* vsock_reap() - free the dead, at the end of every entry from outside. */
void vsock_reap(struct vsock *vsock);
