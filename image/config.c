// SPDX-License-Identifier: Apache-2.0
// The OCI image config.
#include "image/config.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "image/digest.h"
#include "image/json.h"
#include "image/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What is left of the budget for strings while a document is read. */
struct config_budget {
	size_t strings;
	size_t bytes;
};

static void strv_free(char **strv)
{
	for (size_t i = 0; strv && strv[i]; i++)
		free(strv[i]);
	free(strv);
}

void image_config_fini(struct image_config *config)
{
	strv_free(config->entrypoint);
	strv_free(config->cmd);
	strv_free(config->env);
	free(config->user);
	free(config->working_dir);
	free(config->stop_signal);
	*config = (struct image_config){0};
}

void image_spec_fini(struct image_spec *spec)
{
	image_config_fini(&spec->config);
	free(spec->architecture);
	free(spec->os);
	strv_free(spec->diff_ids);
	*spec = (struct image_spec){0};
}

static int config_spend(
	const struct json_doc *doc, struct config_budget *budget, const char *text, struct err *err)
{
	size_t size = strlen(text) + 1;

	if (!budget->strings)
		return err_set(err, -EBADMSG, "%s: more than %d strings", doc->name,
			IMAGE_CONFIG_STRINGS_MAX);
	if (size > budget->bytes)
		return err_set(err, -EBADMSG, "%s: strings of more than %d bytes in all", doc->name,
			IMAGE_CONFIG_BYTES_MAX);
	budget->strings--;
	budget->bytes -= size;
	return 0;
}

static int config_string(const struct json_doc *doc, const json_t *obj, const char *key,
	struct config_budget *budget, char **ret_text, struct err *err)
{
	const char *text = NULL;
	int r = obj ? json_get_string(doc, obj, key, &text, err) : 0;

	if (r)
		return r;
	if (!text)
		text = "";
	if (!json_is_printable(text))
		return err_set(
			err, -EBADMSG, "%s: field %s has control characters", doc->name, key);
	r = config_spend(doc, budget, text, err);
	if (r)
		return r;
	*ret_text = strdup(text);
	return *ret_text ? 0 : err_set(err, -ENOMEM, "%s: out of memory", doc->name);
}

static int config_strv(const struct json_doc *doc, const json_t *obj, const char *key,
	struct config_budget *budget, char ***ret_strv, struct err *err)
{
	json_t *array = NULL;
	char **strv;
	size_t n;
	int r = obj ? json_get_array(doc, obj, key, &array, err) : 0;

	if (r)
		return r;
	n = json_array_size(array);
	if (n > budget->strings)
		return err_set(
			err, -EBADMSG, "%s: field %s has %zu strings, too many", doc->name, key, n);
	strv = calloc(n + 1, sizeof(*strv));
	if (!strv)
		return err_set(err, -ENOMEM, "%s: out of memory", doc->name);
	*ret_strv = strv;
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(array, i));

		if (!text)
			return err_set(err, -EBADMSG, "%s: field %s[%zu] is not a string",
				doc->name, key, i);
		r = config_spend(doc, budget, text, err);
		if (r)
			return r;
		strv[i] = strdup(text);
		if (!strv[i])
			return err_set(err, -ENOMEM, "%s: out of memory", doc->name);
	}
	return 0;
}

static int config_check(const struct json_doc *doc, struct image_config *config, struct err *err)
{
	for (size_t i = 0; config->env[i]; i++) {
		const char *equals = strchr(config->env[i], '=');

		if (!equals || equals == config->env[i])
			return err_set(err, -EBADMSG, "%s: field Env[%zu] is not NAME=VALUE: %.60s",
				doc->name, i, config->env[i]);
	}
	if (config->working_dir[0] && config->working_dir[0] != '/')
		return err_set(err, -EBADMSG, "%s: field WorkingDir is not absolute: %.60s",
			doc->name, config->working_dir);
	return 0;
}

static int spec_diff_ids(const struct json_doc *doc, struct image_spec *spec, struct err *err)
{
	json_t *rootfs, *array = NULL;
	size_t n;
	int r = json_get_object(doc, doc->root, "rootfs", &rootfs, err);

	if (!r && rootfs)
		r = json_get_array(doc, rootfs, "diff_ids", &array, err);
	if (r)
		return r;
	n = json_array_size(array);
	if (n > IMAGE_LAYERS_MAX)
		return err_set(err, -EBADMSG, "%s: field diff_ids has %zu entries, more than %d",
			doc->name, n, IMAGE_LAYERS_MAX);
	spec->diff_ids = calloc(n + 1, sizeof(*spec->diff_ids));
	if (!spec->diff_ids)
		return err_set(err, -ENOMEM, "%s: out of memory", doc->name);
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(array, i));

		if (!text || !digest_is_valid(text))
			return err_set(err, -EBADMSG, "%s: field diff_ids[%zu] is not a digest",
				doc->name, i);
		spec->diff_ids[i] = strdup(text);
		if (!spec->diff_ids[i])
			return err_set(err, -ENOMEM, "%s: out of memory", doc->name);
		spec->ndiff_ids++;
	}
	return 0;
}

static int spec_read(const struct json_doc *doc, struct image_spec *spec, struct err *err)
{
	struct config_budget budget = {
		.strings = IMAGE_CONFIG_STRINGS_MAX,
		.bytes = IMAGE_CONFIG_BYTES_MAX,
	};
	struct image_config *config = &spec->config;
	json_t *obj;
	int r;

	if ((r = config_string(doc, doc->root, "architecture", &budget, &spec->architecture, err)))
		return r;
	if ((r = config_string(doc, doc->root, "os", &budget, &spec->os, err)))
		return r;
	if ((r = json_get_object(doc, doc->root, "config", &obj, err)))
		return r;
	if ((r = config_string(doc, obj, "User", &budget, &config->user, err)))
		return r;
	if ((r = config_string(doc, obj, "WorkingDir", &budget, &config->working_dir, err)))
		return r;
	if ((r = config_string(doc, obj, "StopSignal", &budget, &config->stop_signal, err)))
		return r;
	if ((r = config_strv(doc, obj, "Env", &budget, &config->env, err)))
		return r;
	if ((r = config_strv(doc, obj, "Entrypoint", &budget, &config->entrypoint, err)))
		return r;
	if ((r = config_strv(doc, obj, "Cmd", &budget, &config->cmd, err)))
		return r;
	if ((r = config_check(doc, config, err)))
		return r;
	return spec_diff_ids(doc, spec, err);
}

int image_spec_parse(
	const char *name, const void *data, size_t n, struct image_spec *ret_spec, struct err *err)
{
	struct image_spec spec = {0};
	struct json_doc doc;
	int r = json_doc_parse(name, data, n, &doc, err);

	if (r)
		return r;
	r = spec_read(&doc, &spec, err);
	json_doc_fini(&doc);
	if (r)
		image_spec_fini(&spec);
	else
		*ret_spec = spec;
	return r;
}
