// SPDX-License-Identifier: Apache-2.0
// What a client says of a container and its commands.
#include "vmm/container_spec.h"

#include "base/base64.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mac.h"
#include "vmm/json_read.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Their place is their number (include/uapi/linux/capability.h). */
static const char *const cap_names[] = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH",
	"CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
	"CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT",
	"CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",
	"CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ",
	"CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE", NULL};

/* Likewise (include/uapi/asm-generic/resource.h). */
static const char *const rlimit_names[] = {"RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_DATA",
	"RLIMIT_STACK", "RLIMIT_CORE", "RLIMIT_RSS", "RLIMIT_NPROC", "RLIMIT_NOFILE",
	"RLIMIT_MEMLOCK", "RLIMIT_AS", "RLIMIT_LOCKS", "RLIMIT_SIGPENDING", "RLIMIT_MSGQUEUE",
	"RLIMIT_NICE", "RLIMIT_RTPRIO", "RLIMIT_RTTIME", NULL};

static_assert(ARRAY_SIZE(cap_names) == AGENT_CAP_MAX + 2, "each capability has its name");
static_assert(ARRAY_SIZE(rlimit_names) == AGENT_RLIMITS_MAX + 1, "each limit has its name");

static int find_name(const char *const *names, const json_t *json)
{
	const char *text = json_string_value(json);

	for (int i = 0; text && names[i]; i++)
		if (!strcmp(text, names[i]))
			return i;
	return -1;
}

/*
 * A string; or, for bytes that aren't UTF-8, an object with them in base64, whose text then becomes
 * those bytes. Return: NULL for anything else.
 */
static char *string_of(const json_t *json)
{
	const json_t *encoded = json_object_get(json, "base64");
	char *text = (char *)(uintptr_t)json_string_value(encoded ? encoded : json);
	size_t len;

	if (!encoded || !text)
		return text;
	/* Read once: a second time there would be nothing to decode. */
	if (json_object_size(json) != 1 || base64_decode(text, text, &len) < 0)
		return NULL;
	text[len] = '\0';
	return memchr(text, '\0', len) ? NULL : text;
}

/* An array of strings, as a NULL-terminated one of pointers into it. */
static int read_strings(const char *what, const json_t *json, char ***ret, struct err *err)
{
	size_t count = json_array_size(json);
	char **strings = calloc(count + 1, sizeof(*strings));

	if (!strings)
		return err_set(err, -ENOMEM, "%s: out of memory", what);
	for (size_t i = 0; i < count; i++) {
		char *text = string_of(json_array_get(json, i));

		if (!text) {
			free(strings);
			return err_set(err, -EINVAL, "%s: element %zu is not a string", what, i);
		}
		strings[i] = text;
	}
	*ret = strings;
	return 0;
}

/* @json is NULL for a field that isn't there. */
static int read_string(const char *what, const json_t *json, const char **ret, struct err *err)
{
	if (!json)
		return 0;
	*ret = string_of(json);
	return *ret ? 0 : err_set(err, -EINVAL, "%s is not a string", what);
}

static int read_caps(const json_t *json, struct agent_spec *agent, struct err *err)
{
	agent->caps_given = true;
	for (size_t i = 0; i < json_array_size(json); i++) {
		const json_t *element = json_array_get(json, i);
		int cap = find_name(cap_names, element);

		if (cap < 0)
			return err_set(err, -EINVAL,
				"process: field 'capabilities': '%s' is not a capability",
				json_is_string(element) ? json_string_value(element) : "?");
		agent->caps |= 1ull << cap;
	}
	return 0;
}

static int read_rlimits(const json_t *json, struct agent_spec *agent, struct err *err)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < json_array_size(json); i++) {
		uint64_t soft = 0, hard = 0;
		int type = 0;
		const struct json_field fields[] = {
			{.name = "type",
				.type = JSON_READ_WORD,
				.ret = &type,
				.required = true,
				.words = rlimit_names},
			{.name = "soft",
				.type = JSON_READ_UINT,
				.ret = &soft,
				.required = true,
				.max = INT64_MAX},
			{.name = "hard",
				.type = JSON_READ_UINT,
				.ret = &hard,
				.required = true,
				.max = INT64_MAX},
		};
		int r = json_read(
			"rlimit", json_array_get(json, i), fields, ARRAY_SIZE(fields), err);

		if (r < 0)
			return r;
		if (soft > hard)
			return err_set(err, -EINVAL, "rlimit: %s: soft %llu is more than hard %llu",
				rlimit_names[type], (unsigned long long)soft,
				(unsigned long long)hard);
		if (seen & 1u << type)
			return err_set(
				err, -EINVAL, "rlimit: %s is given twice", rlimit_names[type]);
		seen |= 1u << type;
		/* JSON's largest number stands for no limit. */
		agent->rlimits[agent->n_rlimits++] = (struct agent_rlimit){
			.resource = (uint32_t)type,
			.soft = soft == INT64_MAX ? UINT64_MAX : soft,
			.hard = hard == INT64_MAX ? UINT64_MAX : hard,
		};
	}
	return 0;
}

static int read_size(const json_t *json, struct agent_spec *agent, struct err *err)
{
	uint64_t rows = 0, cols = 0;
	const struct json_field fields[] = {
		JSON_UINT("height", &rows, 0, UINT16_MAX),
		JSON_UINT("width", &cols, 0, UINT16_MAX),
	};
	int r = json_read("consoleSize", json, fields, ARRAY_SIZE(fields), err);

	agent->rows = (uint16_t)rows;
	agent->cols = (uint16_t)cols;
	return r;
}

/* Does it fit the frame that will carry it, and its rules? */
static int check_agent(const struct agent_spec *agent, struct err *err)
{
	struct buf buf = BUF_INIT(AGENT_FRAME_MAX + AGENT_HEADER_SIZE);
	struct agent_spec ports = *agent;
	int r;

	if (agent->terminal)
		ports.tty_port = 1;
	r = agent_encode_spec(&buf, 0, &ports);
	buf_fini(&buf);
	if (r == -EMSGSIZE)
		return err_set(err, r, "process: arguments and environment are larger than %u KiB",
			AGENT_FRAME_MAX / 1024);
	if (r < 0)
		return err_set(err, r, "container: a name, path or number is out of its range");
	return 0;
}

static int check_path(const char *what, const char *path, struct err *err)
{
	if (path && (path[0] != '/' || strlen(path) > AGENT_CWD_MAX))
		return err_set(err, -EINVAL,
			"%s: '%.100s' is not an absolute path of up to %u bytes", what, path,
			AGENT_CWD_MAX);
	return 0;
}

static int read_command(json_t *json, struct command_spec *spec, struct err *err)
{
	const json_t *args = NULL, *env = NULL, *caps = NULL, *rlimits = NULL, *size = NULL;
	const json_t *cwd = NULL, *user = NULL;
	struct agent_spec *agent = &spec->agent;
	uint64_t log_size = STREAM_LOG_DEFAULT;
	bool once = true;
	const struct json_field fields[] = {
		{.name = "args", .type = JSON_READ_ARRAY, .ret = &args, .required = true},
		JSON_ARRAY_FIELD("env", &env),
		{.name = "cwd", .type = JSON_READ_ANY, .ret = &cwd},
		{.name = "user", .type = JSON_READ_ANY, .ret = &user},
		JSON_BOOL("terminal", &agent->terminal),
		JSON_OBJECT_FIELD("consoleSize", &size),
		JSON_ARRAY_FIELD("rlimits", &rlimits),
		JSON_ARRAY_FIELD("capabilities", &caps),
		JSON_BOOL("stdin", &spec->streams.input),
		JSON_BOOL("stdin_once", &once),
		JSON_UINT("log_size", &log_size, 0, STREAM_LOG_MAX),
	};
	int r = json_read("process", json, fields, ARRAY_SIZE(fields), err);

	if (r < 0)
		return r;
	if (!json_array_size(args))
		return err_set(err, -EINVAL, "process: field 'args' is empty");
	spec->streams.terminal = agent->terminal;
	spec->streams.in_once = once;
	spec->streams.log_size = (uint32_t)log_size;
	r = read_strings("process: field 'args'", args, &spec->args, err);
	if (!r && env)
		r = read_strings("process: field 'env'", env, &spec->env, err);
	if (!r)
		r = read_string("process: field 'cwd'", cwd, &agent->cwd, err);
	if (!r)
		r = read_string("process: field 'user'", user, &agent->user, err);
	if (!r && caps)
		r = read_caps(caps, agent, err);
	if (!r && rlimits)
		r = read_rlimits(rlimits, agent, err);
	if (!r && size && !agent->terminal)
		r = err_set(err, -EINVAL, "process: field 'consoleSize' needs 'terminal'");
	if (!r && size)
		r = read_size(size, agent, err);
	if (!r)
		r = check_path("process: field 'cwd'", agent->cwd, err);
	if (!r && agent->user && strlen(agent->user) > AGENT_USER_MAX)
		r = err_set(err, -EINVAL, "process: field 'user' is longer than %u bytes",
			AGENT_USER_MAX);
	agent->args = spec->args;
	agent->env = spec->env;
	spec->document = json_incref(json);
	return r;
}

int command_spec_read(json_t *json, const struct command_spec *container, struct command_spec *ret,
	struct err *err)
{
	struct command_spec spec = {
		.agent = {.cwd = container->agent.cwd, .user = container->agent.user}};
	int r = read_command(json, &spec, err);

	if (!r && !spec.env)
		spec.agent.env = container->agent.env;
	if (!r)
		r = check_agent(&spec.agent, err);
	if (r < 0) {
		command_spec_fini(&spec);
		return r;
	}
	*ret = spec;
	return 0;
}

void command_spec_fini(struct command_spec *spec)
{
	free(spec->args);
	free(spec->env);
	json_decref(spec->document);
	*spec = (struct command_spec){0};
}

static int read_root(const json_t *json, struct container_spec *spec, struct err *err)
{
	static const char *const modes[] = {"tmpfs", "disk", "none", NULL};
	int mode = 0;
	const struct json_field fields[] = {
		{.name = "drive_id",
			.type = JSON_READ_STRING,
			.ret = &spec->rootfs,
			.required = true},
		JSON_WORD("writable", &mode, modes),
		JSON_STRING("writable_drive_id", &spec->disk),
	};
	int r = json_read("rootfs", json, fields, ARRAY_SIZE(fields), err);

	if (r < 0)
		return r;
	/* In the order of the words. */
	spec->command.agent.root = (enum agent_root)mode;
	if (mode != AGENT_ROOT_DISK && !spec->disk)
		return 0;
	if (mode != AGENT_ROOT_DISK || !spec->disk)
		return err_set(err, -EINVAL,
			"rootfs: field 'writable_drive_id' goes with \"writable\": \"disk\"");
	if (!strcmp(spec->disk, spec->rootfs))
		return err_set(err, -EINVAL, "rootfs: drive '%s' can't be both", spec->disk);
	return 0;
}

static int read_mount(
	const json_t *json, struct agent_mount *mount, const char **ret_drive, struct err *err)
{
	static const char *const types[] = {"tmpfs", "ext4", NULL};
	bool read_only = false, noexec = false;
	const char *path = NULL;
	uint64_t size = 0;
	int type = 0;
	const struct json_field fields[] = {
		{.name = "destination", .type = JSON_READ_STRING, .ret = &path, .required = true},
		{.name = "type",
			.type = JSON_READ_WORD,
			.ret = &type,
			.required = true,
			.words = types},
		JSON_STRING("drive_id", ret_drive),
		JSON_BOOL("read_only", &read_only),
		JSON_BOOL("noexec", &noexec),
		JSON_UINT("size", &size, 4096, INT64_MAX),
	};
	int r = json_read("mount", json, fields, ARRAY_SIZE(fields), err);

	if (!r)
		r = check_path("mount: field 'destination'", path, err);
	if (r < 0)
		return r;
	if ((type == AGENT_MOUNT_DISK) != (*ret_drive != NULL) || (size && type))
		return err_set(err, -EINVAL,
			"mount: %s: 'drive_id' goes with type \"ext4\", 'size' with \"tmpfs\"",
			path);
	*mount = (struct agent_mount){
		.kind = (enum agent_mount_kind)type,
		.flags = (uint8_t)((read_only ? AGENT_MOUNT_READONLY : 0) |
				   (noexec ? AGENT_MOUNT_NOEXEC : 0)),
		.size = size,
		.path = path,
	};
	return 0;
}

static int read_mounts(const json_t *json, struct container_spec *spec, struct err *err)
{
	struct agent_spec *agent = &spec->command.agent;
	size_t count = json_array_size(json);
	int r = 0;

	if (count > AGENT_MOUNTS_MAX)
		return err_set(err, -EINVAL, "container: more than %u mounts", AGENT_MOUNTS_MAX);
	for (size_t i = 0; i < count && !r; i++)
		r = read_mount(
			json_array_get(json, i), &agent->mounts[i], &spec->mount_drives[i], err);
	agent->n_mounts = r ? 0 : count;
	return r;
}

/* ADDRESS/PREFIX */
static int read_address(const json_t *json, struct agent_interface *interface, struct err *err)
{
	const char *text = json_string_value(json);
	size_t n = interface->n_addresses;

	if (!text ||
		agent_ip_parse_prefix(text, &interface->addresses[n], &interface->prefixes[n]) < 0)
		return err_set(err, -EINVAL,
			"interface: '%.100s' is not an address with its prefix length",
			text ? text : "?");
	interface->n_addresses++;
	return 0;
}

static int read_gateway(const json_t *json, struct agent_interface *interface, struct err *err)
{
	const char *text = json_string_value(json);
	struct agent_ip ip;

	if (!text || agent_ip_parse(text, &ip) < 0)
		return err_set(err, -EINVAL, "interface: gateway '%.100s' is not an address",
			text ? text : "?");
	interface->gateways[ip.family == 6] = ip;
	return 0;
}

static int read_interface(const json_t *json, struct agent_interface *interface, struct err *err)
{
	const json_t *addresses = NULL, *gateways = NULL;
	const char *mac = "";
	uint64_t mtu = 0;
	const struct json_field fields[] = {
		{.name = "mac", .type = JSON_READ_STRING, .ret = &mac, .required = true},
		JSON_UINT("mtu", &mtu, AGENT_MTU_MIN, AGENT_MTU_MAX),
		JSON_ARRAY_FIELD("addresses", &addresses),
		JSON_ARRAY_FIELD("gateways", &gateways),
	};
	int r = json_read("interface", json, fields, ARRAY_SIZE(fields), err);

	if (r < 0)
		return r;
	if (mac_parse(mac, interface->mac) < 0)
		return err_set(
			err, -EINVAL, "interface: field 'mac': '%.40s' is not a MAC address", mac);
	if (json_array_size(addresses) > AGENT_ADDRESSES_MAX)
		return err_set(
			err, -EINVAL, "interface: more than %u addresses", AGENT_ADDRESSES_MAX);
	interface->mtu = (uint16_t)mtu;
	for (size_t i = 0; i < json_array_size(addresses) && !r; i++)
		r = read_address(json_array_get(addresses, i), interface, err);
	for (size_t i = 0; i < json_array_size(gateways) && !r; i++)
		r = read_gateway(json_array_get(gateways, i), interface, err);
	return r;
}

static int read_network(const json_t *json, struct agent_spec *agent, struct err *err)
{
	const json_t *interfaces = NULL;
	const struct json_field fields[] = {
		JSON_ARRAY_FIELD("interfaces", &interfaces),
		JSON_STRING("resolv_conf", &agent->resolv_conf),
		JSON_STRING("hosts", &agent->hosts),
	};
	int r = json_read("network", json, fields, ARRAY_SIZE(fields), err);

	if (!r && json_array_size(interfaces) > AGENT_INTERFACES_MAX)
		r = err_set(err, -EINVAL, "network: more than %u interfaces", AGENT_INTERFACES_MAX);
	for (size_t i = 0; i < json_array_size(interfaces) && !r; i++)
		r = read_interface(json_array_get(interfaces, i),
			&agent->interfaces[agent->n_interfaces++], err);
	return r;
}

int container_spec_read(json_t *json, struct container_spec *ret, struct err *err)
{
	const json_t *root = NULL, *process = NULL, *mounts = NULL, *network = NULL;
	struct container_spec spec = {0};
	struct agent_spec *agent = &spec.command.agent;
	uint64_t pids = 0;
	const struct json_field fields[] = {
		{.name = "rootfs", .type = JSON_READ_OBJECT, .ret = &root, .required = true},
		{.name = "process", .type = JSON_READ_OBJECT, .ret = &process, .required = true},
		JSON_STRING("hostname", &agent->hostname),
		JSON_ARRAY_FIELD("mounts", &mounts),
		JSON_UINT("pids_limit", &pids, 1, AGENT_PIDS_MAX),
		JSON_OBJECT_FIELD("network", &network),
	};
	int r = json_read("container", json, fields, ARRAY_SIZE(fields), err);

	if (!r)
		r = read_root(root, &spec, err);
	if (!r)
		r = read_command((json_t *)(uintptr_t)process, &spec.command, err);
	/* Its own reference keeps the whole document, of which that is a part. */
	if (spec.command.document) {
		json_decref(spec.command.document);
		spec.command.document = json_incref(json);
	}
	agent->pids_max = (uint32_t)pids;
	if (!r && mounts)
		r = read_mounts(mounts, &spec, err);
	if (!r && network)
		r = read_network(network, agent, err);
	if (!r)
		r = check_agent(agent, err);
	if (r < 0) {
		container_spec_fini(&spec);
		return r;
	}
	*ret = spec;
	return 0;
}

void container_spec_fini(struct container_spec *spec)
{
	command_spec_fini(&spec->command);
	*spec = (struct container_spec){0};
}
