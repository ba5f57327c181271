// SPDX-License-Identifier: Apache-2.0
// A keyboard controller with a keyboard on which nothing is ever typed but Ctrl-Alt-Del.
#pragma once

#include "devices/bus.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 * The guest writes commands to the command port and reads the status there; parameters, bytes for
 * the keyboard and all answers go through the data port. An answer waits in a queue until the
 * guest takes it; each byte that becomes the first one raises the interrupt, if the guest has
 * enabled it. There is no second (mouse) port: what is said to it gets no answer, and its test
 * tells that its clock line is stuck.
 *
 * A controller can end the machine: by the pulse command, or by clearing the reset bit of its
 * output port.
 *
 * Spec: IBM PS/2 Hardware Interface Technical Reference, keyboard and auxiliary device controller.
 */

struct irq;

/* The longest run of bytes that can be due at once: an answer and the keys' eleven. */
#define I8042_QUEUE_MAX 32

/*
 * struct i8042
 * @lock:	guards all that follows
 * @reset:	the guest resets the machine; called on the vCPU's thread, without the lock
 */
struct i8042 {
	const struct irq *irq;
	void (*reset)(void *ctx);
	void *ctx;
	pthread_mutex_t lock;
	uint8_t control;     /* the "command byte" */
	uint8_t command;     /* whose parameter comes next at the data port, or 0 */
	uint8_t key_command; /* the same for the keyboard's own commands */
	bool last_was_command;
	bool scanning;
	unsigned int head, count;
	uint8_t queue[I8042_QUEUE_MAX];
};

/* i8042_init() - as after power-on; @irq outlives it. */
void i8042_init(struct i8042 *kbd, const struct irq *irq, void (*reset)(void *ctx), void *ctx);

/*
 * i8042_ctrl_alt_del() - press and release the three keys
 *
 * Return: 0, -ENODEV when the guest has switched the keyboard off, -EBUSY when it doesn't take
 * what is already there. Context: any thread.
 */
int i8042_ctrl_alt_del(struct i8042 *kbd);

/* For bus_add() with the struct i8042 as device: the data port and the command port, 1 byte each */
extern const struct bus_ops i8042_data_ops;
extern const struct bus_ops i8042_command_ops;
