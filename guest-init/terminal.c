// SPDX-License-Identifier: Apache-2.0
// The command's pseudo-terminal.
#include "guest-init/terminal.h"

#include "base/cleanup.h"
#include "guest-init/mounts.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

int terminal_resize(int master, uint16_t rows, uint16_t cols)
{
	struct winsize size = {.ws_row = rows, .ws_col = cols};

	return ioctl(master, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

int terminal_signal(int master, int signo)
{
	pid_t group;

	if (ioctl(master, TIOCGPGRP, &group) < 0)
		return -errno;
	/* 0: no foreground group; 1 and below would reach everything. */
	if (group <= 1)
		return -ESRCH;
	return kill(-group, signo) < 0 ? -errno : 0;
}

uint32_t terminal_eof(int master, uint8_t last, uint8_t bytes[TERMINAL_EOF_MAX])
{
	struct termios termios;
	const cc_t *cc = termios.c_cc;

	if (tcgetattr(master, &termios) < 0 || !(termios.c_lflag & ICANON) ||
		cc[VEOF] == _POSIX_VDISABLE)
		return 0;
	bytes[0] = bytes[1] = cc[VEOF];
	if (last == '\n' || last == cc[VEOF] || (last == '\r' && (termios.c_iflag & ICRNL)))
		return 1;
	/* In the middle of a line the first one only hands over what there is of the line. */
	return 2;
}

int terminal_open(uint16_t rows, uint16_t cols, int *ret_master, int *ret_slave, struct err *err)
{
	int CLEANUP_FD master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int CLEANUP_FD slave = -1;
	int unlock = 0, r;

	if (master < 0)
		return err_errno(err, errno, "/dev/pts/ptmx");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_errno(err, errno, "pseudo-terminal");
	/* Not by its name, which a running container could have given to something else. */
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_errno(err, errno, "pseudo-terminal's other end");
	r = terminal_resize(master, rows, cols);
	if (r < 0)
		return err_errno(err, -r, "pseudo-terminal's window size");
	*ret_master = TAKE_FD(master);
	*ret_slave = TAKE_FD(slave);
	return 0;
}

int terminal_console(int master, struct err *err)
{
	char path[32];
	int number;

	if (ioctl(master, TIOCGPTN, &number) < 0)
		return err_errno(err, errno, "pseudo-terminal's number");
	snprintf(path, sizeof(path), "/dev/pts/%d", number);
	return mounts_bind(path, "/dev/console", err);
}
