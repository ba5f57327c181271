// SPDX-License-Identifier: Apache-2.0
// The command line.
#include "vmm/options.h"

#include "base/err.h"
#include "vmm/config.h"
#include "vmm/option_value.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* syscalls: start: write */

enum {
	OPT_KERNEL = 256,
	OPT_INITRD,
	OPT_CMDLINE,
	OPT_MEMORY,
	OPT_CPUS,
	OPT_ACPI,
	OPT_KVM,
	OPT_NESTED,
	OPT_LEGACY,
	OPT_DISK,
	OPT_NET,
	OPT_VSOCK,
	OPT_RNG,
	OPT_BALLOON,
	OPT_SERIAL,
	OPT_EVENTS_FD,
	OPT_LOG_LEVEL,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option options[] = {
	{"kernel", required_argument, NULL, OPT_KERNEL},
	{"initrd", required_argument, NULL, OPT_INITRD},
	{"cmdline", required_argument, NULL, OPT_CMDLINE},
	{"memory", required_argument, NULL, OPT_MEMORY},
	{"cpus", required_argument, NULL, OPT_CPUS},
	{"acpi", required_argument, NULL, OPT_ACPI},
	{"kvm", required_argument, NULL, OPT_KVM},
	{"nested", required_argument, NULL, OPT_NESTED},
	{"legacy", required_argument, NULL, OPT_LEGACY},
	{"disk", required_argument, NULL, OPT_DISK},
	{"net", required_argument, NULL, OPT_NET},
	{"vsock", required_argument, NULL, OPT_VSOCK},
	{"rng", optional_argument, NULL, OPT_RNG},
	{"balloon", required_argument, NULL, OPT_BALLOON},
	{"serial", required_argument, NULL, OPT_SERIAL},
	{"events-fd", required_argument, NULL, OPT_EVENTS_FD},
	{"log-level", required_argument, NULL, OPT_LOG_LEVEL},
	{"api-sock", required_argument, NULL, OPTION_API_SOCK},
	{"api-fd", required_argument, NULL, OPTION_API_FD},
	{"config-file", required_argument, NULL, OPTION_CONFIG_FILE},
	{"container", required_argument, NULL, OPTION_CONTAINER},
	{"no-api", no_argument, NULL, OPTION_NO_API},
	{"id", required_argument, NULL, OPTION_ID},
	{"http-api-max-payload-size", required_argument, NULL, OPTION_BODY_MAX},
	{"log-path", required_argument, NULL, OPTION_LOG_PATH},
	{"level", required_argument, NULL, OPTION_LEVEL},
	{"show-level", no_argument, NULL, OPTION_SHOW_LEVEL},
	{"show-log-origin", no_argument, NULL, OPTION_SHOW_LOG_ORIGIN},
	{"module", required_argument, NULL, OPTION_MODULE},
	{"metrics-path", required_argument, NULL, OPTION_METRICS_PATH},
	{"start-time-us", required_argument, NULL, OPTION_START_TIME},
	{"start-time-cpu-us", required_argument, NULL, OPTION_START_CPU},
	{"parent-cpu-time-us", required_argument, NULL, OPTION_PARENT_CPU},
	{"die-with-parent", no_argument, NULL, OPTION_DIE_WITH_PARENT},
	{"no-jail", no_argument, NULL, OPTION_NO_JAIL},
	{"no-seccomp", no_argument, NULL, OPTION_NO_SECCOMP},
	{"jail-without", required_argument, NULL, OPTION_JAIL_WITHOUT},
	{"grant", required_argument, NULL, OPTION_GRANT},
	{"uid", required_argument, NULL, OPTION_UID},
	{"gid", required_argument, NULL, OPTION_GID},
	{"resource-limit", required_argument, NULL, OPTION_RESOURCE_LIMIT},
	{"seccomp-filter", required_argument, NULL, OPTION_SECCOMP_FILTER},
	{"boot-timer", no_argument, NULL, OPTION_BOOT_TIMER},
	{"metadata", required_argument, NULL, OPTION_METADATA},
	{"mmds-size-limit", required_argument, NULL, OPTION_MMDS_SIZE},
	{"describe-snapshot", required_argument, NULL, OPTION_DESCRIBE_SNAPSHOT},
	{"snapshot-version", no_argument, NULL, OPTION_SNAPSHOT_VERSION},
	{"enable-pci", no_argument, NULL, OPTION_ENABLE_PCI},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

void options_usage(void)
{
	fputs("Usage: hull-vmm --kernel FILE [OPTION]...\n"
	      "       hull-vmm [--api-sock PATH] [--config-file FILE] [OPTION]...\n"
	      "Run one KVM microVM in this process. Without --kernel it is configured over a REST\n"
	      "API on a UNIX socket.\n"
	      "\n"
	      "  --api-sock PATH    serve the API there (default without --kernel:\n"
	      "                     " CONFIG_SOCK_DEFAULT ")\n"
	      "  --api-fd N         serve the API on this inherited, connected socket "
	      "(repeatable); "
	      "the\n"
	      "                     VM ends when the other end of the first is closed\n"
	      "  --config-file FILE configure and start the VM as this JSON document says\n"
	      "  --container FILE|fd=N\n"
	      "                     with --kernel: PUT /container with this JSON document; a "
	      "client\n"
	      "                     of the API starts it\n"
	      "  --no-api           with --config-file: serve no API\n"
	      "  --id ID            of the VM, for the API, log and metrics\n"
	      "  --http-api-max-payload-size N\n"
	      "                     largest body of a request in bytes (default: 51200)\n"
	      "  --log-path FILE, --level LEVEL, --show-level, --show-log-origin, --module NAME\n"
	      "                     log to a file or FIFO, in Firecracker's format\n"
	      "  --metrics-path FILE\n"
	      "                     write metrics there, every 60 s and at the end\n"
	      "\n"
	      "  --kernel FILE      vmlinux (ELF) or bzImage\n"
	      "  --initrd FILE      initial RAM disk\n"
	      "  --cmdline TEXT     kernel command line (default: console=ttyS0)\n"
	      "  --memory SIZE[,hugetlb|,thp]\n"
	      "                     guest memory in MiB, or with K, M, G (default: 128); of "
	      "reserved\n"
	      "                     2 MiB pages, or of transparent ones\n"
	      "  --cpus N           virtual CPUs, 1 to 64 (default: 1)\n"
	      "  --acpi on|off      describe the machine by ACPI tables, or by an MP table and\n"
	      "                     command-line entries (default: on)\n"
	      "  --kvm hardware|any with any, also try a /dev/kvm without hardware "
	      "virtualization:\n"
	      "                     it boots no Linux, but small guests without a kernel, which\n"
	      "                     tests need (default: hardware)\n"
	      "  --nested on|off    show the CPU's virtualization to the guest (default: off)\n"
	      "  --legacy PART[,PART]...\n"
	      "                     parts of a PC to add: pit (timer), pic (interrupt controller,\n"
	      "                     comes with pit), rtc (clock)\n"
	      "  --disk FILE[,ro][,direct][,cache=writeback|unsafe][,io=uring|sync][,queues=N]\n"
	      "         [,id=NAME][,rate=RATE]\n"
	      "                     raw disk image, /dev/vda first; fd=N for FILE takes an open "
	      "one\n"
	      "                     RATE as for --rng\n"
	      "  --net tap=NAME|tapfd=N[:N...]|passt=PATH|passtfd=N[,mac=ADDRESS][,mtu=N]\n"
	      "        [,queues=N][,id=ID][,rx-rate=RATE][,tx-rate=RATE]\n"
	      "                     network device: its host end is a tap device (queues=N: with "
	      "so\n"
	      "                     many pairs of queues, up to 8), by name or opened already, or\n"
	      "                     passt at its UNIX socket; rates limit what the guest receives\n"
	      "                     and sends\n"
	      "  --vsock cid=N,uds=PATH[,seqpacket]\n"
	      "                     vsock with its host ends on UNIX sockets: connect to PATH and\n"
	      "                     say \"CONNECT PORT\"; the guest reaches PATH_PORT; messages\n"
	      "                     too, through PATH.seqpacket and likewise PATH_PORT\n"
	      "  --vsock cid=N,fd=N the same over an inherited SOCK_SEQPACKET socket; the VM ends\n"
	      "                     when its other end is closed\n"
	      "  --rng[=rate=RATE]  give the guest random numbers of the host; a RATE is\n"
	      "                     bw:SIZE/MS[+BURST] (bytes) or ops:N/MS[+BURST] (requests), or\n"
	      "                     both joined by ';'\n"
	      "  --balloon size=MIB[,deflate-on-oom][,stats=SECONDS][,reporting]\n"
	      "                     ask the guest for so much of its memory back; it may take it\n"
	      "                     when it runs out; ask for its statistics every so often; have\n"
	      "                     it report free pages, which the host then uses\n"
	      "  --serial none|stdio|file=PATH|fd=N[,rate=bw:SIZE/MS[+BURST]]\n"
	      "                     where the serial console goes (default: none); with stdio on\n"
	      "                     a terminal, Ctrl-A X ends the VM,\n"
	      "                     Ctrl-A P presses its power button, Ctrl-A D Ctrl-Alt-Del;\n"
	      "                     output beyond the rate is dropped\n"
	      "  --uid N, --gid N   of the process when the guest runs (default, as root: of a\n"
	      "                     range, each VM its own; otherwise whoever starts it)\n"
	      "  --grant DIR[,rw]   a directory in which files can be opened then, too, for disks\n"
	      "                     that are changed (repeatable)\n"
	      "  --resource-limit fsize=BYTES|no-file=N\n"
	      "                     largest file, most descriptors\n"
	      "  --jail-without LAYER[,LAYER]...\n"
	      "                     go on where the host lacks userns, landlock or seccomp\n"
	      "  --no-jail          give up no rights at all; --no-seccomp: but the filters of\n"
	      "                     system calls\n"
	      "  --die-with-parent  end when the process that started this one ends\n"
	      "  --events-fd N      write start-up phases and the end there, a line each\n"
	      "  --log-level LEVEL  error, warn, info or debug (default: warn)\n"
	      "  --help, --version\n"
	      "\n"
	      "Exit status: 0 the guest powered off, 1 hull-vmm failed, 16 the guest rebooted,\n"
	      "17 triple fault, 18 guest kernel panic, 19 KVM could not run the guest,\n"
	      "152 bad kernel, disk or memory, 153 bad arguments. Started over the API, a guest "
	      "that\n"
	      "resets has powered off, and signals have codes: 148 SIGSYS, 149 SIGBUS, 150 "
	      "SIGSEGV,\n"
	      "151 SIGXFSZ, 154 SIGXCPU, 156 SIGHUP, 157 SIGILL.\n",
		stdout);
}

static int parse_option(int option, char *text, struct config *config, struct err *err)
{
	uint64_t value = 0;
	int r;

	switch (option) {
	case OPT_KERNEL:
		config->kernel = text;
		return 0;
	case OPT_INITRD:
		config->initrd = text;
		return 0;
	case OPT_CMDLINE:
		config->cmdline = text;
		return 0;
	case OPT_MEMORY:
		return option_memory(text, config, err);
	case OPT_CPUS:
		r = option_number("--cpus", text, CONFIG_CPUS_MAX, &value, err);
		if (r < 0)
			return r;
		if (!value)
			return err_set(err, -EINVAL, "--cpus: 0 is not a number from 1 to %d",
				CONFIG_CPUS_MAX);
		config->cpus = (unsigned int)value;
		return 0;
	case OPT_ACPI:
		return option_switch("--acpi", text, &config->acpi, err);
	case OPT_KVM:
		config->kvm_any = !strcmp(text, "any");
		if (!config->kvm_any && strcmp(text, "hardware"))
			return err_set(
				err, -EINVAL, "--kvm: '%s' is neither hardware nor any", text);
		return 0;
	case OPT_NESTED:
		return option_switch("--nested", text, &config->nested, err);
	case OPT_LEGACY:
		return option_legacy(text, config, err);
	case OPT_DISK:
		return option_disk(text, config, err);
	case OPT_NET:
		return option_net(text, config, err);
	case OPT_VSOCK:
		return option_vsock(text, config, err);
	case OPT_RNG:
		return option_rng(text, config, err);
	case OPT_BALLOON:
		return option_balloon(text, config, err);
	case OPT_SERIAL:
		config->serial_given = true;
		return option_serial(text, config, err);
	case OPT_EVENTS_FD:
		return option_fd("--events-fd", text, &config->events_fd, err);
	case OPT_LOG_LEVEL:
		r = log_level_parse(text);
		if (r < LOG_OFF)
			return err_set(err, r, "--log-level: unknown level '%s'", text);
		config->log_level = (enum log_level)r;
		return 0;
	case OPTION_DIE_WITH_PARENT:
	case OPTION_NO_JAIL:
	case OPTION_NO_SECCOMP:
	case OPTION_JAIL_WITHOUT:
	case OPTION_GRANT:
	case OPTION_UID:
	case OPTION_GID:
	case OPTION_RESOURCE_LIMIT:
		return option_jail((enum option_jail)option, text, config, err);
	default:
		return option_api((enum option_api)option, text, config, err);
	}
}

int options_parse(int argc, char **argv, struct config *ret, struct err *err)
{
	struct config config;
	int option, r;

	config_init(&config);
	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "+:", options, NULL)) != -1) {
		switch (option) {
		case OPT_HELP:
			return OPTIONS_HELP;
		case OPT_VERSION:
			return OPTIONS_VERSION;
		case ':':
			return err_set(err, -EINVAL, "%s needs a value", argv[optind - 1]);
		case '?':
			return err_set(
				err, -EINVAL, "unknown option '%s' (see --help)", argv[optind - 1]);
		default:
			r = parse_option(option, optarg, &config, err);
			if (r < 0)
				return r;
			break;
		}
	}
	if (optind < argc)
		return err_set(err, -EINVAL, "unexpected argument '%s'", argv[optind]);
	r = options_check(&config, err);
	if (r < 0)
		return r;
	*ret = config;
	return OPTIONS_RUN;
}
