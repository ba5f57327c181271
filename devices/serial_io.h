// SPDX-License-Identifier: Apache-2.0
// Between the registers of the serial port (serial.c) and its host end (serial_io.c).
#pragma once

#include <stdint.h>

struct serial;

/* All of these: called with the port's mutex held. */

/* serial_output() - a byte leaves the port; never waits. Context: vCPU. */
void serial_output(struct serial *s, uint8_t byte);

/* serial_input_room() - the guest took input: let the loop read more if it had stopped. */
void serial_input_room(struct serial *s);

/* serial_update_irq() - raise the interrupt if its line has just gone up. */
void serial_update_irq(struct serial *s);
