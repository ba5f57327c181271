// SPDX-License-Identifier: Apache-2.0
// bzImage files.
#include "vmm/arch/x86_64/bzimage.h"

#include "base/err.h"
#include "base/le.h"
#include "devices/guest_mem.h"
#include "vmm/arch/x86_64/layout.h"
#include "vmm/file.h"

#include <errno.h>
#include <string.h>

/* Offsets in the file's first sectors and in the zero page alike. */
enum {
	HDR_SETUP_SECTS = 0x1f1,
	HDR_SYSSIZE = 0x1f4,
	HDR_BOOT_FLAG = 0x1fe,
	HDR_JUMP_LEN = 0x201,
	HDR_MAGIC = 0x202,
	HDR_VERSION = 0x206,
	HDR_INITRD_ADDR_MAX = 0x22c,
	HDR_RELOCATABLE = 0x234,
	HDR_XLOADFLAGS = 0x236,
	HDR_CMDLINE_SIZE = 0x238,
	HDR_PREF_ADDRESS = 0x258,
	HDR_INIT_SIZE = 0x260,
	HDR_END_MIN = 0x264,
	HDR_END_MAX = 0x290,
};

#define BOOT_FLAG 0xaa55
#define MAGIC "HdrS"
#define VERSION_MIN 0x020c /* the first with xloadflags */
#define XLF_KERNEL_64 (1u << 0)
#define ENTRY_64 0x200
#define SECTOR 512
/* What a setup_sects of 0 stands for. */
#define SETUP_SECTS_DEFAULT 4
/* A command line the kernel itself never exceeds, whatever the header claims. */
#define CMDLINE_MAX 4095u

bool bzimage_probe(const uint8_t *head)
{
	return le16_load(head + HDR_BOOT_FLAG) == BOOT_FLAG && !memcmp(head + HDR_MAGIC, MAGIC, 4);
}

int bzimage_load(struct guest_mem *mem, int fd, uint64_t size, const char *path, uint8_t *zero_page,
	struct bzimage *ret, struct err *err)
{
	uint8_t head[BZIMAGE_HEAD_LEN];
	uint64_t setup, payload, load, end;
	uint32_t header_end, init_size, cmdline_max;
	int r;

	r = file_read(fd, 0, head, sizeof(head));
	if (r < 0)
		return err_set(err, -ENOEXEC, "kernel %s: the bzImage header is cut short", path);
	if (le16_load(head + HDR_VERSION) < VERSION_MIN)
		return err_set(err, -ENOEXEC, "kernel %s: boot protocol %x.%02x is older than 2.12",
			path, head[HDR_VERSION + 1], head[HDR_VERSION]);
	if (!(le16_load(head + HDR_XLOADFLAGS) & XLF_KERNEL_64))
		return err_set(err, -ENOEXEC, "kernel %s: has no 64-bit entry", path);
	setup = (head[HDR_SETUP_SECTS] ? head[HDR_SETUP_SECTS] : SETUP_SECTS_DEFAULT) + 1;
	setup *= SECTOR;
	payload = (uint64_t)le32_load(head + HDR_SYSSIZE) * 16;
	if (setup >= size || payload <= ENTRY_64 || size - setup < payload)
		return err_set(err, -ENOEXEC, "kernel %s: the file is cut short", path);
	load = le64_load(head + HDR_PREF_ADDRESS);
	init_size = le32_load(head + HDR_INIT_SIZE);
	if (load < LAYOUT_HIGH_RAM || load % 4096)
		return err_set(err, -ENOEXEC, "kernel %s: can't be loaded at 0x%llx", path,
			(unsigned long long)load);
	end = payload > init_size ? payload : init_size;
	if (!guest_mem_ptr(mem, load, end))
		return err_set(err, -ENOMEM,
			"kernel %s: 0x%llx bytes at 0x%llx don't fit into guest memory", path,
			(unsigned long long)end, (unsigned long long)load);
	r = file_place(mem, fd, setup, payload, load);
	if (r < 0)
		return err_errno(err, -r, "kernel %s: loading", path);

	header_end = HDR_MAGIC + head[HDR_JUMP_LEN];
	if (header_end < HDR_END_MIN || header_end > HDR_END_MAX)
		return err_set(
			err, -ENOEXEC, "kernel %s: a setup header of %u bytes", path, header_end);
	memcpy(zero_page + HDR_SETUP_SECTS, head + HDR_SETUP_SECTS, header_end - HDR_SETUP_SECTS);
	cmdline_max = le32_load(head + HDR_CMDLINE_SIZE);
	*ret = (struct bzimage){
		.entry = load + ENTRY_64,
		.end = load + end,
		.cmdline_max = cmdline_max < CMDLINE_MAX ? cmdline_max : CMDLINE_MAX,
		.initrd_max = (uint64_t)le32_load(head + HDR_INITRD_ADDR_MAX) + 1,
	};
	return 0;
}
