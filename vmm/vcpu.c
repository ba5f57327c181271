// SPDX-License-Identifier: Apache-2.0
// A vCPU and the thread that runs it.
#include "vmm/vcpu.h"

#include "base/err.h"
#include "base/log.h"
#include "vmm/arch/arch.h"
#include "vmm/fatal.h"
#include "vmm/sandbox/seccomp.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * syscalls: vcpu: ioctl(1 == KVM_RUN); loop: futex, tgkill(0 == SECCOMP_SELF); start: clone3,
 * close, ioctl, mmap, munmap, prctl, rt_sigaction, rt_sigprocmask, sched_setscheduler
 */

/* A vCPU thread calls one or two handlers deep; only touched pages cost memory. */
#define VCPU_STACK_SIZE (64 * 1024)

static int vcpu_create(struct vm *vm, unsigned int index, size_t run_size, struct err *err)
{
	struct vcpu *vcpu = &vm->vcpus[index];

	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, index);
	if (vcpu->fd < 0)
		return err_errno(err, errno, "kvm: creating vCPU %u", index);
	vcpu->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		return err_errno(err, errno, "kvm: mapping vCPU %u", index);
	return 0;
}

int vcpu_create_all(
	struct vm *vm, unsigned int count, const struct arch_entry *entry, struct err *err)
{
	int run_size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	int r;

	if (run_size < (int)sizeof(struct kvm_run))
		return err_set(err, -EIO, "kvm: a vCPU's shared page of %d bytes", run_size);
	vm->vcpus = calloc(count, sizeof(*vm->vcpus));
	if (!vm->vcpus)
		return err_set(err, -ENOMEM, "out of memory for %u vCPUs", count);
	vm->vcpu_count = count;
	for (unsigned int i = 0; i < count; i++)
		vm->vcpus[i] = (struct vcpu){.vm = vm, .index = i, .fd = -1, .run = MAP_FAILED};
	for (unsigned int i = 0; i < count; i++) {
		r = vcpu_create(vm, i, (size_t)run_size, err);
		if (r < 0)
			return r;
		r = arch_vcpu_init(vm, &vm->vcpus[i], i ? NULL : entry, err);
		if (r < 0)
			return r;
	}
	return 0;
}

void vcpu_free_all(struct vm *vm)
{
	int run_size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	for (unsigned int i = 0; i < vm->vcpu_count; i++) {
		struct vcpu *vcpu = &vm->vcpus[i];

		if (vcpu->run != MAP_FAILED)
			munmap(vcpu->run, (size_t)run_size);
		if (vcpu->fd >= 0)
			close(vcpu->fd);
	}
	free(vm->vcpus);
	vm->vcpus = NULL;
	vm->vcpu_count = 0;
}

/* One writer: no locked instruction is needed. */
static void vcpu_count(struct vcpu *vcpu, enum vcpu_exit kind)
{
	uint64_t count = atomic_load_explicit(&vcpu->exits[kind], memory_order_relaxed);

	atomic_store_explicit(&vcpu->exits[kind], count + 1, memory_order_relaxed);
}

static void vcpu_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	bool in = run->io.direction == KVM_EXIT_IO_IN;

	vcpu_count(vcpu, in ? VCPU_EXIT_IO_IN : VCPU_EXIT_IO_OUT);
	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		if (in)
			bus_read(&vcpu->vm->pio, run->io.port, data, run->io.size);
		else
			bus_write(&vcpu->vm->pio, run->io.port, data, run->io.size);
	}
}

static void vcpu_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	vcpu_count(vcpu, run->mmio.is_write ? VCPU_EXIT_MMIO_WRITE : VCPU_EXIT_MMIO_READ);
	if (run->mmio.is_write)
		bus_write(&vcpu->vm->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	else
		bus_read(&vcpu->vm->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
}

static void vcpu_failed(struct vcpu *vcpu)
{
	vcpu_count(vcpu, VCPU_EXIT_FAILED);
	vm_stop(vcpu->vm, VM_END_KVM);
}

/* Handle one exit. Return: true to enter the guest again. */
static bool vcpu_handle_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		vcpu_io(vcpu);
		break;
	case KVM_EXIT_MMIO:
		vcpu_mmio(vcpu);
		break;
	case KVM_EXIT_INTR:
		break;
	case KVM_EXIT_SHUTDOWN:
		vm_stop(vcpu->vm, VM_END_TRIPLE_FAULT);
		return false;
	case KVM_EXIT_SYSTEM_EVENT:
		vm_stop(vcpu->vm,
			run->system_event.type == KVM_SYSTEM_EVENT_SHUTDOWN ? VM_END_POWEROFF
			: run->system_event.type == KVM_SYSTEM_EVENT_RESET  ? VM_END_REBOOT
									    : VM_END_PANIC);
		return false;
	case KVM_EXIT_FAIL_ENTRY:
		log_error("kvm: vCPU %u can't be entered, hardware reason 0x%llx", vcpu->index,
			(unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		vcpu_failed(vcpu);
		return false;
	case KVM_EXIT_INTERNAL_ERROR:
		log_error("kvm: vCPU %u: internal error, suberror %u", vcpu->index,
			run->internal.suberror);
		vcpu_failed(vcpu);
		return false;
	default:
		log_error("kvm: vCPU %u: unexpected exit reason %u", vcpu->index, run->exit_reason);
		vcpu_failed(vcpu);
		return false;
	}
	return true;
}

/* Interrupting KVM_RUN is all that the signal is for. */
static void on_kick(int signo)
{
}

static bool vcpu_may_run(const struct vcpu *vcpu)
{
	return atomic_load_explicit(&vcpu->vm->end, memory_order_relaxed) == VM_RUNNING;
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	sigset_t kick;
	char name[16];

	sigemptyset(&kick);
	sigaddset(&kick, VCPU_KICK_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &kick, NULL);

	snprintf(name, sizeof(name), "vcpu%u", vcpu->index);
	pthread_setname_np(pthread_self(), name);
	/* Not before the loop is ready for a guest, too. */
	pthread_mutex_lock(&vcpu->vm->pause.lock);
	pthread_mutex_unlock(&vcpu->vm->pause.lock);
	if (vcpu->vm->filtered && seccomp_enter(SECCOMP_VCPU) < 0) {
		log_error("jail: seccomp: vCPU %u: errno %d", vcpu->index, errno);
		vcpu_failed(vcpu);
	}
	while (vcpu_may_run(vcpu)) {
		if (ioctl(vcpu->fd, KVM_RUN, 0) < 0) {
			/* A kick, or an AP that got its SIPI: look again. */
			if (errno == EINTR || errno == EAGAIN) {
				vcpu_park(vcpu);
				continue;
			}
			log_error("kvm: running vCPU %u: errno %d%s", vcpu->index, errno,
				errno == EFAULT ? ": was a kernel or initrd cut short that is "
						  "mapped into guest memory?"
						: "");
			vcpu_failed(vcpu);
			break;
		}
		if (!vcpu_handle_exit(vcpu))
			break;
	}
	return NULL;
}

/*
 * Where all CPUs are busy, a kick shall not take the CPU from the vCPU that made it: it goes on to
 * queue more, and all of it is served at once. Where one is free this changes nothing.
 */
static void give_way(void)
{
	const struct sched_param param = {0};

	if (sched_setscheduler(0, SCHED_BATCH, &param) < 0)
		log_debug("the loop is scheduled like other threads: %s", strerror(errno));
}

int vcpu_start_all(struct vm *vm, struct err *err)
{
	struct sigaction action = {.sa_handler = on_kick};
	sigset_t all, old;
	pthread_attr_t attr;
	int r = 0;

	if (sigaction(VCPU_KICK_SIGNAL, &action, NULL) < 0)
		return err_errno(err, errno, "vCPU kick signal");

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, VCPU_STACK_SIZE);
	/* Signals are the loop's business; a vCPU thread inherits a full mask, but for
	 * its own faults. */
	sigfillset(&all);
	fatal_unblock(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_mutex_lock(&vm->pause.lock);
	for (unsigned int i = 0; i < vm->vcpu_count; i++) {
		r = pthread_create(&vm->vcpus[i].thread, &attr, vcpu_thread, &vm->vcpus[i]);
		if (r) {
			r = err_errno(err, r, "starting the thread of vCPU %u", i);
			break;
		}
		vm->vcpus[i].started = true;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	give_way();
	if (!r && vm->filtered) {
		r = seccomp_enter(SECCOMP_LOOP);
		if (r < 0)
			err_errno(err, -r, "jail: seccomp");
	}
	if (r < 0)
		atomic_store(&vm->end, VM_END_ERROR);
	pthread_mutex_unlock(&vm->pause.lock);
	return r;
}

void vcpu_stop_all(struct vm *vm)
{
	/* Those that are paused look at vm->end, which is set. */
	vcpu_resume_all(vm);
	for (unsigned int i = 0; i < vm->vcpu_count; i++) {
		struct vcpu *vcpu = &vm->vcpus[i];

		if (!vcpu->started)
			continue;
		/* A kick right before KVM_RUN would be lost without the flag. */
		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_RELEASE);
		pthread_kill(vcpu->thread, VCPU_KICK_SIGNAL);
	}
	for (unsigned int i = 0; i < vm->vcpu_count; i++) {
		struct vcpu *vcpu = &vm->vcpus[i];

		if (vcpu->started)
			pthread_join(vcpu->thread, NULL);
		vcpu->started = false;
	}
}
