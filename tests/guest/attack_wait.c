// SPDX-License-Identifier: Apache-2.0
// A guest that does nothing, so that its monitor can be looked at: it says "waiting" and halts.
#include "tests/guest/rt.h"

void guest_main(void)
{
	say("waiting\n");
	for (;;)
		__asm__ volatile("cli; hlt");
}
