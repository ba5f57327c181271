// SPDX-License-Identifier: Apache-2.0
// The smallest PID 1: powers the guest off at once. A word on the kernel command line has it say
// that it runs: with "mark" it powers off afterwards, with "hold" it waits.
#include <stdbool.h>
#include <string.h>
#include <sys/reboot.h>
#include <termios.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static const char ready[] = "init: ready\n";
	bool hold, mark;

	for (int i = 1; i < argc; i++) {
		hold = !strcmp(argv[i], "hold");
		mark = !strcmp(argv[i], "mark");
		if ((hold || mark) && write(STDOUT_FILENO, ready, sizeof(ready) - 1) < 0)
			return 1;
		while (hold)
			pause();
		if (mark)
			tcdrain(STDOUT_FILENO);
	}
	reboot(RB_POWER_OFF);
	return 1;
}
