// SPDX-License-Identifier: Apache-2.0
// A second vCPU: woken by a start-up IPI, then given one piece of work after another.
#include "tests/guest/smp.h"

#include "tests/guest/rt.h"
#include "vmm/arch/x86_64/layout.h"

/* A page below 1 MiB that nobody else uses; the vector of a start-up IPI is its number. */
#define TRAMPOLINE 0x8000u

#define APIC_SPURIOUS 0xf0
#define APIC_SPURIOUS_ENABLE 0x1ff
#define APIC_ICR_LOW 0x300
#define APIC_ICR_HIGH 0x310
#define ICR_INIT 0x4500u
#define ICR_STARTUP 0x4600u
#define SECOND_CPU 1u

/* start.S */
extern const char ap_trampoline[], ap_trampoline_end[];
_Noreturn void smp_ap_start(void);

static void (*volatile job)(void);
static volatile bool running, stopping;

_Noreturn void smp_ap_start(void)
{
	running = true;
	for (;;) {
		void (*work)(void) = job;

		if (!work) {
			shared_pause();
			continue;
		}
		work();
		job = NULL;
	}
}

bool smp_start(void)
{
	if (running)
		return true;
	memcpy((void *)(uint64_t)TRAMPOLINE, ap_trampoline,
		(size_t)(ap_trampoline_end - ap_trampoline));
	mmio_write32(LAYOUT_LAPIC + APIC_SPURIOUS, APIC_SPURIOUS_ENABLE);
	mmio_write32(LAYOUT_LAPIC + APIC_ICR_HIGH, SECOND_CPU << 24);
	mmio_write32(LAYOUT_LAPIC + APIC_ICR_LOW, ICR_INIT);
	mmio_write32(LAYOUT_LAPIC + APIC_ICR_HIGH, SECOND_CPU << 24);
	mmio_write32(LAYOUT_LAPIC + APIC_ICR_LOW, ICR_STARTUP | TRAMPOLINE >> 12);
	return WAIT_FOR(running);
}

void smp_run(void (*work)(void))
{
	stopping = false;
	job = work;
}

bool smp_stop(void)
{
	stopping = true;
	return WAIT_FOR(!job);
}

bool smp_stopping(void)
{
	return stopping;
}
