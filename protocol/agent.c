// SPDX-License-Identifier: Apache-2.0
// The agent protocol: frames and messages.
#include "protocol/agent.h"

#include "base/le.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* syscalls: loop: read, sendto */

#define HELLO_SIZE 24
#define STARTED_SIZE 16
#define FAILED_SIZE_MIN 5 /* the code and a message that says something */
#define FAILED_SIZE_MAX (4 + AGENT_TEXT_MAX)
#define EXITED_SIZE 8
#define SIGNAL_SIZE 8
#define RESIZE_SIZE 4
#define FREEZE_SIZE 4
#define ARCHIVE_SIZE_MIN 9 /* port, flags and "/" */
#define ARCHIVE_SIZE_MAX (8 + AGENT_CWD_MAX)
#define RESULT_SIZE_MIN 4
#define RESULT_SIZE_MAX (4 + AGENT_TEXT_MAX)
#define USAGE_SIZE 104

/* What a fill reads at least: most messages are tiny. */
#define READER_CHUNK 4096

/* What a message is about: the container, a further command or request, or either. */
enum about {
	CONTAINER,
	OTHER,
	EITHER,
};

/* One row a message type: who sends it, about what, and how long its payload may be. */
static const struct {
	enum agent_side sender;
	enum about about;
	uint32_t min, max;
} types[] = {
	[AGENT_HELLO] = {AGENT_GUEST, CONTAINER, HELLO_SIZE, HELLO_SIZE},
	[AGENT_START] = {AGENT_HOST, CONTAINER, 0, AGENT_FRAME_MAX},
	[AGENT_STARTED] = {AGENT_GUEST, EITHER, STARTED_SIZE, STARTED_SIZE},
	[AGENT_FAILED] = {AGENT_GUEST, EITHER, FAILED_SIZE_MIN, FAILED_SIZE_MAX},
	[AGENT_EXITED] = {AGENT_GUEST, EITHER, EXITED_SIZE, EXITED_SIZE},
	[AGENT_SIGNAL] = {AGENT_HOST, EITHER, SIGNAL_SIZE, SIGNAL_SIZE},
	[AGENT_RESIZE] = {AGENT_HOST, EITHER, RESIZE_SIZE, RESIZE_SIZE},
	[AGENT_SHUTDOWN] = {AGENT_HOST, CONTAINER, 0, 0},
	[AGENT_EXEC] = {AGENT_HOST, OTHER, 0, AGENT_FRAME_MAX},
	[AGENT_FREEZE] = {AGENT_HOST, OTHER, FREEZE_SIZE, FREEZE_SIZE},
	[AGENT_STATS] = {AGENT_HOST, OTHER, 0, 0},
	[AGENT_ARCHIVE] = {AGENT_HOST, OTHER, ARCHIVE_SIZE_MIN, ARCHIVE_SIZE_MAX},
	[AGENT_RESULT] = {AGENT_GUEST, OTHER, RESULT_SIZE_MIN, RESULT_SIZE_MAX},
	[AGENT_USAGE] = {AGENT_GUEST, OTHER, USAGE_SIZE, USAGE_SIZE},
};

#define TYPES_COUNT (sizeof(types) / sizeof(types[0]))

/* The numbers of struct agent_usage, in their order on the wire. */
static const size_t usage_at[] = {
	offsetof(struct agent_usage, cpu_us),
	offsetof(struct agent_usage, user_us),
	offsetof(struct agent_usage, system_us),
	offsetof(struct agent_usage, memory),
	offsetof(struct agent_usage, peak),
	offsetof(struct agent_usage, cache),
	offsetof(struct agent_usage, pids),
	offsetof(struct agent_usage, read_bytes),
	offsetof(struct agent_usage, write_bytes),
	offsetof(struct agent_usage, reads),
	offsetof(struct agent_usage, writes),
	offsetof(struct agent_usage, oom_kills),
	offsetof(struct agent_usage, memory_total),
};

static_assert(sizeof(usage_at) / sizeof(usage_at[0]) * 8 == USAGE_SIZE, "all of them");

static bool id_valid(enum agent_type type, uint16_t id)
{
	return types[type].about == EITHER || (types[type].about == OTHER) == (id != 0);
}

static void header_store(uint8_t *p, uint32_t len, enum agent_type type, uint16_t id)
{
	le32_store(p, len);
	le16_store(p + 4, (uint16_t)type);
	le16_store(p + 6, id);
}

static bool failed_valid(const struct agent_failed *failed, size_t len)
{
	if (failed->code < AGENT_EXIT_ERROR || failed->code > AGENT_EXIT_NOTFOUND)
		return false;
	return len && len <= AGENT_TEXT_MAX;
}

static bool exited_valid(const struct agent_exited *exited)
{
	if (exited->code > 255 || exited->signal > AGENT_SIGNAL_MAX)
		return false;
	return !exited->code || !exited->signal;
}

static bool signal_valid(const struct agent_signal *sig)
{
	return sig->signo && sig->signo <= AGENT_SIGNAL_MAX;
}

static bool result_valid(const struct agent_result *result, size_t len)
{
	if (result->code > AGENT_ERRNO_MAX || len > AGENT_TEXT_MAX)
		return false;
	return (result->code != 0) == (len != 0);
}

static bool archive_valid(const struct agent_archive *archive, size_t len)
{
	if (!archive->port || archive->port == AGENT_PORT || archive->port == UINT32_MAX)
		return false;
	return len && len <= AGENT_CWD_MAX && archive->path[0] == '/';
}

static int archive_store(uint8_t *p, const struct agent_archive *archive)
{
	size_t len = strnlen(archive->path, sizeof(archive->path));

	if (!archive_valid(archive, len))
		return -EINVAL;
	le32_store(p, archive->port);
	le32_store(p + 4, archive->put ? AGENT_ARCHIVE_PUT : 0);
	memcpy(p + 8, archive->path, len);
	return 8 + (int)len;
}

static int result_store(uint8_t *p, const struct agent_result *result)
{
	size_t len = strnlen(result->message, sizeof(result->message));

	if (!result_valid(result, len))
		return -EINVAL;
	le32_store(p, result->code);
	memcpy(p + 4, result->message, len);
	return 4 + (int)len;
}

static int usage_store(uint8_t *p, const struct agent_usage *usage)
{
	for (size_t i = 0; i < sizeof(usage_at) / sizeof(usage_at[0]); i++) {
		uint64_t value;

		memcpy(&value, (const uint8_t *)usage + usage_at[i], sizeof(value));
		le64_store(p + 8 * i, value);
	}
	return USAGE_SIZE;
}

/* The payload of @msg into @p, which has room for ARCHIVE_SIZE_MAX. Return: its length or -EINVAL.
 */
static int payload_store(uint8_t *p, const struct agent_msg *msg)
{
	size_t len;

	switch (msg->type) {
	case AGENT_HELLO:
		le32_store(p, AGENT_MAGIC);
		le16_store(p + 4, AGENT_VERSION);
		le16_store(p + 6, 0);
		le64_store(p + 8, msg->hello.init_ns);
		le64_store(p + 16, msg->hello.dial_ns);
		return HELLO_SIZE;
	case AGENT_STARTED:
		le32_store(p, msg->started.pid);
		le32_store(p + 4, 0);
		le64_store(p + 8, msg->started.exec_ns);
		return STARTED_SIZE;
	case AGENT_FAILED:
		len = strnlen(msg->failed.message, sizeof(msg->failed.message));
		if (!failed_valid(&msg->failed, len))
			return -EINVAL;
		le32_store(p, msg->failed.code);
		memcpy(p + 4, msg->failed.message, len);
		return 4 + (int)len;
	case AGENT_EXITED:
		if (!exited_valid(&msg->exited))
			return -EINVAL;
		le32_store(p, msg->exited.code);
		le32_store(p + 4, msg->exited.signal);
		return EXITED_SIZE;
	case AGENT_SIGNAL:
		if (!signal_valid(&msg->signal))
			return -EINVAL;
		le32_store(p, msg->signal.signo);
		le32_store(p + 4, msg->signal.to_group ? AGENT_SIGNAL_GROUP : 0);
		return SIGNAL_SIZE;
	case AGENT_RESIZE:
		le16_store(p, msg->resize.rows);
		le16_store(p + 2, msg->resize.cols);
		return RESIZE_SIZE;
	case AGENT_FREEZE:
		le32_store(p, msg->freeze.on);
		return FREEZE_SIZE;
	case AGENT_ARCHIVE:
		return archive_store(p, &msg->archive);
	case AGENT_RESULT:
		return result_store(p, &msg->result);
	case AGENT_USAGE:
		return usage_store(p, &msg->usage);
	case AGENT_SHUTDOWN:
	case AGENT_STATS:
		return 0;
	case AGENT_START:
	case AGENT_EXEC:
	default:
		return -EINVAL;
	}
}

int agent_encode(struct buf *buf, const struct agent_msg *msg)
{
	uint8_t frame[AGENT_HEADER_SIZE + ARCHIVE_SIZE_MAX];
	int len = payload_store(frame + AGENT_HEADER_SIZE, msg);

	if (len < 0)
		return len;
	if (!id_valid(msg->type, msg->id))
		return -EINVAL;
	header_store(frame, (uint32_t)len, msg->type, msg->id);
	return buf_add(buf, frame, AGENT_HEADER_SIZE + (size_t)len);
}

int agent_encode_spec(struct buf *buf, uint16_t id, const struct agent_spec *spec)
{
	uint8_t header[AGENT_HEADER_SIZE] = {0};
	size_t start = buf->len;
	int r;

	r = buf_add(buf, header, sizeof(header));
	if (r < 0)
		return r;
	r = agent_spec_encode(buf, spec);
	if (r < 0) {
		buf->len = start;
		return r;
	}
	header_store(buf->data + start, (uint32_t)(buf->len - start - AGENT_HEADER_SIZE),
		id ? AGENT_EXEC : AGENT_START, id);
	return 0;
}

static int archive_load(struct agent_archive *archive, const uint8_t *p, uint32_t len)
{
	archive->port = le32_load(p);
	archive->put = le32_load(p + 4) == AGENT_ARCHIVE_PUT;
	if (le32_load(p + 4) & ~AGENT_ARCHIVE_PUT)
		return -EPROTO;
	len -= 8;
	if (memchr(p + 8, 0, len))
		return -EPROTO;
	memcpy(archive->path, p + 8, len);
	archive->path[len] = '\0';
	return archive_valid(archive, len) ? 0 : -EPROTO;
}

static int result_load(struct agent_result *result, const uint8_t *p, uint32_t len)
{
	result->code = le32_load(p);
	len -= 4;
	if (!result_valid(result, len) || (len && memchr(p + 4, 0, len)))
		return -EPROTO;
	memcpy(result->message, p + 4, len);
	result->message[len] = '\0';
	return 0;
}

static void usage_load(struct agent_usage *usage, const uint8_t *p)
{
	for (size_t i = 0; i < sizeof(usage_at) / sizeof(usage_at[0]); i++) {
		uint64_t value = le64_load(p + 8 * i);

		memcpy((uint8_t *)usage + usage_at[i], &value, sizeof(value));
	}
}

/* The payload of a frame whose type, direction and length have been checked. */
static int payload_load(struct agent_msg *msg, const uint8_t *p, uint32_t len)
{
	switch (msg->type) {
	case AGENT_HELLO:
		if (le32_load(p) != AGENT_MAGIC || le16_load(p + 4) != AGENT_VERSION ||
			le16_load(p + 6))
			return -EPROTO;
		msg->hello.init_ns = le64_load(p + 8);
		msg->hello.dial_ns = le64_load(p + 16);
		return 0;
	case AGENT_START:
	case AGENT_EXEC:
		msg->spec.data = p;
		msg->spec.len = len;
		return 0;
	case AGENT_STARTED:
		if (le32_load(p + 4))
			return -EPROTO;
		msg->started.pid = le32_load(p);
		msg->started.exec_ns = le64_load(p + 8);
		return 0;
	case AGENT_FAILED:
		msg->failed.code = le32_load(p);
		len -= 4;
		if (!failed_valid(&msg->failed, len) || memchr(p + 4, 0, len))
			return -EPROTO;
		memcpy(msg->failed.message, p + 4, len);
		msg->failed.message[len] = '\0';
		return 0;
	case AGENT_EXITED:
		msg->exited.code = le32_load(p);
		msg->exited.signal = le32_load(p + 4);
		return exited_valid(&msg->exited) ? 0 : -EPROTO;
	case AGENT_SIGNAL:
		msg->signal.signo = le32_load(p);
		msg->signal.to_group = le32_load(p + 4) == AGENT_SIGNAL_GROUP;
		if (le32_load(p + 4) & ~AGENT_SIGNAL_GROUP || !signal_valid(&msg->signal))
			return -EPROTO;
		return 0;
	case AGENT_RESIZE:
		msg->resize.rows = le16_load(p);
		msg->resize.cols = le16_load(p + 2);
		return 0;
	case AGENT_FREEZE:
		msg->freeze.on = le32_load(p) == 1;
		return le32_load(p) > 1 ? -EPROTO : 0;
	case AGENT_ARCHIVE:
		return archive_load(&msg->archive, p, len);
	case AGENT_RESULT:
		return result_load(&msg->result, p, len);
	case AGENT_USAGE:
		usage_load(&msg->usage, p);
		return 0;
	case AGENT_SHUTDOWN:
	case AGENT_STATS:
		return 0;
	default:
		return -EPROTO;
	}
}

int agent_flush(struct buf *out, int fd)
{
	while (out->len) {
		ssize_t n = send(fd, out->data, out->len, MSG_NOSIGNAL);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return errno == EAGAIN ? 0 : -errno;
		}
		buf_drop(out, (size_t)n);
	}
	return 1;
}

void agent_reader_init(struct agent_reader *reader, enum agent_side peer)
{
	*reader = (struct agent_reader){
		.buf = BUF_INIT(AGENT_HEADER_SIZE + AGENT_FRAME_MAX),
		.peer = peer,
	};
}

void agent_reader_fini(struct agent_reader *reader)
{
	buf_fini(&reader->buf);
}

int agent_reader_fill(struct agent_reader *reader, int fd)
{
	struct buf *buf = &reader->buf;
	size_t room;
	ssize_t n;
	int r;

	buf_drop(buf, reader->used);
	reader->used = 0;
	room = buf->max - buf->len;
	if (!room)
		return -ENOBUFS;
	if (buf->cap - buf->len < READER_CHUNK) {
		r = buf_reserve(buf, room < READER_CHUNK ? room : READER_CHUNK);
		if (r < 0)
			return r;
	}
	do
		n = read(fd, buf->data + buf->len, buf->cap - buf->len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	buf->len += (size_t)n;
	return (int)n;
}

/* The header at @p: what makes the rest worth waiting for. */
static int header_load(
	enum agent_side peer, const uint8_t *p, struct agent_msg *msg, uint32_t *ret_len)
{
	uint32_t len = le32_load(p);
	uint16_t type = le16_load(p + 4);

	if (!type || type >= TYPES_COUNT || types[type].sender != peer)
		return -EPROTO;
	msg->type = (enum agent_type)type;
	msg->id = le16_load(p + 6);
	if (len < types[type].min || len > types[type].max || !id_valid(msg->type, msg->id))
		return -EPROTO;
	*ret_len = len;
	return 0;
}

int agent_reader_next(struct agent_reader *reader, struct agent_msg *ret)
{
	const uint8_t *p;
	size_t avail;
	uint32_t len;

	if (reader->broken)
		return -EPROTO;
	avail = reader->buf.len - reader->used;
	if (avail < AGENT_HEADER_SIZE)
		return 0;
	p = reader->buf.data + reader->used;
	if (header_load(reader->peer, p, ret, &len) < 0)
		goto broken;
	if (avail - AGENT_HEADER_SIZE < len)
		return 0;
	reader->used += AGENT_HEADER_SIZE + len;
	if (payload_load(ret, p + AGENT_HEADER_SIZE, len) < 0)
		goto broken;
	return 1;
broken:
	reader->broken = true;
	return -EPROTO;
}
