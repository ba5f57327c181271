// SPDX-License-Identifier: Apache-2.0
// The interrupt controllers.
#include "vmm/arch/x86_64/irqchip.h"

#include "base/err.h"
#include "base/log.h"
#include "vmm/arch/arch.h"
#include "vmm/arch/x86_64/layout.h"
#include "vmm/vm.h"

#include <assert.h>
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

/* syscalls: loop, vcpu: ioctl(1 == KVM_SET_GSI_ROUTING); start: ioctl */

static_assert(IRQCHIP_GSI_SLOTS + ARCH_SLOTS_MAX == IOAPIC_PINS_MAX, "a pin for each slot");
static_assert(LAYOUT_GSI_EVENTS < IRQCHIP_GSI_SLOTS && LAYOUT_GSI_COM1 < IRQCHIP_GSI_SLOTS,
	"no pin has two uses");
static_assert(ARCH_SLOTS_MAX <= 2 * IRQCHIP_KVM_SLOTS, "no line has more than two slots");
static_assert(IOAPIC_PINS_MAX <= 32, "a bit each");

/* Give KVM the whole table anew: it has no call for one entry. */
static int write_routes(const struct irqchip *chip)
{
	/* The header ends in an array of unknown length. */
	_Alignas(struct kvm_irq_routing) char
		space[sizeof(struct kvm_irq_routing) +
			IOAPIC_PINS_MAX * sizeof(struct kvm_irq_routing_entry)] = {0};
	struct kvm_irq_routing *table = (void *)space;

	for (unsigned int pin = 0; pin < IOAPIC_PINS_MAX; pin++) {
		if (!(chip->routed & 1u << pin))
			continue;
		table->entries[table->nr++] = (struct kvm_irq_routing_entry){
			.gsi = pin,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = {.address_lo = chip->msi[pin].address,
				.data = chip->msi[pin].data},
		};
	}
	return ioctl(chip->vm->fd, KVM_SET_GSI_ROUTING, table) < 0 ? -errno : 0;
}

/* Context: vCPU, with the I/O APIC's lock, which guards the table as well. */
static void on_route(void *ctx, unsigned int pin, const struct ioapic_msi *msi)
{
	struct irqchip *chip = ctx;
	int r;

	chip->routed &= ~(1u << pin);
	if (msi) {
		chip->routed |= 1u << pin;
		chip->msi[pin] = *msi;
	}
	r = write_routes(chip);
	if (r < 0) {
		log_error("kvm: routing interrupt %u: errno %d", pin, -r);
		vm_stop(chip->vm, VM_END_KVM);
	}
}

static int init_split(struct irqchip *chip, struct err *err)
{
	struct kvm_enable_cap cap = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {IOAPIC_PINS_MAX}};
	int r;

	if (ioctl(chip->vm->fd, KVM_ENABLE_CAP, &cap) < 0)
		return err_errno(err, errno, "kvm: creating the local APICs");
	ioapic_init(&chip->ioapic, on_route, chip);
	r = bus_add(&chip->vm->mmio, LAYOUT_IOAPIC, IOAPIC_SIZE, &ioapic_bus_ops, &chip->ioapic);
	return r < 0 ? err_errno(err, -r, "machine: I/O APIC") : 0;
}

int irqchip_init(struct irqchip *chip, struct vm *vm, bool pic, bool pit, struct err *err)
{
	/* Port 0x61, which goes with the timer, is there but moves no speaker. */
	struct kvm_pit_config config = {.flags = KVM_PIT_SPEAKER_DUMMY};

	*chip = (struct irqchip){.vm = vm};
	if (!pic)
		return init_split(chip, err);
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return err_errno(err, errno, "kvm: creating the interrupt controllers");
	if (pit && ioctl(vm->fd, KVM_CREATE_PIT2, &config) < 0)
		return err_errno(err, errno, "kvm: creating the timer");
	return 0;
}
