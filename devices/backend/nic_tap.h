// SPDX-License-Identifier: Apache-2.0
// A tap device as the host's end of a network device.
#pragma once

struct err;
struct loop;
struct nic;

/*
 * nic_tap_open() - attach to a tap device that exists
 * @name:	its name, shorter than IFNAMSIZ; untrusted; copied
 * @pairs:	queues, 1 to NIC_PAIRS_MAX; more than one needs a tap made with multi_queue
 * @ret:	owned by the caller: nic_free()
 *
 * Return: 0 or -errno with @err set: there is none, it is in use, is no tap device, has not so
 * many queues, or the process may not.
 */
int nic_tap_open(
	struct loop *loop, const char *name, unsigned int pairs, struct nic **ret, struct err *err);

/*
 * nic_tap_from_fds() - the same with its queues opened by somebody else
 * @fds:	@count of them, 1 to NIC_PAIRS_MAX, attached with IFF_TAP, IFF_NO_PI, IFF_VNET_HDR;
 *		taken over on success. They become non-blocking, which whoever shares them sees
 *
 * Return: 0 or -errno with @err set.
 */
int nic_tap_from_fds(
	struct loop *loop, const int *fds, unsigned int count, struct nic **ret, struct err *err);
