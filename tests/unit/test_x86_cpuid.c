// SPDX-License-Identifier: Apache-2.0
// Tests of vmm/arch/x86_64/cpuid.h: features and topology of each CPU of machines of 1 to 64.
#include "vmm/arch/x86_64/cpuid.h"

#include "tests/lib/suite.h"

#include <linux/kvm.h>
#include <string.h>

static _Alignas(struct kvm_cpuid2) char space[sizeof(struct kvm_cpuid2) +
					      CPUID_ENTRIES_MAX * sizeof(struct kvm_cpuid_entry2)];
static struct kvm_cpuid2 *const cpuid = (void *)space;

static struct kvm_cpuid_entry2 *add(uint32_t function, uint32_t index)
{
	struct kvm_cpuid_entry2 *e = &cpuid->entries[cpuid->nent++];

	*e = (struct kvm_cpuid_entry2){.function = function, .index = index};
	return e;
}

/* A cache of this type and level, as the host has it: shared by 16. */
static void add_cache(uint32_t function, uint32_t index, uint32_t type, uint32_t level)
{
	add(function, index)->eax = type | level << 5 | 1 << 8 | 15 << 14 | 7u << 26;
}

/* What KVM may offer: every bit of the feature leaves. */
static void offer(bool amd)
{
	static const uint32_t whole[] = {0x1, 0xa, 0x80000001, 0x8000000a, 0x80000022};
	struct kvm_cpuid_entry2 *e;

	memset(space, 0, sizeof(space));
	e = add(0, 0);
	memcpy(&e->ebx, amd ? "Auth" : "Genu", 4);
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		e = add(whole[i], 0);
		e->eax = e->ebx = e->ecx = e->edx = UINT32_MAX;
	}
	for (uint32_t i = 0; i < 4; i++)
		add_cache(amd ? 0x8000001d : 4, i, i < 2 ? i + 1 : 3, i < 2 ? 1 : i);
	add(amd ? 0x8000001d : 4, 4);
	add(0xb, 0);
	if (!amd)
		add(0x1f, 0);
	add(0x80000008, 0)->ecx = 0x3000;
	add(0x8000001e, 0)->ecx = 0x703;
	e = add(0x40000000, 0);
	memcpy(&e->ebx, "KVMKVMKVM\0\0\0", 12);
	add(0x40000001, 0)->eax = 0x0100fafb;
}

static const struct kvm_cpuid_entry2 *leaf(uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	ck_abort_msg("no leaf 0x%x, %u", function, index);
}

static void fill(bool amd, uint32_t apic_id, uint32_t count, bool nested)
{
	struct cpuid_cpu cpu = {
		.apic_id = apic_id, .count = count, .nested = nested, .deadline = true};

	offer(amd);
	cpuid_fill(cpuid, &cpu);
}

static void expect_zero(uint32_t function)
{
	const struct kvm_cpuid_entry2 *e = leaf(function, 0);

	ck_assert_uint_eq(e->eax | e->ebx | e->ecx | e->edx, 0);
}

START_TEST(virtualization_is_hidden)
{
	fill(true, 0, 1, false);
	ck_assert_uint_eq(leaf(1, 0)->ecx & 1u << 5, 0);
	ck_assert_uint_eq(leaf(0x80000001, 0)->ecx & (1u << 2 | 1u << 12), 0);
	expect_zero(0x8000000a);
	fill(true, 0, 1, true);
	ck_assert_uint_ne(leaf(1, 0)->ecx & 1u << 5, 0);
	ck_assert_uint_ne(leaf(0x80000001, 0)->ecx & 1u << 2, 0);
	ck_assert_uint_eq(leaf(0x8000000a, 0)->edx, UINT32_MAX);
}
END_TEST

START_TEST(counters_are_hidden)
{
	fill(_i, 0, 2, true);
	expect_zero(0xa);
	expect_zero(0x80000022);
	ck_assert_uint_eq(leaf(1, 0)->ecx & (1u << 2 | 1u << 4 | 1u << 15), 0);
	ck_assert_uint_eq(leaf(1, 0)->edx & 1u << 21, 0);
	ck_assert_uint_eq(leaf(0x80000001, 0)->ecx & (1u << 23 | 1u << 24 | 1u << 28), 0);
}
END_TEST

START_TEST(the_rest_of_the_features_is_kept)
{
	fill(_i, 0, 2, false);
	ck_assert_uint_eq(leaf(1, 0)->ecx, UINT32_MAX & ~(1u << 2 | 1u << 4 | 1u << 5 | 1u << 15));
	ck_assert_uint_eq(leaf(1, 0)->edx, UINT32_MAX & ~(1u << 21));
	ck_assert_uint_eq(leaf(0x80000001, 0)->edx, UINT32_MAX);
	/* The hypervisor's own leaves. */
	ck_assert_mem_eq(&leaf(0x40000000, 0)->ebx, "KVMKVMKVM\0\0\0", 12);
	ck_assert_uint_eq(leaf(0x40000001, 0)->eax, 0x0100fafb);
}
END_TEST

START_TEST(hypervisor_and_deadline_are_added)
{
	struct cpuid_cpu cpu = {.count = 1};

	offer(true);
	cpuid->entries[1].ecx = 0;
	cpuid_fill(cpuid, &cpu);
	ck_assert_uint_eq(leaf(1, 0)->ecx, 1u << 31);
	offer(true);
	cpuid->entries[1].ecx = 0;
	cpu.deadline = true;
	cpuid_fill(cpuid, &cpu);
	ck_assert_uint_eq(leaf(1, 0)->ecx, 1u << 31 | 1u << 24);
}
END_TEST

START_TEST(avx_needs_xsave)
{
	struct cpuid_cpu cpu = {.count = 1};

	offer(true);
	add(7, 0)->ebx = UINT32_MAX;
	add(0xd, 0)->eax = 7;
	cpuid_fill(cpuid, &cpu);
	ck_assert_uint_ne(leaf(1, 0)->ecx & 1u << 28, 0);
	ck_assert_uint_eq(leaf(7, 0)->ebx, UINT32_MAX);
	ck_assert_uint_eq(leaf(0xd, 0)->eax, 7);
	offer(true);
	add(7, 0)->ebx = UINT32_MAX;
	add(0xd, 0)->eax = 7;
	cpuid->entries[1].ecx &= ~(1u << 26);
	cpuid_fill(cpuid, &cpu);
	ck_assert_uint_eq(leaf(1, 0)->ecx & (1u << 12 | 1u << 27 | 1u << 28 | 1u << 29), 0);
	/* AVX2 and AVX-512 go, BMI2 stays. */
	ck_assert_uint_eq(leaf(7, 0)->ebx & (1u << 5 | 1u << 16 | 1u << 31), 0);
	ck_assert_uint_ne(leaf(7, 0)->ebx & 1u << 8, 0);
	ck_assert_uint_eq(leaf(0xd, 0)->eax, 0);
	ck_assert_uint_eq(leaf(0x80000001, 0)->ecx & (1u << 11 | 1u << 16), 0);
}
END_TEST

static uint32_t bits_for(uint32_t count)
{
	uint32_t bits = 0;

	while (1u << bits < count)
		bits++;
	return bits;
}

/* All that Linux and others derive cores and packages from, for each CPU of each machine. */
static void expect_topology(bool amd, uint32_t id, uint32_t count)
{
	const struct kvm_cpuid_entry2 *e = leaf(1, 0);
	uint32_t bits = bits_for(count);

	ck_assert_uint_eq(e->ebx >> 24, id);
	ck_assert_uint_eq(e->ebx >> 16 & 0xff, count);
	ck_assert_uint_eq(e->edx >> 28 & 1, count > 1);
	for (uint32_t function = 0xb; function <= (amd ? 0xbu : 0x1fu); function += 0x14) {
		e = leaf(function, 0);
		ck_assert_uint_eq(e->eax, 0);
		ck_assert_uint_eq(e->ebx, 1);
		ck_assert_uint_eq(e->ecx, 0x100);
		ck_assert_uint_eq(e->edx, id);
		e = leaf(function, 1);
		ck_assert_uint_eq(e->eax, bits);
		ck_assert_uint_eq(e->ebx, count);
		ck_assert_uint_eq(e->ecx, 0x201);
		ck_assert_uint_eq(e->edx, id);
		ck_assert_uint_eq(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
	}
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t eax = leaf(amd ? 0x8000001d : 4, i)->eax;
		uint32_t all = amd ? count - 1 : (1u << bits) - 1;

		ck_assert_uint_eq(eax & 0x1ff, (i < 2 ? i + 1 : 3) | (i < 2 ? 1 : i) << 5 | 1 << 8);
		ck_assert_uint_eq(eax >> 14 & 0xfff, i == 3 ? all : 0);
		if (!amd)
			ck_assert_uint_eq(eax >> 26, (1u << bits) - 1);
	}
	if (!amd)
		return;
	ck_assert_uint_eq(leaf(0x80000001, 0)->ecx >> 1 & 1, count > 1);
	ck_assert_uint_eq(leaf(0x80000008, 0)->ecx, (count - 1) | bits << 12);
	e = leaf(0x8000001e, 0);
	ck_assert_uint_eq(e->eax, id);
	ck_assert_uint_eq(e->ebx, id);
	ck_assert_uint_eq(e->ecx, 0);
}

START_TEST(topology_of_every_size)
{
	bool amd = _i;

	for (uint32_t count = 1; count <= 64; count++)
		for (uint32_t id = 0; id < count; id++) {
			fill(amd, id, count, false);
			expect_topology(amd, id, count);
		}
}
END_TEST

START_TEST(a_full_table_is_left_whole)
{
	struct cpuid_cpu cpu = {.count = 4};

	offer(true);
	while (cpuid->nent < CPUID_ENTRIES_MAX)
		add(0x40000002, cpuid->nent);
	cpuid_fill(cpuid, &cpu);
	ck_assert_uint_eq(cpuid->nent, CPUID_ENTRIES_MAX);
}
END_TEST

SUITE_CASES("x86_cpuid", NULL, NULL, {virtualization_is_hidden}, {counters_are_hidden, 2},
	{the_rest_of_the_features_is_kept, 2}, {hypervisor_and_deadline_are_added},
	{avx_needs_xsave}, {topology_of_every_size, 2}, {a_full_table_is_left_whole})
