// SPDX-License-Identifier: Apache-2.0
// The user's terminal.
#include "cli/tty.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

/* The descriptors that the guard keeps; all others are closed, so that it holds nobody's pipe. */
enum {
	GUARD_TTY,
	GUARD_PIPE,
	GUARD_COUNT,
};

static bool settings_equal(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
	       a->c_lflag == b->c_lflag;
}

/* The guard's whole life. Only system calls: it is a fork of whatever hull is at that time. */
static void guard_run(const struct tty *tty, int pipe_fd)
{
	struct termios now;
	char byte;
	ssize_t got;

	setsid();
	/* Moved out of the way first, since either may have the number of the other's place. */
	pipe_fd = fcntl(pipe_fd, F_DUPFD, GUARD_COUNT);
	if (dup2(tty->fd, GUARD_TTY) < 0 || dup2(pipe_fd, GUARD_PIPE) < 0 ||
		close_range(GUARD_COUNT, ~0U, 0) < 0)
		return;
	do
		got = read(GUARD_PIPE, &byte, 1);
	while (got < 0 && errno == EINTR);
	/* In a session without this terminal the kernel doesn't ask who is in the foreground. */
	if (!got && !tcgetattr(GUARD_TTY, &now) && settings_equal(&now, &tty->raw))
		tcsetattr(GUARD_TTY, TCSADRAIN, &tty->saved);
}

static int guard_start(struct tty *tty, struct err *err)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_errno(err, errno, "terminal guard");
	tty->guard = fork();
	if (!tty->guard) {
		close(p[1]);
		guard_run(tty, p[0]);
		_exit(0);
	}
	close(p[0]);
	if (tty->guard < 0) {
		close(p[1]);
		return err_errno(err, errno, "terminal guard");
	}
	tty->guard_fd = p[1];
	return 0;
}

static void guard_end(struct tty *tty)
{
	/* Only a guard that was killed can't take it. */
	if (write(tty->guard_fd, "q", 1) < 0) {
	}
	close(tty->guard_fd);
	while (waitpid(tty->guard, NULL, 0) < 0 && errno == EINTR)
		;
}

int tty_raw(struct tty *tty, int fd, struct err *err)
{
	int r;

	if (tcgetattr(fd, &tty->saved) < 0)
		return err_errno(err, errno, "terminal settings");
	tty->raw = tty->saved;
	cfmakeraw(&tty->raw);
	tty->fd = fd;
	r = guard_start(tty, err);
	if (r < 0)
		goto fail;
	if (tcsetattr(fd, TCSADRAIN, &tty->raw) < 0) {
		r = err_errno(err, errno, "terminal settings");
		guard_end(tty);
		goto fail;
	}
	/* What the terminal took may be less than was asked; the guard's copy only misses more. */
	return 0;
fail:
	*tty = TTY_INIT;
	return r;
}

void tty_rerun(const struct tty *tty)
{
	if (tty->fd >= 0)
		tcsetattr(tty->fd, TCSADRAIN, &tty->raw);
}

void tty_restore(struct tty *tty)
{
	if (tty->fd < 0)
		return;
	tcsetattr(tty->fd, TCSADRAIN, &tty->saved);
	guard_end(tty);
	*tty = TTY_INIT;
}

bool tty_size(uint16_t *ret_rows, uint16_t *ret_cols)
{
	struct winsize size;

	*ret_rows = 0;
	*ret_cols = 0;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (ioctl(fd, TIOCGWINSZ, &size) < 0)
			continue;
		if (!size.ws_row || !size.ws_col)
			return false;
		*ret_rows = size.ws_row;
		*ret_cols = size.ws_col;
		return true;
	}
	return false;
}
