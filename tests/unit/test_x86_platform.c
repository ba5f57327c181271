// SPDX-License-Identifier: Apache-2.0
// Tests of the machine's I/O ports, all 65536 of them, in every width, as a guest reaches them.
#include "vmm/arch/x86_64/platform.h"

#include "base/err.h"
#include "base/loop.h"
#include "tests/lib/suite.h"
#include "vmm/arch/arch.h"
#include "vmm/arch/x86_64/layout.h"
#include "vmm/machine.h"
#include "vmm/vm.h"

#include <string.h>

static struct loop loop;
static struct vm vm;
static struct arch_vm arch;
static struct machine machine;
static uint8_t ram[1 << 20];

static void setup(void)
{
	struct err err;

	ck_assert_int_eq(loop_init(&loop), 0);
	/* Ended, so that no handler waits for it. */
	loop_quit(&loop);
	ck_assert_int_eq(loop_run(&loop), 0);
	vm = (struct vm){.kvm_fd = -1, .fd = -1, .loop = &loop, .arch = &arch, .end = VM_RUNNING};
	arch = (struct arch_vm){.acpi = true, .rtc_present = true};
	machine = (struct machine){.vm = &vm};
	ck_assert_int_eq(guest_mem_add(&vm.mem, 0, sizeof(ram), ram), 0);
	ck_assert_int_eq(irq_init(&machine.serial_irq), 0);
	ck_assert_int_eq(irq_init(&arch.keyboard_irq), 0);
	ck_assert_int_eq(irq_init(&arch.events_irq), 0);
	ck_assert_int_eq(serial_init(&machine.serial, &loop, &machine.serial_irq, -1, -1), 0);
	ck_assert_msg(platform_add_ports(&machine, &err) == 0, "%s", err.msg);
}

static void teardown(void)
{
	serial_fini(&machine.serial);
	loop_fini(&loop);
}

/* What ends a VM: port, value, how. */
static const struct {
	uint16_t port;
	uint8_t value;
	enum vm_end end;
} ends[] = {
	{PORT_SLEEP_CONTROL, 5 << 2 | 1 << 5, VM_END_POWEROFF},
	{PORT_RESET, 1, VM_END_REBOOT},
	{PORT_I8042_COMMAND, 0xfe, VM_END_REBOOT},
	{PORT_PVPANIC, 1, VM_END_PANIC},
};

START_TEST(the_machine_can_be_ended)
{
	uint8_t value = ends[_i].value;

	ck_assert(bus_write(&vm.pio, ends[_i].port, &value, 1));
	ck_assert_int_eq(vm.end, ends[_i].end);
}
END_TEST

/* Only what is meant to ends it: every other byte at these ports is nothing. */
START_TEST(other_values_end_nothing)
{
	static const uint16_t ports[] = {PORT_SLEEP_CONTROL, PORT_SLEEP_STATUS, PORT_RESET,
		PORT_PVPANIC, PORT_EVENTS, PORT_RTC};

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		for (unsigned int value = 0; value < 0x100; value++) {
			uint8_t byte = (uint8_t)value;

			if (ports[i] == PORT_SLEEP_CONTROL && (value & 0x3c) == (5 << 2 | 1 << 5))
				continue;
			if (ports[i] == PORT_RESET && value == 1)
				continue;
			if (ports[i] == PORT_PVPANIC && value & 1)
				continue;
			bus_write(&vm.pio, ports[i], &byte, 1);
			ck_assert_int_eq(vm.end, VM_RUNNING);
		}
}
END_TEST

static bool claimed(uint32_t port, unsigned int len)
{
	static const struct {
		uint16_t port, len;
	} ports[] = {{PORT_I8042_DATA, 1}, {PORT_I8042_COMMAND, 1}, {PORT_RTC, 2}, {PORT_COM1, 8},
		{PORT_PVPANIC, 1}, {PORT_SLEEP_CONTROL, 2}, {PORT_RESET, 1}, {PORT_EVENTS, 1}};

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		if (port >= ports[i].port && port + len <= ports[i].port + ports[i].len)
			return true;
	return false;
}

/* Both directions at one port. Return: false if one was wrong; an assertion each takes too long. */
static bool access_is_right(uint32_t port, unsigned int len)
{
	uint8_t data[16], zero[16] = {0}, ones[16];
	bool mine = claimed(port, len), good = true;

	memset(data, 0x5a, sizeof(data));
	memset(ones, 0xff, sizeof(ones));
	good &= bus_read(&vm.pio, port, data, len) == mine;
	/* Bytes beyond the access stay as they were; what nobody claims reads as ones. */
	for (unsigned int i = len; i < sizeof(data); i++)
		good &= data[i] == 0x5a;
	good &= mine || !memcmp(data, ones, len);
	good &= bus_write(&vm.pio, port, zero, len) == mine;
	good &= bus_write(&vm.pio, port, ones, len) == mine;
	return good;
}

START_TEST(every_port_in_every_width)
{
	for (unsigned int len = 1; len <= 8; len *= 2)
		for (uint32_t port = 0; port < 0x10000; port++)
			if (!access_is_right(port, len))
				ck_abort_msg("port 0x%x, %u bytes", port, len);
}
END_TEST

START_TEST(no_clock_unless_asked_for)
{
	struct err err;
	uint8_t data = 0;

	memset(&vm.pio, 0, sizeof(vm.pio));
	arch.rtc_present = false;
	ck_assert_int_eq(platform_add_ports(&machine, &err), 0);
	ck_assert(!bus_read(&vm.pio, PORT_RTC, &data, 1));
	ck_assert(!bus_read(&vm.pio, PORT_RTC + 1, &data, 1));
	ck_assert_uint_eq(data, 0xff);
}
END_TEST

START_TEST(power_button_needs_acpi)
{
	uint8_t events = 0;

	ck_assert_int_eq(arch_power_button(&vm), 0);
	ck_assert(bus_read(&vm.pio, PORT_EVENTS, &events, 1));
	ck_assert_uint_eq(events, GED_POWER_BUTTON);
	arch.acpi = false;
	ck_assert_int_eq(arch_power_button(&vm), -ENOTSUP);
	ck_assert_int_eq(arch_new_generation(&vm), -ENOTSUP);
	bus_read(&vm.pio, PORT_EVENTS, &events, 1);
	ck_assert_uint_eq(events, 0);
}
END_TEST

START_TEST(a_new_generation_is_random_and_told)
{
	uint8_t first[GENERATION_LEN], zero[GENERATION_LEN] = {0}, events = 0;

	ck_assert_int_eq(arch_new_generation(&vm), 0);
	memcpy(first, ram + LAYOUT_GENERATION, sizeof(first));
	ck_assert_mem_ne(first, zero, sizeof(first));
	ck_assert_int_eq(arch_new_generation(&vm), 0);
	ck_assert_mem_ne(first, ram + LAYOUT_GENERATION, sizeof(first));
	/* Nothing else of the page. */
	ck_assert_uint_eq(ram[LAYOUT_GENERATION - 1] | ram[LAYOUT_GENERATION + GENERATION_LEN], 0);
	ck_assert(bus_read(&vm.pio, PORT_EVENTS, &events, 1));
	ck_assert_uint_eq(events, GED_GENERATION);
}
END_TEST

SUITE_CASES("x86_platform", setup, teardown,
	{the_machine_can_be_ended, sizeof(ends) / sizeof(ends[0])}, {other_values_end_nothing},
	{every_port_in_every_width}, {no_clock_unless_asked_for}, {power_button_needs_acpi},
	{a_new_generation_is_random_and_told})
