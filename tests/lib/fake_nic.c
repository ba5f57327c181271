// SPDX-License-Identifier: Apache-2.0
// A network backend whose host is the test.
#include "tests/lib/fake_nic.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

static struct fake_nic *to_fake(struct nic *nic)
{
	return container_of(nic, struct fake_nic, nic);
}

static int fake_set(struct nic *nic, unsigned int pairs, unsigned int offloads)
{
	struct fake_nic *fn = to_fake(nic);

	fn->sets++;
	if (fn->gone && pairs)
		return -ENETDOWN;
	if (fn->set_error && pairs)
		return fn->set_error;
	fn->pairs = pairs;
	fn->offloads = offloads;
	return 0;
}

static ssize_t fake_receive(
	struct nic *nic, unsigned int pair, const struct iovec *iov, unsigned int count)
{
	struct fake_nic *fn = to_fake(nic);
	struct fake_frame *frame;
	unsigned int at = 0;
	uint32_t done = 0;

	/* The device's mistakes. */
	if (!count || count > NIC_IOVS_MAX || pair >= fn->pairs)
		abort();
	fn->receives++;
	if (fn->gone)
		return -ENETDOWN;
	while (at < fn->waiting_count && fn->waiting[at].pair != pair)
		at++;
	if (at == fn->waiting_count)
		return -EAGAIN;
	frame = &fn->waiting[at];
	for (unsigned int i = 0; i < count && done < frame->len; i++) {
		size_t part = iov[i].iov_len;

		if (part > frame->len - done)
			part = frame->len - done;
		memcpy(iov[i].iov_base, frame->data + done, part);
		done += (uint32_t)part;
	}
	fn->waiting_count--;
	memmove(frame, frame + 1, (fn->waiting_count - at) * sizeof(*frame));
	return done;
}

static int fake_send(
	struct nic *nic, unsigned int pair, const struct iovec *iov, unsigned int count)
{
	struct fake_nic *fn = to_fake(nic);
	struct fake_frame *frame = &fn->sent[fn->sent_count % FAKE_NIC_FRAMES];

	if (count < 2 || count >= NIC_IOVS_MAX || iov[0].iov_len != NIC_HEADER || pair >= fn->pairs)
		abort();
	if (fn->gone)
		return -ENETDOWN;
	if (fn->blocked)
		return -EAGAIN;
	frame->pair = pair;
	frame->len = 0;
	for (unsigned int i = 0; i < count; i++) {
		if (iov[i].iov_len > sizeof(frame->data) - frame->len)
			abort();
		memcpy(frame->data + frame->len, iov[i].iov_base, iov[i].iov_len);
		frame->len += (uint32_t)iov[i].iov_len;
	}
	if (frame->len < NIC_HEADER + NIC_FRAME_MIN)
		abort();
	fn->sent_count++;
	return 0;
}

static void fake_free(struct nic *nic)
{
	struct fake_nic *fn = to_fake(nic);

	if (fn->freed)
		*fn->freed = true;
	free(fn->sent);
	free(fn->waiting);
	free(fn);
}

static const struct nic_ops fake_ops = {
	.set = fake_set,
	.receive = fake_receive,
	.send = fake_send,
	.free = fake_free,
};

struct fake_nic *fake_nic_new(unsigned int pairs, unsigned int offloads)
{
	struct fake_nic *fn = calloc(1, sizeof(*fn));

	if (!fn)
		abort();
	fn->nic = (struct nic){.ops = &fake_ops,
		.name = "fake",
		.pairs = pairs,
		.offloads = offloads,
		.frame_max = 1518};
	fn->sent = calloc(FAKE_NIC_FRAMES, sizeof(*fn->sent));
	fn->waiting = calloc(FAKE_NIC_FRAMES, sizeof(*fn->waiting));
	if (!fn->sent || !fn->waiting)
		abort();
	return fn;
}

void fake_nic_arrive(struct fake_nic *fn, unsigned int pair, uint32_t len, uint8_t fill)
{
	struct fake_frame *frame = &fn->waiting[fn->waiting_count];

	if (fn->waiting_count == FAKE_NIC_FRAMES || len > NIC_FRAME_MAX)
		abort();
	frame->pair = pair;
	frame->len = NIC_HEADER + len;
	memset(frame->data, 0, NIC_HEADER);
	memset(frame->data + NIC_HEADER, fill, len);
	fn->waiting_count++;
}

void fake_nic_ready(struct fake_nic *fn, unsigned int pair)
{
	if (pair < fn->pairs)
		fn->nic.ready(fn->nic.ctx, pair);
}
