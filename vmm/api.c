// SPDX-License-Identifier: Apache-2.0
// The API's server: connections and what goes over them.
#include "vmm/api.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/io.h"
#include "base/json_write.h"
#include "base/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* syscalls: loop: accept4, clock_gettime, close, recvfrom, sendto, shutdown; start: fcntl */

/* Read in one turn of the loop: a few hundred of the smallest requests. */
#define READ_MAX 4096
/* A buffer that a large body has grown is given back. */
#define KEEP_MAX 4096
/* How many clients are accepted in one turn, and how long to wait when there are no descriptors. */
#define ACCEPT_MAX 16
#define REST_MS 1000

static void timer_at(struct api *api, uint64_t ms, uint64_t now)
{
	if (ms >= api->timer_ms)
		return;
	api->timer_ms = ms;
	loop_timer_set(&api->timer, ms > now ? ms - now : 1);
}

static void set_deadline(struct api_connection *conn, uint64_t delay_ms)
{
	uint64_t now = clock_ms();

	conn->deadline_ms = now + delay_ms;
	timer_at(conn->api, conn->deadline_ms, now);
}

static void set_idle(struct api_connection *conn)
{
	if (conn->inherited)
		conn->deadline_ms = UINT64_MAX;
	else
		set_deadline(conn, conn->api->idle_ms);
}

/* Take the descriptor out. Return: it. */
static int conn_release(struct api_connection *conn)
{
	int fd = conn->src.fd;

	loop_del(conn->api->loop, &conn->src);
	buf_fini(&conn->in);
	buf_fini(&conn->out);
	conn->used = false;
	conn->ticket = 0;
	return fd;
}

static void conn_close(struct api_connection *conn)
{
	struct api *api = conn->api;
	bool owner = conn->owner;
	uint64_t ticket = conn->parked ? conn->ticket : 0;

	conn->parked = false;
	close(conn_release(conn));
	if (ticket && api->ops->gone)
		api->ops->gone(api->ctx, ticket);
	if (owner && api->owner_gone)
		api->owner_gone(api->ctx);
}

/* Closed at once, it would take the response from a client that hasn't sent its body. */
static void conn_drain(struct api_connection *conn)
{
	shutdown(conn->src.fd, SHUT_WR);
	conn->in.len = 0;
	conn->closing = false;
	conn->draining = true;
	set_deadline(conn, conn->api->request_ms);
}

/* Return: false when the connection is gone. */
static bool conn_flush(struct api_connection *conn)
{
	while (conn->out.len) {
		ssize_t n = send(
			conn->src.fd, conn->out.data, conn->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (!conn->blocked)
				set_deadline(conn, conn->api->request_ms);
			conn->blocked = true;
			return true;
		}
		if (n < 0) {
			conn_close(conn);
			return false;
		}
		buf_drop(&conn->out, (size_t)n);
	}
	if (conn->out.cap > KEEP_MAX)
		buf_fini(&conn->out);
	conn->blocked = false;
	if (conn->closing && conn->body_due) {
		conn_drain(conn);
	} else if (conn->closing) {
		conn_close(conn);
		return false;
	}
	return true;
}

static void respond(struct api_connection *conn, const struct api_reply *reply)
{
	struct http_response response = {
		.status = reply->status     ? reply->status
			  : reply->body.len ? 200
					    : 204,
		.type = reply->type,
		.body = reply->body.data,
		.body_len = reply->body.len,
		.keep_alive = conn->keep_alive,
		.deprecated = reply->deprecated,
	};

	conn->closing = !conn->keep_alive;
	if (http_respond(&conn->out, &response) < 0) {
		log_warn("api: a response of %zu bytes is lost", reply->body.len);
		conn->closing = true;
	}
}

/*
 * Send the head of a stream and hand the connection over.
 *
 * Nothing else is on its way to the client, so the head finds room in the socket; a client for whom
 * it doesn't is none.
 */
static void conn_stream(struct api_connection *conn, const struct api_reply *reply)
{
	const struct http_response head = {
		.status = reply->status,
		.type = reply->type,
		.stream = true,
		.chunked = reply->chunked,
	};
	struct buf early = conn->in;
	ssize_t n = -1;
	int fd;

	if (!reply->status)
		n = 0;
	else if (http_respond(&conn->out, &head) == 0)
		n = send(conn->src.fd, conn->out.data, conn->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 || (size_t)n < conn->out.len) {
		conn_close(conn);
		reply->stream(reply->stream_ctx, -1, NULL, 0);
		return;
	}
	conn->in = (struct buf){0};
	fd = conn_release(conn);
	reply->stream(reply->stream_ctx, fd, early.data, early.len);
	buf_fini(&early);
}

/* Bad HTTP: where the next request begins is unknown, so this is the end. */
static void respond_broken(struct api_connection *conn, const struct err *err)
{
	char text[ERR_MSG_MAX + 64];
	struct api_reply reply = {.status = 400, .body = BUF_INIT(2 * ERR_MSG_MAX)};
	struct json_out json = {.buf = &reply.body};

	snprintf(text, sizeof(text), "%s\nAll previous unanswered requests will be dropped.",
		err->msg);
	json_begin(&json, NULL, '{');
	json_put_string(&json, "error", text);
	json_end(&json, '}');
	conn->keep_alive = false;
	respond(conn, &reply);
	buf_fini(&reply.body);
}

/* Return: false when the connection is gone. */
static bool handle(struct api_connection *conn, const struct http_request *request)
{
	struct api *api = conn->api;
	struct api_reply reply = {.body = BUF_INIT(API_RESPONSE_MAX - HTTP_HEAD_MAX)};

	conn->body_due = request->streamed;
	conn->keep_alive = request->keep_alive && !conn->body_due;
	conn->ticket = ++api->next_ticket;
	conn->parked = api->ops->handle(api->ctx, request, conn->ticket, &reply) == API_PARKED;
	buf_drop(&conn->in, http_parser_next(&conn->parser));
	if (!conn->parked && reply.stream)
		conn_stream(conn, &reply);
	else if (!conn->parked)
		respond(conn, &reply);
	buf_fini(&reply.body);
	return conn->used;
}

/* Serve what has been read, as far as responses leave. Return: false when the connection is gone.
 */
static bool conn_serve(struct api_connection *conn)
{
	struct http_request request;
	struct err err;
	bool served = false;

	while (conn->in.len && !conn->out.len && !conn->parked) {
		int r = http_parse(
			&conn->parser, (char *)conn->in.data, conn->in.len, &request, &err);

		if (r == HTTP_PARSE_MORE)
			break;
		if (r == HTTP_PARSE_CONTINUE) {
			if (http_continue(&conn->out) < 0 || !conn_flush(conn))
				return false;
			break;
		}
		if (r < 0) {
			respond_broken(conn, &err);
			return conn_flush(conn);
		}
		if (!handle(conn, &request))
			return false;
		served = true;
		if (!conn->parked && !conn_flush(conn))
			return false;
	}
	if (conn->draining)
		return true;
	if (!conn->in.len && conn->in.cap > KEEP_MAX)
		buf_fini(&conn->in);
	if (conn->parked)
		conn->deadline_ms = UINT64_MAX;
	else if (conn->blocked)
		; /* its deadline is set */
	else if (conn->in.len && (served || !conn->in_request))
		set_deadline(conn, conn->api->request_ms);
	else if (!conn->in.len)
		set_idle(conn);
	conn->in_request = conn->in.len;
	return true;
}

/* Return: false when the connection is gone. */
static bool conn_read(struct api_connection *conn)
{
	ssize_t n = -1;

	/* The parser refuses before the buffer's ceiling is reached. */
	if (buf_reserve(&conn->in, READ_MAX) == 0)
		n = recv(conn->src.fd, conn->in.data + conn->in.len, READ_MAX, MSG_DONTWAIT);
	else
		errno = ENOMEM;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n < 0) {
		conn_close(conn);
		return false;
	}
	if (!n)
		conn->ended = true;
	if (conn->draining)
		return true;
	conn->in.len += (size_t)n;
	return conn_serve(conn);
}

/* Watch for what comes next; a client that has sent all and got all is done. */
static void conn_wait(struct api_connection *conn)
{
	bool busy = conn->parked || conn->out.len;
	uint32_t events = conn->out.len ? EPOLLOUT : 0;

	if (!busy && conn->ended) {
		conn_close(conn);
		return;
	}
	if (!busy)
		events |= EPOLLIN;
	loop_mod(conn->api->loop, &conn->src, events);
}

static void on_connection(struct loop_source *src, uint32_t events)
{
	struct api_connection *conn = container_of(src, struct api_connection, src);
	bool busy = conn->parked || conn->out.len;

	/* Nobody is left to read an answer. */
	if (busy && events & (EPOLLHUP | EPOLLERR)) {
		conn_close(conn);
		return;
	}
	if (events & EPOLLOUT && !conn_flush(conn))
		return;
	if (busy) {
		/* Requests may have come along with the one whose response has now left. */
		if (!conn->out.len && !conn->parked && !conn_serve(conn))
			return;
	} else if (!conn_read(conn)) {
		return;
	}
	conn_wait(conn);
}

void api_answer(struct api *api, uint64_t ticket, struct api_reply *reply)
{
	for (unsigned int i = 0; ticket && i < API_CONNECTIONS_MAX; i++) {
		struct api_connection *conn = &api->connections[i];

		if (!conn->used || !conn->parked || conn->ticket != ticket)
			continue;
		conn->parked = false;
		if (reply->stream) {
			conn_stream(conn, reply);
			buf_fini(&reply->body);
			return;
		}
		respond(conn, reply);
		if (conn_flush(conn) && (conn->out.len || conn_serve(conn)))
			conn_wait(conn);
		buf_fini(&reply->body);
		return;
	}
	if (reply->stream)
		reply->stream(reply->stream_ctx, -1, NULL, 0);
	buf_fini(&reply->body);
}

static void refuse(int fd)
{
	static const char body[] = "{ \"error\": \"Too many open connections\" }";
	struct buf out = BUF_INIT(HTTP_HEAD_MAX);

	if (http_respond(&out,
		    &(struct http_response){
			    .status = 503, .body = body, .body_len = sizeof(body) - 1}) == 0 &&
		send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		/* It didn't wait for an answer. */
	}
	buf_fini(&out);
	close(fd);
}

/* Return: it, or NULL with errno set. */
static struct api_connection *add_connection(struct api *api, int fd)
{
	struct api_connection *conn = api->connections;
	struct api_connection *end = conn + API_CONNECTIONS_MAX;
	int r;

	while (conn < end && conn->used)
		conn++;
	if (conn == end) {
		errno = ENOSPC;
		return NULL;
	}
	*conn = (struct api_connection){
		.api = api,
		.parser.body_max = api->body_max,
		.parser.streams = api->ops->streams,
		.in = BUF_INIT(HTTP_HEAD_MAX + api->body_max + READ_MAX),
		.out = BUF_INIT(API_RESPONSE_MAX),
		.used = true,
	};
	r = loop_add(api->loop, &conn->src, fd, EPOLLIN, on_connection);
	if (r < 0) {
		conn->used = false;
		errno = -r;
		return NULL;
	}
	return conn;
}

static void accepted(struct api *api, int fd)
{
	struct api_connection *conn = add_connection(api, fd);

	if (conn)
		set_idle(conn);
	else if (errno == ENOSPC)
		refuse(fd);
	else
		close(fd);
}

int api_adopt(struct api *api, int fd, api_owner_fn *owner_gone)
{
	struct api_connection *conn;
	int r = io_nonblock(fd);

	if (!r && fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		r = -errno;
	if (r < 0)
		return r;
	conn = add_connection(api, fd);
	if (!conn)
		return -errno;
	conn->inherited = true;
	conn->deadline_ms = UINT64_MAX;
	if (owner_gone) {
		conn->owner = true;
		api->owner_gone = owner_gone;
	}
	return 0;
}

static void on_connect(struct loop_source *src, uint32_t events)
{
	struct api *api = container_of(src, struct api, listener);

	for (unsigned int i = 0; i < ACCEPT_MAX; i++) {
		int fd = accept4(src->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		uint64_t now;

		if (fd >= 0) {
			accepted(api, fd);
			continue;
		}
		if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS)
			return;
		/* It would be reported again at once. */
		log_warn("api: no connection can be accepted: %s", strerror(errno));
		loop_mod(api->loop, src, 0);
		api->resting = true;
		now = clock_ms();
		timer_at(api, now + REST_MS, now);
		return;
	}
}

static void on_timer(struct loop_timer *timer)
{
	struct api *api = container_of(timer, struct api, timer);
	uint64_t now = clock_ms(), next = UINT64_MAX;

	api->timer_ms = UINT64_MAX;
	if (api->resting)
		loop_mod(api->loop, &api->listener, EPOLLIN);
	api->resting = false;
	for (unsigned int i = 0; i < API_CONNECTIONS_MAX; i++) {
		struct api_connection *conn = &api->connections[i];

		if (!conn->used)
			continue;
		if (conn->deadline_ms <= now)
			conn_close(conn);
		else if (conn->deadline_ms < next)
			next = conn->deadline_ms;
	}
	if (next != UINT64_MAX)
		timer_at(api, next, now);
}

int api_init(struct api *api, struct loop *loop, const char *path, size_t body_max,
	const struct api_ops *ops, void *ctx, struct err *err)
{
	int fd, r;

	*api = (struct api){.loop = loop,
		.ops = ops,
		.ctx = ctx,
		.listener.fd = -1,
		.body_max = body_max,
		.request_ms = API_REQUEST_MS,
		.idle_ms = API_IDLE_MS,
		.timer_ms = UINT64_MAX};
	r = loop_timer_init(loop, &api->timer, on_timer);
	if (r < 0)
		return err_errno(err, -r, "API");
	if (!path)
		return 0;
	fd = listener_open("API socket", path, SOCK_STREAM, &api->id, err);
	if (fd < 0)
		return fd;
	api->path = path;
	r = loop_add(loop, &api->listener, fd, EPOLLIN, on_connect);
	if (r < 0) {
		close(fd);
		return err_errno(err, -r, "API socket %s", path);
	}
	return 0;
}

void api_fini(struct api *api)
{
	int fd = api->listener.fd;

	if (!api->loop)
		return;
	api->owner_gone = NULL;
	for (unsigned int i = 0; i < API_CONNECTIONS_MAX; i++)
		if (api->connections[i].used)
			conn_close(&api->connections[i]);
	if (api->listener.fn) {
		loop_del(api->loop, &api->listener);
		close(fd);
	}
	loop_timer_fini(api->loop, &api->timer);
	if (api->path)
		listener_remove(api->path, &api->id);
	*api = (struct api){0};
}
