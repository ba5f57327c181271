// SPDX-License-Identifier: Apache-2.0
// The host end of the serial port: output that never waits, input that stops when it is full.
#include "devices/serial_io.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "devices/serial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * syscalls: loop: clock_gettime, close, read; loop, vcpu: poll, sendmsg, write, writev; start:
 * eventfd2, fcntl, ioctl, newfstatat, openat
 */

/* Written out at a newline, or when this much has gathered. */
#define SERIAL_OUT_GATHER 512
/* What poll() promises room for: well below PIPE_BUF. */
#define SERIAL_OUT_POLLED 512

/* One attempt to write from the ring's front. Return: bytes, -EAGAIN, or -errno. */
static ssize_t serial_write_once(struct serial *s)
{
	struct pollfd pfd = {.fd = s->out_fd, .events = POLLOUT};
	struct iovec iov[2];
	int count = ring_read_iov(&s->out, iov);
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)count};
	ssize_t n = -1;

	switch (s->out_kind) {
	case SERIAL_OUT_NONE:
		return (ssize_t)ring_used(&s->out);
	case SERIAL_OUT_WRITE:
		n = writev(s->out_fd, iov, count);
		break;
	case SERIAL_OUT_SEND:
		n = sendmsg(s->out_fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case SERIAL_OUT_POLL:
		if (poll(&pfd, 1, 0) <= 0)
			return -EAGAIN;
		if (iov[0].iov_len > SERIAL_OUT_POLLED)
			iov[0].iov_len = SERIAL_OUT_POLLED;
		n = write(s->out_fd, iov[0].iov_base, iov[0].iov_len);
		break;
	}
	return n < 0 ? -errno : n;
}

/* Write until the ring is empty or the descriptor is full. Return: true if it is empty. */
static bool serial_write_out(struct serial *s)
{
	while (ring_used(&s->out)) {
		ssize_t n = serial_write_once(s);

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			return false;
		s->counters[SERIAL_WRITE_OUTS]++;
		if (n < 0) {
			s->counters[SERIAL_ERRORS]++;
			/* A full disk may have room again. Else nobody will ever read it: what
			 * follows is dropped, too. */
			if (n != -ENOSPC && n != -EDQUOT && n != -EFBIG)
				s->out_kind = SERIAL_OUT_NONE;
			s->counters[SERIAL_DROPPED] += ring_used(&s->out);
			n = (ssize_t)ring_used(&s->out);
		}
		ring_consume(&s->out, (uint32_t)n);
	}
	return true;
}

/* Have the loop write out later. */
static void serial_set_timer(struct serial *s)
{
	if (s->timer_set || s->out_blocked)
		return;
	s->timer_set = true;
	loop_timer_set(&s->flush_timer, SERIAL_FLUSH_MS);
}

static bool serial_take_token(struct serial *s)
{
	if (rate_bucket_wait(&s->limit, clock_ns()))
		return false;
	rate_bucket_charge(&s->limit, 1);
	return true;
}

void serial_set_limit(struct serial *s, const struct rate_bucket_config *config)
{
	static const struct rate_bucket_config none;

	pthread_mutex_lock(&s->lock);
	rate_bucket_init(&s->limit, config ? config : &none, clock_ns());
	pthread_mutex_unlock(&s->lock);
}

void serial_output(struct serial *s, uint8_t byte)
{
	bool full;

	if (s->out_kind == SERIAL_OUT_NONE) {
		if (s->out_fd >= 0)
			s->counters[SERIAL_DROPPED]++;
		return;
	}
	if (s->limit.size && !serial_take_token(s)) {
		s->counters[SERIAL_LIMITED]++;
		s->counters[SERIAL_DROPPED]++;
		return;
	}
	if (!ring_put(&s->out, &byte, 1))
		s->counters[SERIAL_DROPPED]++;
	full = byte == '\n' || ring_used(&s->out) >= SERIAL_OUT_GATHER;
	if (s->out_blocked)
		return;
	if (!full || s->out_kind == SERIAL_OUT_POLL || !serial_write_out(s))
		serial_set_timer(s);
}

static void serial_on_writable(struct loop_source *src, uint32_t events)
{
	struct serial *s = container_of(src, struct serial, out_src);

	pthread_mutex_lock(&s->lock);
	if (serial_write_out(s)) {
		s->out_blocked = false;
		/* Not only unwatched: a closed reader would be reported without end. */
		loop_del(s->loop, &s->out_src);
	}
	pthread_mutex_unlock(&s->lock);
}

/* Write out; if the descriptor is full, wait on the loop until it isn't. */
static void serial_flush_locked(struct serial *s)
{
	if (s->out_blocked || serial_write_out(s))
		return;
	if (loop_add(s->loop, &s->out_src, s->out_fd, EPOLLOUT, serial_on_writable) == 0)
		s->out_blocked = true;
}

static void serial_on_timer(struct loop_timer *timer)
{
	struct serial *s = container_of(timer, struct serial, flush_timer);

	pthread_mutex_lock(&s->lock);
	s->timer_set = false;
	serial_flush_locked(s);
	pthread_mutex_unlock(&s->lock);
}

void serial_flush(struct serial *s)
{
	pthread_mutex_lock(&s->lock);
	serial_flush_locked(s);
	pthread_mutex_unlock(&s->lock);
}

uint64_t serial_dropped(struct serial *s)
{
	uint64_t n;

	pthread_mutex_lock(&s->lock);
	n = s->counters[SERIAL_DROPPED];
	pthread_mutex_unlock(&s->lock);
	return n;
}

void serial_count(struct serial *s, uint64_t ret[SERIAL_COUNTERS])
{
	pthread_mutex_lock(&s->lock);
	memcpy(ret, s->counters, sizeof(s->counters));
	pthread_mutex_unlock(&s->lock);
}

/*
 * Read what fits. The descriptor is known to be readable, or a regular file; so this waits only if
 * another program takes the same input away in between.
 */
static void serial_read_in(struct serial *s)
{
	uint8_t data[SERIAL_IN_MAX];
	uint32_t room;
	ssize_t n = 0;

	pthread_mutex_lock(&s->lock);
	room = ring_free(&s->in);
	s->in_full = !room;
	pthread_mutex_unlock(&s->lock);
	if (room) {
		n = read(s->in_fd, data, room);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
	}
	if (n <= 0)
		loop_del(s->loop, &s->in_src);
	pthread_mutex_lock(&s->lock);
	if (room && n <= 0)
		s->in_eof = true;
	if (n > 0 && ring_put(&s->in, data, (uint32_t)n) < (uint32_t)n)
		s->overrun = true; /* loopback filled it meanwhile */
	serial_update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

static void serial_on_readable(struct loop_source *src, uint32_t events)
{
	serial_read_in(container_of(src, struct serial, in_src));
}

void serial_input_room(struct serial *s)
{
	uint64_t one = 1;

	if (s->in_eof || ring_used(&s->in) || !(s->in_full || s->in_file))
		return;
	s->in_full = false;
	if (write(s->kick_src.fd, &one, sizeof(one)) < 0) {
		/* The counter is full: the loop knows. */
	}
}

/* The guest has emptied its FIFO. */
static void serial_on_kick(struct loop_source *src, uint32_t events)
{
	struct serial *s = container_of(src, struct serial, kick_src);
	uint64_t count;

	if (read(src->fd, &count, sizeof(count)) < 0 || s->in_fd < 0)
		return;
	if (s->in_file)
		serial_read_in(s);
	else if (!s->in_src.fn && !s->in_eof)
		loop_add(s->loop, &s->in_src, s->in_fd, EPOLLIN, serial_on_readable);
}

/* Find a way to write to @fd that never waits, see the header. */
static int serial_open_out(struct serial *s, int fd)
{
	int flags = fcntl(fd, F_GETFL), pty;
	char path[32];
	struct stat st;

	if (flags < 0 || fstat(fd, &st) < 0)
		return -errno;
	s->out_kind = SERIAL_OUT_POLL;
	s->out_fd = -1;
	if (S_ISSOCK(st.st_mode)) {
		s->out_kind = SERIAL_OUT_SEND;
	} else if (S_ISREG(st.st_mode) || (flags & O_NONBLOCK)) {
		s->out_kind = SERIAL_OUT_WRITE;
	} else if (S_ISFIFO(st.st_mode) ||
		   /* Opening a pseudo-terminal's master would make a new pair. */
		   (S_ISCHR(st.st_mode) && ioctl(fd, TIOCGPTN, &pty) < 0)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		s->out_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
		if (s->out_fd >= 0)
			s->out_kind = SERIAL_OUT_WRITE;
	}
	/* A descriptor of our own, since epoll wants to tell it from the input's. */
	if (s->out_fd < 0)
		s->out_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return s->out_fd < 0 ? -errno : 0;
}

static int serial_start_in(struct serial *s, int fd)
{
	int r;

	s->in_fd = fd;
	r = loop_add(s->loop, &s->in_src, fd, EPOLLIN, serial_on_readable);
	if (r != -EPERM)
		return r;
	s->in_file = true;
	serial_read_in(s);
	return 0;
}

int serial_init(struct serial *s, struct loop *loop, const struct irq *irq, int out_fd, int in_fd)
{
	int r, kick_fd;

	*s = (struct serial){.loop = loop, .irq = irq, .in_fd = -1, .out_fd = -1};
	pthread_mutex_init(&s->lock, NULL);
	ring_init(&s->in, s->in_data, sizeof(s->in_data));
	s->dll = 12; /* 9600 baud */
	kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (kick_fd < 0) {
		r = -errno;
		goto fail;
	}
	r = loop_add(loop, &s->kick_src, kick_fd, EPOLLIN, serial_on_kick);
	if (r < 0) {
		close(kick_fd);
		goto fail;
	}
	r = loop_timer_init(loop, &s->flush_timer, serial_on_timer);
	if (r < 0)
		goto fail;
	s->out_data = malloc(SERIAL_OUT_MAX);
	if (!s->out_data) {
		r = -ENOMEM;
		goto fail;
	}
	ring_init(&s->out, s->out_data, SERIAL_OUT_MAX);
	if (out_fd >= 0) {
		r = serial_open_out(s, out_fd);
		if (r < 0)
			goto fail;
	}
	if (in_fd >= 0) {
		r = serial_start_in(s, in_fd);
		if (r < 0)
			goto fail;
	}
	return 0;
fail:
	serial_fini(s);
	return r;
}

/* The last lines tell most: give a slow reader a moment, but no more. */
static void serial_linger(struct serial *s)
{
	struct pollfd pfd = {.fd = s->out_fd, .events = POLLOUT};

	for (int i = 0; i < SERIAL_LINGER_TRIES && !serial_write_out(s); i++)
		poll(&pfd, 1, SERIAL_LINGER_MS);
}

uint64_t serial_fini(struct serial *s)
{
	int kick_fd = s->kick_src.fn ? s->kick_src.fd : -1;
	uint64_t lost;

	serial_linger(s);
	lost = s->counters[SERIAL_DROPPED] + ring_used(&s->out);
	loop_del(s->loop, &s->in_src);
	loop_del(s->loop, &s->out_src);
	loop_del(s->loop, &s->kick_src);
	loop_timer_fini(s->loop, &s->flush_timer);
	if (kick_fd >= 0)
		close(kick_fd);
	if (s->out_fd >= 0)
		close(s->out_fd);
	s->out_fd = -1;
	free(s->out_data);
	s->out_data = NULL;
	s->out = (struct ring){0};
	pthread_mutex_destroy(&s->lock);
	return lost;
}
