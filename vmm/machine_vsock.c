// SPDX-License-Identifier: Apache-2.0
// The machine's vsock device.
#include "vmm/machine.h"

#include "base/err.h"
#include "base/log.h"
#include "devices/backend/stream.h"
#include "devices/backend/stream_fd.h"
#include "devices/backend/stream_unix.h"
#include "devices/vsock.h"
#include "vmm/config.h"
#include "vmm/container.h"
#include "vmm/vm.h"

#include <errno.h>

/* The first that a guest may have (virtio 1.2 5.10.4). */
#define VSOCK_CID_DEFAULT 3

static void on_owner_gone(void *ctx)
{
	struct vm *vm = ctx;

	log_info("the vsock channel was closed: ending the microVM");
	vm_stop_from_loop(vm, VM_END_ERROR);
}

/* What the guest reaches beside hull-init's ports. *ret is NULL if that is nothing. */
static int open_backend(struct vm *vm, const struct config_vsock *vsock,
	struct stream_backend **ret, struct err *err)
{
	*ret = NULL;
	if (!vsock->cid)
		return 0;
	if (vsock->uds)
		return stream_unix_new(vm->loop, vsock->uds, vsock->seqpacket, ret, err);
	return stream_fd_new(vm->loop, vsock->fd, on_owner_gone, vm, ret, err);
}

int machine_add_vsock(struct machine *machine, const struct config *config, struct err *err)
{
	const struct config_vsock *vsock = &config->vsock;
	struct vm *vm = machine->vm;
	struct stream_backend *backend, *outer;
	struct virtio_dev *dev;
	int r;

	if (!vsock->cid && !machine->container)
		return 0;
	r = open_backend(vm, vsock, &backend, err);
	if (r < 0)
		return r;
	if (machine->container) {
		r = container_backend(machine->container, backend, &outer);
		if (r < 0) {
			stream_backend_free(backend);
			return err_errno(err, -r, "machine: vsock device");
		}
		backend = outer;
	}
	r = vsock_new(vm->loop, vsock->cid ? vsock->cid : VSOCK_CID_DEFAULT, backend, &dev);
	if (r < 0) {
		stream_backend_free(backend);
		return err_errno(err, -r, "machine: vsock device");
	}
	return machine_add_slot(machine, "vsock", dev, err);
}
