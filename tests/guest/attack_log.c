// SPDX-License-Identifier: Apache-2.0
// Attack: devices broken once, or with 'often' on the command line a hundred times; the host counts
// what is logged.
#include "tests/guest/use.h"

#define OFTEN 100u

/* A queue whose size is no power of two. */
static void break_it(const struct vdev *dev)
{
	if (!vdev_negotiate(dev, 0))
		check_fail("%s doesn't negotiate", dev->name);
	vdev_write(dev, VIRTIO_MMIO_QUEUE_SEL, 0);
	vdev_write(dev, VIRTIO_MMIO_QUEUE_NUM, 3);
	vdev_write(dev, VIRTIO_MMIO_QUEUE_READY, 1);
	vdev_go(dev);
	if (!(vdev_status(dev) & STATUS_NEEDS_RESET))
		check_fail("%s isn't broken", dev->name);
}

void guest_main(void)
{
	unsigned int times = word_in(rt_cmdline, "often") ? OFTEN : 1;

	vdev_find_all();
	for (unsigned int d = 0; d < device_count; d++) {
		check_begin("device %u %s", devices[d].slot, devices[d].name);
		for (unsigned int i = 0; i < times; i++)
			break_it(&devices[d]);
		/* Kicks of a broken device aren't worth a line. */
		for (unsigned int i = 0; i < OFTEN; i++)
			vdev_write(&devices[d], VIRTIO_MMIO_QUEUE_NOTIFY, 0);
		check_end();
	}
	check_begin("all of them work again");
	for (unsigned int d = 0; d < device_count; d++)
		prove(&devices[d]);
	check_end();
}
