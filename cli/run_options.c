// SPDX-License-Identifier: Apache-2.0
// What the user of `hull run` asked for.
#include "cli/run_options.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "cli/envfile.h"
#include "cli/options.h"
#include "cli/value.h"
#include "image/image.h"
#include "protocol/agent.h"

#include <string.h>
#include <sys/sysinfo.h>

static int set_env(void *field, const char *value, struct err *err)
{
	return env_entry_add(field, value, err);
}

static int set_env_file(void *field, const char *value, struct err *err)
{
	return envfile_read(field, value, err);
}

static int set_workdir(void *field, const char *value, struct err *err)
{
	if (value[0] != '/')
		return err_set(err, -EINVAL, "\"%s\" is not an absolute path", value);
	if (strlen(value) > AGENT_CWD_MAX)
		return err_set(err, -ENAMETOOLONG, "longer than %u bytes", AGENT_CWD_MAX);
	return option_string(field, value, err);
}

static int set_user(void *field, const char *value, struct err *err)
{
	if (!*value || strlen(value) > AGENT_USER_MAX)
		return err_set(
			err, -EINVAL, "\"%s\" is not a user: 1 to %u bytes", value, AGENT_USER_MAX);
	return option_string(field, value, err);
}

static int set_hostname(void *field, const char *value, struct err *err)
{
	int r = value_hostname(value, err);

	return r < 0 ? r : option_string(field, value, err);
}

static int set_name(void *field, const char *value, struct err *err)
{
	int r = value_name(value, err);

	return r < 0 ? r : option_string(field, value, err);
}

static int set_path(void *field, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "the path is empty");
	return option_string(field, value, err);
}

static int set_cpus(void *field, const char *value, struct err *err)
{
	struct run_options *options = field;

	return vm_limits_cpus(value, RUN_CPUS_MAX, &options->cpus, &options->limits.cpus, err);
}

static int set_cpu_quota(void *field, const char *value, struct err *err)
{
	return value_number(value, VM_LIMITS_QUOTA_MIN, VM_LIMITS_QUOTA_MAX, field, err);
}

static int set_cpu_period(void *field, const char *value, struct err *err)
{
	return value_number(value, VM_LIMITS_PERIOD_MIN, VM_LIMITS_PERIOD_MAX, field, err);
}

static int set_memory_swap(void *field, const char *value, struct err *err)
{
	return vm_limits_memory_swap(value, field, err);
}

static int set_pids_limit(void *field, const char *value, struct err *err)
{
	return vm_limits_pids(value, field, err);
}

static int set_read_bps(void *field, const char *value, struct err *err)
{
	return vm_limits_add_io(field, VM_LIMITS_READ_BPS, value, err);
}

static int set_write_bps(void *field, const char *value, struct err *err)
{
	return vm_limits_add_io(field, VM_LIMITS_WRITE_BPS, value, err);
}

static int set_read_iops(void *field, const char *value, struct err *err)
{
	return vm_limits_add_io(field, VM_LIMITS_READ_IOPS, value, err);
}

static int set_write_iops(void *field, const char *value, struct err *err)
{
	return vm_limits_add_io(field, VM_LIMITS_WRITE_IOPS, value, err);
}

/* Each word once in what hull-vmm is told. */
static int set_jail_without(void *field, const char *value, struct err *err)
{
	static const char *const words[] = {"cgroup", "userns", "landlock", "seccomp"};
	struct run_jail_without *without = field;
	unsigned int given = 0;

	for (;;) {
		size_t i = 0, len = strcspn(value, ",");

		while (i < ARRAY_SIZE(words) &&
			(strlen(words[i]) != len || strncmp(words[i], value, len) != 0))
			i++;
		if (i == ARRAY_SIZE(words))
			return err_set(err, -EINVAL,
				"\"%.*s\" is none of cgroup, userns, landlock and seccomp",
				(int)len, value);
		given |= 1u << i;
		if (!value[len])
			break;
		value += len + 1;
	}
	*without = (struct run_jail_without){.cgroup = given & 1, .userns = given & 2};
	for (size_t i = 1; i < ARRAY_SIZE(words); i++)
		if (given & 1u << i)
			snprintf(without->rest + strlen(without->rest),
				sizeof(without->rest) - strlen(without->rest), "%s%s",
				*without->rest ? "," : "", words[i]);
	return 0;
}

static int set_start_timeout(void *field, const char *value, struct err *err)
{
	return value_number(value, 1, RUN_START_TIMEOUT_MAX_S, field, err);
}

static int set_memory(void *field, const char *value, struct err *err)
{
	struct sysinfo info;
	uint64_t size, host = UINT64_MAX;
	int r = value_size(value, &size, err);

	if (r < 0)
		return r;
	if (size < RUN_MEMORY_MIN)
		return err_set(err, -ERANGE, "%s is too small to boot, at least %dM are needed",
			value, (int)(RUN_MEMORY_MIN >> 20));
	if (!sysinfo(&info))
		host = (uint64_t)info.totalram * info.mem_unit;
	if (size > host)
		return err_set(err, -ERANGE, "%s is more than this host has (%lluM)", value,
			(unsigned long long)(host >> 20));
	*(uint64_t *)field = size;
	return 0;
}

static int set_disk(void *field, const char *value, struct err *err)
{
	uint64_t size;
	int r = value_size(value, &size, err);

	if (r < 0)
		return r;
	if (size < ROOTFS_EMPTY_MIN || size > ROOTFS_EMPTY_MAX)
		return err_set(err, -ERANGE, "%s is not from %lluM to %lluG", value,
			(unsigned long long)(ROOTFS_EMPTY_MIN >> 20),
			(unsigned long long)(ROOTFS_EMPTY_MAX >> 30));
	*(uint64_t *)field = size;
	return 0;
}

static int set_network(void *field, const char *value, struct err *err)
{
	return network_parse(field, value, err);
}

static int set_dns(void *field, const char *value, struct err *err)
{
	return network_add_dns(field, value, err);
}

static int set_dns_search(void *field, const char *value, struct err *err)
{
	return network_add_search(field, value, err);
}

static int set_add_host(void *field, const char *value, struct err *err)
{
	return network_add_host(field, value, err);
}

static int set_publish(void *field, const char *value, struct err *err)
{
	return network_add_publish(field, value, err);
}

#define FIELD(name) offsetof(struct run_options, name)

static const struct option_row rows[] = {
	{'e', "env", "NAME[=VALUE]",
		"Set an environment variable. NAME alone passes on the value it has here.", set_env,
		FIELD(env)},
	{0, "env-file", "FILE",
		"Set the environment variables in FILE, one NAME[=VALUE] a line. Those of --env "
		"win.",
		set_env_file, FIELD(file_env)},
	{'w', "workdir", "DIR", "Working directory of the command; made if it's missing.",
		set_workdir, FIELD(workdir)},
	{'u', "user", "USER[:GROUP]", "Run as this user, by names or numbers of the image.",
		set_user, FIELD(user)},
	{0, "entrypoint", "COMMAND",
		"Use COMMAND in place of the image's entry point; \"\" takes it away.",
		option_string, FIELD(entrypoint)},
	{'i', "interactive", NULL,
		"Pass standard input on to the command. Without it the command reads /dev/null.",
		option_flag, FIELD(interactive)},
	{'t', "tty", NULL, "Give the command a terminal.", option_flag, FIELD(tty)},
	{0, "hostname", "NAME", "Host name inside (default: a random one).", set_hostname,
		FIELD(hostname)},
	{0, "name", "NAME", "Name of the container, unique while it runs (default: a random one).",
		set_name, FIELD(name)},
	{0, "cpus", "N",
		"Virtual CPUs, 1 to 64 (default: 1). A fraction, such as 1.5, is how much of the "
		"host's CPUs they may take together.",
		set_cpus, 0},
	{0, "cpu-quota", "MICROSECONDS",
		"CPU time that the VM may take in each period of --cpu-period.", set_cpu_quota,
		FIELD(limits.quota)},
	{0, "cpu-period", "MICROSECONDS", "Its length (default: 100000).", set_cpu_period,
		FIELD(limits.period)},
	{0, "memory", "SIZE", "Memory of the VM, at least 64M (default: 512M).", set_memory,
		FIELD(memory)},
	{0, "memory-swap", "SIZE",
		"How much --memory and swap space of the host together may be; -1 for no limit of "
		"the latter (default: none of the VM is swapped out).",
		set_memory_swap, FIELD(limits.memory_swap)},
	{0, "pids-limit", "N",
		"Processes and threads in the container at a time; 0 or -1 for no limit (default).",
		set_pids_limit, FIELD(limits.pids)},
	{0, "device-read-bps", "DEVICE:RATE",
		"Read from this disk of the host at most RATE bytes a second, a size; may be given "
		"for more than one.",
		set_read_bps, FIELD(limits)},
	{0, "device-write-bps", "DEVICE:RATE", "Likewise for writing.", set_write_bps,
		FIELD(limits)},
	{0, "device-read-iops", "DEVICE:RATE", "Likewise for requests to read.", set_read_iops,
		FIELD(limits)},
	{0, "device-write-iops", "DEVICE:RATE", "Likewise for requests to write.", set_write_iops,
		FIELD(limits)},
	{0, "disk", "SIZE",
		"Keep what the container writes on a scratch disk of this size, not in its memory. "
		"Not with --read-only.",
		set_disk, FIELD(disk)},
	{0, "read-only", NULL, "Let the container write nowhere but to /tmp, /run and the like.",
		option_flag, FIELD(read_only)},
	{0, "network", "MODE",
		"none (the default), passt (what the host can reach, by the program passt; not the "
		"host's own loopback), or tap=NAME[,ip=ADDRESS/PREFIX][,gateway=ADDRESS] (an "
		"interface of the host's). Both take [,mtu=N][,mac=MAC].",
		set_network, FIELD(network)},
	{'p', "publish", "[HOSTPORT:]PORT[/udp]",
		"Let connections to this port of the host reach the container; with passt.",
		set_publish, FIELD(network)},
	{0, "dns", "ADDRESS", "Name server of the container (passt: the host's).", set_dns,
		FIELD(network)},
	{0, "dns-search", "DOMAIN", "Search domain for names.", set_dns_search, FIELD(network)},
	{0, "add-host", "NAME:ADDRESS", "Add a line to the container's /etc/hosts.", set_add_host,
		FIELD(network)},
	{0, "jail-without", "LAYER[,LAYER]...",
		"Go on where the host lacks one of the jail's layers: cgroup, userns, landlock, "
		"seccomp.",
		set_jail_without, FIELD(jail_without)},
	{0, "no-jail", NULL,
		"Let the monitor keep the rights of whoever starts it: a guest that breaks out of "
		"it has them.",
		option_flag, FIELD(no_jail)},
	{0, "kernel", "FILE", "Boot this kernel.", set_path, FIELD(kernel)},
	{0, "start-timeout", "SECONDS",
		"Give up when the command hasn't started after this time (default: 60).",
		set_start_timeout, FIELD(start_timeout_s)},
	{0, "store", "DIR",
		"Where prepared images are kept (default: $HULL_STORE, else /var/lib/hull for root "
		"and ~/.local/share/hull for others).",
		set_path, FIELD(store)},
	{0, "timing", NULL, "Print how long each phase took, on standard error, at the end.",
		option_flag, FIELD(timing)},
	{0, "timing-file", "FILE", "Write the same to FILE, for programs, as JSON.", set_path,
		FIELD(timing_file)},
	{0, "rm", NULL,
		"Accepted for compatibility: nothing of a container is ever kept when it ended.",
		option_flag, FIELD(rm)},
	{'h', "help", NULL, "Print this help.", option_flag, FIELD(help)},
};

int run_options_parse(char *const *argv, struct run_options *ret, struct err *err)
{
	int used, r;

	*ret = (struct run_options){
		.cpus = RUN_CPUS_DEFAULT,
		.memory = RUN_MEMORY_DEFAULT,
		.start_timeout_s = RUN_START_TIMEOUT_DEFAULT_S,
	};
	r = options_parse(rows, ARRAY_SIZE(rows), argv, ret, &used, err);
	if (r < 0 || ret->help)
		return r;
	if (!argv[used])
		return err_set(err, -EINVAL, "run: no image is given, see \"hull run --help\"");
	if (!*argv[used])
		return err_set(err, -EINVAL, "run: the image's name is empty");
	if (ret->disk && ret->read_only)
		return err_set(err, -EINVAL,
			"--disk and --read-only exclude each other: the disk is for writing");
	r = vm_limits_check(&ret->limits, ret->memory, err);
	if (!r)
		r = network_check(&ret->network, err);
	if (r < 0)
		return r;
	ret->image = argv[used];
	ret->command = argv + used + 1;
	return 0;
}

void run_options_fini(struct run_options *options)
{
	strlist_fini(&options->env);
	strlist_fini(&options->file_env);
	network_fini(&options->network);
}

void run_options_help(FILE *out)
{
	options_help(rows, ARRAY_SIZE(rows), out);
}
