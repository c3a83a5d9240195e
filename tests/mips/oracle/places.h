/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of guest addresses, for people: which file, and where in it. */
#ifndef PLACES_H
#define PLACES_H

#include <stdint.h>

#define PLACES_TEXT 512

/* "FILE+0xOFFSET" (the offset in the file), or "?+0xADDRESS". text has PLACES_TEXT bytes. */
void places__text(char *text, uint64_t pc);

#endif /* PLACES_H */
