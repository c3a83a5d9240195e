/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One of the libraries twins.c loads in turns, built with -DTWIN=1 and 2: as long as each other,
 * with a function at the same place that has another name, and keeps blocks of another size. It has
 * another frame, too, and so other unwind information, unless SAME_FRAME is defined: then both
 * return to the same address.
 */
#include <stdlib.h>

#include "twins.h"

#if TWIN == 1
#define KEEP keep_first
#define BYTES TWIN_FIRST_BYTES
#define FRAME 64
#else
#define KEEP keep_second
#define BYTES TWIN_SECOND_BYTES
#ifdef SAME_FRAME
#define FRAME 64
#else
#define FRAME 640
#endif
#endif

void *KEEP(void);
void *(*const twin)(void) = KEEP;
const char padding[4096] = { TWIN };

__attribute__((aligned(64), optimize("omit-frame-pointer"))) void *KEEP(void)
{
	volatile char frame[FRAME];

	frame[FRAME - 1] = 1;
	return frame[FRAME - 1] ? malloc(BYTES) : NULL;
}
