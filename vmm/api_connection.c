// SPDX-License-Identifier: Apache-2.0
// A connection of the API's: requests in, responses out.
#include "vmm/api_connection.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/io.h"
#include "base/json_write.h"
#include "base/log.h"
#include "vmm/api.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* syscalls: loop: clock_gettime, close, sendto, shutdown */

/* Read in one turn of the loop: a few hundred of the smallest requests. */
#define READ_MAX 4096
/* A buffer that a large body has grown is given back. */
#define KEEP_MAX 4096

static void set_deadline(struct api_connection *conn, uint64_t delay_ms)
{
	conn->deadline_ms = clock_ms() + delay_ms;
	api_wake_at(conn->api, conn->deadline_ms);
}

static void set_idle(struct api_connection *conn)
{
	if (conn->inherited)
		conn->deadline_ms = UINT64_MAX;
	else
		set_deadline(conn, conn->api->idle_ms);
}

static void drop_passed(struct api_connection *conn)
{
	if (conn->passed >= 0)
		close(conn->passed);
	conn->passed = -1;
}

/* Take the descriptor out. Return: it. */
static int conn_release(struct api_connection *conn)
{
	int fd = conn->src.fd;

	loop_del(conn->api->loop, &conn->src);
	drop_passed(conn);
	buf_fini(&conn->in);
	buf_fini(&conn->out);
	conn->used = false;
	conn->ticket = 0;
	return fd;
}

void api_connection_close(struct api_connection *conn)
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
			api_connection_close(conn);
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
		api_connection_close(conn);
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
		api_connection_close(conn);
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
static bool handle(struct api_connection *conn, struct http_request *request)
{
	struct api *api = conn->api;
	struct api_reply reply = {.body = BUF_INIT(API_RESPONSE_MAX - HTTP_HEAD_MAX)};

	conn->body_due = request->streamed;
	conn->keep_alive = request->keep_alive && !conn->body_due;
	conn->ticket = ++api->next_ticket;
	request->fd = &conn->passed;
	conn->parked = api->ops->handle(api->ctx, request, conn->ticket, &reply) == API_PARKED;
	drop_passed(conn);
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

/* Append what has come, and a descriptor if one came along. Return: bytes, 0 at the end, or -errno,
 * -EPROTO for more than one descriptor. */
static ssize_t conn_receive(struct api_connection *conn)
{
	ssize_t n;
	int fd;

	/* The parser refuses before the buffer's ceiling is reached. */
	if (buf_reserve(&conn->in, READ_MAX) < 0)
		return -ENOMEM;
	n = io_recv_fd(conn->src.fd, conn->in.data + conn->in.len, READ_MAX, &fd);
	if (n < 0 || fd < 0)
		return n;
	if (conn->passed >= 0 || conn->draining) {
		close(fd);
		return conn->draining ? n : -EPROTO;
	}
	conn->passed = fd;
	return n;
}

/* Return: false when the connection is gone. */
static bool conn_read(struct api_connection *conn)
{
	ssize_t n = conn_receive(conn);
	struct err err;

	if (n == -EAGAIN)
		return true;
	if (n == -EPROTO && !conn->draining) {
		err_set(&err, -EPROTO, "More descriptors came with a request than can be taken");
		respond_broken(conn, &err);
		return conn_flush(conn);
	}
	if (n < 0) {
		api_connection_close(conn);
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
		api_connection_close(conn);
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
		api_connection_close(conn);
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

int api_connection_open(struct api_connection *conn, struct api *api, int fd, bool inherited)
{
	int r;

	*conn = (struct api_connection){
		.api = api,
		.parser.body_max = api->body_max,
		.parser.streams = api->ops->streams,
		.in = BUF_INIT(HTTP_HEAD_MAX + api->body_max + READ_MAX),
		.out = BUF_INIT(API_RESPONSE_MAX),
		.passed = -1,
		.inherited = inherited,
		.used = true,
	};
	r = loop_add(api->loop, &conn->src, fd, EPOLLIN, on_connection);
	conn->used = r == 0;
	if (!r)
		set_idle(conn);
	return r;
}

void api_connection_answer(struct api_connection *conn, struct api_reply *reply)
{
	conn->parked = false;
	if (reply->stream) {
		conn_stream(conn, reply);
		return;
	}
	respond(conn, reply);
	if (conn_flush(conn) && (conn->out.len || conn_serve(conn)))
		conn_wait(conn);
}
