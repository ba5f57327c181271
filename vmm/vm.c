// SPDX-License-Identifier: Apache-2.0
// One virtual machine.
#include "vmm/vm.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "vmm/arch/arch.h"
#include "vmm/config.h"
#include "vmm/memory_fault.h"
#include "vmm/vcpu.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* syscalls: start: close, getuid, ioctl, munmap, openat, read */

/* The extensions this monitor can't do without, all older than Linux 4.4. */
static const struct {
	int cap;
	const char *name;
} required_caps[] = {
	{KVM_CAP_IRQCHIP, "in-kernel interrupt controller"},
	{KVM_CAP_USER_MEMORY, "user memory"},
	{KVM_CAP_IRQFD, "irqfd"},
	{KVM_CAP_IOEVENTFD, "ioeventfd"},
	{KVM_CAP_IMMEDIATE_EXIT, "immediate exit"},
};

const char *vm_end_name(enum vm_end end)
{
	switch (end) {
	case VM_END_POWEROFF:
		return "poweroff";
	case VM_END_REBOOT:
		return "reboot";
	case VM_END_TRIPLE_FAULT:
		return "triple-fault";
	case VM_END_PANIC:
		return "panic";
	case VM_END_ERROR:
	case VM_END_KVM:
	case VM_RUNNING:
		break;
	}
	return "error";
}

const char *vm_end_text(enum vm_end end)
{
	switch (end) {
	case VM_END_POWEROFF:
		return "the guest powered off";
	case VM_END_REBOOT:
		return "the guest asked for a reboot";
	case VM_END_TRIPLE_FAULT:
		return "the guest ended in a triple fault";
	case VM_END_PANIC:
		return "the guest's kernel panicked";
	case VM_END_KVM:
		return "KVM could not run the guest";
	case VM_END_ERROR:
		return "the microVM was stopped";
	case VM_RUNNING:
		break;
	}
	return "the microVM is running";
}

/* As the host knows them: in a user namespace, as hull run makes one, they have another number. */
static unsigned int user_outside(void)
{
	int CLEANUP_FD fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	unsigned long uid = getuid();
	char text[256], *at = text;
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	for (;;) {
		unsigned long inside = strtoul(at, &at, 10);
		unsigned long outside = strtoul(at, &at, 10);
		unsigned long count = strtoul(at, &at, 10);

		if (!count)
			return (unsigned int)uid;
		if (uid >= inside && uid - inside < count)
			return (unsigned int)(outside + (uid - inside));
	}
}

static int open_kvm(bool any, struct err *err)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int version;

	if (fd < 0) {
		switch (errno) {
		case ENOENT:
		case ENXIO:
		case ENODEV:
			return err_set(err, -errno,
				"/dev/kvm does not exist: this host has no KVM (is the kvm-amd or "
				"kvm-intel module loaded?)");
		case EACCES:
		case EPERM:
			return err_set(err, -errno,
				"/dev/kvm is not permitted to user %u (is it in the kvm group?)",
				user_outside());
		default:
			return err_errno(err, errno, "/dev/kvm");
		}
	}
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION) {
		close(fd);
		if (version < 0)
			return err_set(err, -ENODEV, "/dev/kvm is not a KVM device");
		return err_set(err, -ENODEV, "/dev/kvm speaks version %d of its API, not %d",
			version, KVM_API_VERSION);
	}
	if (!any && !arch_has_virtualization()) {
		close(fd);
		return err_set(err, -ENODEV,
			"/dev/kvm has no hardware virtualization behind it (no vmx or svm in this "
			"CPU's features), so it can't run a guest kernel");
	}
	return fd;
}

int vm_init(struct vm *vm, struct loop *loop, const struct config *config, struct err *err)
{
	int r;

	*vm = VM_NONE(loop);
	vm->kvm_fd = open_kvm(config->kvm_any, err);
	if (vm->kvm_fd < 0)
		return vm->kvm_fd;
	do
		vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	while (vm->fd < 0 && errno == EINTR);
	if (vm->fd < 0)
		return err_errno(err, errno, "kvm: creating a VM");
	for (size_t i = 0; i < sizeof(required_caps) / sizeof(required_caps[0]); i++)
		if (ioctl(vm->fd, KVM_CHECK_EXTENSION, required_caps[i].cap) <= 0)
			return err_set(
				err, -ENOTSUP, "kvm: this host lacks %s", required_caps[i].name);
	r = arch_vm_init(vm, config, err);
	return r < 0 ? r : 0;
}

void vm_fini(struct vm *vm)
{
	struct err ignored;

	vcpu_free_all(vm);
	arch_vm_fini(vm);
	if (vm->ram) {
		memory_fault_watch(NULL, 0, &ignored);
		munmap(vm->ram, vm->ram_size);
	}
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->kvm_fd >= 0)
		close(vm->kvm_fd);
	*vm = VM_NONE(vm->loop);
}

int vm_bind_irq(struct vm *vm, uint32_t gsi, int fd)
{
	struct kvm_irqfd irqfd = {.fd = (uint32_t)fd, .gsi = gsi};

	return ioctl(vm->fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

int vm_bind_notify(struct vm *vm, uint64_t gpa, uint32_t value, int fd)
{
	struct kvm_ioeventfd ioeventfd = {
		.datamatch = value,
		.addr = gpa,
		.len = 4,
		.fd = fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	return ioctl(vm->fd, KVM_IOEVENTFD, &ioeventfd) < 0 ? -errno : 0;
}

void vm_stop_from_loop(struct vm *vm, enum vm_end end)
{
	enum vm_end running = VM_RUNNING;

	atomic_compare_exchange_strong(&vm->end, &running, end);
	loop_quit(vm->loop);
}

static void quit_on_loop(void *arg)
{
	struct vm *vm = arg;

	loop_quit(vm->loop);
}

void vm_stop(struct vm *vm, enum vm_end end)
{
	enum vm_end running = VM_RUNNING;

	atomic_compare_exchange_strong(&vm->end, &running, end);
	loop_call(vm->loop, quit_on_loop, vm);
}
