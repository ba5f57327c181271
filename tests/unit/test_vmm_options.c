// SPDX-License-Identifier: Apache-2.0
// Tests of vmm/options.h: what the command line means and how it is refused.
#include "vmm/options.h"

#include "base/err.h"
#include "tests/lib/suite.h"
#include "vmm/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ARGS_MAX 32

/* Parse a copy of @line, split at spaces. */
static int parse(const char *line, struct config *config, struct err *err)
{
	static char copy[512];
	char *argv[ARGS_MAX], *saved;
	int argc = 0;

	strcpy(copy, line);
	for (char *p = strtok_r(copy, " ", &saved); p; p = strtok_r(NULL, " ", &saved))
		argv[argc++] = p;
	argv[argc] = NULL;
	return options_parse(argc, argv, config, err);
}

START_TEST(defaults)
{
	struct config config;
	struct err err;

	ck_assert_int_eq(parse("hull-vmm --kernel k", &config, &err), OPTIONS_RUN);
	ck_assert_str_eq(config.kernel, "k");
	ck_assert_ptr_null(config.initrd);
	ck_assert_str_eq(config.cmdline, "console=ttyS0");
	ck_assert_uint_eq(config.memory, 128 << 20);
	ck_assert_int_eq(config.pages, CONFIG_PAGES_SMALL);
	ck_assert_uint_eq(config.cpus, 1);
	ck_assert(config.acpi);
	ck_assert(!config.nested);
	ck_assert_uint_eq(config.legacy, 0);
	ck_assert_uint_eq(config.disk_count, 0);
	ck_assert_uint_eq(config.vsock.cid, 0);
	ck_assert_int_eq(config.serial.kind, CONFIG_SERIAL_NONE);
	ck_assert_int_eq(config.events_fd, -1);
}
END_TEST

START_TEST(disk_properties)
{
	const struct config_disk *disk;
	struct config config;
	struct err err;

	ck_assert_int_eq(
		parse("hull-vmm --kernel k --disk "
		      "a,b,ro,direct,cache=unsafe,io=sync,queues=4,id=root,"
		      "rate=bw:100M/1000+10M;ops:1000/500 --disk x,io=uring,cache=writeback "
		      "--disk fd=3,rate=ops:7/1+2 --disk y,rate",
			&config, &err),
		OPTIONS_RUN);
	disk = &config.disks[0];
	ck_assert_str_eq(disk->path, "a,b");
	ck_assert(disk->read_only && disk->direct && disk->unsafe);
	ck_assert_int_eq(disk->io, CONFIG_DISK_IO_SYNC);
	ck_assert_uint_eq(disk->queues, 4);
	ck_assert_str_eq(disk->id, "root");
	ck_assert_uint_eq(disk->rate.bytes.size, 100 << 20);
	ck_assert_uint_eq(disk->rate.bytes.refill_ms, 1000);
	ck_assert_uint_eq(disk->rate.bytes.burst, 10 << 20);
	ck_assert_uint_eq(disk->rate.ops.size, 1000);
	ck_assert_uint_eq(disk->rate.ops.refill_ms, 500);
	ck_assert_uint_eq(disk->rate.ops.burst, 0);
	disk = &config.disks[1];
	ck_assert_str_eq(disk->path, "x");
	ck_assert(!disk->read_only && !disk->direct && !disk->unsafe);
	ck_assert_int_eq(disk->io, CONFIG_DISK_IO_URING);
	ck_assert_uint_eq(disk->queues, 1);
	ck_assert_ptr_null(disk->id);
	ck_assert_uint_eq(disk->rate.bytes.size, 0);
	disk = &config.disks[2];
	ck_assert_int_eq(disk->fd, 3);
	ck_assert_int_eq(disk->io, CONFIG_DISK_IO_AUTO);
	ck_assert_uint_eq(disk->rate.ops.size, 7);
	ck_assert_uint_eq(disk->rate.ops.burst, 2);
	/* No property, so a part of the name. */
	ck_assert_str_eq(config.disks[3].path, "y,rate");
}
END_TEST

START_TEST(everything_given)
{
	struct config config;
	struct err err;

	ck_assert_int_eq(
		parse("hull-vmm --kernel=k --initrd i --cmdline quiet --memory 5G,hugetlb "
		      "--cpus 64 --acpi off --nested on --legacy rtc,pit --disk a.img,ro "
		      "--disk fd=7 --disk b,c "
		      "--vsock cid=3,uds=/run/v,seqpacket --serial file=/tmp/s --events-fd 9 "
		      "--log-level DEBUG",
			&config, &err),
		OPTIONS_RUN);
	ck_assert_uint_eq(config.memory, 5ull << 30);
	ck_assert_int_eq(config.pages, CONFIG_PAGES_HUGETLB);
	ck_assert_uint_eq(config.cpus, 64);
	ck_assert(!config.acpi);
	ck_assert(config.nested);
	ck_assert_uint_eq(config.legacy, CONFIG_LEGACY_RTC | CONFIG_LEGACY_PIC | CONFIG_LEGACY_PIT);
	ck_assert_uint_eq(config.disk_count, 3);
	ck_assert_str_eq(config.disks[0].path, "a.img");
	ck_assert(config.disks[0].read_only);
	ck_assert_ptr_null(config.disks[1].path);
	ck_assert_int_eq(config.disks[1].fd, 7);
	ck_assert(!config.disks[1].read_only);
	ck_assert_str_eq(config.disks[2].path, "b,c");
	ck_assert_uint_eq(config.vsock.cid, 3);
	ck_assert_str_eq(config.vsock.uds, "/run/v");
	ck_assert(config.vsock.seqpacket);
	ck_assert_int_eq(config.serial.kind, CONFIG_SERIAL_FILE);
	ck_assert_str_eq(config.serial.path, "/tmp/s");
	ck_assert_int_eq(config.events_fd, 9);
	ck_assert_int_eq(config.log_level, LOG_DEBUG);
}
END_TEST

START_TEST(rng_and_balloon)
{
	struct config config;
	struct err err;

	ck_assert_int_eq(parse("hull-vmm --kernel k --rng --balloon "
			       "size=64,deflate-on-oom,stats=5,reporting",
				 &config, &err),
		OPTIONS_RUN);
	ck_assert(config.rng.present);
	ck_assert_uint_eq(config.rng.rate.bytes.size, 0);
	ck_assert(config.balloon.present);
	ck_assert_uint_eq(config.balloon.device.target_mib, 64);
	ck_assert_uint_eq(config.balloon.device.stats_s, 5);
	ck_assert(config.balloon.device.deflate_on_oom && config.balloon.device.reporting);
	ck_assert_int_eq(parse("hull-vmm --kernel k --balloon size=0 "
			       "--rng=rate=bw:100M/1000+10M;ops:7/50ms",
				 &config, &err),
		OPTIONS_RUN);
	ck_assert_uint_eq(config.rng.rate.bytes.size, 100 << 20);
	ck_assert_uint_eq(config.rng.rate.bytes.refill_ms, 1000);
	ck_assert_uint_eq(config.rng.rate.bytes.burst, 10 << 20);
	ck_assert_uint_eq(config.rng.rate.ops.size, 7);
	ck_assert_uint_eq(config.rng.rate.ops.refill_ms, 50);
	ck_assert_uint_eq(config.rng.rate.ops.burst, 0);
	ck_assert(config.balloon.present && !config.balloon.device.reporting);
}
END_TEST

START_TEST(help_and_version_win)
{
	struct config config;
	struct err err;

	ck_assert_int_eq(parse("hull-vmm --help", &config, &err), OPTIONS_HELP);
	ck_assert_int_eq(parse("hull-vmm --version --nonsense", &config, &err), OPTIONS_VERSION);
}
END_TEST

static const struct {
	const char *args;
	const char *message; /* part of it */
} bad[] = {
	{"--kernel", "--kernel needs a value"},
	{"--kernel k extra", "unexpected argument 'extra'"},
	{"--kernel k --frob", "unknown option '--frob'"},
	{"--kernel k --cpus 0", "--cpus: 0"},
	{"--kernel k --memory 64,huge", "--memory: 'huge' is neither hugetlb nor thp"},
	{"--kernel k --memory 65M,thp", "--memory: 65M is not a multiple of 2 MiB"},
	{"--kernel k --nested yes", "--nested: 'yes' is neither on nor off"},
	{"--kernel k --legacy pic,floppy", "--legacy: 'floppy' is none of"},
	{"--kernel k --legacy pic,", "--legacy: '' is none of"},
	{"--kernel k --cpus 65", "--cpus: '65'"},
	{"--kernel k --cpus -1", "--cpus: '-1'"},
	{"--kernel k --cpus 1x", "--cpus: '1x'"},
	{"--kernel k --cpus 18446744073709551616", "18446744073709551616"},
	{"--kernel k --memory 0", "--memory: 0"},
	{"--kernel k --memory 1T", "'1T' is not a size"},
	{"--kernel k --memory M", "'M' is not a size"},
	{"--kernel k --memory 1500K", "not a multiple of 1 MiB"},
	{"--kernel k --memory 99999999999G", "out of range"},
	{"--kernel k --acpi maybe", "--acpi: 'maybe'"},
	{"--kernel k --serial file=a,rate=ops:1/1", "only bytes"},
	{"--kernel k --serial file=a,rate=x", "'x' is neither"},
	{"--kernel k --rng --rng", "--rng: given twice"},
	{"--kernel k --rng=fast", "'fast' is not rate="},
	{"--kernel k --rng=rate=", "no limit is named"},
	{"--kernel k --rng=rate=bw:1", "has no /MILLISECONDS"},
	{"--kernel k --rng=rate=bw:1/0", "0 milliseconds"},
	{"--kernel k --rng=rate=bw:0/1", "out of range"},
	{"--kernel k --rng=rate=bw:1/1;bw:1/1", "is neither bw:"},
	{"--kernel k --rng=rate=ops:1/1+x", "'x' is not a size"},
	{"--kernel k --balloon reporting", "needs size="},
	{"--kernel k --balloon size=1 --balloon size=1", "--balloon: given twice"},
	{"--kernel k --balloon size=1,fast", "unknown part 'fast'"},
	{"--kernel k --balloon size=1,stats=86401", "'86401'"},
	{"--kernel k --disk ,ro", "no file"},
	{"--kernel k --net mac=02:00:00:00:00:01", "needs one of"},
	{"--kernel k --net tap=a,passt=b", "needs one of"},
	{"--kernel k --net tapfd=", "needs one of"},
	{"--kernel k --net tap=", "'' has not 1 to 15"},
	{"--kernel k --net tap=abcdefghijklmnop", "has not 1 to 15"},
	{"--kernel k --net tapfd=1:2:3:4:5:6:7:8:9", "more than 8"},
	{"--kernel k --net tapfd=1:x", "'x' is not a number"},
	{"--kernel k --net tapfd=1:2,queues=3", "3 with 2"},
	{"--kernel k --net passt=p,queues=2", "one pair"},
	{"--kernel k --net tap=a,queues=9", "'9' is not a number up to 8"},
	{"--kernel k --net tap=a,queues=0", "0 is not"},
	{"--kernel k --net tap=a,mtu=67", "67"},
	{"--kernel k --net tap=a,mtu=65536", "65536"},
	{"--kernel k --net tap=a,mac=2:0:0:0:0:1", "not an address"},
	{"--kernel k --net tap=a,mac=02:00:00:00:00:0g", "not an address"},
	{"--kernel k --net tap=a,mac=01:00:00:00:00:01", "not the address of one"},
	{"--kernel k --net tap=a,mac=00:00:00:00:00:00", "not the address of one"},
	{"--kernel k --net tap=a,fast", "unknown part 'fast'"},
	{"--kernel k --net tap=a,rx-rate=5", "rx-rate"},
	{"--kernel k --disk fd=x", "'x' is not a number"},
	{"--kernel k --disk a,cache=none", "cache 'none' is neither writeback nor unsafe"},
	{"--kernel k --disk a,io=aio", "io 'aio' is neither uring nor sync"},
	{"--kernel k --disk a,queues=0", "--disk queues: 0"},
	{"--kernel k --disk a,queues=17", "--disk queues: '17' is not a number up to 16"},
	{"--kernel k --disk a,id=", "the id is empty"},
	{"--kernel k --disk a,rate=", "--disk rate: no limit is named"},
	{"--kernel k --disk a,rate=bw:1", "--disk rate: '1' has no /MILLISECONDS"},
	{"--kernel k --disk a,rate=bw:1/0", "--disk rate: 0 milliseconds"},
	{"--kernel k --disk a,rate=iops:1/1", "'iops:1/1' is neither bw:"},
	{"--kernel k --vsock cid=2,fd=3", "2 is reserved"},
	{"--kernel k --vsock cid=4294967295,fd=3", "4294967295"},
	{"--kernel k --vsock cid=3", "--vsock: needs"},
	{"--kernel k --vsock cid=3,uds=", "--vsock: needs"},
	{"--kernel k --vsock cid=3,cid=4,uds=a", "--vsock: two of cid=N"},
	{"--kernel k --vsock cid=3,uds=a,fd=4", "--vsock: needs"},
	{"--kernel k --vsock fd=4", "--vsock: needs"},
	{"--kernel k --vsock cid=3,fd=4,x=y", "unknown part 'x=y'"},
	{"--kernel k --vsock cid=3,fd=4 --vsock cid=3,fd=4", "given twice"},
	{"--kernel k --vsock cid=3,fd=4,seqpacket", "seqpacket needs uds"},
	{"--kernel k --serial tty", "--serial: 'tty'"},
	{"--kernel k --serial file=", "--serial: 'file='"},
	{"--kernel k --events-fd -3", "'-3'"},
	{"--kernel k --api-fd x", "--api-fd: 'x'"},
	{"--kernel k --api-fd 3 --api-fd 4 --api-fd 5 --api-fd 6 --api-fd 7 --api-fd 8 --api-fd 9 "
	 "--api-fd 10 --api-fd 11",
		"--api-fd: more than 8"},
	{"--kernel k --no-api --api-fd 3", "--no-api and --api-fd exclude"},
	{"--kernel k --container c", "--container needs"},
	{"--api-sock s --container c", "--container needs"},
	{"--kernel k --api-fd 3 --container fd=x", "--container fd: 'x'"},
	{"--kernel k --log-level loud", "'loud'"},
	{"--kernel k --no-jail=yes", "--no-jail"},
	{"--kernel k --no-seccomp=yes", "--no-seccomp"},
	{"--kernel k --no-jail --uid 5", "--no-jail: --uid, --gid"},
	{"--kernel k --gid 5 --no-jail", "--no-jail: --uid, --gid"},
	{"--kernel k --no-jail --grant /", "are of the jail"},
	{"--kernel k --no-jail --resource-limit fsize=5", "are of the jail"},
	{"--kernel k --jail-without", "--jail-without needs a value"},
	{"--kernel k --jail-without all", "--jail-without: 'all' is none of userns, landlock and"},
	{"--kernel k --jail-without landlock,", "--jail-without: '' is none of"},
	{"--kernel k --jail-without Seccomp", "'Seccomp' is none of"},
	{"--kernel k --jail-without capabilities", "'capabilities' is none of"},
	{"--kernel k --grant", "--grant needs a value"},
	{"--kernel k --grant ,rw", "--grant: no directory is named"},
	{"--kernel k --grant=", "--grant: no directory is named"},
	{"--kernel k --grant /1 --grant /2 --grant /3 --grant /4 --grant /5 --grant /6 --grant /7 "
	 "--grant /8 --grant /9,rw",
		"--grant /9: more than 8 directories"},
	{"--kernel k --uid 0", "--uid: 0 is root, which a jailed monitor never is"},
	{"--kernel k --gid 0", "--gid: 0 is root"},
	{"--kernel k --uid 4294967295", "--uid: '4294967295' is not a number up to 4294967294"},
	{"--kernel k --gid 4294967296", "--gid: '4294967296' is not a number up to 4294967294"},
	{"--kernel k --uid -1", "--uid: '-1' is not a number"},
	{"--kernel k --gid wheel", "--gid: 'wheel' is not a number"},
	{"--kernel k --uid 0x10", "--uid: '0x10' is not a number"},
	{"--kernel k --uid 18446744073709551617", "--uid: '18446744073709551617' is not"},
	{"--kernel k --resource-limit", "--resource-limit needs a value"},
	{"--kernel k --resource-limit fsize", "--resource-limit: 'fsize' is not NAME=VALUE"},
	{"--kernel k --resource-limit fsize=", "--resource-limit: '' is not a number"},
	{"--kernel k --resource-limit =5", "--resource-limit: '' is neither fsize nor no-file"},
	{"--kernel k --resource-limit core=5", "--resource-limit: 'core' is neither"},
	{"--kernel k --resource-limit nofile=5", "--resource-limit: 'nofile' is neither"},
	{"--kernel k --resource-limit no-file=0", "no-file=0 leaves nothing to run with"},
	{"--kernel k --resource-limit fsize=0", "fsize=0 leaves nothing"},
	{"--kernel k --resource-limit fsize=1M", "'1M' is not a number"},
	{"--kernel k --resource-limit no-file=9223372036854775808", "is not a number up to"},
};

START_TEST(nets)
{
	static const uint8_t mac[6] = {0x02, 0xab, 0, 0, 0, 1};
	struct config config;
	struct err err;

	ck_assert_int_eq(parse("hull-vmm --kernel k "
			       "--net tap=t0,mac=02:AB:00:00:00:01,mtu=9000,queues=4,id=n,"
			       "rx-rate=bw:1M/100,tx-rate=ops:5/1000+6 "
			       "--net tapfd=5:6 --net passt=/p --net passtfd=7",
				 &config, &err),
		OPTIONS_RUN);
	ck_assert_uint_eq(config.net_count, 4);
	ck_assert_str_eq(config.nets[0].host, "t0");
	ck_assert_mem_eq(config.nets[0].mac, mac, 6);
	ck_assert_uint_eq(config.nets[0].mtu, 9000);
	ck_assert_uint_eq(config.nets[0].pairs, 4);
	ck_assert_str_eq(config.nets[0].id, "n");
	ck_assert_uint_eq(config.nets[0].rx.bytes.size, 1 << 20);
	ck_assert_uint_eq(config.nets[0].tx.ops.burst, 6);
	ck_assert_ptr_null(config.nets[1].host);
	ck_assert_uint_eq(config.nets[1].fd_count, 2);
	ck_assert_int_eq(config.nets[1].fds[1], 6);
	ck_assert_uint_eq(config.nets[1].pairs, 2);
	ck_assert_int_eq(config.nets[2].kind, CONFIG_NET_PASST);
	ck_assert_str_eq(config.nets[2].host, "/p");
	ck_assert_uint_eq(config.nets[2].pairs, 1);
	ck_assert_int_eq(config.nets[3].kind, CONFIG_NET_PASST);
	ck_assert_int_eq(config.nets[3].fds[0], 7);
}
END_TEST

START_TEST(clients_from_the_start)
{
	struct config config;
	struct err err;

	ck_assert_int_eq(
		parse("hull-vmm --kernel k --api-fd 3 --api-fd 4 --container fd=5", &config, &err),
		OPTIONS_RUN);
	ck_assert_uint_eq(config.api.fd_count, 2);
	ck_assert_int_eq(config.api.fds[1], 4);
	ck_assert_int_eq(config.api.container_fd, 5);
	ck_assert_str_eq(config.api.container, "fd=5");
	/* They are an API: no other is made unasked. */
	ck_assert_int_eq(parse("hull-vmm --api-fd 3", &config, &err), OPTIONS_RUN);
	ck_assert_ptr_null(config.api.sock);
}
END_TEST

START_TEST(jail_by_default)
{
	struct config config;
	struct err err;

	ck_assert_int_eq(parse("hull-vmm --kernel k", &config, &err), OPTIONS_RUN);
	ck_assert(!config.jail.off && !config.jail.no_seccomp);
	ck_assert_uint_eq(config.jail.without, 0);
	ck_assert(!config.jail.uid_given && !config.jail.gid_given);
	ck_assert_uint_eq(config.jail.grant_count, 0);
	ck_assert_uint_eq(config.jail.fsize, 0);
	ck_assert_uint_eq(config.jail.nofile, 0);
}
END_TEST

START_TEST(jail_in_so_many_words)
{
	const struct config_jail *jail;
	struct config config;
	struct err err;

	ck_assert_int_eq(parse("hull-vmm --kernel k --uid 1 --gid 4294967294 "
			       "--grant a --grant /b,rw --grant c,d --grant /e,ro --grant f,rw,rw "
			       "--jail-without landlock --jail-without seccomp,userns "
			       "--resource-limit fsize=4096 --resource-limit no-file=64 "
			       "--resource-limit no-file=9223372036854775807",
				 &config, &err),
		OPTIONS_RUN);
	jail = &config.jail;
	ck_assert(!jail->off && !jail->no_seccomp);
	ck_assert(jail->uid_given && jail->gid_given);
	ck_assert_uint_eq(jail->uid, 1);
	ck_assert_uint_eq(jail->gid, 4294967294u);
	ck_assert_uint_eq(jail->grant_count, 5);
	ck_assert_str_eq(jail->grants[0].path, "a");
	ck_assert(!jail->grants[0].writable && !jail->grants[0].sockets);
	ck_assert_str_eq(jail->grants[1].path, "/b");
	ck_assert(jail->grants[1].writable && !jail->grants[1].sockets);
	/* A comma is a part of the name unless it brings a property. */
	ck_assert_str_eq(jail->grants[2].path, "c,d");
	ck_assert_str_eq(jail->grants[3].path, "/e,ro");
	ck_assert_str_eq(jail->grants[4].path, "f,rw");
	ck_assert_uint_eq(jail->without,
		1u << CONFIG_JAIL_LANDLOCK | 1u << CONFIG_JAIL_SECCOMP | 1u << CONFIG_JAIL_USERNS);
	ck_assert_uint_eq(jail->fsize, 4096);
	/* The last one counts. */
	ck_assert_uint_eq(jail->nofile, INT64_MAX);

	ck_assert_int_eq(
		parse("hull-vmm --kernel k --jail-without userns", &config, &err), OPTIONS_RUN);
	ck_assert_uint_eq(config.jail.without, 1u << CONFIG_JAIL_USERNS);
	ck_assert_int_eq(parse("hull-vmm --kernel k --no-jail", &config, &err), OPTIONS_RUN);
	ck_assert(config.jail.off && !config.jail.no_seccomp);
	ck_assert_int_eq(parse("hull-vmm --kernel k --no-seccomp", &config, &err), OPTIONS_RUN);
	ck_assert(!config.jail.off && config.jail.no_seccomp);
}
END_TEST

/* A new layer needs a word of its own. */
START_TEST(jail_layers_are_named)
{
	char line[64];
	struct config config;
	struct err err;

	for (unsigned int i = 0; i < CONFIG_JAIL_LAYERS; i++) {
		ck_assert_ptr_nonnull(config_jail_layers[i]);
		snprintf(line, sizeof(line), "hull-vmm --kernel k --jail-without %s",
			config_jail_layers[i]);
		ck_assert_int_eq(parse(line, &config, &err), OPTIONS_RUN);
		ck_assert_uint_eq(config.jail.without, 1u << i);
	}
}
END_TEST

START_TEST(bad_arguments_are_named)
{
	char line[256] = "hull-vmm ";
	struct config config;
	struct err err;

	strcat(line, bad[_i].args);
	ck_assert_int_eq(parse(line, &config, &err), -EINVAL);
	ck_assert_msg(strstr(err.msg, bad[_i].message), "'%s' gave: %s", line, err.msg);
}
END_TEST

START_TEST(too_many_disks)
{
	char *argv[4 + 2 * (CONFIG_DISKS_MAX + 1)];
	char option[] = "--disk", kernel[] = "--kernel", name[] = "x", program[] = "hull-vmm";
	struct config config;
	struct err err;
	int argc = 0;

	argv[argc++] = program;
	argv[argc++] = kernel;
	argv[argc++] = name;
	for (int i = 0; i <= CONFIG_DISKS_MAX; i++) {
		argv[argc++] = option;
		argv[argc++] = name;
	}
	argv[argc] = NULL;
	ck_assert_int_eq(options_parse(argc, argv, &config, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "--disk: more than 22 disks");
	ck_assert_int_eq(options_parse(argc - 2, argv, &config, &err), OPTIONS_RUN);
}
END_TEST

SUITE_CASES("vmm_options", NULL, NULL, {defaults}, {disk_properties}, {everything_given},
	{rng_and_balloon}, {help_and_version_win}, {too_many_disks}, {nets},
	{clients_from_the_start}, {jail_by_default}, {jail_in_so_many_words},
	{jail_layers_are_named}, {bad_arguments_are_named, sizeof(bad) / sizeof(bad[0])})
