// SPDX-License-Identifier: Apache-2.0
// The smallest PID 1: powers the guest off at once. Words on the kernel command line: "mark" has it
// say that it runs, "hold" too, and wait then. "reset" ends the guest by a reset, for monitors that
// know no power-off; "timer" writes Firecracker's boot-timer byte where the kernel has /dev/mem.
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <termios.h>
#include <unistd.h>

/* Where Firecracker has it on x86_64, and the byte that it waits for. */
#define BOOT_TIMER_GPA 0xc0000000ul
#define BOOT_TIMER_VALUE 123

static void stop_timer(void)
{
	int fd = open("/dev/mem", O_RDWR);
	volatile unsigned char *page;

	if (fd < 0)
		return;
	page = mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, (off_t)BOOT_TIMER_GPA);
	if (page != MAP_FAILED)
		*page = BOOT_TIMER_VALUE;
}

int main(int argc, char **argv)
{
	static const char ready[] = "init: ready\n";
	bool hold = false, mark = false;
	int how = RB_POWER_OFF;

	for (int i = 1; i < argc; i++) {
		hold |= !strcmp(argv[i], "hold");
		mark |= !strcmp(argv[i], "mark");
		if (!strcmp(argv[i], "timer"))
			stop_timer();
		if (!strcmp(argv[i], "reset"))
			how = RB_AUTOBOOT;
	}
	if ((hold || mark) && write(STDOUT_FILENO, ready, sizeof(ready) - 1) < 0)
		return 1;
	while (hold)
		pause();
	if (mark)
		tcdrain(STDOUT_FILENO);
	reboot(how);
	return 1;
}
