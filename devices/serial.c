// SPDX-License-Identifier: Apache-2.0
// A 16550A serial port: registers and interrupts.
#include "devices/serial.h"

#include "base/buf.h"
#include "base/le.h"
#include "devices/irq.h"
#include "devices/serial_io.h"

#include <errno.h>
#include <linux/serial_reg.h>
#include <string.h>

/* syscalls: loop, vcpu: write */

/* Modem inputs of a port whose other end is always there. */
#define SERIAL_MSR_PRESENT (UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS)
#define SERIAL_MCR_MASK 0x1f
#define SERIAL_IER_MASK 0x0f
#define SERIAL_FIFO_ENABLED 0xc0 /* in IIR */
#define SERIAL_MSR_DELTAS (UART_MSR_DCTS | UART_MSR_DDSR | UART_MSR_TERI | UART_MSR_DDCD)

/*
 * A saved port: one byte each
 *
 *     0 IER  1 LCR  2 MCR  3 SCR  4 FCR  5 DLL  6 DLM  7 deltas of MSR
 *     8 flags: 1 THRE interrupt pending, 2 overrun
 *     9 0    10 le16 length of the input, which follows
 */
#define SERIAL_STATE_HEAD 12
#define SERIAL_STATE_THRE 1u
#define SERIAL_STATE_OVERRUN 2u

/* The modem inputs: wired to the modem outputs in loopback mode. */
static uint8_t serial_modem_inputs(const struct serial *s)
{
	unsigned int msr = 0;

	if (!(s->mcr & UART_MCR_LOOP))
		return SERIAL_MSR_PRESENT;
	if (s->mcr & UART_MCR_RTS)
		msr |= UART_MSR_CTS;
	if (s->mcr & UART_MCR_DTR)
		msr |= UART_MSR_DSR;
	if (s->mcr & UART_MCR_OUT1)
		msr |= UART_MSR_RI;
	if (s->mcr & UART_MCR_OUT2)
		msr |= UART_MSR_DCD;
	return (uint8_t)msr;
}

/* The reason of highest priority, as IIR shows it. */
static uint8_t serial_interrupt_id(const struct serial *s)
{
	if ((s->ier & UART_IER_RLSI) && s->overrun)
		return UART_IIR_RLSI;
	if ((s->ier & UART_IER_RDI) && ring_used(&s->in))
		return UART_IIR_RDI;
	if ((s->ier & UART_IER_THRI) && s->thr_pending)
		return UART_IIR_THRI;
	if ((s->ier & UART_IER_MSI) && s->msr_delta)
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

void serial_update_irq(struct serial *s)
{
	/* On PCs OUT2 connects the chip's interrupt pin to the line. */
	bool line = (s->mcr & UART_MCR_OUT2) && serial_interrupt_id(s) != UART_IIR_NO_INT;

	if (line && !s->line)
		irq_raise(s->irq);
	s->line = line;
}

static void serial_write_thr(struct serial *s, uint8_t byte)
{
	if (s->mcr & UART_MCR_LOOP) {
		if (!ring_put(&s->in, &byte, 1))
			s->overrun = true;
	} else {
		serial_output(s, byte);
	}
	/* Sent already: the holding register is empty again. */
	s->thr_pending = true;
}

static void serial_write_ier(struct serial *s, uint8_t value)
{
	uint8_t old = s->ier;

	s->ier = value & SERIAL_IER_MASK;
	/* Enabling it while the holding register is empty, which it always is, makes it pending. */
	if ((s->ier & UART_IER_THRI) && !(old & UART_IER_THRI))
		s->thr_pending = true;
}

static void serial_write_fcr(struct serial *s, uint8_t value)
{
	if ((value & UART_FCR_CLEAR_RCVR) || ((value ^ s->fcr) & UART_FCR_ENABLE_FIFO)) {
		ring_consume(&s->in, ring_used(&s->in));
		serial_input_room(s);
	}
	s->fcr = value & UART_FCR_ENABLE_FIFO;
}

static void serial_write_mcr(struct serial *s, uint8_t value)
{
	unsigned int before = serial_modem_inputs(s), now, changed, delta = 0;

	s->mcr = value & SERIAL_MCR_MASK;
	now = serial_modem_inputs(s);
	changed = before ^ now;
	if (changed & UART_MSR_CTS)
		delta |= UART_MSR_DCTS;
	if (changed & UART_MSR_DSR)
		delta |= UART_MSR_DDSR;
	if (changed & UART_MSR_DCD)
		delta |= UART_MSR_DDCD;
	if ((before & UART_MSR_RI) && !(now & UART_MSR_RI))
		delta |= UART_MSR_TERI;
	s->msr_delta |= (uint8_t)delta;
}

static uint8_t serial_read_rbr(struct serial *s)
{
	uint8_t byte = 0;

	ring_get(&s->in, &byte, 1);
	serial_input_room(s);
	return byte;
}

static uint8_t serial_read_iir(struct serial *s)
{
	uint8_t id = serial_interrupt_id(s);

	/* Reading it as the reason is what clears it. */
	if (id == UART_IIR_THRI)
		s->thr_pending = false;
	return id | (s->fcr & UART_FCR_ENABLE_FIFO ? SERIAL_FIFO_ENABLED : 0);
}

static uint8_t serial_read_lsr(struct serial *s)
{
	unsigned int lsr = UART_LSR_THRE | UART_LSR_TEMT;

	if (ring_used(&s->in))
		lsr |= UART_LSR_DR;
	if (s->overrun)
		lsr |= UART_LSR_OE;
	s->overrun = false;
	return (uint8_t)lsr;
}

static uint8_t serial_read_msr(struct serial *s)
{
	uint8_t msr = serial_modem_inputs(s) | s->msr_delta;

	s->msr_delta = 0;
	return msr;
}

static uint8_t serial_read_reg(struct serial *s, uint64_t reg)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_RX:
		return dlab ? s->dll : serial_read_rbr(s);
	case UART_IER:
		return dlab ? s->dlm : s->ier;
	case UART_IIR:
		return serial_read_iir(s);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		return serial_read_lsr(s);
	case UART_MSR:
		return serial_read_msr(s);
	default:
		return s->scr;
	}
}

static void serial_write_reg(struct serial *s, uint64_t reg, uint8_t value)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (dlab)
			s->dll = value;
		else
			serial_write_thr(s, value);
		break;
	case UART_IER:
		if (dlab)
			s->dlm = value;
		else
			serial_write_ier(s, value);
		break;
	case UART_FCR:
		serial_write_fcr(s, value);
		break;
	case UART_LCR:
		s->lcr = value;
		break;
	case UART_MCR:
		serial_write_mcr(s, value);
		break;
	case UART_SCR:
		s->scr = value;
		break;
	default: /* LSR and MSR are read-only */
		break;
	}
}

static void serial_bus_read(void *opaque, uint64_t offset, void *data, unsigned int len)
{
	struct serial *s = opaque;

	pthread_mutex_lock(&s->lock);
	/* An 8-bit chip: wider accesses reach nothing. */
	s->counters[len == 1 ? SERIAL_READS : SERIAL_BAD_READS]++;
	if (len == 1) {
		*(uint8_t *)data = serial_read_reg(s, offset);
		serial_update_irq(s);
	}
	pthread_mutex_unlock(&s->lock);
}

static void serial_bus_write(void *opaque, uint64_t offset, const void *data, unsigned int len)
{
	struct serial *s = opaque;
	const uint8_t *bytes = data;

	pthread_mutex_lock(&s->lock);
	s->counters[len == 1 ? SERIAL_WRITES : SERIAL_BAD_WRITES]++;
	if (len == 1) {
		serial_write_reg(s, offset, bytes[0]);
		serial_update_irq(s);
	}
	pthread_mutex_unlock(&s->lock);
}

const struct bus_ops serial_bus_ops = {
	.read = serial_bus_read,
	.write = serial_bus_write,
};

int serial_save(struct serial *s, struct buf *out)
{
	struct iovec iov[2];
	uint8_t head[SERIAL_STATE_HEAD];
	int count, r;

	serial_flush(s);
	pthread_mutex_lock(&s->lock);
	head[0] = s->ier;
	head[1] = s->lcr;
	head[2] = s->mcr;
	head[3] = s->scr;
	head[4] = s->fcr;
	head[5] = s->dll;
	head[6] = s->dlm;
	head[7] = s->msr_delta;
	head[8] =
		(s->thr_pending ? SERIAL_STATE_THRE : 0) | (s->overrun ? SERIAL_STATE_OVERRUN : 0);
	head[9] = 0;
	le16_store(head + 10, (uint16_t)ring_used(&s->in));
	count = ring_read_iov(&s->in, iov);
	r = buf_add(out, head, sizeof(head));
	for (int i = 0; i < count && !r; i++)
		r = buf_add(out, iov[i].iov_base, iov[i].iov_len);
	pthread_mutex_unlock(&s->lock);
	return r;
}

int serial_load(struct serial *s, const void *data, size_t len)
{
	const uint8_t *head = data;
	uint16_t input;

	if (len < SERIAL_STATE_HEAD)
		return -EINVAL;
	input = le16_load(head + 10);
	if (len != SERIAL_STATE_HEAD + (size_t)input || input > SERIAL_IN_MAX)
		return -EINVAL;
	if ((head[0] & ~SERIAL_IER_MASK) || (head[2] & ~SERIAL_MCR_MASK) ||
		(head[4] & ~UART_FCR_ENABLE_FIFO) || (head[7] & ~SERIAL_MSR_DELTAS) ||
		(head[8] & ~(SERIAL_STATE_THRE | SERIAL_STATE_OVERRUN)) || head[9])
		return -EINVAL;
	pthread_mutex_lock(&s->lock);
	s->ier = head[0];
	s->lcr = head[1];
	s->mcr = head[2];
	s->scr = head[3];
	s->fcr = head[4];
	s->dll = head[5];
	s->dlm = head[6];
	s->msr_delta = head[7];
	s->thr_pending = head[8] & SERIAL_STATE_THRE;
	s->overrun = head[8] & SERIAL_STATE_OVERRUN;
	ring_consume(&s->in, ring_used(&s->in));
	ring_put(&s->in, head + SERIAL_STATE_HEAD, input);
	s->line = false;
	serial_update_irq(s);
	pthread_mutex_unlock(&s->lock);
	return 0;
}
