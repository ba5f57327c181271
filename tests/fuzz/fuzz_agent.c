// SPDX-License-Identifier: Apache-2.0
// Fuzzes the agent protocol: frames of either side, and the specification.
#include "base/cleanup.h"
#include "base/io.h"
#include "protocol/agent.h"
#include "tests/lib/fuzz_require.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>

/* The first byte chooses; the rest is the input. */
enum mode {
	MODE_GUEST, /* what a host reads */
	MODE_HOST,  /* what a guest reads */
	MODE_SPEC,  /* the payload of START */
	MODES,
};

/* What one fill reads at most comes in pieces of this size. */
#define PIECE 61

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was accepted must be what an encoder makes, and come back the same. */
static void check_spec(const uint8_t *data, size_t size)
{
	struct buf buf = BUF_INIT(AGENT_FRAME_MAX + 64 * 1024), again = buf;
	struct agent_spec spec, twin;
	int r;

	if (agent_spec_decode(data, size, &spec) < 0)
		return;
	r = agent_spec_encode(&buf, &spec);
	/* Defaults are written out, so a spec close to the limit may grow beyond it. */
	REQUIRE(r == 0 || r == -EMSGSIZE);
	if (r == 0) {
		REQUIRE(agent_spec_decode(buf.data, buf.len, &twin) == 0);
		REQUIRE(agent_spec_encode(&again, &twin) == 0);
		REQUIRE(buf.len == again.len && !memcmp(buf.data, again.data, buf.len));
		agent_spec_fini(&twin);
	}
	buf_fini(&again);
	buf_fini(&buf);
	agent_spec_fini(&spec);
}

static void check_msg(const struct agent_msg *msg)
{
	struct buf buf = BUF_INIT(8192);

	if (msg->type == AGENT_START || msg->type == AGENT_EXEC)
		check_spec(msg->spec.data, msg->spec.len);
	else
		REQUIRE(agent_encode(&buf, msg) == 0);
	buf_fini(&buf);
}

static void check_frames(enum agent_side peer, const uint8_t *data, size_t size)
{
	struct agent_reader reader;
	struct agent_msg msg;
	int fds[2], r = 0;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return;
	agent_reader_init(&reader, peer);
	for (size_t pos = 0; pos < size && r >= 0; pos += PIECE) {
		size_t n = size - pos < PIECE ? size - pos : PIECE;

		REQUIRE(io_write_full(fds[1], data + pos, n) == 0);
		r = agent_reader_fill(&reader, fds[0]);
		REQUIRE(r == (int)n);
		while ((r = agent_reader_next(&reader, &msg)) > 0)
			check_msg(&msg);
	}
	if (r < 0)
		REQUIRE(agent_reader_next(&reader, &msg) == -EPROTO);
	agent_reader_fini(&reader);
	close(fds[0]);
	close(fds[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	switch (data[0] % MODES) {
	case MODE_GUEST:
		check_frames(AGENT_GUEST, data + 1, size - 1);
		break;
	case MODE_HOST:
		check_frames(AGENT_HOST, data + 1, size - 1);
		break;
	case MODE_SPEC:
		check_spec(data + 1, size - 1);
		break;
	}
	return 0;
}
