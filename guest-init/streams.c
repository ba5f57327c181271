// SPDX-License-Identifier: Apache-2.0
// The command's streams.
#include "guest-init/streams.h"

#include "base/cleanup.h"
#include "guest-init/terminal.h"

#include <fcntl.h>
#include <sys/socket.h>

/* Fewer switches between the command and PID 1 than with the default of 64 KiB. */
#define PIPE_SIZE (256 * 1024)

static void out_done(struct relay *relay)
{
	struct streams *streams = container_of(relay, struct streams, out);

	streams->done(streams);
}

static void err_done(struct relay *relay)
{
	struct streams *streams = container_of(relay, struct streams, err);

	streams->done(streams);
}

/* The host is gone or the container: no one is left to type for. */
static void terminal_done(struct relay *relay)
{
	struct streams *streams = container_of(relay, struct streams, out);

	relay_fini(&streams->in);
	streams->done(streams);
}

/* Nothing more will be typed, which a terminal's reader learns from a byte. */
static void terminal_ending(struct relay *relay)
{
	uint8_t bytes[TERMINAL_EOF_MAX];

	/* A host that is gone hangs up instead; an empty send tells. */
	if (send(relay->source_fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
		return;
	ring_put(&relay->ring, bytes, terminal_eof(relay->sink_fd, relay->last, bytes));
}

static int pipe_make(struct streams *streams, int stream, struct err *err)
{
	int fds[2];
	int child = stream == 0 ? 0 : 1;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, errno, "pipe");
	/* Refused by a kernel that is short of memory: then it's the default. */
	fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE);
	streams->child[stream] = fds[child];
	streams->own[stream] = fds[!child];
	return 0;
}

int streams_open(struct streams *streams, struct loop *loop, const struct agent_spec *spec,
	void (*done)(struct streams *streams), struct err *err)
{
	const uint32_t ports[] = {spec->stdin_port, spec->stdout_port, spec->stderr_port};

	*streams = (struct streams){
		.loop = loop,
		.child = {-1, -1, -1},
		.own = {-1, -1, -1},
		.tty_sock = -1,
		.done = done,
	};
	for (int i = 0; i < 3; i++) {
		int r = ports[i] ? pipe_make(streams, i, err) : 0;

		if (r < 0) {
			streams_fini(streams);
			return r;
		}
	}
	return 0;
}

static void close_all(int fds[3])
{
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(TAKE_FD(fds[i]));
}

static int stream_connect(struct streams *streams, int stream, int sock)
{
	int own = TAKE_FD(streams->own[stream]);

	if (stream == 0)
		return relay_start(&streams->in, streams->loop, sock, own, NULL);
	if (stream == 1)
		return relay_start(&streams->out, streams->loop, own, sock, out_done);
	return relay_start(&streams->err, streams->loop, own, sock, err_done);
}

int streams_connect(struct streams *streams, const struct platform *platform,
	const struct agent_spec *spec, struct err *err)
{
	const uint32_t ports[] = {spec->stdin_port, spec->stdout_port, spec->stderr_port};

	close_all(streams->child);
	if (spec->terminal) {
		streams->tty_sock = platform->dial(spec->tty_port, err);
		return streams->tty_sock < 0 ? streams->tty_sock : 0;
	}
	for (int i = 0; i < 3; i++) {
		int sock, r;

		if (!ports[i])
			continue;
		sock = platform->dial(ports[i], err);
		if (sock < 0)
			return sock;
		r = stream_connect(streams, i, sock);
		if (r < 0)
			return err_errno(err, -r, "stream %d", i);
	}
	return 0;
}

static int dup_cloexec(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copy < 0 ? -errno : copy;
}

int streams_terminal(struct streams *streams, int master, struct err *err)
{
	/* Each relay owns its two descriptors, and each descriptor has one place in the loop. */
	int CLEANUP_FD in_master = dup_cloexec(master);
	int CLEANUP_FD out_master = dup_cloexec(master);
	int CLEANUP_FD in_sock = dup_cloexec(streams->tty_sock);
	int CLEANUP_FD out_sock = TAKE_FD(streams->tty_sock);
	int r;

	if (in_master < 0 || out_master < 0 || in_sock < 0 || out_sock < 0)
		return err_set(err, -EMFILE, "terminal: out of descriptors");
	r = relay_start(&streams->in, streams->loop, TAKE_FD(in_sock), TAKE_FD(in_master), NULL);
	if (r == 0) {
		streams->in.ending = terminal_ending;
		r = relay_start(&streams->out, streams->loop, TAKE_FD(out_master),
			TAKE_FD(out_sock), terminal_done);
	}
	return r < 0 ? err_errno(err, -r, "terminal") : 0;
}

bool streams_done(const struct streams *streams)
{
	return !streams->out.running && !streams->err.running;
}

void streams_fini(struct streams *streams)
{
	if (!streams->loop)
		return;
	close_all(streams->child);
	close_all(streams->own);
	if (streams->tty_sock >= 0)
		close(TAKE_FD(streams->tty_sock));
	relay_fini(&streams->in);
	relay_fini(&streams->out);
	relay_fini(&streams->err);
}
