/* SPDX-License-Identifier: BSD-2-Clause */
/* A moment as text. */
#ifndef TIME_TEXT_H
#define TIME_TEXT_H

#include <stdint.h>

#define TIME_TEXT_MAX 64

/* "2026-01-31T12:00:00.000Z", of a time since 1970, to text: room for TIME_TEXT_MAX characters. */
void time_text__utc(char *text, uint64_t realtime_ns);

#endif /* TIME_TEXT_H */
