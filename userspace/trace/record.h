/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a wire record may be believed about its own lengths. */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stddef.h>

struct wire_head;

/*
 * available: bytes from head on, at least sizeof(struct wire_head). True when the whole record is
 * among them and, where its type is known, its fixed and variable parts are in the record.
 */
bool record__valid(const struct wire_head *head, size_t available);

#endif /* RECORD_H */
