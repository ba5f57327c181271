// SPDX-License-Identifier: Apache-2.0
// The log in Firecracker's format, to a file or FIFO.
#pragma once

#include <stdint.h>

struct config;
struct err;

/*
 * logger_set() - send log lines to @config's log.path, if it has one, and take its level
 *
 * Lines are "TIME [ID:THREAD[:LEVEL][:FILE:LINE]] TEXT". The file is opened non-blocking: a line
 * that a FIFO has no room for is lost and counted.
 *
 * Context: loop, before the VM is started. Return: 0, or -errno with @err set and nothing changed.
 */
int logger_set(const struct config *config, struct err *err);

/* logger_lost() - how many lines were lost so far. Context: any. */
uint64_t logger_lost(void);

/* logger_open() - open a file or FIFO for lines. Return: a descriptor or -errno with @err set. */
int logger_open(const char *what, const char *path, struct err *err);
