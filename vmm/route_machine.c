// SPDX-License-Identifier: Apache-2.0
// /machine-config and /cpu-config
#include "vmm/routes.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/monitor.h"

/* The same as --memory's. */
#define MEMORY_MAX_MIB (64ull << 20)

static const char *const templates[] = {"None", "C3", "T2", "T2S", "T2CL", "T2A", "V1N1", NULL};
static const char *const page_sizes[] = {
	[CONFIG_PAGES_SMALL] = "None",
	[CONFIG_PAGES_THP] = "Transparent",
	[CONFIG_PAGES_HUGETLB] = "2M",
	NULL,
};

/* Fields in the order of the table; all but those given keep what they have. */
struct machine_body {
	uint64_t cpus, mib;
	bool smt, track;
	int cpu_template, pages;
	bool given[6];
};

static int read_body(
	struct route_call *call, bool whole, struct machine_body *body, struct err *err)
{
	const struct json_field fields[] = {
		{.name = "vcpu_count",
			.type = JSON_READ_UINT,
			.ret = &body->cpus,
			.ret_given = &body->given[0],
			.required = whole,
			.min = 1,
			.max = CONFIG_CPUS_MAX},
		{.name = "mem_size_mib",
			.type = JSON_READ_UINT,
			.ret = &body->mib,
			.ret_given = &body->given[1],
			.required = whole,
			.min = 1,
			.max = MEMORY_MAX_MIB},
		{.name = "smt",
			.type = JSON_READ_BOOL,
			.ret = &body->smt,
			.ret_given = &body->given[2]},
		{.name = "cpu_template",
			.type = JSON_READ_WORD,
			.ret = &body->cpu_template,
			.ret_given = &body->given[3],
			.words = templates},
		{.name = "track_dirty_pages",
			.type = JSON_READ_BOOL,
			.ret = &body->track,
			.ret_given = &body->given[4]},
		{.name = "huge_pages",
			.type = JSON_READ_WORD,
			.ret = &body->pages,
			.ret_given = &body->given[5],
			.words = page_sizes},
	};
	int r = json_read("machine-config", call->body, fields, ARRAY_SIZE(fields), err);

	if (r < 0)
		return r;
	call->deprecated = body->given[3];
	if (body->smt)
		return err_set(err, -ENOTSUP,
			"machine-config: field 'smt': threads of one core are not supported");
	if (body->cpu_template)
		return err_set(err, -ENOTSUP,
			"machine-config: field 'cpu_template': the template '%s' is not supported",
			templates[body->cpu_template]);
	if (body->track)
		return err_set(err, -ENOTSUP,
			"machine-config: field 'track_dirty_pages' is not supported yet");
	return 0;
}

static int check_pages(const struct machine_body *body, struct err *err)
{
	if (body->pages && body->mib % 2)
		return err_set(err, -EINVAL,
			"machine-config: field 'mem_size_mib': %llu is not a multiple of 2",
			(unsigned long long)body->mib);
	return 0;
}

static void take_body(struct config *config, const struct machine_body *body)
{
	if (body->given[0])
		config->cpus = (unsigned int)body->cpus;
	if (body->given[1])
		config->memory = body->mib << 20;
	if (body->given[5])
		config->pages = (enum config_pages)body->pages;
}

int route_put_machine(struct route_call *call, struct err *err)
{
	struct machine_body body = {0};
	int r = read_body(call, true, &body, err);

	/* What a PUT leaves out has its default. */
	body.given[5] = true;
	if (!r)
		r = check_pages(&body, err);
	if (r < 0)
		return r;
	take_body(&call->monitor->config, &body);
	return 0;
}

int route_patch_machine(struct route_call *call, struct err *err)
{
	const struct config *config = &call->monitor->config;
	struct machine_body body = {.mib = config->memory >> 20, .pages = (int)config->pages};
	int r = read_body(call, false, &body, err);
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(body.given); i++)
		any |= body.given[i];
	if (!r && !any)
		r = err_set(err, -EINVAL, "machine-config: there is nothing to be changed");
	if (!r)
		r = check_pages(&body, err);
	if (!r)
		take_body(&call->monitor->config, &body);
	return r;
}

void route_describe_machine(const struct monitor *monitor, struct json_out *out, const char *key)
{
	const struct config *config = &monitor->config;

	json_begin(out, key, '{');
	json_put_uint(out, "vcpu_count", config->cpus);
	json_put_uint(out, "mem_size_mib", config->memory >> 20);
	json_put_bool(out, "smt", false);
	json_put_bool(out, "track_dirty_pages", false);
	json_put_string(out, "huge_pages", page_sizes[config->pages]);
	json_end(out, '}');
}

int route_get_machine(struct route_call *call, struct err *err)
{
	route_describe_machine(call->monitor, &call->out, NULL);
	return 0;
}

/* A custom template that changes nothing is what every guest has. */
int route_put_cpu_config(struct route_call *call, struct err *err)
{
	static const char *const names[] = {"kvm_capabilities", "cpuid_modifiers", "msr_modifiers",
		"reg_modifiers", "vcpu_features"};
	const json_t *lists[ARRAY_SIZE(names)] = {0};
	struct json_field fields[ARRAY_SIZE(names)];
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		fields[i] = (struct json_field)JSON_ARRAY_FIELD(names[i], &lists[i]);
	r = json_read("cpu-config", call->body, fields, ARRAY_SIZE(fields), err);
	for (size_t i = 0; i < ARRAY_SIZE(names) && !r; i++)
		if (json_array_size(lists[i]))
			r = err_set(err, -ENOTSUP,
				"cpu-config: field '%s': changes are not supported yet", names[i]);
	return r;
}
