/* SPDX-License-Identifier: BSD-2-Clause */
/* Beginnings and ends: of recording, of the process, of a child, of the program in it. */
#ifndef PRELOAD_PROCESS_H
#define PRELOAD_PROCESS_H

#include <stdbool.h>

/* Is there anything to do for the hooks? The first call sets everything up. */
bool process__hooks(void);
/* Likewise: is this process recorded? */
bool process__records(void);

/* Has the end of the process noticed and told of. Once. */
void process__watch_end(void);

/* A forked child has found that it is one. */
void process__forked(void);

#endif /* PRELOAD_PROCESS_H */
