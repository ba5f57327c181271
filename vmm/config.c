// SPDX-License-Identifier: Apache-2.0
// The command line of hull-vmm.
#include "vmm/config.h"

#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Smallest and largest guest context identifiers: 0 to 2 are taken (virtio 1.2 5.10.4). */
#define CID_MIN 3
#define CID_MAX 0xfffffffeu
/* More than any machine has; keeps sums of guest addresses far from wrapping. */
#define MEMORY_MAX (64ull << 40)

enum {
	OPT_KERNEL = 256,
	OPT_INITRD,
	OPT_CMDLINE,
	OPT_MEMORY,
	OPT_CPUS,
	OPT_ACPI,
	OPT_DISK,
	OPT_VSOCK,
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
	{"disk", required_argument, NULL, OPT_DISK},
	{"vsock", required_argument, NULL, OPT_VSOCK},
	{"serial", required_argument, NULL, OPT_SERIAL},
	{"events-fd", required_argument, NULL, OPT_EVENTS_FD},
	{"log-level", required_argument, NULL, OPT_LOG_LEVEL},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

void config_usage(void)
{
	fputs("Usage: hull-vmm --kernel FILE [OPTION]...\n"
	      "Run one KVM microVM in this process.\n"
	      "\n"
	      "  --kernel FILE      vmlinux (ELF) or bzImage\n"
	      "  --initrd FILE      initial RAM disk\n"
	      "  --cmdline TEXT     kernel command line (default: console=ttyS0)\n"
	      "  --memory SIZE      guest memory in MiB, or with K, M, G (default: 128)\n"
	      "  --cpus N           virtual CPUs, 1 to 32 (default: 1)\n"
	      "  --acpi on|off      describe the machine by ACPI tables, or by an MP table and\n"
	      "                     command-line entries (default: on)\n"
	      "  --disk FILE[,ro]   raw disk image, /dev/vda first; fd=N[,ro] takes an open one\n"
	      "  --vsock cid=N,uds=PATH\n"
	      "                     vsock with its host ends on UNIX sockets: connect to PATH and\n"
	      "                     say \"CONNECT PORT\"; the guest reaches PATH_PORT\n"
	      "  --vsock cid=N,fd=N the same over an inherited SOCK_SEQPACKET socket; the VM ends\n"
	      "                     when its other end is closed\n"
	      "  --serial none|stdio|file=PATH|fd=N\n"
	      "                     where the serial console goes (default: none); with stdio on\n"
	      "                     a terminal, Ctrl-A X ends the VM\n"
	      "  --events-fd N      write start-up phases and the end there, a line each\n"
	      "  --log-level LEVEL  error, warn, info or debug (default: warn)\n"
	      "  --help, --version\n"
	      "\n"
	      "Exit status: 0 the guest powered off, 1 hull-vmm failed, 16 the guest rebooted,\n"
	      "17 triple fault, 18 guest kernel panic, 19 KVM could not run the guest,\n"
	      "152 bad kernel, disk or memory, 153 bad arguments.\n",
		stdout);
}

static int parse_number(
	const char *option, const char *text, uint64_t max, uint64_t *ret, struct err *err)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end || errno || value > max)
		return err_set(err, -EINVAL, "%s: '%s' is not a number from 0 to %llu", option,
			text, (unsigned long long)max);
	*ret = value;
	return 0;
}

static int parse_fd(const char *option, const char *text, int *ret, struct err *err)
{
	uint64_t value = 0;
	int r = parse_number(option, text, INT_MAX, &value, err);

	if (!r)
		*ret = (int)value;
	return r;
}

static int parse_memory(const char *text, uint64_t *ret, struct err *err)
{
	unsigned int shift = 20;
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || errno)
		return err_set(err, -EINVAL, "--memory: '%s' is not a size", text);
	switch (toupper((unsigned char)*end)) {
	case 'K':
		shift = 10;
		end++;
		break;
	case 'M':
		end++;
		break;
	case 'G':
		shift = 30;
		end++;
		break;
	default:
		break;
	}
	if (*end)
		return err_set(err, -EINVAL, "--memory: '%s' is not a size", text);
	if (!value || value > MEMORY_MAX >> shift)
		return err_set(err, -EINVAL, "--memory: %s is out of range", text);
	value <<= shift;
	if (value % (1 << 20))
		return err_set(err, -EINVAL, "--memory: %s is not a multiple of 1 MiB", text);
	*ret = value;
	return 0;
}

static int parse_disk(char *text, struct config *config, struct err *err)
{
	struct config_disk *disk = &config->disks[config->disk_count];
	size_t len = strlen(text);

	if (config->disk_count == CONFIG_DISKS_MAX)
		return err_set(err, -EINVAL, "--disk: more than %d disks", CONFIG_DISKS_MAX);
	*disk = (struct config_disk){.fd = -1};
	if (len >= 3 && !strcmp(text + len - 3, ",ro")) {
		disk->read_only = true;
		text[len - 3] = '\0';
	}
	if (!strncmp(text, "fd=", 3)) {
		int r = parse_fd("--disk fd", text + 3, &disk->fd, err);

		if (r < 0)
			return r;
	} else if (*text) {
		disk->path = text;
	} else {
		return err_set(err, -EINVAL, "--disk: no file is named");
	}
	config->disk_count++;
	return 0;
}

static int parse_vsock(char *text, struct config_vsock *vsock, struct err *err)
{
	char *saved, *item;
	uint64_t cid = 0;
	int r = 0;

	if (vsock->cid)
		return err_set(err, -EINVAL, "--vsock: given twice");
	for (item = strtok_r(text, ",", &saved); item && !r; item = strtok_r(NULL, ",", &saved)) {
		if (!strncmp(item, "cid=", 4)) {
			r = parse_number("--vsock cid", item + 4, CID_MAX, &cid, err);
			if (!r && cid < CID_MIN)
				r = err_set(err, -EINVAL, "--vsock cid: %s is reserved, use %d up",
					item + 4, CID_MIN);
		} else if (!strncmp(item, "uds=", 4)) {
			vsock->uds = item + 4;
		} else if (!strncmp(item, "fd=", 3)) {
			r = parse_fd("--vsock fd", item + 3, &vsock->fd, err);
		} else {
			r = err_set(err, -EINVAL, "--vsock: unknown part '%s'", item);
		}
	}
	if (r < 0)
		return r;
	if (!cid || !vsock->uds == (vsock->fd < 0))
		return err_set(err, -EINVAL, "--vsock: needs cid=N and one of uds=PATH, fd=N");
	vsock->cid = (uint32_t)cid;
	return 0;
}

static int parse_serial(const char *text, struct config_serial *serial, struct err *err)
{
	*serial = (struct config_serial){.fd = -1};
	if (!strcmp(text, "none")) {
		serial->kind = CONFIG_SERIAL_NONE;
	} else if (!strcmp(text, "stdio")) {
		serial->kind = CONFIG_SERIAL_STDIO;
	} else if (!strncmp(text, "file=", 5) && text[5]) {
		serial->kind = CONFIG_SERIAL_FILE;
		serial->path = text + 5;
	} else if (!strncmp(text, "fd=", 3)) {
		serial->kind = CONFIG_SERIAL_FD;
		return parse_fd("--serial fd", text + 3, &serial->fd, err);
	} else {
		return err_set(err, -EINVAL,
			"--serial: '%s' is none of none, stdio, file=PATH, fd=N", text);
	}
	return 0;
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
		return parse_memory(text, &config->memory, err);
	case OPT_CPUS:
		r = parse_number("--cpus", text, CONFIG_CPUS_MAX, &value, err);
		if (r < 0)
			return r;
		if (!value)
			return err_set(err, -EINVAL, "--cpus: 0 is not a number from 1 to %d",
				CONFIG_CPUS_MAX);
		config->cpus = (unsigned int)value;
		return 0;
	case OPT_ACPI:
		config->acpi = !strcmp(text, "on");
		if (!config->acpi && strcmp(text, "off"))
			return err_set(err, -EINVAL, "--acpi: '%s' is neither on nor off", text);
		return 0;
	case OPT_DISK:
		return parse_disk(text, config, err);
	case OPT_VSOCK:
		return parse_vsock(text, &config->vsock, err);
	case OPT_SERIAL:
		return parse_serial(text, &config->serial, err);
	case OPT_EVENTS_FD:
		return parse_fd("--events-fd", text, &config->events_fd, err);
	case OPT_LOG_LEVEL:
		r = log_level_parse(text);
		if (r < 0)
			return err_set(err, r, "--log-level: unknown level '%s'", text);
		config->log_level = (enum log_level)r;
		return 0;
	default:
		return err_set(err, -EINVAL, "option %d is not handled", option);
	}
}

int config_parse(int argc, char **argv, struct config *ret, struct err *err)
{
	struct config config = {
		.cmdline = "console=ttyS0",
		.memory = CONFIG_MEMORY_DEFAULT,
		.cpus = 1,
		.acpi = true,
		.vsock.fd = -1,
		.serial.fd = -1,
		.events_fd = -1,
		.log_level = LOG_WARN,
	};
	int option, r;

	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "+:", options, NULL)) != -1) {
		switch (option) {
		case OPT_HELP:
			return CONFIG_HELP;
		case OPT_VERSION:
			return CONFIG_VERSION;
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
	if (!config.kernel)
		return err_set(err, -EINVAL, "--kernel is missing (see --help)");
	*ret = config;
	return CONFIG_RUN;
}
