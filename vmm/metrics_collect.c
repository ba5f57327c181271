// SPDX-License-Identifier: Apache-2.0
// Metrics: gathering what devices and vCPUs have counted.
#include "devices/virtio.h"
#include "vmm/logger.h"
#include "vmm/metrics_keys.h"
#include "vmm/monitor.h"

#include <string.h>

static void collect_slot(struct metrics *metrics, unsigned int n)
{
	const struct virtio_dev *dev = metrics->monitor->machine.slots[n].dev;
	const struct metrics_group *group = metrics_group_of_device(dev->id);

	metrics->now[METRIC_INTERRUPTS] += dev->signals;
	if (!group || !dev->counters)
		return;
	for (unsigned int i = 0; i < group->counters; i++) {
		metrics->slots[n].now[i] = dev->counters[i];
		metrics->sources[group->source].now[i] += dev->counters[i];
	}
}

static void collect_vcpus(struct metrics *metrics)
{
	const struct vm *vm = &metrics->monitor->vm;
	uint64_t *now = metrics->sources[METRICS_VCPU].now;

	for (unsigned int i = 0; i < vm->vcpu_count; i++)
		for (unsigned int k = 0; k < VCPU_EXITS; k++)
			now[k] +=
				atomic_load_explicit(&vm->vcpus[i].exits[k], memory_order_relaxed);
}

void metrics_collect(struct metrics *metrics)
{
	struct machine *machine = &metrics->monitor->machine;

	metrics->now[METRIC_LOST_LINES] = logger_lost();
	metrics->now[METRIC_INTERRUPTS] = 0;
	for (unsigned int i = 0; i < METRICS_SOURCES; i++)
		memset(metrics->sources[i].now, 0, sizeof(metrics->sources[i].now));
	for (unsigned int i = 0; i < machine->slot_count; i++)
		collect_slot(metrics, i);
	collect_vcpus(metrics);
	if (machine->serial.loop)
		serial_count(&machine->serial, metrics->sources[METRICS_UART].now);
}
