/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Detaching in the background. Taking a link away waits for the kernel to be sure that nobody runs its
 * program any more (some 40 ms); many at once wait together.
 */
#ifndef CLOSING_H
#define CLOSING_H

#include "probe/link.h"

/* Detaches the links, some time soon, and empties *links. */
void closing__add(struct links *links);
/* Waits until all are detached. */
void closing__finish(void);

#endif /* CLOSING_H */
