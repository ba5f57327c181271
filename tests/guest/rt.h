// SPDX-License-Identifier: Apache-2.0
// What a bare-metal test guest stands on: console, results, memory, time, the end.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 * hull-vmm enters the guest by its PVH note, in 32-bit mode; start.S goes on to 64-bit mode with
 * the first 5 GiB mapped one to one, so a pointer is a guest-physical address. Interrupts stay off:
 * a device's answer is polled for. An exception prints where and ends the guest.
 *
 * A guest is guest_main(). It makes checks one after another:
 *
 *     check_begin("virtio-blk: %s", what);
 *     if (got != wanted)
 *             check_fail("got %u", got);          // the first reason is the one that is shown
 *     check_end();                                // 'ok NAME' or 'not ok NAME: why'
 *
 * The last line, 'end N checks', tells the reader on the host that none is missing.
 *
 * On a host whose KVM emulates all instructions only plain ones work: no fences, so shared_fence()
 * is a locked instruction.
 */

/* Memory that belongs to nobody else, for rings and buffers. All of it is RAM of any guest. */
#define ARENA_BASE 0x400000ull
#define ARENA_SIZE 0x1800000ull
enum arena {
	ARENA_TEST,  /* the attack's */
	ARENA_PROOF, /* that of the proof that all works, see use.h */
	ARENA_COUNT
};

/*
 * struct rt_ram - where RAM is
 * @low_end:	behind the RAM below the hole
 * @high_end:	behind the RAM above 4 GiB; 0 if there is none
 */
struct rt_ram {
	uint64_t low_end;
	uint64_t high_end;
};

extern struct rt_ram rt_ram;
/* The command line that hull-vmm was given. */
extern const char *rt_cmdline;

/* guest_main() - the guest's program, on the first vCPU. Returning ends the guest. */
void guest_main(void);

/* say() - print to the console: %s, %u, %x (both 32 bits), %lx, %lu. Any vCPU, but one at a time.
 */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void check_begin(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void check_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void check_end(void);
bool check_failed(void);

/* rt_end() - print the number of checks and power off. */
_Noreturn void rt_end(void);

/* arena() - zeroed memory of the chosen arena, until that is reset. @align: a power of two. */
void *arena(size_t size, size_t align);

/* arena_choose() - use one from now on. Return: the one used so far. */
enum arena arena_choose(enum arena which);
void arena_reset(void);

void *memset(void *to, int byte, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);

/* word_in() - is @word one of the words of @text, which blanks separate? */
bool word_in(const char *text, const char *word);

/* A deadline is a number of steps of the CPU's counter: some seconds, on any machine. */
uint64_t rt_ticks(void);
#define TICKS_LONG 40000000000ull /* what answers at all has answered by then */
#define TICKS_SHORT 3000000ull    /* time for something wrong to happen, a few ms */

/* WAIT_FOR() - poll until @condition or too late; its value is whether it came true. */
#define WAIT_FOR(condition)                                                                        \
	({                                                                                         \
		uint64_t wait_end = rt_ticks() + TICKS_LONG;                                       \
		bool wait_met;                                                                     \
		while (!(wait_met = (condition)) && rt_ticks() < wait_end)                         \
			shared_pause();                                                            \
		wait_met;                                                                          \
	})

static inline void shared_pause(void)
{
	__asm__ volatile("pause" ::: "memory");
}

/* A full barrier. */
static inline void shared_fence(void)
{
	__asm__ volatile("lock orq $0, (%%rsp)" ::: "memory", "cc");
}

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port) : "memory");
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port) : "memory");
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

/* Access to registers, of exactly that width. */
#define MMIO_ACCESS(bits, suffix, constraint)                                                      \
	static inline uint##bits##_t mmio_read##bits(uint64_t gpa)                                 \
	{                                                                                          \
		uint##bits##_t v;                                                                  \
		__asm__ volatile("mov" suffix " (%1), %0" : constraint(v) : "r"(gpa) : "memory");  \
		return v;                                                                          \
	}                                                                                          \
	static inline void mmio_write##bits(uint64_t gpa, uint##bits##_t v)                        \
	{                                                                                          \
		__asm__ volatile("mov" suffix " %0, (%1)" ::"r"(v), "r"(gpa) : "memory");          \
	}
MMIO_ACCESS(8, "b", "=q")
MMIO_ACCESS(16, "w", "=r")
MMIO_ACCESS(32, "l", "=r")
MMIO_ACCESS(64, "q", "=r")
