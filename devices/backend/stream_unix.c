// SPDX-License-Identifier: Apache-2.0
// Hybrid vsock over UNIX sockets in the file system.
#include "devices/backend/stream_unix.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/listener.h"
#include "base/log.h"
#include "base/loop.h"
#include "devices/backend/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * syscalls: loop: accept4, close, connect, fcntl(1 == F_DUPFD_CLOEXEC), geteuid, recvfrom, sendto,
 * socket(0 == AF_UNIX)
 */

/*
 * Theory of operation
 *
 *     listener --accept--> greeter: gathers "CONNECT port\n" --> vsock_incoming()
 *
 * There is a listener for streams at PATH and, if wanted, one for SEQPACKET at PATH.seqpacket, to
 * which the line is one message. What the guest connects to, PATH_PORT, is of the type that whoever
 * listens there has chosen; for the other type connect(2) fails, and the guest is refused.
 *
 * A client may send data right behind its line; the greeter takes not a byte beyond the newline.
 * There are at most UNIX_GREETERS_MAX: a further client replaces the one that has been silent
 * longest. A bad line, or a refusal by the device, closes the connection without a word. So does a
 * lack of descriptors: the spare one is given up to accept and close.
 */

/* Longest line, newline included, as in Firecracker. */
#define UNIX_LINE_MAX 32
#define UNIX_GREETERS_MAX 64

struct unix_greeter {
	struct stream_unix *su;
	struct loop_source src;
	int fd;
	bool seqpacket;
	unsigned int len;
	char line[UNIX_LINE_MAX];
	TAILQ_ENTRY(unix_greeter) link;
};

TAILQ_HEAD(unix_greeters, unix_greeter);

/* A listening socket; @fd is -1 without one. */
struct unix_listener {
	struct stream_unix *su;
	struct loop_source src;
	int fd;
	bool seqpacket;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct listener_id id;
};

/*
 * struct stream_unix - the backend
 * @spare_fd:	or -1
 * @greeters:	oldest first
 * @told:	of a socket that the guest asked for and the monitor may not connect to
 */
struct stream_unix {
	struct stream_backend backend;
	struct loop *loop;
	struct unix_listener stream;
	struct unix_listener seqpacket;
	int spare_fd;
	unsigned int greeter_count;
	struct unix_greeters greeters;
	bool told;
};

static struct stream_unix *to_unix(struct stream_backend *sb)
{
	return container_of(sb, struct stream_unix, backend);
}

/* Return: the client's descriptor, no longer watched; the greeter is gone. */
static int greeter_release(struct unix_greeter *g)
{
	struct stream_unix *su = g->su;
	int fd = g->fd;

	loop_del(su->loop, &g->src);
	TAILQ_REMOVE(&su->greeters, g, link);
	su->greeter_count--;
	free(g);
	return fd;
}

/* "CONNECT <port>", any case, further words ignored. Return: 0 or -EINVAL. */
static int greeter_parse(char *line, uint32_t *ret_port)
{
	char *save, *word = strtok_r(line, " \r", &save);
	unsigned long long port;
	char *end;

	if (!word || strcasecmp(word, "connect"))
		return -EINVAL;
	word = strtok_r(NULL, " \r", &save);
	if (!word || word[0] < '0' || word[0] > '9')
		return -EINVAL;
	errno = 0;
	port = strtoull(word, &end, 10);
	if (errno || *end || port > UINT32_MAX)
		return -EINVAL;
	*ret_port = (uint32_t)port;
	return 0;
}

/* Take what is there of the line. Return: 1 complete, 0 wait, -1 not a line. */
static int greeter_read(struct unix_greeter *g)
{
	char *at = g->line + g->len, *newline;
	size_t take;
	ssize_t n;

	do
		n = recv(g->fd, at, sizeof(g->line) - g->len, MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return -1;
	newline = memchr(at, '\n', (size_t)n);
	take = newline ? (size_t)(newline + 1 - at) : (size_t)n;
	/* Of a message nothing is left to be read later, and nothing comes to complete it. */
	if (g->seqpacket && (!newline || take != (size_t)n))
		return -1;
	if (recv(g->fd, at, take, MSG_DONTWAIT) != (ssize_t)take)
		return -1;
	if (newline) {
		*newline = 0;
		return 1;
	}
	g->len += (unsigned int)take;
	return g->len == sizeof(g->line) ? -1 : 0;
}

static void greeter_on_event(struct loop_source *src, uint32_t events)
{
	struct unix_greeter *g = container_of(src, struct unix_greeter, src);
	struct stream_backend *sb = &g->su->backend;
	bool seqpacket = g->seqpacket;
	int r = greeter_read(g), fd;
	uint32_t port = 0;

	if (r == 0)
		return;
	if (r == 1)
		r = greeter_parse(g->line, &port);
	fd = greeter_release(g);
	if (r < 0 || sb->incoming(sb->ctx, fd, port, seqpacket) < 0)
		close(fd);
}

/* Out of descriptors: without this the client would wait, and the loop be told of it for ever. */
static void unix_shed(struct stream_unix *su, int listener_fd)
{
	int fd;

	if (su->spare_fd >= 0)
		close(su->spare_fd);
	fd = accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	su->spare_fd = fcntl(listener_fd, F_DUPFD_CLOEXEC, 0);
}

static void unix_on_accept(struct loop_source *src, uint32_t events)
{
	struct unix_listener *listener = container_of(src, struct unix_listener, src);
	struct stream_unix *su = listener->su;
	struct unix_greeter *g;
	int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			unix_shed(su, listener->fd);
		return;
	}
	if (su->greeter_count == UNIX_GREETERS_MAX)
		close(greeter_release(TAILQ_FIRST(&su->greeters)));
	g = calloc(1, sizeof(*g));
	if (!g || loop_add(su->loop, &g->src, fd, EPOLLIN, greeter_on_event) < 0) {
		free(g);
		close(fd);
		return;
	}
	g->su = su;
	g->fd = fd;
	g->seqpacket = listener->seqpacket;
	TAILQ_INSERT_TAIL(&su->greeters, g, link);
	su->greeter_count++;
}

static int unix_start(struct stream_backend *sb)
{
	struct stream_unix *su = to_unix(sb);
	int r = loop_add(su->loop, &su->stream.src, su->stream.fd, EPOLLIN, unix_on_accept);

	if (!r && sb->seqpacket)
		r = loop_add(
			su->loop, &su->seqpacket.src, su->seqpacket.fd, EPOLLIN, unix_on_accept);
	return r;
}

static int unix_connect(struct stream_backend *sb, uint32_t port, bool seqpacket)
{
	struct stream_unix *su = to_unix(sb);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int CLEANUP_FD fd = -1;
	int n;

	n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s_%u", su->stream.path, port);
	if (n < 0 || (size_t)n >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX,
		(seqpacket ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* A UNIX socket connects at once, or not: EAGAIN is a listener that is swamped. */
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		n = -errno;
		if (n == -EACCES && !su->told) {
			su->told = true;
			log_warn("vsock: %s: not permitted to user %u, which this microVM is (see "
				 "--uid)",
				addr.sun_path, geteuid());
		}
		return n;
	}
	return TAKE_FD(fd);
}

static int unix_accepted(struct stream_backend *sb, int fd, uint32_t host_port)
{
	char line[UNIX_LINE_MAX];
	int n = snprintf(line, sizeof(line), "OK %u\n", host_port);

	/* The first bytes on a fresh socket: there is room unless the client is gone. */
	if (send(fd, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) != n)
		return -EPIPE;
	return 0;
}

static void listener_fini(struct unix_listener *listener)
{
	if (listener->fd < 0)
		return;
	loop_del(listener->su->loop, &listener->src);
	close(listener->fd);
	listener_remove(listener->path, &listener->id);
}

static void unix_free(struct stream_backend *sb)
{
	struct stream_unix *su = to_unix(sb);
	struct unix_greeter *g;

	while ((g = TAILQ_FIRST(&su->greeters)))
		close(greeter_release(g));
	listener_fini(&su->stream);
	listener_fini(&su->seqpacket);
	if (su->spare_fd >= 0)
		close(su->spare_fd);
	free(su);
}

static const struct stream_backend_ops stream_unix_ops = {
	.start = unix_start,
	.connect = unix_connect,
	.accepted = unix_accepted,
	.free = unix_free,
};

/* Bind and listen at @path followed by @suffix. Return: 0 or -errno with @err set. */
static int listener_init(
	struct unix_listener *listener, const char *path, const char *suffix, struct err *err)
{
	int type = listener->seqpacket ? SOCK_SEQPACKET : SOCK_STREAM;
	size_t max = sizeof(listener->path) - 1 - strlen(suffix);

	if (!*path || strlen(path) > max)
		return err_set(err, -ENAMETOOLONG,
			"vsock socket %s: path must have 1 to %zu characters", path, max);
	snprintf(listener->path, sizeof(listener->path), "%s%s", path, suffix);
	listener->fd = listener_open("vsock socket", listener->path, type, &listener->id, err);
	return listener->fd < 0 ? listener->fd : 0;
}

int stream_unix_new(struct loop *loop, const char *path, bool seqpacket,
	struct stream_backend **ret, struct err *err)
{
	struct stream_unix *su = calloc(1, sizeof(*su));
	int r;

	if (!su)
		return err_set(err, -ENOMEM, "vsock socket %s: out of memory", path);
	su->backend.ops = &stream_unix_ops;
	su->backend.seqpacket = seqpacket;
	su->loop = loop;
	su->stream = (struct unix_listener){.su = su, .src.fd = -1, .fd = -1};
	su->seqpacket = su->stream;
	su->seqpacket.seqpacket = true;
	su->spare_fd = -1;
	TAILQ_INIT(&su->greeters);
	r = listener_init(&su->stream, path, "", err);
	if (!r && seqpacket)
		r = listener_init(&su->seqpacket, path, STREAM_UNIX_SEQPACKET_SUFFIX, err);
	if (r < 0) {
		unix_free(&su->backend);
		return r;
	}
	su->spare_fd = fcntl(su->stream.fd, F_DUPFD_CLOEXEC, 0);
	*ret = &su->backend;
	return 0;
}
