// SPDX-License-Identifier: Apache-2.0
// The signals that hull passes on to the container.
#include "cli/signals.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
static const int for_terminal[] = {SIGWINCH, SIGCONT};

static bool is_ignored(int signo)
{
	struct sigaction action;

	return !sigaction(signo, NULL, &action) && action.sa_handler == SIG_IGN;
}

static void signals_exit(int signo)
{
	_exit(128 + signo);
}

void signals_early(void)
{
	struct sigaction action = {.sa_handler = signals_exit};

	for (size_t i = 0; i < ARRAY_SIZE(passed_on); i++)
		if (!is_ignored(passed_on[i]))
			sigaction(passed_on[i], &action, NULL);
}

static void signals_on_read(struct loop_source *src, uint32_t events)
{
	struct signals *signals = container_of(src, struct signals, src);
	struct signalfd_siginfo info;

	if (read(src->fd, &info, sizeof(info)) == sizeof(info))
		signals->fn(signals, (int)info.ssi_signo, info.ssi_code == SI_KERNEL);
}

int signals_init(struct signals *signals, struct loop *loop, signals_fn *fn, struct err *err)
{
	int CLEANUP_FD fd = -1;
	sigset_t set;
	int r;

	*signals = (struct signals){.loop = loop, .src.fd = -1, .fn = fn};
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(passed_on); i++)
		if (!is_ignored(passed_on[i]))
			sigaddset(&set, passed_on[i]);
	for (size_t i = 0; i < ARRAY_SIZE(for_terminal); i++)
		sigaddset(&set, for_terminal[i]);
	/* A closed output shall be an error of write(2). */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_errno(err, errno, "signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_errno(err, errno, "signalfd");
	r = loop_add(loop, &signals->src, fd, EPOLLIN, signals_on_read);
	if (r < 0)
		return err_errno(err, -r, "signalfd");
	(void)TAKE_FD(fd);
	return 0;
}

void signals_fini(struct signals *signals)
{
	int fd = signals->src.fd;

	if (!signals->src.fn)
		return;
	loop_del(signals->loop, &signals->src);
	close(fd);
}
