// SPDX-License-Identifier: Apache-2.0
// A container's name: random if none is given, and taken by one running container at a time.
#pragma once

#include <stddef.h>

struct err;

/* Hexadecimal digits of a random name. */
#define NAME_RANDOM_DIGITS 12

/*
 * name_random() - write a random name and its NUL
 *
 * Return: 0 or -errno with a message.
 */
int name_random(char name[NAME_RANDOM_DIGITS + 1], struct err *err);

/*
 * name_hold() - take @name until the returned descriptor is closed
 * @name:	checked by value_name()
 *
 * The name is bound as an abstract UNIX socket, hull/<uid>/<name>: the kernel releases it however
 * the process ends, and nothing is left in the file system. Names are per user and per network
 * namespace.
 *
 * Return: a close-on-exec descriptor, -EADDRINUSE or another -errno with a message.
 */
int name_hold(const char *name, struct err *err);
