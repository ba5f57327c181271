// SPDX-License-Identifier: Apache-2.0
// The table of attempts.
#include "tests/jail/attempts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

/* More than the jail's limit of threads. */
#define FORKS_MAX 300
/* No system call has it. */
#define UNKNOWN_CALL 1000
#define X32_BIT 0x40000000
#define I386_OPEN 5

/* What the parent is, and has; the children inherit the values. */
static struct {
	pid_t pid;
	char secret[16];
	char name[32];
	char file[40];
	uint16_t port;
	int shm;
	int host_root, host_mnt, host_net, host_user, tty;
} target = {.shm = -1};

static int serve_abstract(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(target.name, sizeof(target.name), "hull-probe-%d", target.pid);
	strcpy(addr.sun_path + 1, target.name);
	return fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
			       listen(fd, 128) < 0
		       ? -errno
		       : 0;
}

static int serve_tcp(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, len) < 0 || listen(fd, 128) < 0 ||
		getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return -errno;
	target.port = addr.sin_port;
	return 0;
}

int attempts_serve(void)
{
	int r;

	target.pid = getpid();
	strcpy(target.secret, "not to be read");
	snprintf(target.file, sizeof(target.file), "/tmp/hull-probe-%d", target.pid);
	target.shm = shmget(target.pid, 4096, IPC_CREAT | IPC_EXCL | 0666);
	if (target.shm < 0)
		return -errno;
	r = serve_abstract();
	return r ? r : serve_tcp();
}

void attempts_unserve(void)
{
	shmctl(target.shm, IPC_RMID, NULL);
	unlink(target.file);
}

void attempts_open(void)
{
	target.host_root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	target.host_mnt = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	target.host_net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	target.host_user = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	close(open(target.file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	target.tty = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
}

/* What must go on working, in any jail. */

static long write_nothing(void)
{
	return write(STDERR_FILENO, "", 0);
}

static long memory(void)
{
	void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -1;
	memset(p, 1, 1 << 20);
	return munmap(p, 1 << 20);
}

static long tgkill_self(void)
{
	return syscall(SYS_tgkill, getpid(), gettid(), 0);
}

static long thread_name(void)
{
	char name[16];

	return prctl(PR_GET_NAME, name, 0, 0, 0);
}

/* Files. */

static long open_passwd(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static long open_above(void)
{
	return open("../../../../../../../../etc/passwd", O_RDONLY);
}

static long open_environ(void)
{
	return open("/proc/self/environ", O_RDONLY);
}

static long open_kvm(void)
{
	return open("/dev/kvm", O_RDWR);
}

static long open_root(void)
{
	return open("/", O_RDONLY | O_DIRECTORY);
}

static long create_file(void)
{
	return open("/left-behind-by-probe", O_WRONLY | O_CREAT | O_EXCL, 0600);
}

static long open_below_kept(void)
{
	return openat(target.host_root, "etc/passwd", O_RDONLY);
}

static long open_kept_root(void)
{
	return fchdir(target.host_root) < 0 ? -1 : open("etc/passwd", O_RDONLY);
}

static long do_openat2(void)
{
	const struct open_how how = {.flags = O_RDONLY};

	return syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof(how));
}

static long open_by_handle(void)
{
	struct {
		struct file_handle head;
		unsigned char bytes[8];
	} handle = {.head = {.handle_bytes = 8, .handle_type = 1}};

	return open_by_handle_at(target.host_root, &handle.head, O_RDONLY);
}

static long do_unlink(void)
{
	return syscall(SYS_unlink, target.file);
}

static long make_device(void)
{
	return mknod("/probe-device", S_IFBLK | 0600, makedev(7, 0));
}

static long make_fifo(void)
{
	return mknod("/probe-fifo", S_IFIFO | 0600, 0);
}

/* Roots, mounts, namespaces. */

static long do_chroot(void)
{
	return chroot("/");
}

static long chroot_kept(void)
{
	return fchdir(target.host_root) < 0 ? -1 : chroot(".");
}

static long do_pivot_root(void)
{
	return syscall(SYS_pivot_root, ".", ".");
}

static long do_mount(void)
{
	return mount("none", "/", "tmpfs", 0, NULL);
}

static long mount_bind(void)
{
	return mount("/", "/", NULL, MS_BIND, NULL);
}

static long make_writable(void)
{
	struct mount_attr attr = {.attr_clr = MOUNT_ATTR_RDONLY};

	return syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attr, sizeof(attr));
}

static long do_fsopen(void)
{
	return syscall(SYS_fsopen, "proc", 0);
}

static long clone_tree(void)
{
	return syscall(SYS_open_tree, target.host_root, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
}

static long do_umount(void)
{
	return umount2("/", MNT_DETACH);
}

static long unshare_mount(void)
{
	return unshare(CLONE_NEWNS);
}

static long unshare_user(void)
{
	return unshare(CLONE_NEWUSER);
}

/* In there it has every capability again. */
static long unshare_user_and_mount(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -1;
	return mount("none", "/", "tmpfs", 0, NULL);
}

static long setns_mount(void)
{
	return setns(target.host_mnt, CLONE_NEWNS);
}

static long setns_net(void)
{
	return setns(target.host_net, CLONE_NEWNET);
}

static long setns_user(void)
{
	return setns(target.host_user, CLONE_NEWUSER);
}

static long set_host_name(void)
{
	return sethostname("probe", 5);
}

/* Other processes. */

static long ptrace_parent(void)
{
	return ptrace(PTRACE_SEIZE, target.pid, 0, 0);
}

static long read_parent(void)
{
	char text[sizeof(target.secret)];
	struct iovec mine = {text, sizeof(text)}, theirs = {target.secret, sizeof(text)};

	return process_vm_readv(target.pid, &mine, 1, &theirs, 1, 0);
}

static long compare_parent(void)
{
	return syscall(SYS_kcmp, getpid(), target.pid, 1 /* KCMP_VM */, 0, 0);
}

static long take_from_parent(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, target.pid, 0);

	return pidfd < 0 ? -1 : syscall(SYS_pidfd_getfd, pidfd, STDIN_FILENO, 0);
}

static long limit_parent(void)
{
	struct rlimit limit;

	return prlimit(target.pid, RLIMIT_NOFILE, NULL, &limit);
}

static long kill_parent(void)
{
	return kill(target.pid, 0);
}

static long kill_init(void)
{
	return kill(1, 0);
}

static long tgkill_parent(void)
{
	return syscall(SYS_tgkill, target.pid, target.pid, 0);
}

static long tkill_parent(void)
{
	return syscall(SYS_tkill, target.pid, 0);
}

static long own_parent(void)
{
	struct f_owner_ex owner = {F_OWNER_PID, target.pid};

	return fcntl(STDERR_FILENO, F_SETOWN_EX, &owner);
}

static long attach_shm(void)
{
	return shmget(target.pid, 4096, 0);
}

static long do_fork(void)
{
	long pid = syscall(SYS_fork);

	if (!pid)
		_exit(0);
	return pid;
}

static long do_clone(void)
{
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (!pid)
		_exit(0);
	return pid;
}

static long do_clone3(void)
{
	struct {
		uint64_t words[8];
	} args = {{[4] = SIGCHLD}};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (!pid)
		_exit(0);
	return pid;
}

static long fork_without_end(void)
{
	pid_t pids[FORKS_MAX];
	long pid = 0;
	int count = 0, saved;

	while (count < FORKS_MAX && (pid = syscall(SYS_fork)) > 0)
		pids[count++] = (pid_t)pid;
	if (!pid) {
		/* Should nobody end it. */
		alarm(30);
		for (;;)
			pause();
	}
	saved = errno;
	while (count--)
		kill(pids[count], SIGKILL);
	errno = saved;
	return pid;
}

static long do_execve(void)
{
	char name[] = "sh", *argv[] = {name, NULL};

	return execve("/bin/sh", argv, argv + 1);
}

static long do_execveat(void)
{
	char name[] = "sh", *argv[] = {name, NULL};

	return syscall(SYS_execveat, target.host_root, "bin/sh", argv, argv + 1, 0);
}

/* Rights. */

static long set_root(void)
{
	return syscall(SYS_setuid, 0);
}

static long set_root_group(void)
{
	return syscall(SYS_setgid, 0);
}

static long set_groups(void)
{
	gid_t group = 0;

	return syscall(SYS_setgroups, 1, &group);
}

static long raise_capability(void)
{
	struct {
		uint32_t version;
		int pid;
	} head = {0x20080522, 0};
	struct {
		uint32_t effective, permitted, inheritable;
	} data[2] = {{1, 1, 0}};

	return syscall(SYS_capset, &head, data);
}

static long raise_ambient(void)
{
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0);
}

static long clear_securebits(void)
{
	return prctl(PR_SET_SECUREBITS, 0, 0, 0, 0);
}

static long want_new_privileges(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

static long become_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long raise_limit(void)
{
	const struct rlimit limit = {1, 1};

	return setrlimit(RLIMIT_CORE, &limit);
}

static long do_mlock(void)
{
	static char page[4096] __attribute__((aligned(4096)));

	return mlock(page, sizeof(page));
}

/* Sockets. */

static long socket_inet(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long socket_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

static long socket_packet(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static long socket_alg(void)
{
	return socket(AF_ALG, SOCK_SEQPACKET, 0);
}

static long socket_vsock(void)
{
	return socket(AF_VSOCK, SOCK_STREAM, 0);
}

static long connect_tcp(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = target.port};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&addr, sizeof(addr));
}

static long connect_abstract(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(addr.sun_path + 1, target.name, strlen(target.name));
	return fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&addr, sizeof(addr));
}

/* The kernel. */

static long do_bpf(void)
{
	union bpf_attr attr = {.start_id = 0};

	return syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &attr, sizeof(attr));
}

static long do_add_key(void)
{
	return syscall(SYS_add_key, "user", "hull-probe", "x", 1, KEY_SPEC_PROCESS_KEYRING);
}

static long do_keyctl(void)
{
	return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1);
}

static long perf(void)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK};

	return syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0);
}

static long do_userfaultfd(void)
{
	return syscall(SYS_userfaultfd, O_CLOEXEC);
}

static long do_io_uring(void)
{
	struct io_uring_params params = {0};

	return syscall(SYS_io_uring_setup, 1, &params);
}

static long module(void)
{
	return syscall(SYS_init_module, "", 0, "");
}

static long do_syslog(void)
{
	char text[64];

	return syscall(SYS_syslog, 9 /* how much is unread */, text, sizeof(text));
}

static long set_time(void)
{
	/* The time zone that the kernel has anyway. */
	const struct timezone zone = {0};

	return syscall(SYS_settimeofday, NULL, &zone);
}

static long do_reboot(void)
{
	/* Not a command, so harmless; rights are looked at first. */
	return syscall(SYS_reboot, 0xfee1dead, 672274793, 0x12345678, NULL);
}

static long insert_input(void)
{
	return ioctl(target.tty, TIOCSTI, "x");
}

/* Code. */

static long map_executable(void)
{
	void *p = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long protect_executable(void)
{
	static char page[4096] __attribute__((aligned(4096)));

	return mprotect(page, sizeof(page), PROT_READ | PROT_EXEC);
}

static long protect_by_key(void)
{
	static char page[4096] __attribute__((aligned(4096)));

	return syscall(SYS_pkey_mprotect, page, sizeof(page), PROT_READ | PROT_EXEC, -1);
}

static long read_implies_exec(void)
{
	return personality(READ_IMPLIES_EXEC);
}

static long make_memfd(void)
{
	return memfd_create("probe", 0);
}

/* Other tables of system calls, and what a filter might not see. */

static long x32(void)
{
	return syscall(X32_BIT | SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

static long int80(void)
{
	char *path = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long r;

	if (path == MAP_FAILED)
		return -1;
	strcpy(path, "/etc/passwd");
	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(I386_OPEN), "b"(path), "c"(O_RDONLY), "d"(0)
			 : "memory", "r8", "r9", "r10", "r11");
	r = (int)r;
	errno = r < 0 ? (int)-r : 0;
	return r;
}

static long unknown_call(void)
{
	return syscall(UNKNOWN_CALL);
}

static long negative_call(void)
{
	return syscall(-2);
}

static long ignore_violations(void)
{
	return signal(SIGSYS, SIG_IGN) == SIG_ERR ? -1 : 0;
}

/* A signal that is blocked and has to be delivered all the same ends the process. */
static long behind_mask(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	return chroot("/");
}

#define CALL(name) #name, SYS_##name
/* clang-format off */
#define DONE {.done = true}
#define NOT(...) {.errnos = {__VA_ARGS__}}
/* clang-format on */
#define WITHOUT(...) .root = __VA_ARGS__, .user = __VA_ARGS__
#define LOOP_TOO(...) .loop = __VA_ARGS__, WITHOUT(__VA_ARGS__)
#define ALL_TOO(...) .vcpu = __VA_ARGS__, LOOP_TOO(__VA_ARGS__)
#define BARE .bare_root = true, .bare_user = true

const struct attempt attempts[] = {
	{"writing", write_nothing, CALL(write), ALL_TOO(DONE), BARE},
	{"memory", memory, CALL(mmap), ALL_TOO(DONE), BARE},
	{"a signal to itself", tgkill_self, CALL(tgkill), LOOP_TOO(DONE), BARE},
	{"the thread's name", thread_name, CALL(prctl), ALL_TOO(DONE), BARE},

	{"open /etc/passwd", open_passwd, CALL(openat), LOOP_TOO(NOT(ENOENT)), BARE},
	{"open ../../etc/passwd", open_above, CALL(openat), LOOP_TOO(NOT(ENOENT)), BARE},
	{"open /proc/self/environ", open_environ, CALL(openat), LOOP_TOO(NOT(ENOENT)), BARE},
	{"open /dev/kvm", open_kvm, CALL(openat), LOOP_TOO(NOT(ENOENT)), .bare_root = true},
	{"list /", open_root, CALL(openat), LOOP_TOO(NOT(EACCES)), BARE},
	{"create a file", create_file, CALL(openat), LOOP_TOO(NOT(EROFS, EACCES))},
	{"open below a descriptor", open_below_kept, CALL(openat), LOOP_TOO(NOT(EACCES)), BARE},
	{"open below a kept root", open_kept_root, CALL(fchdir), WITHOUT(NOT(EACCES)), BARE},
	{"openat2", do_openat2, CALL(openat2), WITHOUT(NOT(ENOENT)), BARE},
	{"open by handle", open_by_handle, CALL(open_by_handle_at), WITHOUT(NOT(EPERM))},
	{"unlink", do_unlink, CALL(unlink), LOOP_TOO(NOT(ENOENT)), BARE},
	{"make a device", make_device, CALL(mknodat), WITHOUT(NOT(EPERM, EROFS, EACCES))},
	{"make a FIFO", make_fifo, CALL(mknodat), WITHOUT(NOT(EROFS, EACCES))},

	{"chroot", do_chroot, CALL(chroot), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"chroot to a kept root", chroot_kept, CALL(fchdir), WITHOUT(NOT(EPERM)),
		.bare_root = true},
	{"pivot_root", do_pivot_root, CALL(pivot_root), WITHOUT(NOT(EPERM))},
	{"mount", do_mount, CALL(mount), WITHOUT(NOT(EPERM))},
	{"bind mount", mount_bind, CALL(mount), WITHOUT(NOT(EPERM))},
	{"a writable root", make_writable, CALL(mount_setattr), WITHOUT(NOT(EPERM))},
	{"fsopen", do_fsopen, CALL(fsopen), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"open_tree", clone_tree, CALL(open_tree), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"umount", do_umount, CALL(umount2), WITHOUT(NOT(EPERM))},
	{"unshare mounts", unshare_mount, CALL(unshare), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"unshare users", unshare_user, CALL(unshare), WITHOUT(DONE), BARE},
	{"unshare users to mount", unshare_user_and_mount, CALL(unshare), WITHOUT(NOT(EPERM)),
		BARE},
	{"setns mnt", setns_mount, CALL(setns), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"setns net", setns_net, CALL(setns), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"setns user", setns_user, CALL(setns), WITHOUT(NOT(EPERM))},
	{"sethostname", set_host_name, CALL(sethostname), WITHOUT(NOT(EPERM))},

	{"ptrace", ptrace_parent, CALL(ptrace), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"process_vm_readv", read_parent, CALL(process_vm_readv), WITHOUT(NOT(EPERM)),
		.bare_root = true},
	{"kcmp", compare_parent, CALL(kcmp), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"pidfd_getfd", take_from_parent, CALL(pidfd_open), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"limits of the parent", limit_parent, CALL(prlimit64), .root = NOT(EPERM), .user = DONE,
		BARE},
	{"kill the parent", kill_parent, CALL(kill), .root = NOT(EPERM), .user = DONE,
		.scoped = true, BARE},
	{"kill init", kill_init, CALL(kill), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"tgkill the parent", tgkill_parent, CALL(tgkill), .root = NOT(EPERM), .user = DONE,
		.scoped = true, BARE},
	{"tkill the parent", tkill_parent, CALL(tkill), .root = NOT(EPERM), .user = DONE,
		.scoped = true, BARE},
	{"signals by fcntl", own_parent, CALL(fcntl), WITHOUT(DONE), BARE},
	{"shared memory", attach_shm, CALL(shmget), WITHOUT(NOT(ENOENT)), BARE},
	{"fork", do_fork, CALL(fork), WITHOUT(DONE), BARE},
	{"clone", do_clone, CALL(clone), WITHOUT(DONE), BARE},
	{"clone3", do_clone3, CALL(clone3), WITHOUT(DONE), BARE},
	{"fork without end", fork_without_end, CALL(fork), WITHOUT(NOT(EAGAIN)), BARE},
	{"execve", do_execve, CALL(execve), WITHOUT(NOT(ENOENT))},
	{"execveat", do_execveat, CALL(execveat), WITHOUT(NOT(EACCES))},

	{"setuid 0", set_root, CALL(setuid), WITHOUT(NOT(EPERM, EINVAL)), .bare_root = true},
	{"setgid 0", set_root_group, CALL(setgid), WITHOUT(NOT(EPERM, EINVAL)), .bare_root = true},
	{"setgroups", set_groups, CALL(setgroups), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"capset", raise_capability, CALL(capset), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"ambient capabilities", raise_ambient, CALL(prctl), WITHOUT(NOT(EPERM))},
	{"securebits", clear_securebits, CALL(prctl), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"new privileges", want_new_privileges, CALL(prctl), WITHOUT(NOT(EINVAL))},
	{"dumpable", become_dumpable, CALL(prctl), WITHOUT(DONE), BARE},
	{"raise a limit", raise_limit, CALL(prlimit64), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"mlock", do_mlock, CALL(mlock), WITHOUT(NOT(EPERM)), BARE},

	{"AF_INET", socket_inet, CALL(socket), WITHOUT(DONE), BARE},
	{"AF_NETLINK", socket_netlink, CALL(socket), WITHOUT(DONE), BARE},
	{"AF_PACKET", socket_packet, CALL(socket), WITHOUT(NOT(EPERM))},
	{"AF_ALG", socket_alg, CALL(socket), WITHOUT({.done = true, .errnos = {EAFNOSUPPORT}})},
	{"AF_VSOCK", socket_vsock, CALL(socket), WITHOUT({.done = true, .errnos = {EAFNOSUPPORT}})},
	{"connect TCP", connect_tcp, CALL(socket), WITHOUT(NOT(ENETUNREACH, EACCES)), BARE},
	{"connect an abstract socket", connect_abstract, CALL(socket), LOOP_TOO(NOT(ECONNREFUSED)),
		BARE},

	{"bpf", do_bpf, CALL(bpf), WITHOUT(NOT(EPERM))},
	{"add_key", do_add_key, CALL(add_key), WITHOUT(DONE), BARE},
	{"keyctl", do_keyctl, CALL(keyctl), WITHOUT(DONE), BARE},
	{"perf_event_open", perf, CALL(perf_event_open), WITHOUT(NOT(EACCES, EPERM)),
		.bare_root = true},
	{"userfaultfd", do_userfaultfd, CALL(userfaultfd), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"io_uring_setup", do_io_uring, CALL(io_uring_setup), .loop = NOT(EPERM),
		WITHOUT({.done = true, .errnos = {ENOMEM}}), BARE},
	{"init_module", module, CALL(init_module), WITHOUT(NOT(EPERM, ENOSYS))},
	{"syslog", do_syslog, CALL(syslog), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"settimeofday", set_time, CALL(settimeofday), WITHOUT(NOT(EPERM))},
	{"reboot", do_reboot, CALL(reboot), WITHOUT(NOT(EPERM))},
	{"TIOCSTI", insert_input, CALL(ioctl), WITHOUT(NOT(EPERM, EIO))},

	{"map executable memory", map_executable, CALL(mmap), WITHOUT(DONE), BARE},
	{"make memory executable", protect_executable, CALL(mprotect), WITHOUT(DONE), BARE},
	{"the same by a key", protect_by_key, CALL(pkey_mprotect), WITHOUT(DONE), BARE},
	{"personality", read_implies_exec, CALL(personality), WITHOUT(DONE), BARE},
	{"memfd_create", make_memfd, CALL(memfd_create), WITHOUT(DONE), BARE},

	{"an x32 call", x32, NULL, 0, WITHOUT(NOT(ENOSYS, ENOENT))},
	{"an int $0x80 call", int80, NULL, 0, WITHOUT(NOT(ENOENT)), BARE},
	{"an unknown call", unknown_call, "", UNKNOWN_CALL, WITHOUT(NOT(ENOSYS))},
	{"a negative call", negative_call, NULL, 0, WITHOUT(NOT(ENOSYS))},
	{"ignore SIGSYS", ignore_violations, CALL(rt_sigaction), WITHOUT(DONE), BARE},
	{"a call behind a mask", behind_mask, NULL, 0, WITHOUT(NOT(EPERM)), .bare_root = true},
};

const size_t attempts_count = sizeof(attempts) / sizeof(attempts[0]);
