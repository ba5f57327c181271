// SPDX-License-Identifier: Apache-2.0
// What one microVM is made of, whoever tells it.
#pragma once

#include "base/log.h"

#include <stdbool.h>
#include <stdint.h>

#define CONFIG_CPUS_MAX 32
/* One virtio-mmio slot each; vsock takes another. Bounded by the interrupt lines, see machine.h. */
#define CONFIG_DISKS_MAX 16
#define CONFIG_MEMORY_DEFAULT (128ull << 20)

/* @path: of the file, or NULL where @fd is inherited. */
struct config_disk {
	const char *path;
	int fd;
	bool read_only;
};

/* @cid: 0 without a vsock device. Exactly one of @uds and @fd (then the other is NULL or -1). */
struct config_vsock {
	uint32_t cid;
	const char *uds;
	int fd;
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
};

/* Strings are not owned; they live as long as the process (on the command line: argv). */
struct config {
	const char *kernel;
	const char *initrd; /* or NULL */
	const char *cmdline;
	uint64_t memory; /* bytes, a multiple of 1 MiB */
	unsigned int cpus;
	bool acpi;
	unsigned int disk_count;
	struct config_disk disks[CONFIG_DISKS_MAX];
	struct config_vsock vsock;
	struct config_serial serial;
	int events_fd; /* or -1 */
	enum log_level log_level;
};
