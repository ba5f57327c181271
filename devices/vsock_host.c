// SPDX-License-Identifier: Apache-2.0
// vsock connections that begin on the host: their ports, and how long the guest may take to answer.
#include "devices/vsock_conn.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>

/* syscalls: loop: clock_gettime */

/* Arm the timer for the oldest connection that waits for the guest. */
static void vsock_set_timer(struct vsock *vsock)
{
	const struct vsock_conn *conn = TAILQ_FIRST(&vsock->timers);
	uint64_t now = clock_ms(), ms = 0;

	if (conn)
		ms = conn->deadline_ms > now ? conn->deadline_ms - now : 1;
	loop_timer_set(&vsock->timer, ms);
}

void vsock_on_timeout(struct loop_timer *timer)
{
	struct vsock *vsock = container_of(timer, struct vsock, timer);
	uint64_t now = clock_ms();
	struct vsock_conn *conn;

	while ((conn = TAILQ_FIRST(&vsock->timers)) && conn->deadline_ms <= now) {
		vsock->counters[VSOCK_CONNS_KILLED]++;
		/*
		 * A guest that was never asked need not be told. One that hasn't confirmed the end
		 * has heard all, and may still be reading: RST could take that from it.
		 */
		if ((conn->owe & VSOCK_OWE_REQUEST) || conn->state == VSOCK_ESTABLISHED)
			vsock_conn_destroy(conn);
		else
			vsock_conn_reset(conn);
	}
	vsock_set_timer(vsock);
	vsock_rx_run(vsock);
	vsock_reap(vsock);
}

static uint32_t vsock_take_host_port(struct vsock *vsock, uint32_t guest_port)
{
	uint32_t port;

	/* Fewer connections than ports: one is free. */
	do {
		port = vsock->next_host_port;
		vsock->next_host_port =
			port == VSOCK_HOST_PORT_LAST ? VSOCK_HOST_PORT_FIRST : port + 1;
	} while (vsock_conn_find(vsock, port, guest_port));
	return port;
}

void vsock_wait_for_guest(struct vsock_conn *conn)
{
	struct vsock *vsock = conn->vsock;

	if (conn->timed)
		return;
	/* All wait equally long, so the list stays in order. */
	conn->deadline_ms = clock_ms() + vsock->timeout_ms;
	TAILQ_INSERT_TAIL(&vsock->timers, conn, timer_link);
	conn->timed = true;
	if (TAILQ_FIRST(&vsock->timers) == conn)
		vsock_set_timer(vsock);
}

/* A client on the host wants guest port @port. */
int vsock_incoming(void *ctx, int fd, uint32_t port, bool seqpacket)
{
	struct vsock *vsock = ctx;
	struct vsock_conn *conn;

	/* Until the driver is ready nobody knows whether it can do it: it refuses if it can't. */
	conn = vsock_conn_new(vsock, fd, vsock_take_host_port(vsock, port), port, VSOCK_CONNECTING,
		seqpacket ? VIRTIO_VSOCK_TYPE_SEQPACKET : VIRTIO_VSOCK_TYPE_STREAM);
	if (!conn)
		return -EMFILE;
	vsock_wait_for_guest(conn);
	vsock_conn_settle(conn);
	vsock_rx_run(vsock);
	vsock_reap(vsock);
	return 0;
}
