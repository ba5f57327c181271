// SPDX-License-Identifier: Apache-2.0
// A tap device as the host's end of a network device.
#include "devices/backend/nic_tap.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "devices/backend/nic.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/*
 * syscalls: loop: close, ioctl(1 == TUNSETOFFLOAD), ioctl(1 == TUNSETQUEUE), readv, writev; start:
 * fcntl, ioctl, openat, socket
 */

/*
 * Theory of operation
 *
 * Each queue pair is a descriptor of the same tap device: one read is one frame with its header,
 * one write as well. The kernel checks what the header says against the frame before it believes
 * it. Queues that the guest doesn't use are detached, so that the kernel gives them no frames.
 *
 * Descriptors are watched for edges: an idle or a busy one costs no system call but its reads and
 * writes.
 */

/* Linux 6.2 and later; not in every linux/if_tun.h. */
#define TAP_F_USO4 0x20
#define TAP_F_USO6 0x40

#define TAP_PATH "/dev/net/tun"
/* Of the Ethernet header and a VLAN tag, which an MTU doesn't count. */
#define TAP_OVERHEAD 18

/*
 * struct tap_queue - one descriptor
 * @attached:	the kernel gives it frames
 */
struct tap_queue {
	struct nic_tap *tap;
	struct loop_source src;
	int fd;
	bool attached;
};

struct nic_tap {
	struct nic nic;
	struct loop *loop;
	char name[IFNAMSIZ];
	unsigned int offloads;
	struct tap_queue queues[NIC_PAIRS_MAX];
};

static struct nic_tap *to_tap(struct nic *nic)
{
	return container_of(nic, struct nic_tap, nic);
}

static void on_event(struct loop_source *src, uint32_t events)
{
	struct tap_queue *queue = container_of(src, struct tap_queue, src);
	struct nic *nic = &queue->tap->nic;

	nic->ready(nic->ctx, (unsigned int)(queue - queue->tap->queues));
}

static int tap_attach(struct tap_queue *queue, bool attach)
{
	struct ifreq ifr = {.ifr_flags = attach ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE};

	if (queue->attached == attach)
		return 0;
	if (ioctl(queue->fd, TUNSETQUEUE, &ifr) < 0)
		return errno == EBADFD ? -ENETDOWN : -errno;
	queue->attached = attach;
	return 0;
}

static int tap_watch(struct tap_queue *queue)
{
	if (queue->src.fd >= 0)
		return 0;
	return loop_add(
		queue->tap->loop, &queue->src, queue->fd, EPOLLIN | EPOLLOUT | EPOLLET, on_event);
}

static int tap_set_offloads(struct nic_tap *tap, unsigned int offloads)
{
	unsigned int flags = 0;

	if (offloads == tap->offloads)
		return 0;
	if (offloads & NIC_CSUM)
		flags |= TUN_F_CSUM;
	if (offloads & NIC_TSO4)
		flags |= TUN_F_TSO4;
	if (offloads & NIC_TSO6)
		flags |= TUN_F_TSO6;
	if (offloads & NIC_ECN)
		flags |= TUN_F_TSO_ECN;
	if (offloads & NIC_USO)
		flags |= TAP_F_USO4 | TAP_F_USO6;
	/* It is the device's, through whichever descriptor. */
	if (ioctl(tap->queues[0].fd, TUNSETOFFLOAD, (unsigned long)flags) < 0)
		return errno == EBADFD ? -ENETDOWN : -errno;
	tap->offloads = offloads;
	return 0;
}

static int tap_set(struct nic *nic, unsigned int pairs, unsigned int offloads)
{
	struct nic_tap *tap = to_tap(nic);
	int r = 0;

	/* Stopped, it stays as it is, down to its queues: one must be attached for offloads. */
	for (unsigned int i = pairs; i < nic->pairs; i++)
		loop_del(tap->loop, &tap->queues[i].src);
	if (!pairs)
		return 0;
	r = tap_set_offloads(tap, offloads);
	for (unsigned int i = 0; i < nic->pairs && !r; i++) {
		r = tap_attach(&tap->queues[i], i < pairs);
		if (!r && i < pairs)
			r = tap_watch(&tap->queues[i]);
	}
	return r;
}

static ssize_t tap_receive(
	struct nic *nic, unsigned int pair, const struct iovec *iov, unsigned int count)
{
	ssize_t n;

	do
		n = readv(to_tap(nic)->queues[pair].fd, iov, (int)count);
	while (n < 0 && errno == EINTR);
	if (n >= NIC_HEADER + NIC_FRAME_MIN)
		return n;
	if (n >= 0)
		return -EBADMSG;
	if (errno == EAGAIN)
		return -EAGAIN;
	return errno == EBADFD ? -ENETDOWN : -EBADMSG;
}

static int tap_send(struct nic *nic, unsigned int pair, const struct iovec *iov, unsigned int count)
{
	ssize_t n;

	do
		n = writev(to_tap(nic)->queues[pair].fd, iov, (int)count);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	/* EIO while the device is not up: a cable that isn't plugged in. */
	return errno == EBADFD ? -ENETDOWN : -errno;
}

static void tap_free(struct nic *nic)
{
	struct nic_tap *tap = to_tap(nic);

	for (unsigned int i = 0; i < NIC_PAIRS_MAX; i++) {
		loop_del(tap->loop, &tap->queues[i].src);
		if (tap->queues[i].fd >= 0)
			close(tap->queues[i].fd);
	}
	free(tap);
}

static const struct nic_ops tap_ops = {
	.set = tap_set,
	.receive = tap_receive,
	.send = tap_send,
	.free = tap_free,
};

static struct nic_tap *tap_new(struct loop *loop)
{
	struct nic_tap *tap = calloc(1, sizeof(*tap));

	if (!tap)
		return NULL;
	tap->nic = (struct nic){.ops = &tap_ops, .name = tap->name};
	tap->loop = loop;
	for (unsigned int i = 0; i < NIC_PAIRS_MAX; i++)
		tap->queues[i] =
			(struct tap_queue){.tap = tap, .fd = -1, .src.fd = -1, .attached = true};
	return tap;
}

/* The MTU, or Ethernet's if it can't be asked: the tap may be in another network namespace. */
static unsigned int tap_mtu(const char *name)
{
	struct ifreq ifr = {0};
	unsigned int mtu = 1500;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(ifr.ifr_name, name, IFNAMSIZ);
	if (fd < 0)
		return mtu;
	if (ioctl(fd, SIOCGIFMTU, &ifr) == 0 && ifr.ifr_mtu > 0)
		mtu = (unsigned int)ifr.ifr_mtu;
	close(fd);
	return mtu;
}

/* All queues are open: what can the device do? */
static int tap_finish(struct nic_tap *tap, unsigned int pairs, struct nic **ret, struct err *err)
{
	static const unsigned int levels[] = {
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TAP_F_USO4 | TAP_F_USO6,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
	};
	int header = NIC_HEADER, fd = tap->queues[0].fd;
	unsigned int mtu = tap_mtu(tap->name);

	for (unsigned int i = 0; i < pairs; i++)
		if (ioctl(tap->queues[i].fd, TUNSETVNETHDRSZ, &header) < 0)
			return err_errno(
				err, errno, "tap '%s': setting the header's size", tap->name);
	tap->nic.pairs = pairs;
	tap->nic.frame_max =
		mtu < NIC_FRAME_MAX - TAP_OVERHEAD ? mtu + TAP_OVERHEAD : NIC_FRAME_MAX;
	if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)levels[0]) == 0)
		tap->nic.offloads = NIC_CSUM | NIC_TSO4 | NIC_TSO6 | NIC_ECN | NIC_USO;
	else if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)levels[1]) == 0)
		tap->nic.offloads = NIC_CSUM | NIC_TSO4 | NIC_TSO6 | NIC_ECN;
	/* Until the guest's driver says what it takes. */
	if (ioctl(fd, TUNSETOFFLOAD, 0ul) < 0)
		return err_errno(err, errno, "tap '%s': setting offloads", tap->name);
	*ret = &tap->nic;
	return 0;
}

/* Attach one more queue. @flags: IFF_MULTI_QUEUE or 0. Return: 0 or -errno. */
static int tap_open_queue(struct nic_tap *tap, unsigned int i, unsigned int flags)
{
	struct ifreq ifr = {0};
	int fd = open(TAP_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, tap->name, IFNAMSIZ);
	ifr.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	tap->queues[i].fd = fd;
	return 0;
}

static int tap_open_error(const char *name, unsigned int pairs, int r, struct err *err)
{
	switch (r) {
	case -ENODEV:
		return err_set(err, r, "tap '%s': there is no such device", name);
	case -EBUSY:
		return err_set(err, r, "tap '%s': is in use", name);
	case -E2BIG:
		return err_set(err, r, "tap '%s': has no room for %u queues", name, pairs);
	case -EINVAL:
		return pairs > 1 ? err_set(err, r,
					   "tap '%s': is not a tap device with several queues "
					   "(made with multi_queue)",
					   name)
				 : err_set(err, r, "tap '%s': is not a tap device", name);
	case -EPERM:
		return err_set(err, r,
			"tap '%s': not permitted: it belongs to another user, or this "
			"process lacks CAP_NET_ADMIN",
			name);
	default:
		return err_errno(err, -r, "tap '%s' (" TAP_PATH ")", name);
	}
}

int nic_tap_open(
	struct loop *loop, const char *name, unsigned int pairs, struct nic **ret, struct err *err)
{
	unsigned int flags = pairs > 1 ? IFF_MULTI_QUEUE : 0;
	struct nic_tap *tap = tap_new(loop);
	int r = 0;

	if (!tap)
		return err_errno(err, ENOMEM, "tap '%s'", name);
	strncpy(tap->name, name, IFNAMSIZ - 1);
	/* Attaching to a name that nothing has would make a device. */
	if (!if_nametoindex(tap->name))
		r = -ENODEV;
	for (unsigned int i = 0; i < pairs && !r; i++) {
		r = tap_open_queue(tap, i, flags);
		/* One made for several queues must be told so even by its only user. */
		if (r == -EINVAL && pairs == 1)
			r = tap_open_queue(tap, i, IFF_MULTI_QUEUE);
	}
	r = r < 0 ? tap_open_error(name, pairs, r, err) : tap_finish(tap, pairs, ret, err);
	if (r < 0)
		tap_free(&tap->nic);
	return r;
}

/* Is the descriptor a queue of a tap device, the same as those before? Sets the name. */
static int tap_check_fd(struct nic_tap *tap, int fd, unsigned int count, struct err *err)
{
	const unsigned int need = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	struct ifreq ifr = {0};
	unsigned int flags;
	int fl;

	if (ioctl(fd, TUNGETIFF, &ifr) < 0)
		return err_set(err, -EINVAL, "tap fd=%d: is not attached to a tap device", fd);
	flags = (unsigned short)ifr.ifr_flags;
	if ((flags & need) != need)
		return err_set(err, -EINVAL,
			"tap fd=%d: '%.*s' is not attached with IFF_TAP, IFF_NO_PI and "
			"IFF_VNET_HDR",
			fd, IFNAMSIZ, ifr.ifr_name);
	if (count > 1 && !(flags & IFF_MULTI_QUEUE))
		return err_set(err, -EINVAL, "tap fd=%d: '%.*s' has one queue (no IFF_MULTI_QUEUE)",
			fd, IFNAMSIZ, ifr.ifr_name);
	if (*tap->name && strncmp(tap->name, ifr.ifr_name, IFNAMSIZ) != 0)
		return err_set(err, -EINVAL, "tap fd=%d: belongs to '%.*s', others to '%s'", fd,
			IFNAMSIZ, ifr.ifr_name, tap->name);
	memcpy(tap->name, ifr.ifr_name, IFNAMSIZ - 1);
	fl = fcntl(fd, F_GETFL);
	if (fl < 0 || fcntl(fd, F_SETFL, fl | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_errno(err, errno, "tap fd=%d", fd);
	return 0;
}

int nic_tap_from_fds(
	struct loop *loop, const int *fds, unsigned int count, struct nic **ret, struct err *err)
{
	struct nic_tap *tap = tap_new(loop);
	int r = 0;

	if (!tap)
		return err_errno(err, ENOMEM, "tap fd=%d", fds[0]);
	for (unsigned int i = 0; i < count && !r; i++)
		r = tap_check_fd(tap, fds[i], count, err);
	for (unsigned int i = 0; i < count && !r; i++)
		tap->queues[i].fd = fds[i];
	if (!r)
		r = tap_finish(tap, count, ret, err);
	if (r < 0) {
		for (unsigned int i = 0; i < count; i++)
			tap->queues[i].fd = -1;
		tap_free(&tap->nic);
	}
	return r;
}
