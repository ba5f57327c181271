// SPDX-License-Identifier: Apache-2.0
// A writer of the few ACPI Machine Language constructs that the DSDT needs.
#pragma once

#include "base/buf.h"

#include <stdint.h>

/*
 * Each function appends to @buf and returns nothing: the caller checks aml_ok() once at the end.
 * The first append that doesn't fit poisons the buffer (max becomes 0), so that no later one can
 * leave a gap.
 *
 * Scopes nest: aml_begin_*() returns a mark that aml_end() takes to fill in the length.
 * Spec: ACPI 6.5 chapter 20.
 */

/* aml_ok() - did everything fit? */
int aml_ok(const struct buf *buf);

/* @name: a root path such as "\\_SB_" or a segment of exactly 4 characters */
uint32_t aml_begin_scope(struct buf *buf, const char *name);
uint32_t aml_begin_device(struct buf *buf, const char *name);
void aml_end(struct buf *buf, uint32_t mark);

/* Name (@name, @value) with the shortest integer encoding, a string, or an EISA id. */
void aml_name_int(struct buf *buf, const char *name, uint64_t value);
void aml_name_string(struct buf *buf, const char *name, const char *value);
/* @id: 7 characters such as "PNP0501" */
void aml_name_eisaid(struct buf *buf, const char *name, const char *id);
/* Name (@name, Package () { @values }) of @count integers */
void aml_name_package(struct buf *buf, const char *name, const uint64_t *values, uint8_t count);

/* OperationRegion (@region, SystemIO, @port, 1) and in it Field: @field, 8 bits, read as a byte */
void aml_io_byte(struct buf *buf, const char *region, const char *field, uint16_t port);
/* Method (@name, @args, Serialized), to be ended by aml_end() */
uint32_t aml_begin_method(struct buf *buf, const char *name, uint8_t args);
/* Local0 = @name */
void aml_load_local0(struct buf *buf, const char *name);
/* If (Local0 & @mask) { Notify (@device, @value) } */
void aml_notify_if_local0(struct buf *buf, uint8_t mask, const char *device, uint8_t value);

/* One resource template: begin, resources, end. */
uint32_t aml_begin_crs(struct buf *buf);
void aml_end_crs(struct buf *buf, uint32_t mark);
void aml_crs_io(struct buf *buf, uint16_t port, uint8_t len);
/* @irq: ISA interrupt 0 to 15, edge, active high */
void aml_crs_irq(struct buf *buf, uint8_t irq);
void aml_crs_mem32(struct buf *buf, uint32_t base, uint32_t len);
/* @gsi: global system interrupt, edge, active high, exclusive */
void aml_crs_interrupt(struct buf *buf, uint32_t gsi);
