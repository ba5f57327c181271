// SPDX-License-Identifier: Apache-2.0
// PID 1 of a guest that runs a script: the image on /dev/vda becomes the root, read-only, and a
// shell there runs what /dev/vdb holds; then it powers off.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int r, const char *what)
{
	if (r < 0) {
		perror(what);
		reboot(RB_POWER_OFF);
	}
}

int main(void)
{
	char shell[] = "/bin/sh", script[] = "/dev/vdb";
	char *argv[] = {shell, script, NULL};
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *envp[] = {path, NULL};
	pid_t pid;

	mkdir("/root", 0755);
	must(mount("dev", "/dev", "devtmpfs", 0, NULL), "devtmpfs");
	must(mount("/dev/vda", "/root", "ext4", MS_RDONLY, NULL), "/dev/vda");
	must(mount("/dev", "/root/dev", NULL, MS_MOVE, NULL), "moving /dev");
	must(mount("proc", "/root/proc", "proc", 0, NULL), "proc");
	must(mount("sys", "/root/sys", "sysfs", 0, NULL), "sysfs");
	must(mount("tmp", "/root/tmp", "tmpfs", 0, NULL), "tmpfs");
	must(mount("run", "/root/run", "tmpfs", 0, NULL), "tmpfs");
	must(chroot("/root"), "chroot");
	must(chdir("/tmp"), "/tmp");
	pid = fork();
	if (pid == 0) {
		execve(shell, argv, envp);
		_exit(127);
	}
	while (wait(NULL) != pid)
		;
	reboot(RB_POWER_OFF);
	return 1;
}
