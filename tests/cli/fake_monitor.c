// SPDX-License-Identifier: Apache-2.0
// A stand-in for hull-vmm and its guest: it plays the guest's end of the agent protocol and runs
// the command as an ordinary process, so that `hull run` can be tested without KVM.
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/le.h"
#include "protocol/agent.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

/*
 * The scenario is in the environment, FAKE_GUEST; without it the guest behaves well.
 *
 *   args         the command isn't run; the monitor's own arguments are its output
 *   exit=N       the monitor ends at once with code N, having said something on stderr and console
 *   killed       the monitor kills itself once the command runs
 *   silent       the guest prints a line on its console and never dials
 *   vanish       the guest closes its control connection once the command runs, and stays
 *   hello        a HELLO with a wrong magic
 *   early        EXITED before STARTED
 *   twice        STARTED twice
 *   long         a frame header that announces more than is allowed
 *   ports        the guest dials ports that nobody listens on, and its own ones several times
 *   flood        messages without a descriptor, too long ones, and endless lines of events
 *   lazy         SHUTDOWN is ignored
 *   deaf         the guest never reads its control connection after START
 */
static const char *scenario = "";

struct fake {
	int channel, events, console, control;
	struct agent_reader reader;
	struct agent_spec spec;
	int streams[4]; /* stdin, stdout, stderr, tty */
	int pty;
	pid_t pid;
	int pidfd;
};

static bool is(const char *name)
{
	return !strcmp(scenario, name);
}

static void die(const char *what)
{
	fprintf(stderr, "fake monitor: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void end(struct fake *fake, const char *reason, int code)
{
	dprintf(fake->events, "exit %s\n", reason);
	if (fake->pid > 0)
		kill(-fake->pid, SIGKILL);
	_exit(code);
}

/* Do nothing until hull ends the VM. */
static void linger(struct fake *fake)
{
	struct pollfd p = {.fd = fake->channel};

	poll(&p, 1, -1);
	end(fake, "error", 0);
}

static void phase(struct fake *fake, const char *name)
{
	dprintf(fake->events, "phase %s %llu\n", name,
		(unsigned long long)clock_read(CLOCK_MONOTONIC));
}

/* One connection of the guest to @port: our end is returned, the other goes to hull. */
static int dial(struct fake *fake, uint32_t port)
{
	uint8_t message[4];
	int s[2];

	if (!port)
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	le32_store(message, port);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) < 0 ||
		io_send_fd(fake->channel, message, sizeof(message), s[1]) < 0)
		die("dial");
	close(s[1]);
	return s[0];
}

static void tell(struct fake *fake, const struct agent_msg *msg)
{
	struct buf buf = BUF_INIT(4096);

	if (agent_encode(&buf, msg) < 0)
		die("encode");
	if (agent_flush(&buf, fake->control) != 1 && !is("early") && !is("twice"))
		die("send");
	buf_fini(&buf);
}

static void tell_failed(struct fake *fake, uint32_t code, const char *text)
{
	struct agent_msg msg = {.type = AGENT_FAILED, .failed.code = code};

	snprintf(msg.failed.message, sizeof(msg.failed.message), "%s", text);
	tell(fake, &msg);
}

static void tell_exited(struct fake *fake, int status)
{
	struct agent_msg msg = {.type = AGENT_EXITED};

	if (WIFSIGNALED(status))
		msg.exited.signal = (uint32_t)WTERMSIG(status);
	else
		msg.exited.code = (uint32_t)WEXITSTATUS(status);
	tell(fake, &msg);
}

static void greet(struct fake *fake)
{
	struct agent_msg msg = {.type = AGENT_HELLO};
	uint8_t bad[AGENT_HEADER_SIZE + 24] = {24, 0, 0, 0, AGENT_HELLO};

	fake->control = dial(fake, AGENT_PORT);
	if (is("hello") && io_write_full(fake->control, bad, sizeof(bad)) < 0)
		die("hello");
	if (is("hello"))
		linger(fake);
	msg.hello.dial_ns = clock_read(CLOCK_BOOTTIME);
	msg.hello.init_ns = msg.hello.dial_ns - 5000000;
	tell(fake, &msg);
}

/* The next message of hull, or false at the end of the connection. */
static bool hear(struct fake *fake, struct agent_msg *msg)
{
	int r;

	while (!(r = agent_reader_next(&fake->reader, msg)))
		if (agent_reader_fill(&fake->reader, fake->control) <= 0)
			return false;
	if (r < 0)
		die("hull's message");
	return true;
}

static void misdial(struct fake *fake)
{
	static const uint32_t ports[] = {0xffffffff, 1, AGENT_PORT, 1029, 80};

	for (int i = 0; i < 200; i++) {
		int fd = dial(fake, ports[i % 5]);
		struct pollfd p = {.fd = fd, .events = POLLIN};

		/* Closed by hull at once. */
		if (poll(&p, 1, 5000) != 1)
			die("a connection to a wrong port stays open");
		close(fd);
	}
}

static void dial_streams(struct fake *fake)
{
	const struct agent_spec *spec = &fake->spec;
	const uint32_t ports[] = {spec->stdin_port, spec->stdout_port, spec->stderr_port};

	if (is("ports"))
		misdial(fake);
	if (spec->terminal) {
		fake->streams[3] = dial(fake, spec->tty_port);
		return;
	}
	for (int i = 0; i < 3; i++)
		fake->streams[i] = dial(fake, ports[i]);
	if (is("ports"))
		misdial(fake);
}

static void child(struct fake *fake, int report, int tty)
{
	sigset_t none;
	int code;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	for (int i = 0; i < 3; i++)
		dup2(tty >= 0 ? tty : fake->streams[i], i);
	if (tty >= 0)
		ioctl(0, TIOCSCTTY, 0);
	if (chdir(fake->spec.cwd) < 0) {
		code = -errno;
	} else {
		environ = (char **)(uintptr_t)fake->spec.env;
		execvp(fake->spec.args[0], fake->spec.args);
		code = errno;
	}
	if (write(report, &code, sizeof(code)) < 0)
		die("report");
	_exit(1);
}

/* Start the command. Return: false when it could not be, which hull has been told. */
static bool start(struct fake *fake)
{
	struct agent_msg msg = {.type = AGENT_STARTED};
	struct winsize size = {.ws_row = fake->spec.rows, .ws_col = fake->spec.cols};
	int report[2], tty = -1, code = 0;

	if (fake->spec.terminal && openpty(&fake->pty, &tty, NULL, NULL, &size) < 0)
		die("openpty");
	if (pipe2(report, O_CLOEXEC) < 0)
		die("pipe");
	fake->pid = fork();
	if (!fake->pid)
		child(fake, report[1], tty);
	close(report[1]);
	if (tty >= 0)
		close(tty);
	for (int i = 0; i < 3; i++)
		if (fake->streams[i] >= 0)
			close(fake->streams[i]);
	if (io_read_full(report[0], &code, sizeof(code)) == 0) {
		tell_failed(fake,
			code == ENOENT   ? 127
			: code == EACCES ? 126
					 : 125,
			strerror(abs(code)));
		return false;
	}
	close(report[0]);
	fake->pidfd = pidfd_open(fake->pid, 0);
	msg.started.pid = 42;
	msg.started.exec_ns = clock_read(CLOCK_BOOTTIME);
	tell(fake, &msg);
	if (is("twice"))
		tell(fake, &msg);
	return true;
}

/* Wait for hull's SHUTDOWN, or the end of the connection or the channel. */
static void wind_down(struct fake *fake)
{
	struct agent_msg msg;

	if (is("lazy"))
		linger(fake);
	while (hear(fake, &msg) && msg.type != AGENT_SHUTDOWN)
		;
	end(fake, "poweroff", 0);
}

static void obey(struct fake *fake, const struct agent_msg *msg)
{
	if (msg->type == AGENT_SIGNAL)
		kill(msg->signal.to_group ? -fake->pid : fake->pid, (int)msg->signal.signo);
	else if (msg->type == AGENT_RESIZE) {
		struct winsize size = {.ws_row = msg->resize.rows, .ws_col = msg->resize.cols};

		ioctl(fake->pty, TIOCSWINSZ, &size);
	} else {
		end(fake, "poweroff", 0);
	}
}

static bool copy(int from, int to)
{
	char data[4096];
	ssize_t got = read(from, data, sizeof(data));

	return got > 0 && io_write_full(to, data, (size_t)got) == 0;
}

static void run(struct fake *fake)
{
	struct agent_msg msg;
	int status;

	for (;;) {
		struct pollfd p[] = {
			{.fd = fake->pidfd, .events = POLLIN},
			{.fd = is("deaf") ? -1 : fake->control, .events = POLLIN},
			{.fd = fake->channel},
			{.fd = fake->pty, .events = POLLIN},
			{.fd = fake->pty < 0 ? -1 : fake->streams[3], .events = POLLIN},
		};

		poll(p, 5, -1);
		if (p[2].revents)
			end(fake, "error", 0);
		if (p[3].revents && !copy(fake->pty, fake->streams[3])) {
			fake->pty = -1;
			close(fake->streams[3]);
			fake->streams[3] = -1;
		}
		if (p[4].revents && !copy(fake->streams[3], fake->pty))
			shutdown(fake->streams[3], SHUT_RD);
		if (p[1].revents) {
			if (agent_reader_fill(&fake->reader, fake->control) <= 0)
				end(fake, "poweroff", 0);
			while (agent_reader_next(&fake->reader, &msg) > 0)
				obey(fake, &msg);
		}
		if (p[0].revents && fake->pty < 0) {
			waitpid(fake->pid, &status, 0);
			tell_exited(fake, status);
			return;
		}
	}
}

static void misbehave(struct fake *fake)
{
	static const uint8_t long_frame[AGENT_HEADER_SIZE] = {255, 255, 255, 127, AGENT_STARTED};
	char junk[600];

	memset(junk, 'x', sizeof(junk));
	if (is("early")) {
		tell_exited(fake, 0);
		linger(fake);
	}
	if (is("long") && io_write_full(fake->control, long_frame, sizeof(long_frame)) == 0)
		linger(fake);
	if (is("flood")) {
		for (int i = 0; i < 5000; i++) {
			io_send_fd(fake->channel, junk, i % 7 + 1U, -1);
			io_send_fd(fake->channel, junk, i % 3 ? 5 : 3, 1);
			dprintf(fake->events, "phase %.*s", 1 + i % 500, junk);
			dprintf(fake->console, "%.*s\n", 1 + i % 500, junk);
		}
		dprintf(fake->events, "\n");
	}
}

static void leave_early(struct fake *fake)
{
	if (!strncmp(scenario, "exit=", 5)) {
		int code = atoi(scenario + 5);

		dprintf(fake->console, "[    0.1] guest's \x1b[31mfirst words\r\n");
		dprintf(fake->console, "[    0.2] guest's last words\r\n");
		if (code && code != 16)
			fprintf(stderr, "hull-vmm: something is wrong\n");
		end(fake, "error", code);
	}
	if (is("silent")) {
		dprintf(fake->console, "booting, and booting\n");
		linger(fake);
	}
}

static void parse(struct fake *fake, char **argv)
{
	for (char **arg = argv + 1; arg[0] && arg[1]; arg += 2) {
		if (!strcmp(arg[0], "--vsock"))
			sscanf(arg[1], "cid=3,fd=%d", &fake->channel);
		else if (!strcmp(arg[0], "--serial"))
			sscanf(arg[1], "fd=%d", &fake->console);
		else if (!strcmp(arg[0], "--events-fd"))
			fake->events = atoi(arg[1]);
	}
}

int main(int argc, char **argv)
{
	struct fake fake = {.streams = {-1, -1, -1, -1}, .pty = -1};
	struct agent_msg msg;

	if (getenv("FAKE_GUEST"))
		scenario = getenv("FAKE_GUEST");
	signal(SIGPIPE, SIG_IGN);
	parse(&fake, argv);
	agent_reader_init(&fake.reader, AGENT_HOST);
	phase(&fake, "start");
	phase(&fake, "run");
	leave_early(&fake);
	greet(&fake);
	if (!hear(&fake, &msg) || msg.type != AGENT_START ||
		agent_spec_decode(msg.spec.data, msg.spec.len, &fake.spec) < 0)
		die("START");
	misbehave(&fake);
	dial_streams(&fake);
	if (is("args")) {
		msg = (struct agent_msg){.type = AGENT_STARTED};
		tell(&fake, &msg);
		for (int i = 0; i < argc; i++)
			dprintf(fake.streams[1], "%s\n", argv[i]);
		for (int fd = 0; fd < 64; fd++)
			if (fcntl(fd, F_GETFD) >= 0 && !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
				dprintf(fake.streams[1], "open %d\n", fd);
		for (int i = 0; i < 3; i++)
			close(fake.streams[i]);
		tell_exited(&fake, 0);
		wind_down(&fake);
	}
	if (!start(&fake))
		wind_down(&fake);
	if (is("killed"))
		raise(SIGKILL);
	if (is("vanish")) {
		close(fake.control);
		pause();
	}
	run(&fake);
	wind_down(&fake);
}
