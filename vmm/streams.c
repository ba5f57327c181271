// SPDX-License-Identifier: Apache-2.0
// A command's standard streams.
#include "vmm/streams.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* syscalls: loop: close, recvfrom, sendto, shutdown */

/* Read in one turn of the loop: as much as one of the guest's packets brings. */
#define CHUNK (64u * 1024)
/* What a client hasn't taken: one chunk in its frame, or a log and what a time before each line
 * adds to it. */
#define PENDING_MAX (8u * STREAM_LOG_MAX)
/* Nothing to do but to learn once that the other end is gone. */
#define WATCH_END EPOLLET

/*
 * struct streams_client - one attached client
 * @fd:		-1 until streams_client_start()
 * @out:	output that it hasn't taken
 * @wants:	output streams; @input: it may send input, and hasn't ended it
 */
struct streams_client {
	struct loop_source src;
	struct streams *streams;
	struct streams_client *next;
	int fd;
	struct buf out;
	unsigned int wants;
	bool input;
	bool framed;
	bool follow;
};

/* Loop thread only; not touched, and so not there, until a command prints. The front is for a
 * frame's head. */
static uint8_t chunk[STREAM_FRAME + CHUNK];

static void client_update(struct streams_client *client);

static struct streams_conn *in_conn(struct streams *streams)
{
	return &streams->conns[streams->terminal ? STREAM_OUT : STREAM_IN];
}

static bool conn_blocked(const struct streams_conn *conn)
{
	unsigned int bit = STREAM_BIT(conn - conn->streams->conns);

	for (const struct streams_client *c = conn->streams->clients; c; c = c->next)
		if (c->wants & bit && c->follow && (c->out.len || c->fd < 0))
			return true;
	return false;
}

static void conn_update(struct streams_conn *conn)
{
	struct streams *streams = conn->streams;
	uint32_t events = 0;

	if (conn->fd < 0)
		return;
	if (conn != &streams->conns[STREAM_IN] && !conn_blocked(conn))
		events |= EPOLLIN;
	if (conn == in_conn(streams) && streams->in.len)
		events |= EPOLLOUT;
	loop_mod(streams->loop, &conn->src, events ? events : WATCH_END);
}

static void update_all(struct streams *streams)
{
	for (int i = 0; i < STREAMS_COUNT; i++)
		conn_update(&streams->conns[i]);
	for (struct streams_client *c = streams->clients; c; c = c->next)
		client_update(c);
}

static void conn_close(struct streams_conn *conn)
{
	conn->ended = true;
	if (conn->fd < 0)
		return;
	loop_del(conn->streams->loop, &conn->src);
	close(TAKE_FD(conn->fd));
}

/* Are all outputs that this client wants at their end? */
static bool client_done(const struct streams_client *client)
{
	const struct streams *streams = client->streams;

	if (client->fd < 0 || client->out.len)
		return false;
	if (!client->follow)
		return true;
	if (!client->wants)
		return streams->over || !client->input;
	for (int i = STREAM_OUT; i < STREAMS_COUNT; i++)
		if (client->wants & STREAM_BIT(i) && !streams->conns[i].ended)
			return false;
	return true;
}

static void client_free(struct streams_client *client)
{
	struct streams *streams = client->streams;
	struct streams_client **at = &streams->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	streams->client_count--;
	if (client->fd >= 0) {
		loop_del(streams->loop, &client->src);
		close(client->fd);
	}
	buf_fini(&client->out);
	free(client);
}

/* Nobody is left for output that is kept nowhere. */
static void close_unwanted(struct streams *streams)
{
	unsigned int wanted = 0;

	if (streams->log.size)
		return;
	for (const struct streams_client *c = streams->clients; c; c = c->next)
		wanted |= c->wants;
	for (int i = STREAM_OUT; i < STREAMS_COUNT; i++)
		if (streams->conns[i].attached && !(wanted & STREAM_BIT(i)))
			conn_close(&streams->conns[i]);
}

/* Let go of all clients that have got everything, and see what the others wait for. */
static void settle(struct streams *streams)
{
	struct streams_client *client = streams->clients, *next;

	for (; client; client = next) {
		next = client->next;
		if (client_done(client))
			client_free(client);
	}
	close_unwanted(streams);
	update_all(streams);
}

static void client_drop(struct streams_client *client)
{
	struct streams *streams = client->streams;

	client_free(client);
	settle(streams);
}

/* Can a client's input be taken now? */
static bool in_ready(struct streams *streams)
{
	return !streams->in.len && !streams->in_ended && in_conn(streams)->fd >= 0;
}

static void client_update(struct streams_client *client)
{
	uint32_t events = 0;

	if (client->fd < 0)
		return;
	if (client->out.len)
		events |= EPOLLOUT;
	if (client->input && in_ready(client->streams))
		events |= EPOLLIN;
	loop_mod(client->streams->loop, &client->src, events ? events : WATCH_END);
}

/* The guest takes no more input: clients get EPIPE. */
static void in_refused(struct streams *streams)
{
	streams->in_ended = true;
	streams->in.len = 0;
	for (struct streams_client *c = streams->clients; c; c = c->next) {
		if (c->input && c->fd >= 0)
			shutdown(c->fd, SHUT_RD);
		c->input = false;
	}
}

static void in_flush(struct streams *streams)
{
	struct streams_conn *conn = in_conn(streams);

	while (streams->in.len && conn->fd >= 0) {
		ssize_t n = send(
			conn->fd, streams->in.data, streams->in.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			in_refused(streams);
			return;
		}
		buf_drop(&streams->in, (size_t)n);
	}
	if (!streams->in.len)
		buf_fini(&streams->in);
	if (streams->in_ended && !streams->in.len && conn->fd >= 0)
		shutdown(conn->fd, SHUT_WR);
}

static void in_end(struct streams_client *client)
{
	client->input = false;
	if (client->streams->in_once)
		client->streams->in_ended = true;
}

/* Return: -errno when the client is gone. */
static int client_read(struct streams_client *client)
{
	struct streams *streams = client->streams;
	ssize_t n;

	if (buf_reserve(&streams->in, CHUNK) < 0)
		return -ENOMEM;
	n = recv(client->fd, streams->in.data, CHUNK, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0)
		streams->in.len = (size_t)n;
	else
		in_end(client);
	in_flush(streams);
	return 0;
}

/* Return: -errno when the client is gone. */
static int client_flush(struct streams_client *client)
{
	while (client->out.len) {
		ssize_t n = send(
			client->fd, client->out.data, client->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		buf_drop(&client->out, (size_t)n);
	}
	buf_fini(&client->out);
	return 0;
}

static void on_client(struct loop_source *src, uint32_t events)
{
	struct streams_client *client = container_of(src, struct streams_client, src);
	struct streams *streams = client->streams;
	bool reads = client->input && in_ready(streams);
	int r = 0;

	if (events & EPOLLOUT)
		r = client_flush(client);
	if (!r && reads && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		r = client_read(client);
	/* One that has sent its input and gone is read to the end first. */
	else if (!r && !client->input && events & (EPOLLHUP | EPOLLERR))
		r = -EPIPE;
	if (r < 0)
		client_free(client);
	settle(streams);
}

/* Hand on @n bytes of chunk[]. Return: -errno when the client is gone. */
static int client_send(struct streams_client *client, unsigned int stream, uint32_t n)
{
	const uint8_t *data = chunk + STREAM_FRAME;
	size_t len = n;
	ssize_t sent;

	if (client->framed) {
		stream_frame(chunk, stream, n);
		data = chunk;
		len += STREAM_FRAME;
	}
	sent = send(client->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		return -errno;
	if (sent < 0)
		sent = 0;
	return buf_add(&client->out, data + sent, len - (size_t)sent);
}

static void deliver(struct streams *streams, unsigned int stream, uint32_t n)
{
	struct streams_client *client = streams->clients, *next;

	stream_log_add(&streams->log, stream, chunk + STREAM_FRAME, n);
	for (; client; client = next) {
		next = client->next;
		if (client->follow && client->wants & STREAM_BIT(stream) &&
			client_send(client, stream, n) < 0)
			client_free(client);
	}
}

static void on_conn(struct loop_source *src, uint32_t events)
{
	struct streams_conn *conn = container_of(src, struct streams_conn, src);
	struct streams *streams = conn->streams;
	unsigned int stream = (unsigned int)(conn - streams->conns);
	ssize_t n;

	if (events & EPOLLOUT)
		in_flush(streams);
	if (stream == STREAM_IN) {
		if (events & (EPOLLHUP | EPOLLERR)) {
			conn_close(conn);
			in_refused(streams);
		}
	} else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !conn_blocked(conn)) {
		n = recv(conn->fd, chunk + STREAM_FRAME, CHUNK, MSG_DONTWAIT);
		if (n > 0)
			deliver(streams, stream, (uint32_t)n);
		else if (!n || (errno != EAGAIN && errno != EINTR))
			conn_close(conn);
		if (streams->terminal && conn->ended)
			in_refused(streams);
	}
	settle(streams);
}

void streams_init(struct streams *streams, struct loop *loop, const struct streams_config *config)
{
	*streams = (struct streams){
		.loop = loop,
		.terminal = config->terminal,
		.in = BUF_INIT(2 * CHUNK),
		.in_ended = !config->input,
		.in_once = config->in_once,
	};
	stream_log_init(&streams->log, config->log_size);
	for (int i = 0; i < STREAMS_COUNT; i++) {
		bool missing =
			config->terminal ? i != STREAM_OUT : i == STREAM_IN && !config->input;

		streams->conns[i] = (struct streams_conn){
			.streams = streams, .src.fd = -1, .fd = -1, .ended = missing};
	}
}

void streams_fini(struct streams *streams)
{
	if (!streams->loop)
		return;
	while (streams->clients)
		client_free(streams->clients);
	for (int i = 0; i < STREAMS_COUNT; i++)
		conn_close(&streams->conns[i]);
	buf_fini(&streams->in);
	stream_log_fini(&streams->log);
	*streams = (struct streams){0};
}

int streams_connect(struct streams *streams, enum stream stream, int fd)
{
	struct streams_conn *conn = &streams->conns[stream];
	int r;

	if (conn->fd >= 0)
		return -EALREADY;
	if (conn->ended)
		return -ECONNREFUSED;
	if (fd < 0)
		return 0;
	r = loop_add(streams->loop, &conn->src, fd, WATCH_END, on_conn);
	if (r < 0)
		return r;
	conn->fd = fd;
	if (conn == in_conn(streams))
		in_flush(streams);
	update_all(streams);
	return 0;
}

struct streams_client *streams_attach(struct streams *streams, const struct streams_attach *attach)
{
	struct streams_client *client;
	int r = 0;

	if (streams->client_count == STREAMS_CLIENTS_MAX)
		return NULL;
	client = calloc(1, sizeof(*client));
	if (!client)
		return NULL;
	client->streams = streams;
	client->fd = -1;
	client->out = BUF_INIT(PENDING_MAX);
	client->wants = attach->streams & ~STREAM_BIT(STREAM_IN);
	client->input = attach->streams & STREAM_BIT(STREAM_IN) && !streams->in_ended;
	client->framed = attach->framed;
	client->follow = attach->follow;
	if (attach->history)
		r = stream_log_read(&streams->log, attach->history, &client->out);
	if (r < 0) {
		buf_fini(&client->out);
		free(client);
		return NULL;
	}
	for (int i = STREAM_OUT; i < STREAMS_COUNT && attach->follow; i++)
		if (client->wants & STREAM_BIT(i))
			streams->conns[i].attached = true;
	client->next = streams->clients;
	streams->clients = client;
	streams->client_count++;
	update_all(streams);
	return client;
}

void streams_client_start(void *ctx, int fd, const void *early, size_t early_len)
{
	struct streams_client *client = ctx;
	struct streams *streams = client->streams;
	int r = 0;

	if (fd < 0 || loop_add(streams->loop, &client->src, fd, WATCH_END, on_client) < 0) {
		if (fd >= 0)
			close(fd);
		client_drop(client);
		return;
	}
	client->fd = fd;
	/* What came with the request is the input's beginning. */
	if (client->input && early_len) {
		r = buf_add(&streams->in, early, early_len);
		in_flush(streams);
	}
	if (r < 0 || client_flush(client) < 0)
		client_free(client);
	settle(streams);
}

void streams_over(struct streams *streams)
{
	streams->over = true;
	in_refused(streams);
	settle(streams);
}
