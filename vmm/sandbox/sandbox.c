// SPDX-License-Identifier: Apache-2.0
// The jail: the order of its stages.
#include "vmm/sandbox/sandbox.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "vmm/sandbox/seccomp.h"
#include "vmm/sandbox/stages.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * Theory of operation
 *
 * All that the monitor works with is open when the machine is built: KVM, disks, tap, sockets,
 * logs, the kernel's and the initrd's pages. From there on it needs no name of the host's. So each
 * stage takes away what nothing needs any more, and stands where it does because
 *
 *     inherited     what the caller left open by accident. While /proc can be asked for it.
 *     uid           an ID of its own, so that a monitor that breaks out of all below meets no
 *                   file, process or key of another VM's, nor of root's. It is chosen while /proc
 *                   can be asked, and put on once root has no more to do: see namespaces.
 *     namespaces    no mount, network interface, semaphore, host name or cgroup of the host's is
 *                   seen. As root they are made as root and the user namespace last, so that they
 *                   don't belong to it and nobody in it has a right to them. Without root the
 *                   user namespace is what gives the right to make the others, so all come at
 *                   once.
 *     root          an empty read-only file system. It needs a mount namespace, and the right to
 *                   mount.
 *     capabilities  of the user namespace, all of which its maker has. None of the stages above
 *                   works without, none of those below needs any.
 *     landlock      the file system a second time, by another part of the kernel, and what
 *                   namespaces leave open: signals to, and abstract sockets of, others. Needs
 *                   no_new_privs.
 *     limits        descriptors, threads, file size; no core dump and no debugger: the guest's
 *                   memory is not to be had from outside. After the user namespace, whose maps
 *                   are written through /proc, which is closed with this.
 *     seccomp       the few system calls that are left: last, for all above are system calls. The
 *                   loop's filter is put on when the vCPUs' threads are there, since making
 *                   threads is none of them; each vCPU's by itself before its first KVM_RUN.
 *
 * A process ID namespace is missing: it is for children, of which the monitor has none, and it may
 * not fork. Who starts it can put it into one, as hull does.
 */

static bool is_named(const struct config *config, int fd)
{
	bool named = fd == config->events_fd || fd == config->vsock.fd ||
		     fd == config->api.container_fd ||
		     (config->serial.kind == CONFIG_SERIAL_FD && fd == config->serial.fd);

	for (unsigned int i = 0; i < config->api.fd_count; i++)
		named |= fd == config->api.fds[i];
	for (unsigned int i = 0; i < config->disk_count; i++)
		named |= !config->disks[i].path && fd == config->disks[i].fd;
	for (unsigned int i = 0; i < config->net_count; i++)
		for (unsigned int n = 0; n < config->nets[i].fd_count; n++)
			named |= fd == config->nets[i].fds[n];
	return named;
}

/* What the monitor has opened is closed by execve(); what isn't was there before. */
static int close_inherited(int process, const struct config *config, struct err *err)
{
	int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return err_errno(err, errno, "jail: /proc/self/fd");
	}
	while ((entry = readdir(dir))) {
		int flags;

		fd = (int)strtol(entry->d_name, NULL, 10);
		flags = fd > STDERR_FILENO ? fcntl(fd, F_GETFD) : -1;
		if (flags >= 0 && !(flags & FD_CLOEXEC) && !is_named(config, fd))
			close(fd);
	}
	closedir(dir);
	return 0;
}

/* Return: @path, or an absolute one that @config keeps, with one slash in front; NULL for lack of
 * memory, or of a place to be. */
static const char *make_absolute(struct config *config, const char *path)
{
	char text[CONFIG_JAIL_PATH_MAX];
	size_t len;

	if (*path == '/')
		return path + strspn(path, "/") - 1;
	if (!getcwd(text, sizeof(text)))
		return NULL;
	len = strlen(text);
	if ((size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len > 1 ? "/" : "", path) >=
		sizeof(text) - len) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	return config_keep(config, text);
}

/* Of the directory in which the guest's connections meet their listeners. */
static int grant_sockets(struct config *config, struct err *err)
{
	struct config_jail *jail = &config->jail;
	const char *uds = config->vsock.uds;
	const char *slash = uds ? strrchr(uds, '/') : NULL;
	char dir[CONFIG_JAIL_PATH_MAX] = ".";
	const char *kept;

	if (!uds)
		return 0;
	if (slash)
		snprintf(dir, sizeof(dir), "%.*s", slash == uds ? 1 : (int)(slash - uds), uds);
	if (jail->grant_count == CONFIG_JAIL_GRANTS_MAX)
		return err_set(err, -EINVAL, "jail: granting %s: more than %d directories", dir,
			CONFIG_JAIL_GRANTS_MAX);
	kept = config_keep(config, dir);
	if (!kept)
		return err_set(err, -ENOMEM, "jail: out of memory");
	/* First: where another grant is of the same place, that one is what is seen. */
	memmove(jail->grants + 1, jail->grants, jail->grant_count * sizeof(jail->grants[0]));
	jail->grants[0] = (struct config_jail_grant){.path = kept, .sockets = true};
	jail->grant_count++;
	return 0;
}

/* Is it something that can be granted? The jail's root stays empty, unless it is the VM's own. */
static int check_grant(struct config_jail_grant *grant, struct err *err)
{
	struct stat st, root;

	if (stat(grant->path, &st) < 0 || stat("/", &root) < 0)
		return err_errno(err, errno, "jail: granting %s", grant->path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, "jail: granting %s: is not a directory", grant->path);
	if (st.st_dev != root.st_dev || st.st_ino != root.st_ino)
		return 0;
	if (!stage_has_own_root())
		return err_set(err, -EINVAL,
			"jail: %s, which would show the monitor all of the host's files",
			grant->sockets ? "vsock's socket can't be in the root directory"
				       : "the root directory can't be granted");
	grant->path = "/";
	return 0;
}

/* A directory before those within it, whose names are longer: what is bound last is seen. */
static void sort_grants(struct config_jail *jail)
{
	for (unsigned int i = 1; i < jail->grant_count; i++) {
		struct config_jail_grant grant = jail->grants[i];
		unsigned int n = i;

		for (; n && strlen(jail->grants[n - 1].path) > strlen(grant.path); n--)
			jail->grants[n] = jail->grants[n - 1];
		jail->grants[n] = grant;
	}
}

static int settle_grants(struct config *config, struct err *err)
{
	struct config_jail *jail = &config->jail;
	int r = grant_sockets(config, err);

	for (unsigned int i = 0; i < jail->grant_count && !r; i++) {
		const char *path = make_absolute(config, jail->grants[i].path);

		if (!path)
			return err_errno(err, errno, "jail: granting %s", jail->grants[i].path);
		jail->grants[i].path = path;
		r = check_grant(&jail->grants[i], err);
	}
	sort_grants(jail);
	return r;
}

/* @r: of the stage. Return: 0 if it is in place or may be missing. */
static int settle(struct sandbox *sandbox, const struct config_jail *config,
	enum config_jail_layer layer, int r, struct err *err)
{
	if (!r)
		sandbox->layers |= 1u << layer;
	if (r != -ENOTSUP)
		return r;
	if (config->without & 1u << layer) {
		log_warn("%s: going on without, as --jail-without %s allows", err->msg,
			config_jail_layers[layer]);
		return 0;
	}
	return err_add(err, "; with --jail-without %s it goes on", config_jail_layers[layer]);
}

/* Be nobody. A container's root may not be able to: it stays who it is, unless told otherwise. */
static int become(struct sandbox *sandbox, const struct config_jail *config, struct err *err)
{
	int r = stage_become(sandbox->uid, sandbox->gid, err);

	if (!r || config->uid_given || config->gid_given || (r != -EPERM && r != -EINVAL))
		return r;
	log_warn("%s: the microVM stays user %u; --uid and --gid name others", err->msg, geteuid());
	sandbox->uid = geteuid();
	sandbox->gid = getegid();
	return 0;
}

static int choose_user(
	struct sandbox *sandbox, const struct config_jail *config, int process, struct err *err)
{
	int r = 0;

	sandbox->uid = config->uid;
	if (!config->uid_given)
		r = stage_uid_choose(process, &sandbox->uid, err);
	sandbox->gid = config->gid_given ? config->gid : sandbox->uid;
	return r;
}

/* Started by root: everything as root, and then be nobody. */
static int leave_root(
	struct sandbox *sandbox, const struct config_jail *config, int process, struct err *err)
{
	int r = choose_user(sandbox, config, process, err);

	if (!r)
		r = stage_namespaces(err);
	if (!r)
		r = stage_root(config, err);
	if (!r)
		r = become(sandbox, config, err);
	return r;
}

static int check_user(const struct config_jail *config, struct err *err)
{
	if (config->uid_given && config->uid != geteuid())
		return err_set(
			err, -EPERM, "--uid %u: only root can become another user", config->uid);
	if (config->gid_given && config->gid != getegid())
		return err_set(
			err, -EPERM, "--gid %u: only root can become another group", config->gid);
	return 0;
}

/* Started by a user: a namespace in which it may do the same. */
static int leave_user(
	struct sandbox *sandbox, const struct config_jail *config, int process, struct err *err)
{
	int r = check_user(config, err);

	sandbox->uid = geteuid();
	sandbox->gid = getegid();
	if (r < 0)
		return r;
	r = settle(
		sandbox, config, CONFIG_JAIL_USERNS, stage_user_namespace(process, true, err), err);
	if (!r && sandbox->layers & 1u << CONFIG_JAIL_USERNS)
		r = stage_root(config, err);
	return r;
}

/* A change of user takes the signal back, so it is asked for when there is no more to come. */
static int tie_to_parent(struct err *err)
{
	pid_t parent = getppid();

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return err_errno(err, errno, "jail: --die-with-parent");
	if (getppid() != parent)
		return err_set(err, -ESRCH, "jail: --die-with-parent: the parent has ended");
	return 0;
}

/* /proc/PID/environ shows what the process was started with, which may be somebody's secrets. */
static void blank_environment(void)
{
	for (char **entry = environ; entry && *entry; entry++)
		explicit_bzero(*entry, strlen(*entry));
	environ = NULL;
}

static int give_up(struct sandbox *sandbox, struct config *config, struct err *err)
{
	const struct config_jail *jail = &config->jail;
	int CLEANUP_FD process = -1;
	int r = settle_grants(config, err);

	if (r < 0)
		return r;
	/* Of no use any more when there is no /proc. */
	process = stage_process(err);
	if (process < 0)
		return process;
	r = close_inherited(process, config, err);
	if (r < 0)
		return r;
	/* The time zone is read from a file when it is first used. */
	tzset();
	blank_environment();
	if (geteuid() == 0 && stage_may_make_namespaces()) {
		r = leave_root(sandbox, jail, process, err);
		if (!r)
			r = settle(sandbox, jail, CONFIG_JAIL_USERNS,
				stage_user_namespace(process, false, err), err);
	} else {
		/* Root without its rights, as in a container, is a user who can be another one. */
		r = geteuid() == 0 ? choose_user(sandbox, jail, process, err) : 0;
		if (!r && geteuid() == 0)
			r = become(sandbox, jail, err);
		if (!r)
			r = leave_user(sandbox, jail, process, err);
	}
	if (!r)
		r = stage_capabilities(err);
	if (!r)
		r = settle(sandbox, jail, CONFIG_JAIL_LANDLOCK, stage_landlock(jail, err), err);
	if (!r)
		r = stage_limits(config, sandbox->layers & 1u << CONFIG_JAIL_USERNS, err);
	if (!r && !jail->no_seccomp)
		r = settle(sandbox, jail, CONFIG_JAIL_SECCOMP, seccomp_prepare(err), err);
	if (r < 0)
		return r;
	sandbox->jailed = true;
	log_info("jailed as user %u, group %u", sandbox->uid, sandbox->gid);
	return 0;
}

int sandbox_enter(struct sandbox *sandbox, struct config *config, struct err *err)
{
	int r = config->jail.off ? 0 : give_up(sandbox, config, err);

	if (!r && config->jail.die_with_parent)
		r = tie_to_parent(err);
	return r;
}
