// SPDX-License-Identifier: Apache-2.0
// virtio-rng. Spec: virtio 1.2 5.4
#include "devices/rng.h"

#include "base/cleanup.h"
#include "devices/backend/entropy.h"
#include "devices/rate_limit.h"
#include "devices/virtio.h"
#include "devices/virtqueue.h"

#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>

/*
 * Theory of operation
 *
 * One queue. A request is writable buffers, which are filled at once, straight from the source: so
 * nothing is ever in flight, and the queue holds all state. While the limiter says no, requests
 * stay in the queue.
 */

#define RNG_QUEUE_SIZE 64

/*
 * struct rng - the device
 * @chain:	the request being served; here, because it is too large for a stack
 */
struct rng {
	struct virtio_dev dev;
	struct virtq queue;
	struct entropy *entropy;
	struct rate_limit limit;
	uint64_t counters[RNG_COUNTERS];
	struct virtq_chain chain;
};

static struct rng *to_rng(struct virtio_dev *dev)
{
	return container_of(dev, struct rng, dev);
}

/* Fill the chain. Return: bytes filled, fewer than asked if the source failed. */
static uint32_t rng_fill(struct rng *rng)
{
	const struct virtq_chain *chain = &rng->chain;
	uint32_t done = 0;

	for (unsigned int i = 0; i < chain->in_count && done < RNG_REQUEST_MAX; i++) {
		const struct iovec *iov = &chain->iov[i];
		size_t part = iov->iov_len;

		if (part > RNG_REQUEST_MAX - done)
			part = RNG_REQUEST_MAX - done;
		if (rng->entropy->ops->fill(rng->entropy, iov->iov_base, part) < 0) {
			rng->counters[RNG_FAILED]++;
			break;
		}
		done += (uint32_t)part;
	}
	return done;
}

/* Serve what is there, up to RNG_NOTIFY_MAX bytes. Return: 1 if more may be waiting, 0, -1 broken
 */
static int rng_serve(struct rng *rng)
{
	uint32_t served = 0;

	/* A request of a few bytes costs as much as a chain, hence the second bound. */
	for (unsigned int i = 0; i < RNG_QUEUE_SIZE && served < RNG_NOTIFY_MAX; i++) {
		uint32_t n;
		int r;

		if (!rate_limit_ready(&rng->limit)) {
			rng->counters[RNG_THROTTLED]++;
			return 0;
		}
		r = virtq_pop(&rng->queue, &rng->chain);
		if (r == 0)
			return 0;
		if (r < 0 || rng->chain.out_count || !rng->chain.in_count) {
			rng->counters[RNG_BROKEN]++;
			virtio_dev_broken(&rng->dev,
				r < 0 ? "bad ring" : "request that is not just room to fill");
			return -1;
		}
		n = rng_fill(rng);
		virtq_push(&rng->queue, rng->chain.head, n);
		rate_limit_charge(&rng->limit, n);
		rng->counters[RNG_BYTES] += n;
		served += n;
	}
	return 1;
}

static void rng_notify(struct virtio_dev *dev, unsigned int queue)
{
	struct rng *rng = to_rng(dev);
	int more;

	rng->counters[RNG_NOTIFIES]++;
	virtq_quiet(&rng->queue);
	more = rng_serve(rng);
	if (more >= 0 && !rng->limit.waiting)
		more |= virtq_listen(&rng->queue);
	virtio_dev_signal(dev, 0);
	if (more > 0)
		dev->transport->notify_later(dev, 0);
}

/* The limiter has tokens again. */
static void rng_resume(struct rate_limit *limit)
{
	struct rng *rng = container_of(limit, struct rng, limit);

	rng->counters[RNG_RESUMED]++;
	rng->dev.transport->notify_later(&rng->dev, 0);
}

static int rng_activate(struct virtio_dev *dev)
{
	return 0;
}

static void rng_reset(struct virtio_dev *dev)
{
	rate_limit_stop(&to_rng(dev)->limit);
}

/* Nothing is in flight; what waits for the limiter waits in the queue. */
static void rng_quiesce(struct virtio_dev *dev)
{
	rate_limit_stop(&to_rng(dev)->limit);
}

static void rng_read_config(
	struct virtio_dev *dev, unsigned int offset, void *data, unsigned int len)
{
	virtio_config_copy(NULL, 0, offset, data, len);
}

static void rng_free(struct virtio_dev *dev)
{
	struct rng *rng = to_rng(dev);

	rate_limit_fini(&rng->limit);
	entropy_free(rng->entropy);
	free(rng);
}

static const struct virtio_dev_ops rng_ops = {
	.name = "virtio-rng",
	.activate = rng_activate,
	.notify = rng_notify,
	.reset = rng_reset,
	.read_config = rng_read_config,
	.quiesce = rng_quiesce,
	.free = rng_free,
};

int rng_new(struct loop *loop, struct entropy *entropy, struct virtio_dev **ret)
{
	struct rng *rng = calloc(1, sizeof(*rng));

	if (!rng)
		return -ENOMEM;
	rng->dev = (struct virtio_dev){
		.ops = &rng_ops,
		.id = VIRTIO_ID_RNG,
		.features = 1U << VIRTIO_RING_F_INDIRECT_DESC | 1U << VIRTIO_RING_F_EVENT_IDX,
		.queues = &rng->queue,
		.queue_count = 1,
		.counters = rng->counters,
	};
	rng->queue.size_max = RNG_QUEUE_SIZE;
	rng->entropy = entropy;
	rate_limit_init(&rng->limit, loop, rng_resume);
	*ret = &rng->dev;
	return 0;
}

int rng_set_limits(struct virtio_dev *dev, const struct rate_limit_config *config)
{
	return rate_limit_set(&to_rng(dev)->limit, config);
}
