// SPDX-License-Identifier: Apache-2.0
// A 64-bit ELF kernel.
#include "vmm/elf_kernel.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/le.h"
#include "devices/guest_mem.h"
#include "vmm/dense_memory.h"
#include "vmm/file.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

/* A kernel has fewer than ten of each; the bounds keep a hostile file from costing anything. */
#define PHDRS_MAX 64
#define NOTES_SIZE_MAX (64u << 10)

#define XEN_NOTE_NAME "Xen"
#define XEN_NOTE_PHYS32_ENTRY 18

bool elf_kernel_probe(const uint8_t *head)
{
	return !memcmp(head, ELFMAG, SELFMAG);
}

static int check_header(const Elf64_Ehdr *ehdr, const char *path, uint16_t machine, struct err *err)
{
	if (ehdr->e_ident[EI_CLASS] != ELFCLASS64 || ehdr->e_ident[EI_DATA] != ELFDATA2LSB)
		return err_set(err, -ENOEXEC, "kernel %s: not a 64-bit little-endian ELF", path);
	if (ehdr->e_machine != machine)
		return err_set(err, -ENOEXEC, "kernel %s: built for ELF machine %u, not %u", path,
			ehdr->e_machine, machine);
	if (ehdr->e_type != ET_EXEC && ehdr->e_type != ET_DYN)
		return err_set(err, -ENOEXEC, "kernel %s: ELF type %u is no executable", path,
			ehdr->e_type);
	if (ehdr->e_phentsize != sizeof(Elf64_Phdr) || !ehdr->e_phnum || ehdr->e_phnum > PHDRS_MAX)
		return err_set(err, -ENOEXEC,
			"kernel %s: %u program headers of %u bytes are not 1 to %d of %zu", path,
			ehdr->e_phnum, ehdr->e_phentsize, PHDRS_MAX, sizeof(Elf64_Phdr));
	return 0;
}

static uint32_t align4(uint32_t n)
{
	return (n + 3) & ~3u;
}

/* Look for the PVH entry in a note segment; anything malformed just ends the search. */
static int find_pvh(
	int fd, const Elf64_Phdr *phdr, const char *path, uint64_t *ret_entry, struct err *err)
{
	uint8_t CLEANUP_FREE *notes = NULL;
	uint32_t size, pos = 0;
	int r;

	if (phdr->p_filesz > NOTES_SIZE_MAX)
		return 0;
	size = (uint32_t)phdr->p_filesz;
	notes = malloc(size ? size : 1);
	if (!notes)
		return err_set(err, -ENOMEM, "out of memory for notes");
	r = file_read(fd, phdr->p_offset, notes, size);
	if (r < 0)
		return err_errno(err, -r, "kernel %s: reading notes", path);
	while (size - pos >= sizeof(Elf64_Nhdr)) {
		uint32_t namesz = le32_load(notes + pos);
		uint32_t descsz = le32_load(notes + pos + 4);
		uint32_t type = le32_load(notes + pos + 8);
		uint32_t left;

		pos += (uint32_t)sizeof(Elf64_Nhdr);
		left = size - pos;
		if (namesz > left || align4(namesz) > left || descsz > left - align4(namesz))
			break;
		if (type == XEN_NOTE_PHYS32_ENTRY && namesz == sizeof(XEN_NOTE_NAME) &&
			!memcmp(notes + pos, XEN_NOTE_NAME, namesz) && descsz >= 4) {
			const uint8_t *desc = notes + pos + align4(namesz);

			*ret_entry = descsz >= 8 ? le64_load(desc) : le32_load(desc);
			return 0;
		}
		if (align4(descsz) > left - align4(namesz))
			break;
		pos += align4(namesz) + align4(descsz);
	}
	return 0;
}

static int load_segment(struct guest_mem *mem, int fd, const Elf64_Phdr *phdr, const char *path,
	uint64_t base, struct err *err)
{
	int r;

	if (phdr->p_filesz > phdr->p_memsz)
		return err_set(err, -ENOEXEC, "kernel %s: a segment is larger in the file", path);
	if (phdr->p_paddr < base || !guest_mem_ptr(mem, phdr->p_paddr, phdr->p_memsz))
		return err_set(err, -ENOMEM,
			"kernel %s: 0x%llx bytes at 0x%llx don't fit into guest memory", path,
			(unsigned long long)phdr->p_memsz, (unsigned long long)phdr->p_paddr);
	if (phdr->p_flags & PF_W)
		r = file_read(fd, phdr->p_offset, guest_mem_ptr(mem, phdr->p_paddr, phdr->p_filesz),
			phdr->p_filesz);
	else
		r = file_place(mem, fd, phdr->p_offset, phdr->p_filesz, phdr->p_paddr);
	if (r < 0)
		return err_errno(err, -r, "kernel %s: loading a segment", path);
	return 0;
}

/* Of data, per-CPU data, what is for the start alone, and zeroes a kernel leaves little untouched.
 */
static void expect_writes(const struct guest_mem *mem, const Elf64_Phdr *phdrs, unsigned int count)
{
	uint64_t from = UINT64_MAX, to = 0;

	for (const Elf64_Phdr *phdr = phdrs; phdr < phdrs + count; phdr++) {
		uint64_t end;

		if (phdr->p_type != PT_LOAD || !(phdr->p_flags & PF_W) ||
			__builtin_add_overflow(phdr->p_paddr, phdr->p_memsz, &end))
			continue;
		from = phdr->p_paddr < from ? phdr->p_paddr : from;
		to = end > to ? end : to;
	}
	if (from < to)
		dense_memory(mem, from, to - from);
}

int elf_kernel_load(struct guest_mem *mem, int fd, const char *path, uint64_t size,
	uint16_t machine, uint64_t base, struct elf_kernel *ret, struct err *err)
{
	Elf64_Phdr phdrs[PHDRS_MAX];
	struct elf_kernel kernel = {0};
	Elf64_Ehdr ehdr;
	uint64_t end;
	int r;

	r = file_read(fd, 0, &ehdr, sizeof(ehdr));
	if (r < 0)
		return err_set(err, -ENOEXEC, "kernel %s: the ELF header is cut short", path);
	r = check_header(&ehdr, path, machine, err);
	if (r < 0)
		return r;
	r = file_read(fd, ehdr.e_phoff, phdrs, sizeof(phdrs[0]) * ehdr.e_phnum);
	if (r < 0)
		return err_set(err, -ENOEXEC, "kernel %s: the program headers are cut short", path);
	expect_writes(mem, phdrs, ehdr.e_phnum);
	for (unsigned int i = 0; i < ehdr.e_phnum; i++) {
		const Elf64_Phdr *phdr = &phdrs[i];

		if (phdr->p_type != PT_LOAD && phdr->p_type != PT_NOTE)
			continue;
		if (__builtin_add_overflow(phdr->p_offset, phdr->p_filesz, &end) || end > size)
			return err_set(err, -ENOEXEC, "kernel %s: the file is cut short", path);
		if (phdr->p_type == PT_NOTE) {
			r = find_pvh(fd, phdr, path, &kernel.pvh_entry, err);
		} else if (phdr->p_memsz) {
			r = load_segment(mem, fd, phdr, path, base, err);
			if (!r && phdr->p_paddr + phdr->p_memsz > kernel.end)
				kernel.end = phdr->p_paddr + phdr->p_memsz;
		}
		if (r < 0)
			return r;
	}
	if (!kernel.end)
		return err_set(err, -ENOEXEC, "kernel %s: nothing to load in it", path);
	kernel.entry = ehdr.e_entry;
	*ret = kernel;
	return 0;
}
