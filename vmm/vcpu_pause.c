// SPDX-License-Identifier: Apache-2.0
// Holding all vCPUs outside the guest, and letting them go on.
#include "vmm/vcpu.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/vm.h"

#include <linux/kvm.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

/*
 * syscalls: loop: close, eventfd2, read, tgkill(0 == SECCOMP_SELF);
 * vcpu: ioctl(1 == KVM_KVMCLOCK_CTRL), write
 */

/*
 *     loop: vcpu_pause_all()             vCPU thread
 *       wanted = true, kick ------------> KVM_RUN returns EINTR, what it was doing completed
 *       (serves on)                       parked++; the last one rings
 *       on_parked() <--eventfd----------- waits
 *       vcpu_resume_all() --broadcast---> parked--, KVM_RUN
 *
 * The lock is held for a few instructions by either side; the loop never waits for a vCPU.
 */

static void on_parked(struct loop_source *src, uint32_t events)
{
	struct vcpu_pause *pause = container_of(src, struct vcpu_pause, src);
	void (*done)(void *ctx) = pause->done;
	uint64_t count;

	if (read(src->fd, &count, sizeof(count)) < 0)
		return;
	/* A ring of a pause that was taken back. */
	if (!done)
		return;
	pause->done = NULL;
	done(pause->ctx);
}

static void ring(const struct vcpu_pause *pause)
{
	uint64_t one = 1;

	if (write(pause->src.fd, &one, sizeof(one)) < 0) {
		/* It rings already. */
	}
}

static int pause_init(struct vcpu_pause *pause, struct loop *loop, struct err *err)
{
	int CLEANUP_FD fd = -1;
	int r;

	if (pause->src.fn)
		return 0;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return err_errno(err, errno, "pausing: eventfd");
	r = loop_add(loop, &pause->src, fd, EPOLLIN, on_parked);
	if (r < 0)
		return err_errno(err, -r, "pausing: eventfd");
	(void)TAKE_FD(fd);
	return 0;
}

static void set_immediate_exit(struct vcpu *vcpu, uint8_t value)
{
	__atomic_store_n(&vcpu->run->immediate_exit, value, __ATOMIC_RELEASE);
}

int vcpu_pause_all(struct vm *vm, void (*done)(void *ctx), void *ctx, struct err *err)
{
	struct vcpu_pause *pause = &vm->pause;
	int r = pause_init(pause, vm->loop, err);

	if (r < 0)
		return r;
	pause->done = done;
	pause->ctx = ctx;
	pthread_mutex_lock(&pause->lock);
	pause->wanted = true;
	/* They may all be there still from the last time, not having noticed that it was over. */
	if (pause->parked == vm->vcpu_count)
		ring(pause);
	for (unsigned int i = 0; i < vm->vcpu_count; i++) {
		set_immediate_exit(&vm->vcpus[i], 1);
		pthread_kill(vm->vcpus[i].thread, VCPU_KICK_SIGNAL);
	}
	pthread_mutex_unlock(&pause->lock);
	return 0;
}

void vcpu_resume_all(struct vm *vm)
{
	struct vcpu_pause *pause = &vm->pause;

	pause->done = NULL;
	pthread_mutex_lock(&pause->lock);
	pause->wanted = false;
	pthread_cond_broadcast(&pause->resumed);
	pthread_mutex_unlock(&pause->lock);
}

void vcpu_park(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	struct vcpu_pause *pause = &vm->pause;

	pthread_mutex_lock(&pause->lock);
	if (pause->wanted) {
		/* Tell the guest's watchdogs of the gap; a guest without kvmclock can't be told. */
		ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
		if (++pause->parked == vm->vcpu_count)
			ring(pause);
		while (pause->wanted && vm->end == VM_RUNNING)
			pthread_cond_wait(&pause->resumed, &pause->lock);
		pause->parked--;
	}
	/* When the VM ends instead, the loop around KVM_RUN sees that first. */
	set_immediate_exit(vcpu, 0);
	pthread_mutex_unlock(&pause->lock);
}
