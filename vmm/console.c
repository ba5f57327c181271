// SPDX-License-Identifier: Apache-2.0
// What the serial console is connected to on the host.
#include "vmm/console.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "vmm/arch/arch.h"
#include "vmm/config.h"
#include "vmm/vm.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

/*
 * syscalls: loop: close, ioctl(1 == TCGETS), ioctl(1 == TCSETS), read, write; start: fcntl, ioctl,
 * newfstatat, openat, pipe2
 */

#define KEY_ESCAPE 0x01 /* Ctrl-A */
#define KEY_END 'x'
#define KEY_POWER_BUTTON 'p'
#define KEY_CTRL_ALT_DEL 'd'

/* The key after Ctrl-A. Return: false where it is for the guest. */
static bool command_key(struct console *console, char key)
{
	int r;

	switch (key) {
	case KEY_END:
		vm_stop_from_loop(console->vm, VM_END_ERROR);
		return true;
	case KEY_POWER_BUTTON:
		r = arch_power_button(console->vm);
		break;
	case KEY_CTRL_ALT_DEL:
		r = arch_ctrl_alt_del(console->vm);
		break;
	default:
		return false;
	}
	if (r < 0)
		log_warn("console: the guest has no use for this key: %s", strerror(-r));
	return true;
}

/* Keys go through the pipe; what it can't hold because the guest doesn't read is dropped. */
static void on_keys(struct loop_source *src, uint32_t events)
{
	struct console *console = container_of(src, struct console, keys);
	char keys[64], out[64];
	ssize_t n = read(src->fd, keys, sizeof(keys));
	size_t len = 0;

	if (n <= 0) {
		loop_del(console->vm->loop, src);
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (console->escape) {
			console->escape = false;
			if (command_key(console, keys[i]))
				continue;
		} else if (keys[i] == KEY_ESCAPE) {
			console->escape = true;
			continue;
		}
		out[len++] = keys[i];
	}
	if (len && write(console->pipe_fd, out, len) < 0) {
		/* Full: the guest hasn't read 64 KiB of keys. */
	}
}

static int console_raw(struct console *console, struct err *err)
{
	struct termios raw;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_errno(err, errno, "serial: pipe");
	console->in_fd = fds[0];
	console->pipe_fd = fds[1];
	r = loop_add(console->vm->loop, &console->keys, STDIN_FILENO, EPOLLIN, on_keys);
	if (r < 0)
		return err_errno(err, -r, "serial: watching the terminal");
	if (tcgetattr(STDIN_FILENO, &console->saved) < 0)
		return err_errno(err, errno, "serial: terminal");
	raw = console->saved;
	cfmakeraw(&raw);
	/* Output keeps its processing: the monitor's own lines end in a bare newline. */
	raw.c_oflag |= OPOST | ONLCR;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return err_errno(err, errno, "serial: terminal");
	console->raw = true;
	return 0;
}

/*
 * A FIFO is opened for reading, too: so it needs no reader, holds the first 64 KiB for the one
 * that comes later, and stays when one goes. Return: a descriptor or -errno.
 */
static int open_file(const char *path)
{
	int fd =
		open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	int both, error = errno;
	struct stat st;

	/* ENXIO: a FIFO without a reader. */
	if (fd < 0 && error != ENXIO)
		return -error;
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode)))
		return fd;
	both = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (both < 0)
		return fd >= 0 ? fd : -errno;
	if (fd >= 0)
		close(fd);
	return both;
}

int console_init(
	struct console *console, struct vm *vm, const struct config_serial *config, struct err *err)
{
	*console = (struct console){.vm = vm, .out_fd = -1, .in_fd = -1, .pipe_fd = -1};
	switch (config->kind) {
	case CONFIG_SERIAL_NONE:
		break;
	case CONFIG_SERIAL_FD:
		if (fcntl(config->fd, F_SETFD, FD_CLOEXEC) < 0)
			return err_errno(err, errno, "--serial fd=%d", config->fd);
		console->out_fd = config->fd;
		break;
	case CONFIG_SERIAL_FILE:
		console->out_fd = open_file(config->path);
		if (console->out_fd < 0)
			return err_errno(err, -console->out_fd, "--serial file=%s", config->path);
		console->opened = true;
		break;
	case CONFIG_SERIAL_STDIO:
		console->out_fd = STDOUT_FILENO;
		if (isatty(STDIN_FILENO))
			return console_raw(console, err);
		console->in_fd = STDIN_FILENO;
		break;
	}
	return 0;
}

void console_fini(struct console *console)
{
	if (console->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &console->saved);
	console->raw = false;
	if (console->opened)
		close(console->out_fd);
	console->opened = false;
}
