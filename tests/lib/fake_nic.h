// SPDX-License-Identifier: Apache-2.0
// A network backend whose host is the test.
#pragma once

#include "devices/backend/nic.h"

#include <stdbool.h>

#define FAKE_NIC_FRAMES 128

/* One frame with its header. */
struct fake_frame {
	unsigned int pair;
	uint32_t len;
	uint8_t data[NIC_HEADER + NIC_FRAME_MAX];
};

/*
 * struct fake_nic - the backend
 * @sent, @sent_count: what the device sent, since the count was last set to 0
 * @waiting, @waiting_count: frames for the device to receive, the oldest first
 * @blocked:	send gives -EAGAIN
 * @gone:	everything gives -ENETDOWN
 * @set_error:	what set gives
 * @pairs, @offloads: as set last; @sets: how often
 * @receives:	calls of receive
 * @freed:	set when the device frees it, if not NULL
 */
struct fake_nic {
	struct nic nic;
	struct fake_frame *sent, *waiting;
	unsigned int sent_count, waiting_count;
	bool blocked;
	bool gone;
	int set_error;
	unsigned int pairs, offloads, sets;
	unsigned int receives;
	bool *freed;
};

struct fake_nic *fake_nic_new(unsigned int pairs, unsigned int offloads);
/* A frame of @len bytes, each @fill, and a zeroed header comes from the host. */
void fake_nic_arrive(struct fake_nic *fn, unsigned int pair, uint32_t len, uint8_t fill);
/* Tell the device. */
void fake_nic_ready(struct fake_nic *fn, unsigned int pair);
