// SPDX-License-Identifier: Apache-2.0
// The runtime of a bare-metal test guest.
#include "tests/guest/rt.h"

#include "vmm/arch/x86_64/layout.h"

#include <stdarg.h>

#define LINE_MAX 512
#define E820_RAM 1
/* Where the local APIC takes the old interrupt controller's interrupts. */
#define APIC_LVT_LINT0 0x350
#define APIC_LVT_MASKED 0x10000u

/* Start info and memory map of the PVH boot ABI. */
struct pvh_info {
	uint32_t magic, version, flags, module_count;
	uint64_t modules, cmdline, rsdp, memmap;
	uint32_t memmap_count, reserved;
};

struct pvh_memmap {
	uint64_t gpa, len;
	uint32_t type, reserved;
};

struct idt_gate {
	uint16_t low, selector, flags, mid;
	uint32_t high, reserved;
};

struct __attribute__((packed)) idt_pointer {
	uint16_t limit;
	uint64_t base;
};

/* Called or read by start.S. */
void rt_start(void);
_Noreturn void rt_exception(uint64_t vector, uint64_t error, uint64_t rip);
extern const uint64_t exception_stubs[32];
uint32_t rt_start_info;
static struct idt_gate idt[32];
const struct idt_pointer rt_idt_pointer = {sizeof(idt) - 1, (uint64_t)idt};

struct rt_ram rt_ram;
const char *rt_cmdline;
static enum arena arena_chosen;
static uint64_t arena_used[ARENA_COUNT];

static struct {
	char name[128];
	char why[256];
	unsigned int count;
} checks;

void *memset(void *to, int byte, size_t n)
{
	void *ret = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(byte) : "memory");
	return ret;
}

void *memcpy(void *to, const void *from, size_t n)
{
	void *ret = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
	return ret;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x < *y ? -1 : 1;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

bool word_in(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = text; *p; p++)
		if ((p == text || p[-1] == ' ') && strlen(p) >= n && !memcmp(p, word, n) &&
			(!p[n] || p[n] == ' '))
			return true;
	return false;
}

uint64_t rt_ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

struct line {
	char *text;
	size_t max, len;
};

static void put(struct line *line, char c)
{
	if (line->len + 1 < line->max)
		line->text[line->len++] = c;
	line->text[line->len] = 0;
}

static void put_number(struct line *line, uint64_t n, unsigned int base)
{
	char digits[20];
	unsigned int count = 0;

	do
		digits[count++] = "0123456789abcdef"[n % base];
	while (n /= base);
	while (count)
		put(line, digits[--count]);
}

static void put_format(struct line *line, const char *fmt, va_list ap)
{
	line->len = 0;
	line->text[0] = 0;
	for (; *fmt; fmt++) {
		bool is_long;

		if (*fmt != '%') {
			put(line, *fmt);
			continue;
		}
		is_long = *++fmt == 'l';
		if (is_long)
			fmt++;
		if (*fmt == 's')
			for (const char *s = va_arg(ap, const char *); *s; s++)
				put(line, *s);
		else
			put_number(line, is_long ? va_arg(ap, uint64_t) : va_arg(ap, uint32_t),
				*fmt == 'x' ? 16 : 10);
	}
}

/* One string instruction, and so one exit or a few: the console must not cost more than the checks.
 */
static void print(const char *text, size_t n)
{
	__asm__ volatile("rep outsb" : "+S"(text), "+c"(n) : "d"((uint16_t)PORT_COM1) : "memory");
}

void say(const char *fmt, ...)
{
	char text[LINE_MAX];
	struct line line = {text, sizeof(text), 0};
	va_list ap;

	va_start(ap, fmt);
	put_format(&line, fmt, ap);
	va_end(ap);
	print(text, line.len);
}

void check_begin(const char *fmt, ...)
{
	struct line line = {checks.name, sizeof(checks.name), 0};
	va_list ap;

	va_start(ap, fmt);
	put_format(&line, fmt, ap);
	va_end(ap);
	checks.why[0] = 0;
}

void check_fail(const char *fmt, ...)
{
	struct line line = {checks.why, sizeof(checks.why), 0};
	va_list ap;

	if (checks.why[0])
		return;
	va_start(ap, fmt);
	put_format(&line, fmt, ap);
	va_end(ap);
}

bool check_failed(void)
{
	return checks.why[0];
}

void check_end(void)
{
	checks.count++;
	if (checks.why[0])
		say("not ok %s: %s\n", checks.name, checks.why);
	else
		say("ok %s\n", checks.name);
}

static _Noreturn void power_off(void)
{
	for (;;)
		outb(PORT_SLEEP_CONTROL, 1U << 5 | SLEEP_TYPE_S5 << 2);
}

void rt_end(void)
{
	say("end %u checks\n", checks.count);
	power_off();
}

void rt_exception(uint64_t vector, uint64_t error, uint64_t rip)
{
	uint64_t cr2;

	__asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
	say("not ok %s: exception %lu, error 0x%lx, at 0x%lx, cr2 0x%lx\n", checks.name, vector,
		error, rip, cr2);
	power_off();
}

void *arena(size_t size, size_t align)
{
	uint64_t base = ARENA_BASE + arena_chosen * ARENA_SIZE;
	uint64_t start = (arena_used[arena_chosen] + align - 1) & ~((uint64_t)align - 1);

	if (start + size > ARENA_SIZE) {
		say("not ok %s: the guest's own memory is used up\n", checks.name);
		power_off();
	}
	arena_used[arena_chosen] = start + size;
	memset((void *)(base + start), 0, size);
	return (void *)(base + start);
}

enum arena arena_choose(enum arena which)
{
	enum arena before = arena_chosen;

	arena_chosen = which;
	return before;
}

void arena_reset(void)
{
	arena_used[arena_chosen] = 0;
}

static void find_ram(const struct pvh_info *info)
{
	const struct pvh_memmap *map = (const void *)info->memmap;

	for (uint32_t i = 0; i < info->memmap_count; i++) {
		uint64_t end = map[i].gpa + map[i].len;

		if (map[i].type != E820_RAM)
			continue;
		if (map[i].gpa >= LAYOUT_HOLE_END)
			rt_ram.high_end = end;
		else if (end > rt_ram.low_end)
			rt_ram.low_end = end;
	}
}

void rt_start(void)
{
	const struct pvh_info *info = (const void *)(uint64_t)rt_start_info;

	for (unsigned int i = 0; i < 32; i++) {
		uint64_t stub = exception_stubs[i];

		idt[i] = (struct idt_gate){.low = (uint16_t)stub,
			.selector = 8,
			.flags = 0x8e00, /* present, interrupt gate */
			.mid = (uint16_t)(stub >> 16),
			.high = (uint32_t)(stub >> 32)};
	}
	/* Nothing interrupts: devices' interrupts would stay pending for ever. */
	mmio_write32(LAYOUT_LAPIC + APIC_LVT_LINT0, APIC_LVT_MASKED);
	rt_cmdline = (const char *)info->cmdline;
	find_ram(info);
	guest_main();
	rt_end();
}
