// SPDX-License-Identifier: Apache-2.0
// The archives under way between a container and clients of the API.
#include "vmm/archives.h"

#include "base/err.h"
#include "vmm/http.h"

#include <errno.h>

static struct archive *find(const struct archives *archives, uint16_t id)
{
	for (unsigned int i = 0; i < ARCHIVES_MAX; i++)
		if (archives->items[i] && archives->items[i]->id == id)
			return archives->items[i];
	return NULL;
}

static struct archive *add(struct archives *archives, uint16_t id, struct err *err)
{
	for (unsigned int i = 0; i < ARCHIVES_MAX; i++) {
		if (archives->items[i])
			continue;
		archives->items[i] = archive_new(archives, id, err);
		return archives->items[i];
	}
	err_set(err, -EBUSY, "container: %d archives are under way already", ARCHIVES_MAX);
	return NULL;
}

struct archive *archives_out(struct archives *archives, uint16_t id,
	const struct http_request *request, uint64_t ticket, struct err *err)
{
	struct archive *archive = add(archives, id, err);

	if (!archive)
		return NULL;
	archive->chunked = request->http11;
	archive->ticket = ticket;
	return archive;
}

struct archive *archives_in(
	struct archives *archives, uint16_t id, const struct http_request *request, struct err *err)
{
	struct archive *archive = add(archives, id, err);

	if (!archive)
		return NULL;
	archive->in = true;
	archive->expects_continue = request->expects_continue;
	http_body_init(&archive->body, request);
	return archive;
}

void archives_forget(struct archives *archives, const struct archive *archive)
{
	for (unsigned int i = 0; i < ARCHIVES_MAX; i++)
		if (archives->items[i] == archive)
			archives->items[i] = NULL;
}

void archives_init(struct archives *archives, struct loop *loop, struct api *api)
{
	*archives = (struct archives){
		.loop = loop,
		.api = api,
		.guest_ms = ARCHIVE_GUEST_MS,
		.client_ms = ARCHIVE_CLIENT_MS,
		.closing_ms = ARCHIVE_CLOSING_MS,
	};
}

void archives_fini(struct archives *archives)
{
	for (unsigned int i = 0; i < ARCHIVES_MAX; i++)
		if (archives->items[i])
			archive_free(archives->items[i]);
	*archives = (struct archives){0};
}

bool archives_has_id(const struct archives *archives, uint16_t id)
{
	return find(archives, id);
}

int archives_connect(struct archives *archives, uint16_t id, int fd)
{
	struct archive *archive = find(archives, id);

	return archive ? archive_connect(archive, fd) : -ECONNREFUSED;
}

bool archives_result(struct archives *archives, uint16_t id, const struct agent_result *result)
{
	struct archive *archive = find(archives, id);

	/* It may have come too late. */
	return !archive || archive_result(archive, result);
}

void archives_gone(struct archives *archives, uint64_t ticket)
{
	for (unsigned int i = 0; i < ARCHIVES_MAX; i++)
		if (archives->items[i] && archives->items[i]->ticket == ticket)
			archive_free(archives->items[i]);
}

void archives_fail(struct archives *archives, const char *why)
{
	for (unsigned int i = 0; i < ARCHIVES_MAX; i++)
		if (archives->items[i])
			archive_fail(archives->items[i], 400, why);
}
