// SPDX-License-Identifier: Apache-2.0
// Scope-bound cleanup of descriptors and heap memory, and the hand-over of either.
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_fd(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
	}
}

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* int CLEANUP_FD fd = -1; closed at the end of the scope unless TAKE_FD took it. */
#define CLEANUP_FD __attribute__((cleanup(cleanup_fd)))
/* char CLEANUP_FREE *p = NULL; freed at the end of the scope unless TAKE_PTR took it. */
#define CLEANUP_FREE __attribute__((cleanup(cleanup_free)))
/* FILE CLEANUP_FILE *f = NULL; closed at the end of the scope unless TAKE_PTR took it. */
#define CLEANUP_FILE __attribute__((cleanup(cleanup_file)))

#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int take_fd_ = (fd);                                                               \
		(fd) = -1;                                                                         \
		take_fd_;                                                                          \
	})

#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__typeof__(p) take_ptr_ = (p);                                                     \
		(p) = NULL;                                                                        \
		take_ptr_;                                                                         \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The struct of @type in which @ptr is the member @member. */
#define container_of(ptr, type, member)                                                            \
	((type *)(void *)((char *)(ptr) - __builtin_offsetof(type, member)))
