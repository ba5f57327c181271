// SPDX-License-Identifier: Apache-2.0
// A writer of ACPI Machine Language.
#include "vmm/arch/x86_64/aml.h"

#include "base/le.h"

#include <assert.h>
#include <string.h>

enum {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_NAME = 0x08,
	AML_BYTE = 0x0a,
	AML_WORD = 0x0b,
	AML_DWORD = 0x0c,
	AML_STRING = 0x0d,
	AML_QWORD = 0x0e,
	AML_SCOPE = 0x10,
	AML_BUFFER = 0x11,
	AML_PACKAGE = 0x12,
	AML_METHOD = 0x14,
	AML_EXT = 0x5b,
	AML_LOCAL0 = 0x60,
	AML_STORE = 0x70,
	AML_AND = 0x7b,
	AML_NOTIFY = 0x86,
	AML_IF = 0xa0,
	AML_EXT_REGION = 0x80,
	AML_EXT_FIELD = 0x81,
	AML_EXT_DEVICE = 0x82,
};

/* Every length is written in this many bytes, long enough for any table here (20.2.4). */
#define AML_PKG_LEN 3
#define AML_PKG_LEN_MAX 0xfffffu

#define AML_SYSTEM_IO 1
#define AML_SERIALIZED (1u << 3)
/* Byte access, no lock, what isn't written becomes 0. */
#define AML_FIELD_FLAGS 0x41

static void aml_add(struct buf *buf, const void *data, size_t n)
{
	if (buf_add(buf, data, n) < 0)
		buf->max = 0;
}

static void aml_byte(struct buf *buf, uint8_t b)
{
	aml_add(buf, &b, 1);
}

int aml_ok(const struct buf *buf)
{
	return buf->max != 0;
}

static void aml_path(struct buf *buf, const char *name)
{
	assert(strlen(name) == (name[0] == '\\' ? 5u : 4u));
	aml_add(buf, name, strlen(name));
}

static uint32_t aml_begin_len(struct buf *buf)
{
	uint32_t mark = (uint32_t)buf->len;

	aml_add(buf, "\0\0\0", AML_PKG_LEN);
	return mark;
}

void aml_end(struct buf *buf, uint32_t mark)
{
	uint32_t len = (uint32_t)buf->len - mark;
	uint8_t *p = buf->data + mark;

	if (!aml_ok(buf))
		return;
	assert(len <= AML_PKG_LEN_MAX);
	p[0] = (uint8_t)((AML_PKG_LEN - 1) << 6 | (len & 0xf));
	p[1] = (uint8_t)(len >> 4);
	p[2] = (uint8_t)(len >> 12);
}

uint32_t aml_begin_scope(struct buf *buf, const char *name)
{
	uint32_t mark;

	aml_byte(buf, AML_SCOPE);
	mark = aml_begin_len(buf);
	aml_path(buf, name);
	return mark;
}

uint32_t aml_begin_device(struct buf *buf, const char *name)
{
	uint32_t mark;

	aml_byte(buf, AML_EXT);
	aml_byte(buf, AML_EXT_DEVICE);
	mark = aml_begin_len(buf);
	aml_path(buf, name);
	return mark;
}

static void aml_int(struct buf *buf, uint64_t value)
{
	uint8_t bytes[9];

	le64_store(bytes + 1, value);
	if (value <= 1) {
		aml_byte(buf, value ? AML_ONE : AML_ZERO);
	} else if (value <= UINT8_MAX) {
		bytes[0] = AML_BYTE;
		aml_add(buf, bytes, 2);
	} else if (value <= UINT16_MAX) {
		bytes[0] = AML_WORD;
		aml_add(buf, bytes, 3);
	} else if (value <= UINT32_MAX) {
		bytes[0] = AML_DWORD;
		aml_add(buf, bytes, 5);
	} else {
		bytes[0] = AML_QWORD;
		aml_add(buf, bytes, 9);
	}
}

static void aml_begin_name(struct buf *buf, const char *name)
{
	aml_byte(buf, AML_NAME);
	aml_path(buf, name);
}

void aml_name_int(struct buf *buf, const char *name, uint64_t value)
{
	aml_begin_name(buf, name);
	aml_int(buf, value);
}

void aml_name_string(struct buf *buf, const char *name, const char *value)
{
	aml_begin_name(buf, name);
	aml_byte(buf, AML_STRING);
	aml_add(buf, value, strlen(value) + 1);
}

static uint8_t aml_hex(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'A' + 10);
}

void aml_name_eisaid(struct buf *buf, const char *name, const char *id)
{
	uint8_t code[5] = {AML_DWORD};

	/* Three letters of 5 bits, then four hex digits, most significant byte first (19.3.4). */
	assert(strlen(id) == 7);
	code[1] = (uint8_t)((id[0] - '@') << 2 | (id[1] - '@') >> 3);
	code[2] = (uint8_t)((id[1] - '@') << 5 | (id[2] - '@'));
	code[3] = (uint8_t)(aml_hex(id[3]) << 4 | aml_hex(id[4]));
	code[4] = (uint8_t)(aml_hex(id[5]) << 4 | aml_hex(id[6]));
	aml_begin_name(buf, name);
	aml_add(buf, code, sizeof(code));
}

void aml_name_package(struct buf *buf, const char *name, const uint64_t *values, uint8_t count)
{
	uint32_t mark;

	aml_begin_name(buf, name);
	aml_byte(buf, AML_PACKAGE);
	mark = aml_begin_len(buf);
	aml_byte(buf, count);
	for (uint8_t i = 0; i < count; i++)
		aml_int(buf, values[i]);
	aml_end(buf, mark);
}

void aml_io_byte(struct buf *buf, const char *region, const char *field, uint16_t port)
{
	uint32_t mark;

	aml_byte(buf, AML_EXT);
	aml_byte(buf, AML_EXT_REGION);
	aml_path(buf, region);
	aml_byte(buf, AML_SYSTEM_IO);
	aml_int(buf, port);
	aml_int(buf, 1);
	aml_byte(buf, AML_EXT);
	aml_byte(buf, AML_EXT_FIELD);
	mark = aml_begin_len(buf);
	aml_path(buf, region);
	aml_byte(buf, AML_FIELD_FLAGS);
	aml_path(buf, field);
	/* Its width in bits, in the encoding of lengths: one byte below 64. */
	aml_byte(buf, 8);
	aml_end(buf, mark);
}

uint32_t aml_begin_method(struct buf *buf, const char *name, uint8_t args)
{
	uint32_t mark;

	aml_byte(buf, AML_METHOD);
	mark = aml_begin_len(buf);
	aml_path(buf, name);
	aml_byte(buf, args | AML_SERIALIZED);
	return mark;
}

void aml_load_local0(struct buf *buf, const char *name)
{
	aml_byte(buf, AML_STORE);
	aml_path(buf, name);
	aml_byte(buf, AML_LOCAL0);
}

void aml_notify_if_local0(struct buf *buf, uint8_t mask, const char *device, uint8_t value)
{
	uint32_t mark;

	aml_byte(buf, AML_IF);
	mark = aml_begin_len(buf);
	aml_byte(buf, AML_AND);
	aml_byte(buf, AML_LOCAL0);
	aml_int(buf, mask);
	aml_byte(buf, AML_ZERO); /* the result goes nowhere else */
	aml_byte(buf, AML_NOTIFY);
	aml_path(buf, device);
	aml_int(buf, value);
	aml_end(buf, mark);
}

uint32_t aml_begin_crs(struct buf *buf)
{
	uint32_t mark;

	aml_begin_name(buf, "_CRS");
	aml_byte(buf, AML_BUFFER);
	mark = aml_begin_len(buf);
	/* The buffer's size, as a word so that aml_end_crs() can fill it in. */
	aml_add(buf, "\x0b\0\0", 3);
	return mark;
}

void aml_end_crs(struct buf *buf, uint32_t mark)
{
	/* End tag; a checksum of 0 means "treat as correct" (6.4.2.9). */
	static const uint8_t end_tag[] = {0x79, 0x00};

	aml_add(buf, end_tag, sizeof(end_tag));
	if (!aml_ok(buf))
		return;
	le16_store(
		buf->data + mark + AML_PKG_LEN + 1, (uint16_t)(buf->len - mark - AML_PKG_LEN - 3));
	aml_end(buf, mark);
}

void aml_crs_io(struct buf *buf, uint16_t port, uint8_t len)
{
	/* 6.4.2.5: decodes 16 bits; minimum, maximum, alignment, length. */
	uint8_t d[8] = {0x47, 0x01, 0, 0, 0, 0, 1, len};

	le16_store(d + 2, port);
	le16_store(d + 4, port);
	aml_add(buf, d, sizeof(d));
}

void aml_crs_irq(struct buf *buf, uint8_t irq)
{
	/* 6.4.2.1: mask of 16 interrupts, edge and active high where no flags follow. */
	uint8_t d[3] = {0x22};

	le16_store(d + 1, (uint16_t)(1u << irq));
	aml_add(buf, d, sizeof(d));
}

void aml_crs_mem32(struct buf *buf, uint32_t base, uint32_t len)
{
	/* 6.4.3.4: 32-bit fixed memory range, writable. */
	uint8_t d[12] = {0x86, 9, 0, 1};

	le32_store(d + 4, base);
	le32_store(d + 8, len);
	aml_add(buf, d, sizeof(d));
}

void aml_crs_interrupt(struct buf *buf, uint32_t gsi)
{
	/* 6.4.3.6: consumer (bit 0) and edge (bit 1), active high, exclusive; one interrupt. */
	uint8_t d[9] = {0x89, 6, 0, 0x03, 1};

	le32_store(d + 5, gsi);
	aml_add(buf, d, sizeof(d));
}
