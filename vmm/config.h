// SPDX-License-Identifier: Apache-2.0
// What one microVM is made of, whoever tells it.
#pragma once

#include "base/log.h"
#include "devices/balloon.h"
#include "devices/rate_limit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_CPUS_MAX 64
/* Each takes one of the machine's ARCH_SLOTS_MAX slots, which all kinds of devices share. */
#define CONFIG_DISKS_MAX 22
#define CONFIG_DISK_QUEUES_MAX 16
#define CONFIG_NETS_MAX 8
/* Queue pairs of a network device: more than that many vCPUs share them. */
#define CONFIG_NET_PAIRS_MAX 8
#define CONFIG_MEMORY_DEFAULT (128ull << 20)
#define CONFIG_SOCK_DEFAULT "/run/firecracker.socket"
#define CONFIG_BODY_DEFAULT 51200
/* More would be kept in memory for each connection. */
#define CONFIG_BODY_MAX (16u << 20)

enum config_disk_io {
	CONFIG_DISK_IO_AUTO,
	CONFIG_DISK_IO_URING,
	CONFIG_DISK_IO_SYNC,
};

/*
 * struct config_disk
 * @id:		its name, and what the guest reads as its serial number; NULL for "disk" and
 *		its number
 * @path:	of the file, or NULL where it has no name
 * @fd:		where it is open already; or -1
 * @direct:	without the host's page cache
 * @unsafe:	the guest's flushes mean nothing
 * @root:	the API's: it is to be /dev/vda, and the kernel is told
 * @partuuid:	of the partition on it that is the root, or NULL for all of it
 * @io:		how the file is read and written
 * @queues:	up to CONFIG_DISK_QUEUES_MAX; 0 is 1
 */
struct config_disk {
	const char *id;
	const char *path;
	int fd;
	bool read_only;
	bool root;
	const char *partuuid;
	bool direct;
	bool unsafe;
	enum config_disk_io io;
	unsigned int queues;
	struct rate_limit_config rate;
};

/* The host's end of a network device: a tap device, or passt behind a UNIX stream socket. */
enum config_net_kind {
	CONFIG_NET_TAP,
	CONFIG_NET_PASST,
};

/*
 * struct config_net
 * @id:		its name on the host, or NULL for one by its number
 * @host:	name of the tap device, or path of passt's socket; NULL where @fds are inherited
 * @fds:	@fd_count of them: a tap's queues, or one socket
 * @mac:	all zero: one is made up
 * @mtu:	that the guest is told, 68 up; 0: it isn't told any
 * @pairs:	of queues, 1 to CONFIG_NET_PAIRS_MAX; with tap fds as many as these
 * @rx, @tx:	limits of what the guest receives and sends
 */
struct config_net {
	const char *id;
	enum config_net_kind kind;
	const char *host;
	unsigned int fd_count;
	int fds[CONFIG_NET_PAIRS_MAX];
	uint8_t mac[6];
	uint16_t mtu;
	unsigned int pairs;
	struct rate_limit_config rx, tx;
};

/* @cid: 0 without a vsock device. Exactly one of @uds and @fd (then the other is NULL or -1).
 * @seqpacket: only with @uds. */
struct config_vsock {
	uint32_t cid;
	const char *uds;
	int fd;
	bool seqpacket;
};

enum config_serial_kind {
	CONFIG_SERIAL_NONE,
	CONFIG_SERIAL_STDIO,
	CONFIG_SERIAL_FD,
	CONFIG_SERIAL_FILE,
};

struct config_serial {
	enum config_serial_kind kind;
	const char *path;
	int fd;
	struct rate_bucket_config rate; /* of output bytes */
};

/* What guest memory is made of on the host. */
enum config_pages {
	CONFIG_PAGES_SMALL,
	CONFIG_PAGES_THP,     /* 2 MiB where the kernel has them */
	CONFIG_PAGES_HUGETLB, /* 2 MiB from the pool, all reserved at the start */
};

struct config_rng {
	bool present;
	struct rate_limit_config rate;
};

struct config_balloon {
	bool present;
	struct balloon_config device;
};

/* Parts of a PC that a machine has only if asked for; a PIT brings a PIC along. */
#define CONFIG_LEGACY_PIT (1u << 0)
#define CONFIG_LEGACY_PIC (1u << 1)
#define CONFIG_LEGACY_RTC (1u << 2)

/* Clients who are there from the start. */
#define CONFIG_API_FDS_MAX 8

/*
 * struct config_api - how the monitor is driven
 * @sock:	path of the API's socket, or NULL for none
 * @fds:	@fd_count inherited sockets of clients
 * @file:	a configuration to be started at once, or NULL
 * @container:	a file that says what the container is, or NULL
 * @container_fd: it is inherited open, and @container is "fd=N"; or -1
 * @none:	no API is wanted
 * @body_max:	bytes of a request's body
 */
struct config_api {
	const char *sock;
	int fds[CONFIG_API_FDS_MAX];
	unsigned int fd_count;
	const char *file;
	const char *container;
	int container_fd;
	bool none;
	size_t body_max;
};

/*
 * struct config_log - where the log goes and how it looks
 * @path:	a file or FIFO, or NULL for standard error
 * @module:	only lines whose origin begins with it, or NULL
 * @level_given: whoever set the path said how much, too
 */
struct config_log {
	const char *path;
	const char *module;
	bool level_given;
	bool show_level;
	bool show_origin;
};

/* Parts of the jail that a host may lack. */
enum config_jail_layer {
	CONFIG_JAIL_USERNS,
	CONFIG_JAIL_LANDLOCK,
	CONFIG_JAIL_SECCOMP,
	CONFIG_JAIL_LAYERS,
};

/* User IDs of VMs, where hull-vmm is started by root: above those that distributions, systemd and
 * containers hand out. */
#define CONFIG_JAIL_UID_FIRST 1900000000u
/* One for each process ID (PID_MAX_LIMIT of the kernel). */
#define CONFIG_JAIL_UID_COUNT (4u << 20)
/* The largest file that may be written: a disk of 64 TiB is larger than any that is expected. */
#define CONFIG_JAIL_FSIZE (64ull << 40)
#define CONFIG_JAIL_GRANTS_MAX 8
#define CONFIG_JAIL_PATH_MAX 4096

/*
 * struct config_jail_grant - a directory that stays
 * @path:	as the user wrote it
 * @writable:	files in it may be written to
 * @sockets:	only sockets in it are meant; no file can be opened
 */
struct config_jail_grant {
	const char *path;
	bool writable;
	bool sockets;
};

/*
 * struct config_jail - what the monitor gives up before the guest's first instruction
 * @off:	nothing
 * @die_with_parent: also then
 * @no_seccomp:	no filter of system calls
 * @without:	of enum config_jail_layer, a bit each: may be missing if the host lacks it
 * @uid, @gid:	to be, if @uid_given and @gid_given; otherwise of the range, or unchanged without
 * root
 * @fsize, @nofile: limits, or 0 for the usual
 */
struct config_jail {
	bool off;
	bool die_with_parent;
	bool no_seccomp;
	unsigned int without;
	bool uid_given, gid_given;
	uint32_t uid, gid;
	uint64_t fsize;
	uint64_t nofile;
	unsigned int grant_count;
	struct config_jail_grant grants[CONFIG_JAIL_GRANTS_MAX];
};

extern const char *const config_jail_layers[CONFIG_JAIL_LAYERS];

struct config_string;

/*
 * Each string is argv's, which lives as long as the process, or one of @strings, where
 * config_keep() put it.
 */
struct config {
	struct config_string *strings;
	const char *kernel;
	const char *initrd; /* or NULL */
	const char *cmdline;
	const char *boot_args; /* the API's: what cmdline is made of, or NULL for its default */
	uint64_t memory;       /* bytes, a multiple of 1 MiB, of 2 MiB unless pages are small */
	enum config_pages pages;
	unsigned int cpus;
	bool acpi;
	bool kvm_any;        /* without hardware virtualization, too */
	bool nested;         /* show the CPU's virtualization to the guest */
	unsigned int legacy; /* CONFIG_LEGACY_* */
	unsigned int disk_count;
	struct config_disk disks[CONFIG_DISKS_MAX];
	unsigned int net_count;
	struct config_net nets[CONFIG_NETS_MAX];
	struct config_vsock vsock;
	struct config_rng rng;
	struct config_balloon balloon;
	struct config_serial serial;
	bool serial_given;
	struct config_log log;
	const char *metrics_path; /* or NULL */
	bool metrics_emit_id;
	const char *metrics_properties; /* a JSON object that goes into each line, or NULL */
	bool boot_timer;
	uint64_t start_us, start_cpu_us,
		parent_cpu_us; /* when whoever starts us began; 0: unknown */
	struct config_api api;
	struct config_jail jail;
	const char *id; /* the VM's, for whoever asks */
	int events_fd;  /* or -1 */
	enum log_level log_level;
};

/* config_init() - what a microVM is made of when nobody says otherwise */
void config_init(struct config *config);

/* config_fini() - free the strings. Harmless when zeroed. */
void config_fini(struct config *config);

/*
 * config_keep() - copy a string into the configuration
 * @text:	or NULL
 *
 * Return: the copy, or NULL for lack of memory (or of @text).
 */
const char *config_keep(struct config *config, const char *text);

/* config_drop() - free a string if config_keep() made it; argv's and NULL are left alone. */
void config_drop(struct config *config, const char *text);
