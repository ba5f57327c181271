// SPDX-License-Identifier: Apache-2.0
// The host's end of the agent's control connection.
#include "cli/agent_host.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <sys/epoll.h>

/* START, and more signals than anyone types while the guest doesn't read. */
#define OUT_MAX (AGENT_HEADER_SIZE + AGENT_FRAME_MAX + 4096)

/* Messages of the guest in a whole run: HELLO, STARTED and its end. */
#define MESSAGES_MAX 4

static void agent_close(struct agent_host *agent)
{
	int fd = agent->src.fd;

	if (!agent->src.fn)
		return;
	loop_del(agent->loop, &agent->src);
	close(fd);
}

static void agent_break(struct agent_host *agent, const char *why)
{
	bool ended = agent->state == AGENT_HOST_ENDED || agent->state == AGENT_HOST_BROKEN;

	agent_close(agent);
	if (ended)
		return;
	agent->state = AGENT_HOST_BROKEN;
	agent->ops->broken(agent, why);
}

/* Write what waits, and have the loop say when there's room for the rest. */
static void agent_send(struct agent_host *agent)
{
	int r = agent_flush(&agent->out, agent->src.fd);

	if (r >= 0)
		r = loop_mod(agent->loop, &agent->src, r ? EPOLLIN : EPOLLIN | EPOLLOUT);
	if (r < 0)
		agent_break(agent, NULL);
}

static bool agent_message(struct agent_host *agent, const struct agent_msg *msg)
{
	/* No further command was ever started. */
	if (msg->id)
		return false;
	switch (msg->type) {
	case AGENT_HELLO:
		if (agent->state != AGENT_HOST_HELLO)
			return false;
		agent->state = AGENT_HOST_START;
		if (agent_encode_spec(&agent->out, 0, agent->ops->hello(agent, &msg->hello)) < 0)
			agent_break(agent, "the command's specification can't be sent");
		else
			agent_send(agent);
		return true;
	case AGENT_STARTED:
		if (agent->state != AGENT_HOST_START)
			return false;
		agent->state = AGENT_HOST_RUNNING;
		agent->ops->started(agent, &msg->started);
		return true;
	case AGENT_FAILED:
		if (agent->state != AGENT_HOST_START && agent->state != AGENT_HOST_RUNNING)
			return false;
		break;
	case AGENT_EXITED:
		if (agent->state != AGENT_HOST_RUNNING)
			return false;
		break;
	case AGENT_START:
	case AGENT_SIGNAL:
	case AGENT_RESIZE:
	case AGENT_SHUTDOWN:
	case AGENT_EXEC:
	case AGENT_FREEZE:
	case AGENT_STATS:
	case AGENT_ARCHIVE:
	case AGENT_RESULT:
	case AGENT_USAGE:
	default:
		return false;
	}
	agent->state = AGENT_HOST_ENDED;
	agent->ops->ended(agent, msg);
	return true;
}

static void agent_on_ready(struct loop_source *src, uint32_t events)
{
	struct agent_host *agent = container_of(src, struct agent_host, src);
	struct agent_msg msg;
	int r;

	if (events & EPOLLOUT) {
		agent_send(agent);
		if (!agent->src.fn)
			return;
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	r = agent_reader_fill(&agent->reader, src->fd);
	if (r == -EAGAIN)
		return;
	if (r <= 0) {
		agent_break(agent, NULL);
		return;
	}
	for (int i = 0; i < MESSAGES_MAX && agent->src.fn; i++) {
		r = agent_reader_next(&agent->reader, &msg);
		if (!r)
			return;
		if (r < 0) {
			agent_break(agent, "the guest sent an unreadable message");
			return;
		}
		if (!agent_message(agent, &msg)) {
			agent_break(agent, "the guest sent a message out of turn");
			return;
		}
	}
}

void agent_host_init(struct agent_host *agent, struct loop *loop, const struct agent_host_ops *ops)
{
	*agent = (struct agent_host){
		.loop = loop,
		.ops = ops,
		.src.fd = -1,
		.out = BUF_INIT(OUT_MAX),
	};
	agent_reader_init(&agent->reader, AGENT_GUEST);
}

void agent_host_fini(struct agent_host *agent)
{
	if (!agent->loop)
		return;
	agent_close(agent);
	agent_reader_fini(&agent->reader);
	buf_fini(&agent->out);
}

int agent_host_connect(struct agent_host *agent, int fd)
{
	int r = agent->state == AGENT_HOST_IDLE ? io_nonblock(fd) : -EALREADY;

	if (!r)
		r = loop_add(agent->loop, &agent->src, fd, EPOLLIN, agent_on_ready);
	if (r < 0) {
		close(fd);
		return r;
	}
	agent->state = AGENT_HOST_HELLO;
	return 0;
}

static int agent_host_send(struct agent_host *agent, const struct agent_msg *msg)
{
	int r = agent_encode(&agent->out, msg);

	if (!r)
		agent_send(agent);
	return r;
}

int agent_host_signal(struct agent_host *agent, int signo, bool to_group)
{
	struct agent_msg msg = {
		.type = AGENT_SIGNAL,
		.signal = {.signo = (uint32_t)signo, .to_group = to_group},
	};

	return agent->state == AGENT_HOST_RUNNING ? agent_host_send(agent, &msg) : -ENOTCONN;
}

int agent_host_resize(struct agent_host *agent, uint16_t rows, uint16_t cols)
{
	struct agent_msg msg = {.type = AGENT_RESIZE, .resize = {rows, cols}};

	return agent->state == AGENT_HOST_RUNNING ? agent_host_send(agent, &msg) : -ENOTCONN;
}

int agent_host_shutdown(struct agent_host *agent)
{
	struct agent_msg msg = {.type = AGENT_SHUTDOWN};

	return agent->src.fn ? agent_host_send(agent, &msg) : -ENOTCONN;
}
