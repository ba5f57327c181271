// SPDX-License-Identifier: Apache-2.0
// One direction of a stream.
#include "guest-init/relay.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Reads before the other streams get their turn: one busy stream must not starve the control
 * connection. */
#define RELAY_TURNS 8

static void relay_release(struct relay *relay)
{
	if (!relay->running)
		return;
	relay->running = false;
	loop_del(relay->loop, &relay->source);
	loop_del(relay->loop, &relay->sink);
	close(relay->source_fd);
	free(relay->buffer);
	relay->buffer = NULL;
}

static void relay_end(struct relay *relay, bool failed)
{
	relay_release(relay);
	relay->failed = failed;
	/* A half-closed socket stays open: closing it could be taken for an abort of what is under
	 * way. */
	if (failed || !relay->sink_is_socket)
		close(TAKE_FD(relay->sink_fd));
	else
		shutdown(relay->sink_fd, SHUT_WR);
	if (relay->done)
		relay->done(relay);
}

/* One read. Return: 1 if it is worth reading again: the source had all that was asked for. */
static int relay_read(struct relay *relay)
{
	struct iovec iov[2];
	int count = ring_write_iov(&relay->ring, iov);
	ssize_t n;

	if (!count || relay->ended)
		return 0;
	n = readv(relay->source_fd, iov, count);
	if (n > 0) {
		uint32_t room = ring_free(&relay->ring);

		ring_produce(&relay->ring, (uint32_t)n);
		relay->last = relay->ring.data[(relay->ring.tail - 1) & (relay->ring.size - 1)];
		return (uint32_t)n == room;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* End of file. A terminal whose last user is gone says EIO; a reset connection has ended,
	 * too. */
	relay->ended = true;
	return 0;
}

/* Write what the ring holds. Return: 0, or -errno when the sink refuses. */
static int relay_write(struct relay *relay)
{
	while (ring_used(&relay->ring)) {
		struct iovec iov[2];
		int count = ring_read_iov(&relay->ring, iov);
		ssize_t n = writev(relay->sink_fd, iov, count);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return errno == EAGAIN ? 0 : -errno;
		}
		ring_consume(&relay->ring, (uint32_t)n);
	}
	return 0;
}

static void relay_on_source(struct loop_source *src, uint32_t events);

/* Watch what can move the relay on. Return: 0 or -errno. */
static int relay_watch(struct relay *relay)
{
	bool want = !relay->ended && ring_free(&relay->ring);
	uint32_t out = ring_used(&relay->ring) ? EPOLLOUT : 0;
	int r = 0;

	if (!want)
		loop_del(relay->loop, &relay->source);
	else if (!relay->source.fn)
		r = loop_add(
			relay->loop, &relay->source, relay->source_fd, EPOLLIN, relay_on_source);
	if (r < 0)
		return r;
	return loop_mod(relay->loop, &relay->sink, (relay->sink.events & EPOLLRDHUP) | out);
}

static void relay_run(struct relay *relay)
{
	for (int turn = 0; turn < RELAY_TURNS; turn++) {
		int more = relay_read(relay);

		if (relay_write(relay) < 0) {
			relay_end(relay, true);
			return;
		}
		if (!more)
			break;
	}
	if (relay->ended && !ring_used(&relay->ring) && relay->ending) {
		TAKE_PTR(relay->ending)(relay);
		if (relay_write(relay) < 0) {
			relay_end(relay, true);
			return;
		}
	}
	if (relay->ended && !ring_used(&relay->ring))
		relay_end(relay, false);
	else if (relay_watch(relay) < 0)
		relay_end(relay, true);
}

static void relay_on_source(struct loop_source *src, uint32_t events)
{
	relay_run(container_of(src, struct relay, source));
}

static void relay_on_sink(struct loop_source *src, uint32_t events)
{
	struct relay *relay = container_of(src, struct relay, sink);

	if (events & (EPOLLERR | EPOLLHUP)) {
		relay_end(relay, true);
		return;
	}
	if (events & EPOLLRDHUP) {
		/*
		 * The peer sends no more, which it never does anyway, or it closed. An empty send
		 * tells: it fails when the peer won't receive.
		 */
		if (send(relay->sink_fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
			errno != EAGAIN) {
			relay_end(relay, true);
			return;
		}
		if (loop_mod(relay->loop, src, src->events & ~(uint32_t)EPOLLRDHUP) < 0) {
			relay_end(relay, true);
			return;
		}
	}
	if (events & EPOLLOUT)
		relay_run(relay);
}

int relay_start(struct relay *relay, struct loop *loop, int source_fd, int sink_fd, relay_fn *done)
{
	struct stat st;
	int r;

	*relay = (struct relay){.loop = loop,
		.source_fd = source_fd,
		.sink_fd = sink_fd,
		.last = '\n',
		.done = done};
	relay->sink_is_socket = fstat(sink_fd, &st) == 0 && S_ISSOCK(st.st_mode);
	relay->buffer = malloc(RELAY_BUFFER);
	if (!relay->buffer) {
		r = -ENOMEM;
		goto fail;
	}
	ring_init(&relay->ring, relay->buffer, RELAY_BUFFER);
	r = io_nonblock(source_fd);
	if (r == 0)
		r = io_nonblock(sink_fd);
	if (r == 0)
		r = loop_add(loop, &relay->source, source_fd, EPOLLIN, relay_on_source);
	if (r == 0)
		r = loop_add(loop, &relay->sink, sink_fd, relay->sink_is_socket ? EPOLLRDHUP : 0,
			relay_on_sink);
	if (r < 0)
		goto fail;
	relay->running = true;
	return 0;
fail:
	loop_del(loop, &relay->source);
	loop_del(loop, &relay->sink);
	free(relay->buffer);
	*relay = (struct relay){0};
	close(source_fd);
	close(sink_fd);
	return r;
}

void relay_fini(struct relay *relay)
{
	bool ran = relay->loop;

	relay_release(relay);
	if (ran && relay->sink_fd >= 0)
		close(TAKE_FD(relay->sink_fd));
}
