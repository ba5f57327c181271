// SPDX-License-Identifier: Apache-2.0
// The guest's end of the agent protocol, and of the streams of its container, in the test's hands.
#include "tests/lib/fake_agent.h"

#include "devices/backend/stream.h"
#include "tests/lib/loop_step.h"

#include <check.h>
#include <errno.h>
#include <unistd.h>

void fake_agent_init(struct fake_agent *agent, struct loop *loop, struct stream_backend *backend)
{
	*agent = (struct fake_agent){.loop = loop, .backend = backend};
	agent_reader_init(&agent->reader, AGENT_HOST);
	agent->fd = fake_agent_dial(agent, AGENT_PORT);
	ck_assert_int_ge(agent->fd, 0);
}

void fake_agent_fini(struct fake_agent *agent)
{
	stream_backend_free(agent->backend);
	agent_reader_fini(&agent->reader);
	close(agent->fd);
}

int fake_agent_dial(struct fake_agent *agent, uint32_t port)
{
	return agent->backend->ops->connect(agent->backend, port, false);
}

void fake_agent_say(struct fake_agent *agent, struct agent_msg msg)
{
	struct buf buf = BUF_INIT(8192);

	ck_assert_int_eq(agent_encode(&buf, &msg), 0);
	ck_assert_int_eq(agent_flush(&buf, agent->fd), 1);
	buf_fini(&buf);
	loop_step(agent->loop);
}

struct agent_msg fake_agent_hear(struct fake_agent *agent)
{
	struct agent_msg msg = {0};
	int r;

	while (!(r = agent_reader_next(&agent->reader, &msg)))
		ck_assert_int_gt(agent_reader_fill(&agent->reader, agent->fd), 0);
	ck_assert_int_eq(r, 1);
	return msg;
}

void fake_agent_expect_silence(struct fake_agent *agent)
{
	ck_assert_int_eq(agent_reader_fill(&agent->reader, agent->fd), -EAGAIN);
}
