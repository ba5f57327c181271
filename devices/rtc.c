// SPDX-License-Identifier: Apache-2.0
// The clock of an MC146818.
#include "devices/rtc.h"

#include <time.h>

/* syscalls: vcpu: time */

#define INDEX_MASK 0x7fu
#define DAY_S 86400

enum {
	REG_SECONDS = 0x00,
	REG_MINUTES = 0x02,
	REG_HOURS = 0x04,
	REG_WEEKDAY = 0x06,
	REG_DAY = 0x07,
	REG_MONTH = 0x08,
	REG_YEAR = 0x09,
	REG_A = 0x0a,
	REG_B = 0x0b,
	REG_D = 0x0d,
	REG_CENTURY = 0x32, /* where IBM put it */
};

#define A_DIVIDER 0x26 /* 32 kHz, 1024 Hz; never updating */
#define B_24_HOURS 0x02
#define D_VALID 0x80

static uint8_t bcd(int n)
{
	return (uint8_t)(n / 10 << 4 | n % 10);
}

/* What libc's gmtime() would tell, without the time zone files that it opens. */
struct date {
	int year, month, day;
};

/* Days since 1970 to a date, by counting from March 1 of year 0 in eras of 400 years. */
static struct date date_of(int64_t days)
{
	int64_t since = days + 719468;
	int64_t era = since / 146097, in_era = since % 146097;
	int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * in_year + 2) / 153; /* from March */
	struct date date = {.day = (int)(in_year - (153 * month + 2) / 5 + 1),
		.month = (int)(month < 10 ? month + 3 : month - 9)};

	date.year = (int)(year + era * 400 + (date.month <= 2));
	return date;
}

static uint8_t rtc_register(uint8_t index)
{
	int64_t now = time(NULL);
	struct date date;

	if (now < 0)
		now = 0;
	date = date_of(now / DAY_S);
	switch (index) {
	case REG_SECONDS:
		return bcd((int)(now % 60));
	case REG_MINUTES:
		return bcd((int)(now / 60 % 60));
	case REG_HOURS:
		return bcd((int)(now / 3600 % 24));
	case REG_WEEKDAY:
		/* The epoch was a Thursday; Sunday is 1. */
		return bcd((int)((now / DAY_S + 4) % 7 + 1));
	case REG_DAY:
		return bcd(date.day);
	case REG_MONTH:
		return bcd(date.month);
	case REG_YEAR:
		return bcd(date.year % 100);
	case REG_CENTURY:
		return bcd(date.year / 100 % 100);
	case REG_A:
		return A_DIVIDER;
	case REG_B:
		return B_24_HOURS;
	case REG_D:
		return D_VALID;
	default:
		return 0;
	}
}

static void rtc_read(void *dev, uint64_t offset, void *data, unsigned int len)
{
	struct rtc *rtc = dev;

	/* The index port is write-only. */
	if (offset == 1)
		*(uint8_t *)data = rtc_register(atomic_load(&rtc->index));
}

static void rtc_write(void *dev, uint64_t offset, const void *data, unsigned int len)
{
	struct rtc *rtc = dev;

	if (offset == 0)
		atomic_store(&rtc->index, *(const uint8_t *)data & INDEX_MASK);
}

const struct bus_ops rtc_bus_ops = {.read = rtc_read, .write = rtc_write};
