// SPDX-License-Identifier: Apache-2.0
// The machine's balloon.
#include "vmm/machine.h"

#include "base/err.h"
#include "devices/backend/reclaim.h"
#include "devices/balloon.h"
#include "vmm/config.h"
#include "vmm/vm.h"

#include <errno.h>

#define SMALL_PAGE 4096u
#define HUGE_PAGE (2u << 20)

int machine_add_balloon(struct machine *machine, const struct config *config, struct err *err)
{
	const struct config_balloon *balloon = &config->balloon;
	struct vm *vm = machine->vm;
	struct reclaim *reclaim;
	struct virtio_dev *dev;
	int r;

	if (!balloon->present)
		return 0;
	r = reclaim_host_new(
		&vm->mem, config->pages == CONFIG_PAGES_HUGETLB ? HUGE_PAGE : SMALL_PAGE, &reclaim);
	if (r < 0)
		return err_errno(err, -r, "machine: balloon");
	r = balloon_new(vm->loop, &vm->mem, reclaim, &balloon->device, &dev);
	if (r < 0) {
		reclaim_free(reclaim);
		if (r == -EINVAL)
			return err_set(err, r, "balloon: %u MiB is more than the guest's memory",
				balloon->device.target_mib);
		return err_errno(err, -r, "machine: balloon");
	}
	return machine_add_slot(machine, "balloon", dev, err);
}
