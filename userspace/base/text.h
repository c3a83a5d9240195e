/* SPDX-License-Identifier: BSD-2-Clause */
/* Text that came from somebody else's binary, made safe to show. */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>
#include <stdio.h>

/* Replaces C0 and DEL bytes, and bytes that are not valid UTF-8 (C1 controls included), by '?'. */
void text__strip_controls(char *text);

/*
 * Bytes of the printable, well-formed UTF-8 character at text: 1..4. 0 where it is malformed or a
 * control character (C0, DEL, C1) and at the end. Reads no further than the terminating NUL.
 */
size_t text__character(const char *text);

/* Prints text to out with the same replacement. */
void text__print(FILE *out, const char *text);

#endif /* TEXT_H */
