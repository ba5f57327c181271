// SPDX-License-Identifier: Apache-2.0
// The smallest PID 1: powers the guest off at once, or with the word "hold" on the kernel command
// line waits.
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static const char ready[] = "init: ready\n";

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "hold")) {
			if (write(STDOUT_FILENO, ready, sizeof(ready) - 1) < 0)
				return 1;
			for (;;)
				pause();
		}
	}
	reboot(RB_POWER_OFF);
	return 1;
}
