// SPDX-License-Identifier: Apache-2.0
// The clock of an MC146818: what time it is, and nothing else.
#pragma once

#include "devices/bus.h"

#include <stdatomic.h>
#include <stdint.h>

/* Ports of the clock: index, data. */
#define RTC_SIZE 2

/*
 * struct rtc
 * @index:	which byte of the chip the data port shows
 *
 * Shows the host's time in UTC, always settled, in 24-hour BCD; has no alarm, no interrupt, and no
 * memory behind its registers: writes but those of the index go nowhere.
 */
struct rtc {
	atomic_uchar index;
};

/* For bus_add() at an I/O port with the struct rtc, zeroed, as its device, RTC_SIZE bytes. */
extern const struct bus_ops rtc_bus_ops;
