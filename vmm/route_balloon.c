// SPDX-License-Identifier: Apache-2.0
// /balloon and /balloon/statistics
#include "vmm/routes.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "devices/balloon.h"
#include "vmm/monitor.h"

/* A day; the field has 16 bits in Firecracker. */
#define POLLING_MAX_S 65535

/* The device of a VM that has one, or NULL with @err set. */
static struct virtio_dev *find(struct monitor *monitor, struct err *err)
{
	struct machine_slot *slot = machine_find_slot(&monitor->machine, "balloon");

	if (!slot)
		err_set(err, -ENODEV, "balloon: this microVM has none");
	return slot ? slot->dev : NULL;
}

int route_put_balloon(struct route_call *call, struct err *err)
{
	struct config *config = &call->monitor->config;
	struct balloon_config device = {0};
	uint64_t mib = 0, stats_s = 0;
	bool hinting = false;
	const struct json_field fields[] = {
		{.name = "amount_mib",
			.type = JSON_READ_UINT,
			.ret = &mib,
			.required = true,
			.max = UINT32_MAX},
		{.name = "deflate_on_oom",
			.type = JSON_READ_BOOL,
			.ret = &device.deflate_on_oom,
			.required = true},
		JSON_UINT("stats_polling_interval_s", &stats_s, 0, POLLING_MAX_S),
		JSON_BOOL("free_page_hinting", &hinting),
		JSON_BOOL("free_page_reporting", &device.reporting),
	};
	int r = json_read("balloon", call->body, fields, ARRAY_SIZE(fields), err);

	if (r < 0)
		return r;
	if (hinting)
		return err_set(err, -ENOTSUP,
			"balloon: field 'free_page_hinting' is not supported: use "
			"free_page_reporting");
	device.target_mib = (uint32_t)mib;
	device.stats_s = (uint32_t)stats_s;
	config->balloon = (struct config_balloon){.present = true, .device = device};
	return 0;
}

int route_patch_balloon(struct route_call *call, struct err *err)
{
	struct virtio_dev *dev;
	uint64_t mib = 0;
	const struct json_field fields[] = {
		{.name = "amount_mib",
			.type = JSON_READ_UINT,
			.ret = &mib,
			.required = true,
			.max = UINT32_MAX},
	};
	int r = json_read("balloon", call->body, fields, ARRAY_SIZE(fields), err);

	dev = r ? NULL : find(call->monitor, err);
	if (!dev)
		return r ? r : -ENODEV;
	if (balloon_set_target(dev, (uint32_t)mib) < 0)
		return err_set(err, -EINVAL,
			"balloon: field 'amount_mib': %llu is more than the guest's memory",
			(unsigned long long)mib);
	call->monitor->config.balloon.device.target_mib = (uint32_t)mib;
	return 0;
}

void route_describe_balloon(const struct monitor *monitor, struct json_out *out, const char *key)
{
	const struct config_balloon *balloon = &monitor->config.balloon;

	if (!balloon->present) {
		json_put_null(out, key);
		return;
	}
	json_begin(out, key, '{');
	json_put_uint(out, "amount_mib", balloon->device.target_mib);
	json_put_bool(out, "deflate_on_oom", balloon->device.deflate_on_oom);
	json_put_uint(out, "stats_polling_interval_s", balloon->device.stats_s);
	json_put_bool(out, "free_page_hinting", false);
	json_put_bool(out, "free_page_reporting", balloon->device.reporting);
	json_end(out, '}');
}

int route_get_balloon(struct route_call *call, struct err *err)
{
	if (!call->monitor->config.balloon.present)
		return err_set(err, -ENODEV, "balloon: this microVM has none");
	route_describe_balloon(call->monitor, &call->out, NULL);
	return 0;
}

int route_get_balloon_stats(struct route_call *call, struct err *err)
{
	struct virtio_dev *dev = find(call->monitor, err);
	struct json_out *out = &call->out;
	struct balloon_stats stats;

	if (!dev)
		return -ENODEV;
	balloon_get_stats(dev, &stats);
	if (!stats.stats_s)
		return err_set(err, -ENOTSUP, "balloon: its statistics are not enabled");
	json_begin(out, NULL, '{');
	json_put_uint(out, "target_pages", stats.target_pages);
	json_put_uint(out, "actual_pages", stats.actual_pages);
	json_put_uint(out, "target_mib", stats.target_pages / BALLOON_PAGES_PER_MIB);
	json_put_uint(out, "actual_mib", stats.actual_pages / BALLOON_PAGES_PER_MIB);
	for (unsigned int i = 0; i < BALLOON_STAT_COUNT; i++)
		if (stats.present >> i & 1)
			json_put_uint(
				out, balloon_stat_name((enum balloon_stat)i), stats.values[i]);
	json_end(out, '}');
	return 0;
}

int route_patch_balloon_stats(struct route_call *call, struct err *err)
{
	uint64_t seconds = 0;
	const struct json_field fields[] = {
		{.name = "stats_polling_interval_s",
			.type = JSON_READ_UINT,
			.ret = &seconds,
			.required = true,
			.max = POLLING_MAX_S},
	};
	int r = json_read("balloon statistics", call->body, fields, ARRAY_SIZE(fields), err);
	struct virtio_dev *dev = r ? NULL : find(call->monitor, err);

	if (!dev)
		return r ? r : -ENODEV;
	r = balloon_set_polling(dev, (uint32_t)seconds);
	if (r == -ENOTSUP)
		return err_set(err, r, "balloon: it was made without statistics");
	if (r < 0)
		return err_errno(err, -r, "balloon: statistics");
	call->monitor->config.balloon.device.stats_s = (uint32_t)seconds;
	return 0;
}
