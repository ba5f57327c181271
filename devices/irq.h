// SPDX-License-Identifier: Apache-2.0
// An interrupt line as a device sees it: an eventfd that the monitor has bound to the interrupt.
#pragma once

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * struct irq - one edge-triggered line
 * @fd:		eventfd, owned; each write is one edge
 */
struct irq {
	int fd;
};

/* irq_init() - make the eventfd. Return: 0 or -errno (then fd is -1). */
static inline int irq_init(struct irq *irq)
{
	irq->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return irq->fd < 0 ? -errno : 0;
}

static inline void irq_fini(struct irq *irq)
{
	if (irq->fd >= 0)
		close(irq->fd);
	irq->fd = -1;
}

/* irq_raise() - send one edge. Context: any thread. */
static inline void irq_raise(const struct irq *irq)
{
	uint64_t one = 1;

	if (write(irq->fd, &one, sizeof(one)) < 0) {
		/* The counter is full, so an edge is on its way already. */
	}
}
