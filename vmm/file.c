// SPDX-License-Identifier: Apache-2.0
// Parts of host files brought into the monitor or into guest memory.
#include "vmm/file.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "devices/guest_mem.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* syscalls: start: close, mmap, newfstatat, openat, pread64 */

#define PAGE_SIZE 4096ull

int file_open(const char *what, const char *path, uint64_t *ret_size, struct err *err)
{
	/* O_NONBLOCK: a FIFO in this place must not hang the start. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? err_errno(err, errno, "%s %s", what, path)
		      : file_adopt(what, path, fd, ret_size, err);
}

int file_adopt(const char *what, const char *name, int from, uint64_t *ret_size, struct err *err)
{
	int CLEANUP_FD fd = from;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "%s %s", what, name);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s %s: not a regular file", what, name);
	if (st.st_size <= 0)
		return err_set(err, -EINVAL, "%s %s: the file is empty", what, name);
	*ret_size = (uint64_t)st.st_size;
	return TAKE_FD(fd);
}

int file_read(int fd, uint64_t offset, void *data, size_t n)
{
	char *p = data;
	uint64_t end;

	if (__builtin_add_overflow(offset, n, &end) || end > INT64_MAX)
		return -ENODATA;
	while (n) {
		ssize_t got = pread(fd, p, n, (off_t)offset);

		if (got < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!got)
			return -ENODATA;
		p += got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

int file_place(struct guest_mem *mem, int fd, uint64_t offset, uint64_t len, uint64_t gpa)
{
	uint8_t *hva = guest_mem_ptr(mem, gpa, len);
	uint64_t whole = 0;

	if (!hva)
		return -EFAULT;
	if (offset % PAGE_SIZE == 0 && gpa % PAGE_SIZE == 0 &&
		mem->file_count < GUEST_MEM_FILES_MAX)
		whole = len / PAGE_SIZE * PAGE_SIZE;
	/* Some file systems can't map; reading always works. */
	if (whole && mmap(hva, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd,
			     (off_t)offset) == MAP_FAILED)
		whole = 0;
	if (whole)
		mem->files[mem->file_count++] = (struct guest_mem_file){hva, whole};
	return file_read(fd, offset + whole, hva + whole, len - whole);
}
