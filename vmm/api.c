// SPDX-License-Identifier: Apache-2.0
// The API's server: its socket, its clients, their deadlines.
#include "vmm/api.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* syscalls: loop: accept4, clock_gettime, close, sendto; start: fcntl */

/* How many clients are accepted in one turn, and how long to wait when there are no descriptors. */
#define ACCEPT_MAX 16
#define REST_MS 1000

void api_wake_at(struct api *api, uint64_t ms)
{
	uint64_t now;

	if (ms >= api->timer_ms)
		return;
	now = clock_ms();
	api->timer_ms = ms;
	loop_timer_set(&api->timer, ms > now ? ms - now : 1);
}

void api_answer(struct api *api, uint64_t ticket, struct api_reply *reply)
{
	struct api_connection *conn = api->connections, *end = conn + API_CONNECTIONS_MAX;

	while (conn < end && !(conn->used && conn->parked && conn->ticket == ticket))
		conn++;
	if (conn < end)
		api_connection_answer(conn, reply);
	else if (reply->stream)
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
static struct api_connection *add_connection(struct api *api, int fd, bool inherited)
{
	struct api_connection *conn = api->connections, *end = conn + API_CONNECTIONS_MAX;
	int r = -ENOSPC;

	while (conn < end && conn->used)
		conn++;
	if (conn < end)
		r = api_connection_open(conn, api, fd, inherited);
	if (r < 0) {
		errno = -r;
		return NULL;
	}
	return conn;
}

static void accepted(struct api *api, int fd)
{
	if (add_connection(api, fd, false))
		return;
	if (errno == ENOSPC)
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
	conn = add_connection(api, fd, true);
	if (!conn)
		return -errno;
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
		api_wake_at(api, clock_ms() + REST_MS);
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
			api_connection_close(conn);
		else if (conn->deadline_ms < next)
			next = conn->deadline_ms;
	}
	if (next != UINT64_MAX)
		api_wake_at(api, next);
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
			api_connection_close(&api->connections[i]);
	if (api->listener.fn) {
		loop_del(api->loop, &api->listener);
		close(fd);
	}
	loop_timer_fini(api->loop, &api->timer);
	if (api->path)
		listener_remove(api->path, &api->id);
	*api = (struct api){0};
}
