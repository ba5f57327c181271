// SPDX-License-Identifier: Apache-2.0
// Files in and out of the container.
#include "vmm/archive.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "protocol/agent.h"
#include "vmm/api.h"
#include "vmm/archives.h"
#include "vmm/http.h"
#include "vmm/routes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* syscalls: loop: clock_gettime, close, recvfrom, sendto, shutdown */

#define TYPE_TAR "application/x-tar"

#define LAST_CHUNK "0\r\n\r\n"
/* Nothing to do but to learn once that the other end is gone. */
#define WATCH_END EPOLLET

static void close_source(struct archive *archive, struct loop_source *src)
{
	int fd = src->fd;

	if (fd < 0)
		return;
	loop_del(archive->archives->loop, src);
	close(fd);
}

/* Is all that has come handed on, so that more can be read? */
static bool is_empty(const struct archive *archive)
{
	return !archive->piece_len;
}

static bool waits_for_guest(const struct archive *archive)
{
	if (archive->state == ARCHIVE_COPY)
		return archive->in != is_empty(archive);
	if (archive->state == ARCHIVE_END)
		return archive->in || is_empty(archive);
	return archive->state != ARCHIVE_CLOSING;
}

/* Watch for what comes next, and give it its time. */
static void settle(struct archive *archive)
{
	const struct archives *archives = archive->archives;
	uint32_t guest = 0, client = 0;
	uint64_t now = clock_ms();

	if (archive->state == ARCHIVE_COPY && archive->in) {
		guest = archive->piece_len ? EPOLLOUT : 0;
		client = is_empty(archive) ? EPOLLIN : 0;
	} else if (archive->state == ARCHIVE_CLOSING) {
		client = EPOLLIN;
	} else if (!archive->in) {
		guest = is_empty(archive) ? EPOLLIN : 0;
		client = is_empty(archive) ? 0 : EPOLLOUT;
	}
	if (archive->guest.fd >= 0)
		loop_mod(archives->loop, &archive->guest, guest ? guest : WATCH_END);
	if (archive->client.fd >= 0)
		loop_mod(archives->loop, &archive->client, client ? client : WATCH_END);
	archive->deadline_ms = now + (archive->state == ARCHIVE_CLOSING ? archives->closing_ms
					     : waits_for_guest(archive) ? archives->guest_ms
									: archives->client_ms);
	if (archive->deadline_ms < archive->timer_ms) {
		archive->timer_ms = archive->deadline_ms;
		loop_timer_set(&archive->timer, archive->deadline_ms - now);
	}
}

/* Out: all has been read, and well; the client is to take the rest. */
static bool is_finishing(const struct archive *archive)
{
	return !archive->in && !archive->ticket && archive->succeeded &&
	       archive->state == ARCHIVE_END;
}

/* In: send the response, and close unless the client may still be sending. */
static void respond(struct archive *archive, const struct api_reply *reply)
{
	const struct http_response response = {
		.status = reply->status, .body = reply->body.data, .body_len = reply->body.len};
	struct buf out = BUF_INIT(HTTP_HEAD_MAX + API_RESPONSE_MAX);
	ssize_t n = -1;

	/* Nothing else is on its way to the client, so there is room. */
	if (http_respond(&out, &response) == 0)
		n = send(archive->client.fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	buf_fini(&out);
	if (n < 0 || http_body_is_done(&archive->body)) {
		archive_free(archive);
		return;
	}
	/* Closed at once, it would take the response from a client that hasn't sent all. */
	shutdown(archive->client.fd, SHUT_WR);
	close_source(archive, &archive->guest);
	archive->state = ARCHIVE_CLOSING;
	settle(archive);
}

/* It ends here; the client is told why, if there is a way to. */
void archive_fail(struct archive *archive, unsigned int status, const char *why)
{
	struct api_reply reply = {.body = BUF_INIT(API_RESPONSE_MAX)};

	if (archive->state == ARCHIVE_CLOSING || is_finishing(archive))
		return;
	routes_fault(&reply, why);
	reply.status = status;
	if (archive->in && archive->client.fd >= 0) {
		respond(archive, &reply);
		buf_fini(&reply.body);
		return;
	}
	/* One that has had bytes sees that the last chunk is missing, if it knows of chunks. */
	if (!archive->ticket)
		log_info("container: an archive was cut short");
	api_answer(archive->archives->api, archive->ticket, &reply);
	archive_free(archive);
}

static void on_timer(struct loop_timer *timer)
{
	struct archive *archive = container_of(timer, struct archive, timer);
	uint64_t now = clock_ms();

	archive->timer_ms = UINT64_MAX;
	if (archive->deadline_ms > now) {
		archive->timer_ms = archive->deadline_ms;
		loop_timer_set(&archive->timer, archive->deadline_ms - now);
		return;
	}
	if (archive->state == ARCHIVE_CLOSING || is_finishing(archive))
		archive_free(archive);
	else if (waits_for_guest(archive))
		archive_fail(archive, 400, "container: the guest didn't answer in time");
	else
		archive_fail(archive, 400, "container: the client was idle for too long");
}

/* Hand on what there is. Return: -errno when the receiver is gone. */
static int flush(struct archive *archive)
{
	const struct loop_source *to = archive->in ? &archive->guest : &archive->client;

	while (archive->piece_len) {
		ssize_t n = send(
			to->fd, archive->piece, archive->piece_len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		archive->piece += n;
		archive->piece_len -= (size_t)n;
	}
	return 0;
}

/* Hand on the last there is, and then be done. */
static void flush_last(struct archive *archive)
{
	if (flush(archive) < 0 || !archive->piece_len)
		archive_free(archive);
	else
		settle(archive);
}

/* Both the guest's and our work is done. */
static void finish(struct archive *archive)
{
	static const struct api_reply done = {.status = 204};

	if (archive->in) {
		respond(archive, &done);
		return;
	}
	if (archive->ticket) {
		archive_fail(archive, 400, "container: the guest sent nothing");
		return;
	}
	if (archive->chunked) {
		archive->piece = (const uint8_t *)LAST_CHUNK;
		archive->piece_len = strlen(LAST_CHUNK);
	}
	flush_last(archive);
}

/* Nothing more is to be copied. */
static void at_end(struct archive *archive)
{
	archive->state = ARCHIVE_END;
	if (archive->in)
		shutdown(archive->guest.fd, SHUT_WR);
	else
		close_source(archive, &archive->guest);
	if (archive->succeeded)
		finish(archive);
	else
		settle(archive);
}

/* --- out --- */

/* The first bytes are there: from now on it is a stream. Return: is the client there, too? */
static bool begin(struct archive *archive)
{
	struct api_reply reply = {
		.status = 200,
		.type = TYPE_TAR,
		.stream = archive_client,
		.stream_ctx = archive,
		.chunked = archive->chunked,
	};
	uint64_t ticket = archive->ticket;

	archive->ticket = 0;
	archive->state = ARCHIVE_COPY;
	api_answer(archive->archives->api, ticket, &reply);
	return archive->client.fd >= 0;
}

/* What has been read goes out, as a chunk if that is wanted. */
static void frame(struct archive *archive, size_t len)
{
	uint8_t *data = archive->data + ARCHIVE_CHUNK_HEAD;
	char head[ARCHIVE_CHUNK_HEAD + 1];
	int n;

	archive->piece = data;
	archive->piece_len = len;
	if (!archive->chunked)
		return;
	n = snprintf(head, sizeof(head), "%zx\r\n", len);
	memcpy(data - n, head, (size_t)n);
	memcpy(data + len, "\r\n", ARCHIVE_CHUNK_END);
	archive->piece -= n;
	archive->piece_len += (size_t)n + ARCHIVE_CHUNK_END;
}

static void read_guest(struct archive *archive)
{
	ssize_t n = recv(
		archive->guest.fd, archive->data + ARCHIVE_CHUNK_HEAD, ARCHIVE_CHUNK, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		archive_fail(archive, 400, "container: the guest broke its connection");
		return;
	}
	if (!n) {
		at_end(archive);
		return;
	}
	frame(archive, (size_t)n);
	if ((archive->ticket && !begin(archive)) || flush(archive) < 0)
		archive_free(archive);
	else
		settle(archive);
}

/* --- in --- */

/* Hand on what has been taken apart, and see what comes next. */
static void push(struct archive *archive)
{
	if (flush(archive) < 0) {
		/* The guest wants no more; RESULT tells why. */
		archive->state = ARCHIVE_END;
		close_source(archive, &archive->guest);
	} else if (is_empty(archive) && http_body_is_done(&archive->body)) {
		at_end(archive);
		return;
	}
	settle(archive);
}

/* Take the framing out of @len bytes that have come, in place. Return: as http_body_next(). */
static int take_apart(struct archive *archive, size_t len, struct err *err)
{
	struct http_piece piece;
	size_t used = 0;

	archive->piece = archive->data;
	while (used < len && !http_body_is_done(&archive->body)) {
		int r = http_body_next(
			&archive->body, archive->data + used, len - used, &piece, err);

		if (r < 0)
			return r;
		if (piece.len)
			memmove(archive->data + archive->piece_len, piece.data, piece.len);
		archive->piece_len += piece.len;
		used += piece.used;
	}
	return 0;
}

static void read_client(struct archive *archive)
{
	ssize_t n = recv(archive->client.fd, archive->data, ARCHIVE_CHUNK, MSG_DONTWAIT);
	struct err err;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (archive->state == ARCHIVE_CLOSING) {
		/* It has no more time for that. */
		if (n <= 0)
			archive_free(archive);
		return;
	}
	if (n < 0) {
		archive_free(archive);
		return;
	}
	if (!n) {
		archive_fail(archive, 400, "container: the archive's body has ended early");
		return;
	}
	if (take_apart(archive, (size_t)n, &err) < 0)
		archive_fail(archive, 400, err.msg);
	else
		push(archive);
}

/* Client and guest are both there: it begins. */
static void begin_in(struct archive *archive)
{
	static const char interim[] = "HTTP/1.1 100 \r\n\r\n";

	archive->state = ARCHIVE_COPY;
	if (archive->expects_continue && send(archive->client.fd, interim, strlen(interim),
						 MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		archive_free(archive);
		return;
	}
	push(archive);
}

/* --- both --- */

static void on_guest(struct loop_source *src, uint32_t events)
{
	struct archive *archive = container_of(src, struct archive, guest);
	const bool copying = archive->state == ARCHIVE_COPY;

	if (!archive->in) {
		if (is_empty(archive))
			read_guest(archive);
	} else if (copying && !(events & (EPOLLHUP | EPOLLERR))) {
		push(archive);
	} else if (copying) {
		archive->state = ARCHIVE_END;
		close_source(archive, &archive->guest);
		settle(archive);
	} else {
		close_source(archive, &archive->guest);
	}
}

static void on_client(struct loop_source *src, uint32_t events)
{
	struct archive *archive = container_of(src, struct archive, client);

	if (archive->state == ARCHIVE_CLOSING) {
		read_client(archive);
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		/* Nobody is left to whom it matters. */
		archive_free(archive);
	} else if (events & EPOLLIN && archive->in) {
		read_client(archive);
	} else if (is_finishing(archive)) {
		flush_last(archive);
	} else if (events & EPOLLOUT) {
		if (flush(archive) < 0)
			archive_free(archive);
		else
			settle(archive);
	}
}

void archive_client(void *ctx, int fd, const void *early, size_t early_len)
{
	struct archive *archive = ctx;
	struct err err;

	if (fd >= 0 &&
		loop_add(archive->archives->loop, &archive->client, fd, WATCH_END, on_client) < 0)
		close(TAKE_FD(fd));
	if (!archive->in)
		return; /* what the client sends now means nothing, and begin() sees to the rest */
	/* The parser of heads reads far less than this ahead. */
	if (fd < 0 || early_len > ARCHIVE_CHUNK) {
		archive_free(archive);
		return;
	}
	if (early_len) {
		memcpy(archive->data, early, early_len);
		archive->expects_continue = false;
	}
	if (take_apart(archive, early_len, &err) < 0)
		archive_fail(archive, 400, err.msg);
	else if (archive->guest.fd >= 0)
		begin_in(archive);
	else
		settle(archive);
}

int archive_connect(struct archive *archive, int fd)
{
	int r;

	if (archive->state != ARCHIVE_DIAL)
		return archive->state == ARCHIVE_CLOSING ? -ECONNREFUSED : -EALREADY;
	if (fd < 0)
		return 0;
	r = loop_add(archive->archives->loop, &archive->guest, fd, WATCH_END, on_guest);
	if (r < 0)
		return r;
	archive->state = ARCHIVE_BEGIN;
	if (archive->in && archive->client.fd >= 0)
		begin_in(archive);
	else
		settle(archive);
	return 0;
}

bool archive_result(struct archive *archive, const struct agent_result *result)
{
	if (archive->state == ARCHIVE_CLOSING)
		return true;
	if (result->code) {
		archive_fail(archive, result->code == ENOENT || result->code == ENOTDIR ? 404 : 400,
			result->message);
		return true;
	}
	if (archive->succeeded || archive->state == ARCHIVE_DIAL)
		return false;
	archive->succeeded = true;
	if (archive->in && (archive->piece_len || !http_body_is_done(&archive->body)))
		archive_fail(archive, 400, "container: the guest took only a part of the archive");
	else if (archive->state == ARCHIVE_END)
		finish(archive);
	return true;
}

struct archive *archive_new(struct archives *archives, uint16_t id, struct err *err)
{
	struct archive *archive = malloc(sizeof(*archive));
	int r;

	if (!archive) {
		err_set(err, -ENOMEM, "container: out of memory");
		return NULL;
	}
	/* All but the buffer. */
	memset(archive, 0, offsetof(struct archive, data));
	archive->archives = archives;
	archive->id = id;
	archive->guest.fd = archive->client.fd = -1;
	archive->timer_ms = UINT64_MAX;
	r = loop_timer_init(archives->loop, &archive->timer, on_timer);
	if (r < 0) {
		free(archive);
		err_errno(err, -r, "container: timer");
		return NULL;
	}
	settle(archive);
	return archive;
}

void archive_free(struct archive *archive)
{
	archives_forget(archive->archives, archive);
	close_source(archive, &archive->guest);
	close_source(archive, &archive->client);
	loop_timer_fini(archive->archives->loop, &archive->timer);
	free(archive);
}
