// SPDX-License-Identifier: Apache-2.0
// A keyboard controller with a keyboard on which nothing is ever typed but Ctrl-Alt-Del.
#include "devices/i8042.h"

#include "devices/irq.h"

#include <errno.h>
#include <string.h>

/* syscalls: loop, vcpu: write */

enum {
	STATUS_OUTPUT_FULL = 1 << 0,
	STATUS_SYSTEM = 1 << 2,
	STATUS_COMMAND = 1 << 3, /* the last write was to the command port */
	STATUS_UNLOCKED = 1 << 4,
};

enum {
	CONTROL_INTERRUPT = 1 << 0,
	CONTROL_SYSTEM = 1 << 2,
	CONTROL_KEYBOARD_OFF = 1 << 4,
	CONTROL_MOUSE_OFF = 1 << 5,
	CONTROL_TRANSLATE = 1 << 6,
};

enum {
	CMD_READ_CONTROL = 0x20,
	CMD_WRITE_CONTROL = 0x60,
	CMD_MOUSE_OFF = 0xa7,
	CMD_MOUSE_ON = 0xa8,
	CMD_TEST_MOUSE = 0xa9,
	CMD_SELF_TEST = 0xaa,
	CMD_TEST_KEYBOARD = 0xab,
	CMD_KEYBOARD_OFF = 0xad,
	CMD_KEYBOARD_ON = 0xae,
	CMD_READ_INPUT_PORT = 0xc0,
	CMD_READ_OUTPUT_PORT = 0xd0,
	CMD_WRITE_OUTPUT_PORT = 0xd1,
	CMD_LOOP_KEYBOARD = 0xd2,
	CMD_LOOP_MOUSE = 0xd3,
	CMD_WRITE_MOUSE = 0xd4,
	CMD_PULSE = 0xf0, /* to 0xff; bits that are 0 are pulsed low, bit 0 resets */
};
#define CMD_PULSE_MASK 0xf0u
#define OUTPUT_PORT_NO_RESET (1u << 0)
#define OUTPUT_PORT_A20 (1u << 1)

#define SELF_TEST_PASSED 0x55
#define KEYBOARD_TEST_PASSED 0x00
#define MOUSE_TEST_CLOCK_LOW 0x01

enum {
	KEY_SET_LEDS = 0xed,
	KEY_ECHO = 0xee,
	KEY_SCAN_SET = 0xf0,
	KEY_IDENTIFY = 0xf2,
	KEY_SET_RATE = 0xf3,
	KEY_ENABLE = 0xf4,
	KEY_DISABLE = 0xf5,
	KEY_DEFAULTS = 0xf6,
	KEY_RESET = 0xff,
};
#define KEY_ACK 0xfa
#define KEY_AGAIN 0xfe /* "resend": what a keyboard says to a command it doesn't have */
#define KEY_TEST_PASSED 0xaa
#define KEY_SET_2 2

/* Ctrl, Alt, Del down, and up again in reverse, as the keyboard sends them (set 2) and as a
 * controller that translates passes them on (set 1). */
static const uint8_t keys_set_2[] = {
	0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0, 0x71, 0xf0, 0x11, 0xf0, 0x14};
static const uint8_t keys_set_1[] = {0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d};

static void interrupt(const struct i8042 *kbd)
{
	if (kbd->count && kbd->control & CONTROL_INTERRUPT)
		irq_raise(kbd->irq);
}

/* A guest that never reads has its further answers dropped. */
static void answer(struct i8042 *kbd, uint8_t byte)
{
	if (kbd->count == I8042_QUEUE_MAX)
		return;
	kbd->queue[(kbd->head + kbd->count++) % I8042_QUEUE_MAX] = byte;
	if (kbd->count == 1)
		interrupt(kbd);
}

static void data_read(void *dev, uint64_t offset, void *data, unsigned int len)
{
	struct i8042 *kbd = dev;
	uint8_t *byte = data;

	pthread_mutex_lock(&kbd->lock);
	/* An empty port shows what was there last. */
	*byte = kbd->queue[kbd->head];
	if (kbd->count) {
		kbd->count--;
		if (kbd->count)
			kbd->head = (kbd->head + 1) % I8042_QUEUE_MAX;
		interrupt(kbd);
	}
	pthread_mutex_unlock(&kbd->lock);
}

/* A byte for the keyboard itself. */
static void key_write(struct i8042 *kbd, uint8_t byte)
{
	uint8_t command = kbd->key_command;

	kbd->control &= (uint8_t)~CONTROL_KEYBOARD_OFF;
	kbd->key_command = 0;
	if (command) {
		answer(kbd, KEY_ACK);
		/* Asked for the scan code set, a keyboard tells it. */
		if (command == KEY_SCAN_SET && !byte)
			answer(kbd, KEY_SET_2);
		return;
	}
	switch (byte) {
	case KEY_SET_LEDS:
	case KEY_SCAN_SET:
	case KEY_SET_RATE:
		kbd->key_command = byte;
		answer(kbd, KEY_ACK);
		break;
	case KEY_ECHO:
		answer(kbd, KEY_ECHO);
		break;
	case KEY_IDENTIFY:
		answer(kbd, KEY_ACK);
		answer(kbd, 0xab);
		answer(kbd, 0x83);
		break;
	case KEY_ENABLE:
	case KEY_DISABLE:
	case KEY_DEFAULTS:
		kbd->scanning = byte != KEY_DISABLE;
		answer(kbd, KEY_ACK);
		break;
	case KEY_RESET:
		kbd->scanning = true;
		answer(kbd, KEY_ACK);
		answer(kbd, KEY_TEST_PASSED);
		break;
	default:
		answer(kbd, KEY_AGAIN);
		break;
	}
}

/* Return: true if the machine is to be reset. */
static bool parameter_write(struct i8042 *kbd, uint8_t byte)
{
	uint8_t command = kbd->command;

	kbd->command = 0;
	switch (command) {
	case CMD_WRITE_CONTROL:
		kbd->control = byte;
		interrupt(kbd);
		return false;
	case CMD_WRITE_OUTPUT_PORT:
		return !(byte & OUTPUT_PORT_NO_RESET);
	case CMD_LOOP_KEYBOARD:
	case CMD_LOOP_MOUSE:
		answer(kbd, byte);
		return false;
	case CMD_WRITE_MOUSE:
		return false;
	default:
		key_write(kbd, byte);
		return false;
	}
}

static void data_write(void *dev, uint64_t offset, const void *data, unsigned int len)
{
	struct i8042 *kbd = dev;
	bool reset;

	pthread_mutex_lock(&kbd->lock);
	kbd->last_was_command = false;
	reset = parameter_write(kbd, *(const uint8_t *)data);
	pthread_mutex_unlock(&kbd->lock);
	if (reset)
		kbd->reset(kbd->ctx);
}

static void command_read(void *dev, uint64_t offset, void *data, unsigned int len)
{
	struct i8042 *kbd = dev;
	uint8_t *status = data;

	pthread_mutex_lock(&kbd->lock);
	*status = STATUS_UNLOCKED;
	if (kbd->control & CONTROL_SYSTEM)
		*status |= STATUS_SYSTEM;
	if (kbd->last_was_command)
		*status |= STATUS_COMMAND;
	if (kbd->count)
		*status |= STATUS_OUTPUT_FULL;
	pthread_mutex_unlock(&kbd->lock);
}

/* Return: true if the machine is to be reset. */
static bool run_command(struct i8042 *kbd, uint8_t command)
{
	kbd->command = 0;
	switch (command) {
	case CMD_READ_CONTROL:
		answer(kbd, kbd->control);
		break;
	case CMD_WRITE_CONTROL:
	case CMD_WRITE_OUTPUT_PORT:
	case CMD_LOOP_KEYBOARD:
	case CMD_LOOP_MOUSE:
	case CMD_WRITE_MOUSE:
		kbd->command = command;
		break;
	case CMD_MOUSE_OFF:
		kbd->control |= CONTROL_MOUSE_OFF;
		break;
	case CMD_MOUSE_ON:
		kbd->control &= (uint8_t)~CONTROL_MOUSE_OFF;
		break;
	case CMD_TEST_MOUSE:
		answer(kbd, MOUSE_TEST_CLOCK_LOW);
		break;
	case CMD_SELF_TEST:
		kbd->control |= CONTROL_SYSTEM;
		answer(kbd, SELF_TEST_PASSED);
		break;
	case CMD_TEST_KEYBOARD:
		answer(kbd, KEYBOARD_TEST_PASSED);
		break;
	case CMD_KEYBOARD_OFF:
		kbd->control |= CONTROL_KEYBOARD_OFF;
		break;
	case CMD_KEYBOARD_ON:
		kbd->control &= (uint8_t)~CONTROL_KEYBOARD_OFF;
		break;
	case CMD_READ_INPUT_PORT:
		answer(kbd, 0);
		break;
	case CMD_READ_OUTPUT_PORT:
		answer(kbd, OUTPUT_PORT_NO_RESET | OUTPUT_PORT_A20);
		break;
	default:
		return (command & CMD_PULSE_MASK) == CMD_PULSE && !(command & 1);
	}
	return false;
}

static void command_write(void *dev, uint64_t offset, const void *data, unsigned int len)
{
	struct i8042 *kbd = dev;
	bool reset;

	pthread_mutex_lock(&kbd->lock);
	kbd->last_was_command = true;
	reset = run_command(kbd, *(const uint8_t *)data);
	pthread_mutex_unlock(&kbd->lock);
	if (reset)
		kbd->reset(kbd->ctx);
}

const struct bus_ops i8042_data_ops = {.read = data_read, .write = data_write};
const struct bus_ops i8042_command_ops = {.read = command_read, .write = command_write};

int i8042_ctrl_alt_del(struct i8042 *kbd)
{
	const uint8_t *keys = keys_set_2;
	size_t n = sizeof(keys_set_2);
	int r = 0;

	pthread_mutex_lock(&kbd->lock);
	if (kbd->control & CONTROL_TRANSLATE) {
		keys = keys_set_1;
		n = sizeof(keys_set_1);
	}
	if (!kbd->scanning || kbd->control & CONTROL_KEYBOARD_OFF)
		r = -ENODEV;
	else if (I8042_QUEUE_MAX - kbd->count < n)
		r = -EBUSY;
	for (size_t i = 0; i < n && !r; i++)
		answer(kbd, keys[i]);
	pthread_mutex_unlock(&kbd->lock);
	return r;
}

void i8042_init(struct i8042 *kbd, const struct irq *irq, void (*reset)(void *ctx), void *ctx)
{
	*kbd = (struct i8042){
		.irq = irq,
		.reset = reset,
		.ctx = ctx,
		.control = CONTROL_INTERRUPT | CONTROL_SYSTEM,
		.scanning = true,
	};
	pthread_mutex_init(&kbd->lock, NULL);
}
