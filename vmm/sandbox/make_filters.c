// SPDX-License-Identifier: Apache-2.0
// Makes the filters of system calls when hull is built, so that a start compiles nothing: C on
// standard output.
#include "vmm/sandbox/seccomp.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/kvm.h>
#include <linux/prctl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum kind {
	KIND_LOOP,
	KIND_VCPU,
	KINDS,
};

static const char *const kind_names[KINDS] = {"loop", "vcpu"};

struct rule {
	enum kind kind;
	const char *call;
	unsigned int count;
	struct scmp_arg_cmp arg;
};

static const struct rule rules[] = {
#include "vmm/syscall_rules.inc"
};

/* More than any kernel has, for a table of their names. */
#define CALLS_MAX 1024

static void fail(const char *what, const char *name, int r)
{
	fprintf(stderr, "make_filters: %s %s: %s\n", what, name, strerror(-r));
	exit(1);
}

static void add_rules(scmp_filter_ctx filter, enum kind kind)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct rule *rule = &rules[i];
		int nr = seccomp_syscall_resolve_name(rule->call), r;

		if (rule->kind != kind)
			continue;
		if (nr == __NR_SCMP_ERROR)
			fail("unknown system call", rule->call, -EINVAL);
		r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, nr, rule->count, &rule->arg);
		if (r < 0)
			fail("rule for", rule->call, r);
	}
}

static void print_filter(enum kind kind)
{
	/* A call that isn't listed traps: its thread can say which it was. */
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	FILE *file = tmpfile();
	struct sock_filter code;
	int r;

	if (!filter || !file)
		fail("filter of", kind_names[kind], -ENOMEM);
	r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!r)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/* A monitor that is refused a ring uses a disk without one. */
	if (!r && kind == KIND_LOOP)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(io_uring_setup), 0);
	if (r < 0)
		fail("filter of", kind_names[kind], r);
	add_rules(filter, kind);
	r = seccomp_export_bpf(filter, fileno(file));
	if (r < 0)
		fail("filter of", kind_names[kind], r);
	lseek(fileno(file), 0, SEEK_SET);
	printf("static const struct sock_filter filter_%s[] = {\n", kind_names[kind]);
	while (read(fileno(file), &code, sizeof(code)) == sizeof(code))
		printf("\t{0x%02x, %u, %u, 0x%08x},\n", code.code, code.jt, code.jf, code.k);
	printf("};\n\n");
	fclose(file);
	seccomp_release(filter);
}

/* One string for all: an array of pointers would have to be relocated at each start. */
static void print_names(void)
{
	char *names[CALLS_MAX] = {0};
	int last = 0;

	for (int nr = 0; nr < CALLS_MAX; nr++) {
		names[nr] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
		if (names[nr])
			last = nr;
	}
	printf("/* By number, each ended by a zero. */\nstatic const char call_names[] =");
	for (int nr = 0; nr <= last; nr++) {
		printf("\n\t\"%s\\0\"", names[nr] ? names[nr] : "");
		free(names[nr]);
	}
	printf(";\n#define CALL_COUNT %d\n", last + 1);
}

int main(void)
{
	printf("// Made by make_filters.c.\n");
	for (int kind = 0; kind < KINDS; kind++)
		print_filter((enum kind)kind);
	print_names();
	return 0;
}
