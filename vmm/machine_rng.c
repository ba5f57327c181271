// SPDX-License-Identifier: Apache-2.0
// The machine's entropy device.
#include "vmm/machine.h"

#include "base/err.h"
#include "devices/backend/entropy.h"
#include "devices/rng.h"
#include "devices/virtio.h"
#include "vmm/config.h"
#include "vmm/vm.h"

int machine_add_rng(struct machine *machine, const struct config *config, struct err *err)
{
	struct entropy *entropy;
	struct virtio_dev *dev;
	int r;

	if (!config->rng.present)
		return 0;
	r = entropy_host_new(&entropy, err);
	if (r < 0)
		return r;
	r = rng_new(machine->vm->loop, entropy, &dev);
	if (r < 0) {
		entropy_free(entropy);
		return err_errno(err, -r, "machine: entropy device");
	}
	r = rng_set_limits(dev, &config->rng.rate);
	if (r < 0) {
		dev->ops->free(dev);
		return err_errno(err, -r, "machine: entropy device");
	}
	return machine_add_slot(machine, "rng", dev, err);
}
