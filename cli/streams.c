// SPDX-License-Identifier: Apache-2.0
// The container's input and output.
#include "cli/streams.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/timing.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

/* One read: as much as a pipe holds. */
#define RELAY_SIZE 65536

/* How long threads have to notice at the end that their connection is gone. */
#define JOIN_MS 100

/*
 * struct relay - one direction of a stream
 * @from, @to:	where bytes are read and written; the one that is the connection is @fd
 */
struct relay {
	struct streams *streams;
	enum stream_kind stream;
	int from, to, fd;
	bool running;
	pthread_t thread;
	int error;
	uint8_t data[RELAY_SIZE];
};

struct stream {
	bool attached;
	int fd;
	struct relay *in, *out;
};

struct streams {
	struct loop *loop;
	streams_done_fn *done;
	void *owner;
	struct stream streams[STREAM_COUNT];
	_Atomic uint64_t first_output_ns;
};

static const char *const names[STREAM_COUNT] = {
	[STREAM_OUT] = "standard output",
	[STREAM_ERR] = "standard error",
	[STREAM_TTY] = "standard output",
};

/* Wait until @fd is ready, should it be non-blocking. */
static void relay_wait(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	poll(&p, 1, -1);
}

/* Return: bytes, 0 at the end, or -errno. */
static ssize_t relay_read(struct relay *relay)
{
	for (;;) {
		ssize_t got = read(relay->from, relay->data, sizeof(relay->data));

		if (got >= 0)
			return got;
		if (errno == EAGAIN)
			relay_wait(relay->from, POLLIN);
		else if (errno != EINTR)
			return -errno;
	}
}

static int relay_write(struct relay *relay, size_t n)
{
	const uint8_t *p = relay->data;

	while (n) {
		ssize_t put = write(relay->to, p, n);

		if (put >= 0) {
			p += put;
			n -= (size_t)put;
		} else if (errno == EAGAIN) {
			relay_wait(relay->to, POLLOUT);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

static void *relay_in(void *arg)
{
	struct relay *relay = arg;

	for (;;) {
		/* The guest's hang-up counts too: input that comes later is for someone else. */
		struct pollfd p[] = {{.fd = relay->from, .events = POLLIN}, {.fd = relay->to}};
		ssize_t got;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (p[1].revents & (POLLHUP | POLLERR))
			break;
		if (!p[0].revents)
			continue;
		got = relay_read(relay);
		if (got <= 0 || relay_write(relay, (size_t)got) < 0)
			break;
	}
	shutdown(relay->to, SHUT_WR);
	return NULL;
}

static void relay_tell_done(void *arg)
{
	struct relay *relay = arg;

	relay->streams->done(relay->streams->owner, relay->stream);
}

/*
 * The command's standard output has ended, so hull's ends too: who reads it must not wait for the
 * rest of the run. Standard error stays, for hull's own messages.
 */
static void relay_end_stdout(const struct relay *relay)
{
	int CLEANUP_FD null = -1;

	if (relay->to != STDOUT_FILENO)
		return;
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDOUT_FILENO);
}

static void *relay_out(void *arg)
{
	struct relay *relay = arg;
	struct streams *streams = relay->streams;
	ssize_t got;

	while ((got = relay_read(relay)) > 0) {
		int r;

		if (!atomic_load_explicit(&streams->first_output_ns, memory_order_relaxed)) {
			uint64_t none = 0;

			atomic_compare_exchange_strong(
				&streams->first_output_ns, &none, clock_ns());
		}
		r = relay_write(relay, (size_t)got);
		if (r < 0) {
			relay->error = -r;
			shutdown(relay->fd, SHUT_RDWR);
			break;
		}
	}
	relay_end_stdout(relay);
	/* Refused when the loop has ended: then nobody waits for it. */
	loop_call(streams->loop, relay_tell_done, relay);
	return NULL;
}

struct streams *streams_new(struct loop *loop, streams_done_fn *done, void *owner)
{
	struct streams *streams = calloc(1, sizeof(*streams));

	if (!streams)
		return NULL;
	streams->loop = loop;
	streams->done = done;
	streams->owner = owner;
	for (int i = 0; i < STREAM_COUNT; i++)
		streams->streams[i].fd = -1;
	return streams;
}

/* Start one direction: into the guest with @fd as its target, or out of it. */
static int relay_start(struct streams *streams, enum stream_kind stream, bool in)
{
	struct stream *s = &streams->streams[stream];
	struct relay CLEANUP_FREE *relay = malloc(sizeof(*relay));
	int r;

	if (!relay)
		return -ENOMEM;
	relay->streams = streams;
	relay->stream = stream;
	relay->fd = s->fd;
	relay->error = 0;
	relay->from = in ? STDIN_FILENO : s->fd;
	relay->to = in ? s->fd : stream == STREAM_ERR ? STDERR_FILENO : STDOUT_FILENO;
	r = pthread_create(&relay->thread, NULL, in ? relay_in : relay_out, relay);
	if (r)
		return -r;
	*(in ? &s->in : &s->out) = TAKE_PTR(relay);
	return 0;
}

int streams_attach(struct streams *streams, enum stream_kind stream, int fd, bool input)
{
	struct stream *s = &streams->streams[stream];
	int flags, r = 0;

	if (s->attached) {
		close(fd);
		return -EALREADY;
	}
	s->attached = true;
	s->fd = fd;
	/* This end is ours alone, whatever its maker wanted. */
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return -errno;
	if (stream != STREAM_IN)
		r = relay_start(streams, stream, false);
	if (!r && (stream == STREAM_IN || stream == STREAM_TTY)) {
		if (input)
			r = relay_start(streams, stream, true);
		else if (shutdown(fd, SHUT_WR) < 0)
			r = -errno;
	}
	return r;
}

uint64_t streams_first_output(const struct streams *streams)
{
	return atomic_load(&streams->first_output_ns);
}

int streams_error(const struct streams *streams, const char **ret_name)
{
	for (int i = 0; i < STREAM_COUNT; i++) {
		const struct relay *relay = streams->streams[i].out;

		if (relay && relay->error && relay->error != EPIPE) {
			*ret_name = names[i];
			return relay->error;
		}
	}
	return 0;
}

/* Take the thread back, which has until @deadline; its connection is gone. */
static bool relay_free(struct relay **relay, const struct timespec *deadline)
{
	if (!*relay)
		return true;
	if (pthread_timedjoin_np((*relay)->thread, NULL, deadline))
		return false;
	free(*relay);
	*relay = NULL;
	return true;
}

bool streams_free(struct streams *streams)
{
	struct timespec deadline;
	bool ended = true;

	if (!streams)
		return true;
	for (int i = 0; i < STREAM_COUNT; i++)
		if (streams->streams[i].fd >= 0)
			shutdown(streams->streams[i].fd, SHUT_RDWR);
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_nsec += JOIN_MS * 1000000L;
	if (deadline.tv_nsec >= 1000000000) {
		deadline.tv_nsec -= 1000000000;
		deadline.tv_sec++;
	}
	for (int i = 0; i < STREAM_COUNT; i++) {
		ended &= relay_free(&streams->streams[i].out, &deadline);
		ended &= relay_free(&streams->streams[i].in, &deadline);
	}
	if (!ended)
		return false;
	for (int i = 0; i < STREAM_COUNT; i++)
		if (streams->streams[i].fd >= 0)
			close(streams->streams[i].fd);
	free(streams);
	return true;
}
