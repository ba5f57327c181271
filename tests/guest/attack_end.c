// SPDX-License-Identifier: Apache-2.0
// Attack: a guest that ends itself, in the way that the command line names. It may; the monitor
// says so and exits.
#include "tests/guest/rt.h"
#include "vmm/arch/x86_64/layout.h"

void guest_main(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) nothing = {0, 0};

	if (word_in(rt_cmdline, "triple")) {
		/* An exception without a table of handlers. */
		__asm__ volatile("lidt %0; ud2" ::"m"(nothing));
	} else if (word_in(rt_cmdline, "registers")) {
		/* Instructions from a device's registers, which nobody can fetch. */
		((void (*)(void))(LAYOUT_SLOTS))();
	} else if (word_in(rt_cmdline, "nowhere")) {
		((void (*)(void))(LAYOUT_HOLE + 0x8000000))();
	}
	check_begin("the end");
	check_fail("it didn't come");
	check_end();
}
