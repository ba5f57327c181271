// SPDX-License-Identifier: Apache-2.0
// Each kind of device used as it is meant to be: a request that attacks begin from, and a proof
// that it works.
#pragma once

#include "tests/guest/virtio.h"

#define DESCS_MAX 4

/*
 * struct request - a legal chain, entries 0 to @count - 1 of the descriptor table, linked in order
 * @count:	its descriptors
 * @out_count:	of them, those the device reads; they come first
 */
struct request {
	unsigned int count;
	unsigned int out_count;
};

/*
 * struct use - a queue that takes chains from the driver
 * @features:	without which there is no such queue
 * @build:	make a legal request; the queue is new
 * @trigger:	what makes the device take it, after the kick; NULL if the kick does. @queues: the
 *		device's, all started
 */
struct use {
	uint32_t id;
	unsigned int queue;
	const char *queue_name;
	uint64_t features;
	void (*build)(struct vq *q, struct request *ret);
	void (*trigger)(struct vq *queues);
};

extern const struct use uses[];
extern const unsigned int use_count;

/* Sector @n of a test disk holds this in each of its 64 words, plus the word's number. */
#define DISK_WORD(sector) (0x68756c6c00000000ull + (uint64_t)(sector)*64)
#define DISK_SECTORS 2048u

/* A page that nobody uses, to be given away. */
#define SPARE_PAGE (ARENA_BASE + ARENA_COUNT * ARENA_SIZE)

/* The host echoes what comes to this vsock port. */
#define ECHO_PORT 7000u

/*
 * prove() - reset the device, start it, have it do real work, and reset it again
 *
 * A block device gives what is known to be on the disk, a socket carries bytes to the host and
 * back, and so on. What is wrong fails the current check.
 */
void prove(struct vdev *dev);

/* prove_others() - the same with one other device, each in its turn. */
void prove_others(const struct vdev *dev);

/* use_again() - is this another device of a kind, while 'few' on the command line asks for one of
 * each? */
bool use_again(const struct vdev *dev);

/* use_of() - is this one of the device's queues? */
bool use_of(const struct use *use, const struct vdev *dev);

/* use_start() - start the device, make the request of @use, without making it available. */
bool use_start(struct vdev *dev, const struct use *use, uint64_t features, struct vq *queues,
	struct request *ret);
