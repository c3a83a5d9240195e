/* SPDX-License-Identifier: BSD-2-Clause */
/* Turns numbers of a machine with the other byte order into this one's, in place. */
#ifndef SWAP_H
#define SWAP_H

#include <stddef.h>

struct wire_head;

/* Swaps fields that follow each other, one a digit of widths: its bytes ('1' is left alone). Stops
 * before the first that does not end within len bytes. Returns the bytes gone over. */
size_t swap__fields(void *data, size_t len, const char *widths);

void swap__head(struct wire_head *head);

/*
 * Swaps the rest of a record whose head has been swapped and says a size of at least the head's.
 * Touches nothing behind that size nor behind available bytes from the head on. Where the type is
 * not known, what is behind the head stays as it is.
 */
void swap__body(struct wire_head *head, size_t available);

/* Whole records, one behind the other, as far as their sizes are possible ones. */
void swap__records(void *records, size_t len);

#endif /* SWAP_H */
