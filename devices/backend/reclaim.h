// SPDX-License-Identifier: Apache-2.0
// Giving guest memory that the guest doesn't use back to the host.
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 * What guest memory is made of decides how a page of it is given back:
 *
 *     anonymous   MADV_DONTNEED: the page goes, the next access finds zeroes
 *     file        the kernel's and the initrd's pages, mapped privately: MADV_DONTNEED would bring
 *                 back what is in the file, not zeroes, and keep its page cache mapped. They are
 *                 replaced by an anonymous mapping, which is of the kind above from then on
 *     huge pages  the host takes only whole ones; parts of one stay
 *
 * Replacing splits mappings, of which a process may have only so many (vm.max_map_count), and the
 * guest chooses where. So there is a list of what is still a file's, with room for
 * RECLAIM_FILES_MAX pieces: what would need more stays as it is, which is always allowed.
 */

struct guest_mem;
struct reclaim;

#define RECLAIM_FILES_MAX 64

/*
 * struct reclaim_ops
 * @release:	the guest doesn't need what is in @len bytes at @hva, which are guest RAM, in any
 *		alignment; whole pages in it may read as zeroes from now on. The
 *		guest may use them again at any moment
 * @free:	destroy it
 *
 * Context: loop.
 */
struct reclaim_ops {
	void (*release)(struct reclaim *reclaim, uint8_t *hva, size_t len);
	void (*free)(struct reclaim *reclaim);
};

/* struct reclaim - embedded first in each backend */
struct reclaim {
	const struct reclaim_ops *ops;
};

static inline void reclaim_free(struct reclaim *reclaim)
{
	if (reclaim)
		reclaim->ops->free(reclaim);
}

/*
 * reclaim_host_new() - give pages back to this host's kernel
 * @mem:	outlives it; which parts of it are files is looked at with the first release, when
 *		the kernel has been loaded
 * @page_size:	bytes of the host's pages behind guest memory: 4096, or a huge page
 * @ret:	owned by the caller
 *
 * Return: 0 or -ENOMEM.
 */
int reclaim_host_new(const struct guest_mem *mem, size_t page_size, struct reclaim **ret);
