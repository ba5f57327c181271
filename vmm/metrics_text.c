// SPDX-License-Identifier: Apache-2.0
// Metrics as OpenMetrics text.
#include "base/buf.h"
#include "devices/virtio.h"
#include "vmm/metrics_keys.h"
#include "vmm/monitor.h"

/*
 * A family for each key that is counted, "hull_GROUP_KEY"; devices of which there may be several
 * are told apart by a label:
 *
 *     # TYPE hull_block_read_bytes counter
 *     # HELP hull_block_read_bytes read_bytes of a block device
 *     hull_block_read_bytes_total{drive_id="root"} 4096
 */

/* A label's value: names of devices, which may come from a command line. */
static int put_escaped(struct buf *out, const char *text)
{
	int r = 0;

	for (; *text && !r; text++) {
		if (*text == '"' || *text == '\\')
			r = buf_printf(out, "\\%c", *text);
		else if (*text == '\n')
			r = buf_printf(out, "\\n");
		else
			r = buf_add(out, text, 1);
	}
	return r;
}

static int put_sample(struct buf *out, const struct metrics_key *key, const char *suffix,
	const char *label, const char *name)
{
	int r = buf_printf(out, "hull_%s_%s%s", key->group, key->name, suffix);

	if (!r && label)
		r = buf_printf(out, "{%s=\"", label);
	if (!r && label)
		r = put_escaped(out, name);
	return !r && label ? buf_printf(out, "\"}") : r;
}

static int put_head(struct buf *out, const struct metrics_key *key, const char *type)
{
	return buf_printf(out, "# TYPE hull_%s_%s %s\n# HELP hull_%s_%s %s of %s\n", key->group,
		key->name, type, key->group, key->name, key->name, metrics_group(key->group)->noun);
}

/* One line for each device of this kind. */
static int put_devices(const struct metrics *metrics, const struct metrics_key *key,
	const struct metrics_group *group, struct buf *out)
{
	const struct machine *machine = &metrics->monitor->machine;
	bool any = false;
	int r = 0;

	for (unsigned int i = 0; i < machine->slot_count && !r; i++) {
		const struct machine_slot *slot = &machine->slots[i];

		if (slot->dev->id != group->virtio_id || !slot->dev->counters)
			continue;
		if (!any)
			r = put_head(out, key, "counter");
		any = true;
		if (!r)
			r = put_sample(out, key, "_total", group->label, slot->id);
		if (!r)
			r = buf_printf(out, " %llu\n",
				(unsigned long long)metrics->slots[i].now[key->counter]);
	}
	return r;
}

static int put_key(const struct metrics *metrics, const struct metrics_key *key, struct buf *out)
{
	const struct metrics_group *group = metrics_group(key->group);
	bool own = group->source == METRICS_MONITOR;
	bool value = own && metrics_is_value((enum metric)key->counter);
	uint64_t now;
	int r;

	if (key->counter == METRICS_NOT_COUNTED)
		return 0;
	if (group->label)
		return put_devices(metrics, key, group, out);
	now = own ? metrics->now[key->counter] : metrics->sources[group->source].now[key->counter];
	r = put_head(out, key, value ? "gauge" : "counter");
	if (!r)
		r = put_sample(out, key, value ? "" : "_total", NULL, NULL);
	return r ? r : buf_printf(out, " %llu\n", (unsigned long long)now);
}

int metrics_text(struct metrics *metrics, struct buf *out)
{
	size_t count;
	const struct metrics_key *keys = metrics_keys(&count);
	int r;

	metrics_collect(metrics);
	r = buf_printf(out,
		"# TYPE hull_vm info\n# HELP hull_vm the microVM\nhull_vm_info{id=\"%s\",version="
		"\"" HULL_VERSION "\"} 1\n",
		metrics->monitor->config.id);
	for (size_t i = 0; i < count && !r; i++)
		r = put_key(metrics, &keys[i], out);
	return r ? r : buf_printf(out, "# EOF\n");
}
