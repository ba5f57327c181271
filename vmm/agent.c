// SPDX-License-Identifier: Apache-2.0
// The host's end of the agent's control connection.
#include "vmm/agent.h"

#include "base/cleanup.h"

#include <sys/epoll.h>
#include <sys/socket.h>

/* syscalls: loop: close, shutdown */

/* The largest frame, and some hundred small ones. */
#define OUT_MAX (AGENT_HEADER_SIZE + AGENT_FRAME_MAX + 8192)

static void agent_close(struct agent *agent)
{
	int fd = agent->src.fd;

	if (fd < 0)
		return;
	loop_del(agent->loop, &agent->src);
	close(fd);
}

static void agent_break(struct agent *agent, const char *why)
{
	if (agent->state == AGENT_BROKEN)
		return;
	agent_close(agent);
	agent->state = AGENT_BROKEN;
	agent->ops->broken(agent, why);
}

/*
 * Write what waits, and have the loop say when there's room for the rest.
 *
 * A failure is told by the loop, too: the owner may be in the middle of something.
 */
static void agent_write(struct agent *agent)
{
	int r = agent_flush(&agent->out, agent->src.fd);

	if (r >= 0)
		r = loop_mod(agent->loop, &agent->src, r ? EPOLLIN : EPOLLIN | EPOLLOUT);
	if (r < 0) {
		agent->out.len = 0;
		shutdown(agent->src.fd, SHUT_RDWR);
	}
}

static bool take(struct agent *agent, const struct agent_msg *msg)
{
	if (agent->state == AGENT_READY)
		return msg->type != AGENT_HELLO && agent->ops->message(agent, msg);
	if (msg->type != AGENT_HELLO)
		return false;
	agent->state = AGENT_READY;
	agent->ops->hello(agent, &msg->hello);
	return true;
}

static void on_ready(struct loop_source *src, uint32_t events)
{
	struct agent *agent = container_of(src, struct agent, src);
	struct agent_msg msg;
	int r;

	if (events & EPOLLOUT)
		agent_write(agent);
	if (agent->state == AGENT_BROKEN || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	r = agent_reader_fill(&agent->reader, src->fd);
	if (r == -EAGAIN)
		return;
	if (r <= 0) {
		agent_break(agent, "its control connection ended");
		return;
	}
	while (agent->state != AGENT_BROKEN && (r = agent_reader_next(&agent->reader, &msg))) {
		if (r < 0)
			agent_break(agent, "it sent an unreadable message");
		else if (!take(agent, &msg))
			agent_break(agent, "it sent a message out of turn");
	}
}

void agent_init(struct agent *agent, struct loop *loop, const struct agent_ops *ops)
{
	*agent = (struct agent){
		.loop = loop,
		.ops = ops,
		.src.fd = -1,
		.out = BUF_INIT(OUT_MAX),
	};
	agent_reader_init(&agent->reader, AGENT_GUEST);
}

void agent_fini(struct agent *agent)
{
	if (!agent->loop)
		return;
	agent_close(agent);
	agent_reader_fini(&agent->reader);
	buf_fini(&agent->out);
	*agent = (struct agent){0};
}

int agent_connect(struct agent *agent, int fd)
{
	int r = agent->state == AGENT_IDLE ? 0 : -EALREADY;

	if (!r)
		r = loop_add(agent->loop, &agent->src, fd, EPOLLIN, on_ready);
	if (!r)
		agent->state = AGENT_HELLO_DUE;
	return r;
}

int agent_send(struct agent *agent, const struct agent_msg *msg)
{
	int r = agent->state == AGENT_READY ? agent_encode(&agent->out, msg) : -ENOTCONN;

	if (!r)
		agent_write(agent);
	return r;
}

int agent_send_spec(struct agent *agent, uint16_t id, const struct agent_spec *spec)
{
	int r = agent->state == AGENT_READY ? agent_encode_spec(&agent->out, id, spec) : -ENOTCONN;

	if (!r)
		agent_write(agent);
	return r;
}
