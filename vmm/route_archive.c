// SPDX-License-Identifier: Apache-2.0
// /container/archive
#include "vmm/routes.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/monitor.h"
#include "vmm/query.h"

/* Return: the path that is meant, within the query; or NULL with @err set. */
static const char *read_path(const struct route_call *call, struct err *err)
{
	const char *path = NULL;
	const struct query_field fields[] = {{"path", QUERY_STRING, &path}};

	if (!call->monitor->container.present) {
		err_set(err, -ENOENT, "container: there is none: PUT /container comes first");
		return NULL;
	}
	if (query_read(call->query, fields, ARRAY_SIZE(fields), err) < 0)
		return NULL;
	if (!path)
		err_set(err, -EINVAL, "archive: 'path' is missing");
	return path;
}

int route_get_archive(struct route_call *call, struct err *err)
{
	const char *path = read_path(call, err);
	int r = path ? container_archive_out(
			       &call->monitor->container, path, call->request, call->ticket, err)
		     : err->code;

	return r < 0 ? r : API_PARKED;
}

int route_put_archive(struct route_call *call, struct err *err)
{
	const char *path = read_path(call, err);
	struct archive *archive;

	if (!path)
		return err->code;
	archive = container_archive_in(&call->monitor->container, path, call->request, err);
	if (!archive)
		return err->code;
	call->reply->stream = archive_client;
	call->reply->stream_ctx = archive;
	return 0;
}
