// SPDX-License-Identifier: Apache-2.0
// Guest RAM: mapped here, and given to KVM.
#include "vmm/vm.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/arch/arch.h"
#include "vmm/config.h"
#include "vmm/dense_memory.h"
#include "vmm/memory_fault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/mman.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/* syscalls: start: close, ioctl, madvise, mmap, munmap, openat, read, sysinfo */

#define HUGE_PAGES_FREE "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
#define HUGE_PAGES_RESERVED "/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages"

/* The number in a file of the kernel's, or 0. */
static unsigned long long read_count(const char *path)
{
	int CLEANUP_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[32] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return 0;
	return strtoull(text, NULL, 10);
}

/* Pages are reserved with the mapping, so that a guest doesn't die for want of one later. */
static void *map_hugetlb(uint64_t size, struct err *err)
{
	void *ram = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);
	unsigned long long free_pages, reserved;

	if (ram != MAP_FAILED)
		return ram;
	if (errno != ENOMEM) {
		err_errno(err, errno, "memory: mapping huge pages");
		return NULL;
	}
	free_pages = read_count(HUGE_PAGES_FREE);
	reserved = read_count(HUGE_PAGES_RESERVED);
	err_set(err, -ENOMEM,
		"memory: %llu huge pages of 2 MiB are needed and %llu are free (see "
		"/proc/sys/vm/nr_hugepages)",
		(unsigned long long)(size / HUGE_PAGE),
		free_pages > reserved ? free_pages - reserved : 0);
	return NULL;
}

/* Addresses that are the same modulo 2 MiB here and in the guest can share one large page entry. */
static void *map_aligned(uint64_t size)
{
	uint8_t *raw, *ram;
	size_t before;

	raw = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (raw == MAP_FAILED)
		return raw;
	before = -(uintptr_t)raw & (HUGE_PAGE - 1);
	ram = raw + before;
	if (before)
		munmap(raw, before);
	munmap(ram + size, HUGE_PAGE - before);
	return ram;
}

static void *map_ram(uint64_t size, enum config_pages pages, struct err *err)
{
	void *ram = MAP_FAILED;

	switch (pages) {
	case CONFIG_PAGES_HUGETLB:
		return map_hugetlb(size, err);
	case CONFIG_PAGES_THP:
		ram = map_aligned(size);
		if (ram != MAP_FAILED && madvise(ram, size, MADV_HUGEPAGE) < 0) {
			err_errno(err, errno, "memory: transparent huge pages");
			munmap(ram, size);
			return NULL;
		}
		break;
	case CONFIG_PAGES_SMALL:
		ram = map_aligned(size);
		/* A kernel without huge pages has no such advice either. */
		if (ram != MAP_FAILED)
			(void)madvise(ram, size, MADV_NOHUGEPAGE);
		break;
	}
	if (ram == MAP_FAILED) {
		err_errno(err, errno, "memory: mapping %llu MiB", (unsigned long long)size >> 20);
		return NULL;
	}
	return ram;
}

static int add_region(struct vm *vm, unsigned int slot, const struct arch_range *range,
	uint8_t *hva, struct err *err)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = range->gpa,
		.memory_size = range->len,
		.userspace_addr = (uint64_t)(uintptr_t)hva,
	};
	int r;

	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return err_errno(err, errno, "kvm: memslot %u at 0x%llx", slot,
			(unsigned long long)range->gpa);
	r = guest_mem_add(&vm->mem, range->gpa, range->len, hva);
	return r < 0 ? err_errno(err, -r, "memory: region %u", slot) : 0;
}

int vm_add_memory(struct vm *vm, const struct config *config, struct err *err)
{
	struct arch_range ranges[ARCH_RAM_RANGES_MAX] = {0};
	uint64_t size = config->memory;
	unsigned int count = arch_ram_ranges(size, ranges);
	uint64_t host = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t offset = 0;
	int r = 0;

	if (size > host)
		return err_set(err, -ENOMEM, "memory: %llu MiB is more than the host's %llu MiB",
			(unsigned long long)size >> 20, (unsigned long long)host >> 20);
	vm->ram = map_ram(size, config->pages, err);
	if (!vm->ram)
		return -ENOMEM;
	vm->ram_size = size;
	/* A core dump of the monitor must not carry the guest's memory. */
	if (madvise(vm->ram, size, MADV_DONTDUMP) < 0)
		return err_errno(err, errno, "memory: keeping it out of core dumps");
	for (unsigned int i = 0; i < count && !r; i++) {
		r = add_region(vm, i, &ranges[i], vm->ram + offset, err);
		offset += ranges[i].len;
	}
	return r < 0 ? r : memory_fault_watch(vm->ram, size, err);
}
