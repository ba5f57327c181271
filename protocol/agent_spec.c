// SPDX-License-Identifier: Apache-2.0
// The agent protocol: the container's specification.
#include "protocol/agent_spec.h"

#include "base/le.h"
#include "protocol/agent.h"
#include "protocol/agent_network.h"
#include "protocol/agent_valid.h"

#include <errno.h>
#include <stdlib.h>

#define FIELD_HEADER_SIZE 8
#define TERMINAL_SIZE 8
#define STREAMS_SIZE 12
#define RLIMIT_SIZE 24
#define CAPS_SIZE 8
#define MOUNT_SIZE 16 /* and the path */

/* What a decoded spec says where nothing was sent. */
#define DEFAULT_CWD "/"
#define DEFAULT_HOSTNAME "hull"

int agent_field_add(struct buf *buf, enum agent_field type, const void *data, size_t len)
{
	uint8_t header[FIELD_HEADER_SIZE];
	int r;

	if (len > AGENT_FRAME_MAX)
		return -EMSGSIZE;
	le16_store(header, (uint16_t)type);
	le16_store(header + 2, 0);
	le32_store(header + 4, (uint32_t)len);
	r = buf_add(buf, header, sizeof(header));
	return r < 0 ? r : buf_add(buf, data, len);
}

static int string_add(struct buf *buf, enum agent_field type, const char *string)
{
	return string ? agent_field_add(buf, type, string, strlen(string)) : 0;
}

static int strings_add(struct buf *buf, enum agent_field type, char *const *strings)
{
	int r = 0;

	for (; strings && *strings && r == 0; strings++)
		r = string_add(buf, type, *strings);
	return r;
}

static int ports_add(struct buf *buf, const struct agent_spec *spec)
{
	uint8_t value[STREAMS_SIZE];

	if (spec->terminal) {
		le32_store(value, spec->tty_port);
		le16_store(value + 4, spec->rows);
		le16_store(value + 6, spec->cols);
		return agent_field_add(buf, AGENT_FIELD_TERMINAL, value, TERMINAL_SIZE);
	}
	le32_store(value, spec->stdin_port);
	le32_store(value + 4, spec->stdout_port);
	le32_store(value + 8, spec->stderr_port);
	return agent_field_add(buf, AGENT_FIELD_STREAMS, value, STREAMS_SIZE);
}

static int numbers_add(struct buf *buf, const struct agent_spec *spec)
{
	uint8_t value[RLIMIT_SIZE];
	int r;

	le32_store(value, (uint32_t)spec->root);
	r = agent_field_add(buf, AGENT_FIELD_ROOT, value, 4);
	if (r == 0 && spec->wall_clock_ns) {
		le64_store(value, spec->wall_clock_ns);
		r = agent_field_add(buf, AGENT_FIELD_CLOCK, value, 8);
	}
	if (r == 0 && spec->pids_max) {
		le32_store(value, spec->pids_max);
		r = agent_field_add(buf, AGENT_FIELD_PIDS, value, 4);
	}
	for (size_t i = 0; i < spec->n_rlimits && r == 0; i++) {
		le32_store(value, spec->rlimits[i].resource);
		le32_store(value + 4, 0);
		le64_store(value + 8, spec->rlimits[i].soft);
		le64_store(value + 16, spec->rlimits[i].hard);
		r = agent_field_add(buf, AGENT_FIELD_RLIMIT, value, RLIMIT_SIZE);
	}
	return r;
}

static int caps_add(struct buf *buf, const struct agent_spec *spec)
{
	uint8_t value[CAPS_SIZE];

	le64_store(value, spec->caps);
	return spec->caps_given ? agent_field_add(buf, AGENT_FIELD_CAPS, value, CAPS_SIZE) : 0;
}

static int mounts_add(struct buf *buf, const struct agent_spec *spec)
{
	uint8_t value[MOUNT_SIZE + AGENT_CWD_MAX] = {0};
	int r = 0;

	for (size_t i = 0; i < spec->n_mounts && r == 0; i++) {
		const struct agent_mount *mount = &spec->mounts[i];
		size_t len = strnlen(mount->path, AGENT_CWD_MAX);

		value[0] = (uint8_t)mount->kind;
		value[1] = mount->disk;
		value[2] = mount->flags;
		le64_store(value + 8, mount->size);
		memcpy(value + MOUNT_SIZE, mount->path, len);
		r = agent_field_add(buf, AGENT_FIELD_MOUNT, value, MOUNT_SIZE + len);
	}
	return r;
}

int agent_spec_encode(struct buf *buf, const struct agent_spec *spec)
{
	size_t start = buf->len;
	int r;

	if (!agent_spec_valid(spec))
		return -EINVAL;
	r = strings_add(buf, AGENT_FIELD_ARG, spec->args);
	if (r == 0)
		r = strings_add(buf, AGENT_FIELD_ENV, spec->env);
	if (r == 0)
		r = string_add(buf, AGENT_FIELD_CWD, spec->cwd);
	if (r == 0)
		r = string_add(buf, AGENT_FIELD_USER, spec->user);
	if (r == 0)
		r = string_add(buf, AGENT_FIELD_HOSTNAME, spec->hostname);
	if (r == 0)
		r = ports_add(buf, spec);
	if (r == 0)
		r = numbers_add(buf, spec);
	if (r == 0)
		r = caps_add(buf, spec);
	if (r == 0)
		r = mounts_add(buf, spec);
	if (r == 0)
		r = agent_network_encode(buf, spec);
	if (r == 0)
		r = string_add(buf, AGENT_FIELD_RESOLV_CONF, spec->resolv_conf);
	if (r == 0)
		r = string_add(buf, AGENT_FIELD_HOSTS, spec->hosts);
	if (r == 0 && buf->len - start > AGENT_FRAME_MAX)
		r = -EMSGSIZE;
	if (r < 0)
		buf->len = start;
	return r;
}

/*
 * Decoding goes over the fields twice. The first pass checks each field's form and counts; then one
 * block is taken for all pointers and strings, which the second pass fills. The block looks like
 * this:
 *
 *      args pointers, NULL | env pointers, NULL | strings, each with a NUL
 */
struct decoder {
	const uint8_t *data;
	size_t len, pos;
	uint32_t seen; /* bit a field type */
	size_t n_args, n_env, n_rlimits, n_mounts, text;
	char **next_arg, **next_env;
	char *next_text;
};

struct field {
	enum agent_field type;
	const uint8_t *value;
	uint32_t len;
};

/* Take the next field. Return: 1, 0 at the end, -EPROTO when cut short. */
static int field_next(struct decoder *d, struct field *ret)
{
	size_t left = d->len - d->pos;
	const uint8_t *p;

	/* An empty frame has no bytes to point at. */
	if (!left)
		return 0;
	p = d->data + d->pos;
	if (left < FIELD_HEADER_SIZE || le16_load(p + 2))
		return -EPROTO;
	ret->type = (enum agent_field)le16_load(p);
	ret->len = le32_load(p + 4);
	ret->value = p + FIELD_HEADER_SIZE;
	if (ret->len > left - FIELD_HEADER_SIZE)
		return -EPROTO;
	d->pos += FIELD_HEADER_SIZE + ret->len;
	return 1;
}

/* A field that may occur once, of between @min and @max bytes. */
static int once(struct decoder *d, const struct field *f, uint32_t min, uint32_t max)
{
	if (d->seen & 1u << f->type || f->len < min || f->len > max)
		return -EPROTO;
	d->seen |= 1u << f->type;
	return 0;
}

/* A string of at most @max bytes: no NUL inside; counts the room for it. */
static int string_check(struct decoder *d, const struct field *f, uint32_t max)
{
	if (f->len > max || (f->len && memchr(f->value, 0, f->len)))
		return -EPROTO;
	d->text += f->len + 1;
	return 0;
}

static int string_once(struct decoder *d, const struct field *f, uint32_t max)
{
	int r = once(d, f, 0, max);

	return r < 0 ? r : string_check(d, f, max);
}

static int mount_check(struct decoder *d, const struct field *f)
{
	const uint8_t *v = f->value;
	const struct field path = {f->type, v + MOUNT_SIZE, f->len - MOUNT_SIZE};

	if (f->len <= MOUNT_SIZE || v[3] || le32_load(v + 4))
		return -EPROTO;
	if (++d->n_mounts > AGENT_MOUNTS_MAX)
		return -EPROTO;
	return string_check(d, &path, AGENT_CWD_MAX);
}

static int field_check(struct decoder *d, const struct field *f)
{
	switch (f->type) {
	case AGENT_FIELD_ARG:
		d->n_args++;
		return string_check(d, f, AGENT_FRAME_MAX);
	case AGENT_FIELD_ENV:
		d->n_env++;
		return string_check(d, f, AGENT_FRAME_MAX);
	case AGENT_FIELD_CWD:
		return string_once(d, f, AGENT_CWD_MAX);
	case AGENT_FIELD_USER:
		return string_once(d, f, AGENT_USER_MAX);
	case AGENT_FIELD_HOSTNAME:
		return string_once(d, f, AGENT_HOSTNAME_MAX);
	case AGENT_FIELD_ROOT:
	case AGENT_FIELD_PIDS:
		return once(d, f, 4, 4);
	case AGENT_FIELD_TERMINAL:
		return once(d, f, TERMINAL_SIZE, TERMINAL_SIZE);
	case AGENT_FIELD_STREAMS:
		return once(d, f, STREAMS_SIZE, STREAMS_SIZE);
	case AGENT_FIELD_CLOCK:
		return once(d, f, 8, 8);
	case AGENT_FIELD_RLIMIT:
		if (f->len != RLIMIT_SIZE || le32_load(f->value + 4))
			return -EPROTO;
		return ++d->n_rlimits > AGENT_RLIMITS_MAX ? -EPROTO : 0;
	case AGENT_FIELD_CAPS:
		return once(d, f, CAPS_SIZE, CAPS_SIZE);
	case AGENT_FIELD_MOUNT:
		return mount_check(d, f);
	case AGENT_FIELD_INTERFACE:
	case AGENT_FIELD_ADDRESS:
	case AGENT_FIELD_GATEWAY:
		/* Checked when taken: they build on each other. */
		return 0;
	case AGENT_FIELD_RESOLV_CONF:
	case AGENT_FIELD_HOSTS:
		return string_once(d, f, AGENT_ETC_MAX);
	default:
		return -EPROTO;
	}
}

static char *string_take(struct decoder *d, const struct field *f)
{
	char *string = d->next_text;

	memcpy(string, f->value, f->len);
	string[f->len] = '\0';
	d->next_text += f->len + 1;
	return string;
}

static void mount_take(struct decoder *d, const struct field *f, struct agent_spec *spec)
{
	const uint8_t *v = f->value;
	const struct field path = {f->type, v + MOUNT_SIZE, f->len - MOUNT_SIZE};

	spec->mounts[spec->n_mounts++] = (struct agent_mount){
		.kind = (enum agent_mount_kind)v[0],
		.disk = v[1],
		.flags = v[2],
		.size = le64_load(v + 8),
		.path = string_take(d, &path),
	};
}

static int field_take(struct decoder *d, const struct field *f, struct agent_spec *spec)
{
	const uint8_t *v = f->value;

	switch (f->type) {
	case AGENT_FIELD_ARG:
		*d->next_arg++ = string_take(d, f);
		break;
	case AGENT_FIELD_ENV:
		*d->next_env++ = string_take(d, f);
		break;
	case AGENT_FIELD_CWD:
		spec->cwd = string_take(d, f);
		break;
	case AGENT_FIELD_USER:
		spec->user = string_take(d, f);
		break;
	case AGENT_FIELD_HOSTNAME:
		spec->hostname = string_take(d, f);
		break;
	case AGENT_FIELD_ROOT:
		spec->root = (enum agent_root)le32_load(v);
		break;
	case AGENT_FIELD_TERMINAL:
		spec->terminal = true;
		spec->tty_port = le32_load(v);
		spec->rows = le16_load(v + 4);
		spec->cols = le16_load(v + 6);
		break;
	case AGENT_FIELD_STREAMS:
		spec->stdin_port = le32_load(v);
		spec->stdout_port = le32_load(v + 4);
		spec->stderr_port = le32_load(v + 8);
		break;
	case AGENT_FIELD_CLOCK:
		spec->wall_clock_ns = le64_load(v);
		break;
	case AGENT_FIELD_RLIMIT:
		spec->rlimits[spec->n_rlimits++] = (struct agent_rlimit){
			.resource = le32_load(v),
			.soft = le64_load(v + 8),
			.hard = le64_load(v + 16),
		};
		break;
	case AGENT_FIELD_CAPS:
		spec->caps_given = true;
		spec->caps = le64_load(v);
		break;
	case AGENT_FIELD_MOUNT:
		mount_take(d, f, spec);
		break;
	case AGENT_FIELD_PIDS:
		spec->pids_max = le32_load(v);
		break;
	case AGENT_FIELD_INTERFACE:
	case AGENT_FIELD_ADDRESS:
	case AGENT_FIELD_GATEWAY:
		return agent_network_take(spec, f->type, v, f->len);
	case AGENT_FIELD_RESOLV_CONF:
		spec->resolv_conf = string_take(d, f);
		break;
	case AGENT_FIELD_HOSTS:
		spec->hosts = string_take(d, f);
		break;
	}
	return 0;
}

int agent_spec_decode(const void *data, size_t len, struct agent_spec *ret)
{
	struct decoder d = {.data = data, .len = len};
	struct agent_spec spec = {.cwd = DEFAULT_CWD, .user = "", .hostname = DEFAULT_HOSTNAME};
	const uint32_t either = 1u << AGENT_FIELD_TERMINAL | 1u << AGENT_FIELD_STREAMS;
	struct field f;
	char **pointers;
	int r;

	if (len > AGENT_FRAME_MAX)
		return -EPROTO;
	while ((r = field_next(&d, &f)) > 0) {
		r = field_check(&d, &f);
		if (r < 0)
			return r;
	}
	if (r < 0 || (d.seen & either) == either)
		return -EPROTO;
	pointers = calloc(1, (d.n_args + d.n_env + 2) * sizeof(char *) + d.text);
	if (!pointers)
		return -ENOMEM;
	spec.storage = pointers;
	spec.args = d.next_arg = pointers;
	spec.env = d.next_env = pointers + d.n_args + 1;
	d.next_text = (char *)(pointers + d.n_args + d.n_env + 2);
	d.pos = 0;
	r = 0;
	while (r == 0 && field_next(&d, &f) > 0)
		r = field_take(&d, &f, &spec);
	if (r < 0 || !agent_spec_valid(&spec)) {
		agent_spec_fini(&spec);
		return -EPROTO;
	}
	*ret = spec;
	return 0;
}

void agent_spec_fini(struct agent_spec *spec)
{
	if (!spec)
		return;
	free(spec->storage);
	*spec = (struct agent_spec){0};
}
