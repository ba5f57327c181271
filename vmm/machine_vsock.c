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
#include "vmm/vm.h"

#include <errno.h>

static void on_owner_gone(void *ctx)
{
	struct vm *vm = ctx;

	log_info("the vsock channel was closed: ending the microVM");
	vm_stop_from_loop(vm, VM_END_ERROR);
}

int machine_add_vsock(struct machine *machine, const struct config *config, struct err *err)
{
	const struct config_vsock *vsock = &config->vsock;
	struct vm *vm = machine->vm;
	struct stream_backend *backend;
	struct virtio_dev *dev;
	int r;

	if (!vsock->cid)
		return 0;
	if (vsock->uds)
		r = stream_unix_new(vm->loop, vsock->uds, vsock->seqpacket, &backend, err);
	else
		r = stream_fd_new(vm->loop, vsock->fd, on_owner_gone, vm, &backend, err);
	if (r < 0)
		return r;
	r = vsock_new(vm->loop, vsock->cid, backend, &dev);
	if (r < 0) {
		stream_backend_free(backend);
		return err_errno(err, -r, "machine: vsock device");
	}
	return machine_add_slot(machine, "vsock", dev, err);
}
