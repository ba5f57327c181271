// SPDX-License-Identifier: Apache-2.0
// Fetching images with skopeo.
#include "image/skopeo.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "image/layout.h"
#include "image/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* What is kept of a line of skopeo's: more than an error message holds. */
#define LINE_SIZE 1024

/* Where it puts what it unpacks, in the folder that it copies into. */
#define TMP_DIR "skopeo-tmp"

/* The child's exit codes before there is a skopeo; it uses 0 to 2 itself. */
#define EXIT_SETUP 126
#define EXIT_NO_PROGRAM 127

/* struct last_line - the last line that wasn't empty of a stream; longer ones are cut */
struct last_line {
	char text[LINE_SIZE];
	size_t len;
	bool ended;
};

static void last_line_add(struct last_line *line, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n' || bytes[i] == '\r') {
			line->ended = true;
			continue;
		}
		if (line->ended)
			line->len = 0;
		line->ended = false;
		if (line->len < LINE_SIZE - 1)
			line->text[line->len++] = bytes[i];
	}
	line->text[line->len] = '\0';
}

/* A line of its log is time="..." level=fatal msg="..."; only the message is of interest. */
static const char *log_message(char *line)
{
	char *msg = strstr(line, " msg=\"");
	char *to;

	if (!msg)
		return line;
	msg += strlen(" msg=\"");
	to = msg;
	for (char *from = msg; *from && *from != '"'; from++) {
		if (*from == '\\' && (from[1] == '"' || from[1] == '\\'))
			from++;
		*to++ = *from;
	}
	*to = '\0';
	return msg;
}

/* Only calls that are safe after fork() in a process with threads. */
static void __attribute__((noreturn))
run_child(char *const *argv, int dirfd, int null_fd, int err_fd, pid_t parent)
{
	sigset_t none;

	sigemptyset(&none);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent || fchdir(dirfd) ||
		dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(err_fd, 2) < 0 ||
		sigprocmask(SIG_SETMASK, &none, NULL))
		_exit(EXIT_SETUP);
	execvp(argv[0], argv);
	_exit(errno == ENOENT ? EXIT_NO_PROGRAM : EXIT_SETUP);
}

static int wait_child(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status;
}

static int report(int status, const char *name, struct last_line *line, struct err *err)
{
	if (status < 0)
		return err_errno(err, -status, "%s: wait for skopeo", name);
	if (WIFSIGNALED(status))
		return err_set(
			err, -EIO, "%s: skopeo was ended by signal %d", name, WTERMSIG(status));
	switch (WEXITSTATUS(status)) {
	case 0:
		return 0;
	case EXIT_NO_PROGRAM:
		return err_set(err, -ENOENT,
			"%s: skopeo, which fetches images, is not installed (no skopeo in PATH)",
			name);
	case EXIT_SETUP:
		return err_set(err, -EIO, "%s: could not start skopeo", name);
	default:
		return err_set(err, -EIO, "%s: skopeo: %s", name,
			line->len ? log_message(line->text) : "failed without saying why");
	}
}

static char *arg(const char *text)
{
	/* execvp() takes pointers to char but doesn't write through them. */
	union {
		const char *in;
		char *out;
	} u = {text};

	return u.out;
}

int skopeo_copy(const char *source, int dirfd, const char *name, struct err *err)
{
	char *const argv[] = {arg("skopeo"), arg("--override-os"), arg(IMAGE_OS),
		arg("--override-arch"), arg(IMAGE_ARCH), arg("--tmpdir"), arg(TMP_DIR), arg("copy"),
		arg("--quiet"), arg(source), arg("oci:.:latest"), NULL};
	int CLEANUP_FD null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int CLEANUP_FD read_fd = -1;
	struct last_line line = {.len = 0};
	pid_t pid, parent = getpid();
	char buf[LINE_SIZE];
	int fds[2], r;
	ssize_t n;

	if (mkdirat(dirfd, TMP_DIR, 0700))
		return err_errno(err, errno, "image store: mkdir %s", TMP_DIR);
	if (null_fd < 0 || pipe2(fds, O_CLOEXEC))
		return err_errno(err, errno, "%s: start skopeo", name);
	read_fd = fds[0];
	pid = fork();
	if (pid == 0)
		run_child(argv, dirfd, null_fd, fds[1], parent);
	close(fds[1]);
	if (pid < 0)
		return err_errno(err, errno, "%s: start skopeo", name);
	while ((n = read(read_fd, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			last_line_add(&line, buf, (size_t)n);
	r = report(wait_child(pid), name, &line, err);
	if (r)
		return r;
	r = store_remove(dirfd, TMP_DIR);
	return r ? err_errno(err, -r, "image store: remove %s", TMP_DIR) : 0;
}
