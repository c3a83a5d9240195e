/* SPDX-License-Identifier: BSD-2-Clause */
/* What the loader and the programs tell each other of the processes they follow. */
#ifndef FOLLOW_ABI_H
#define FOLLOW_ABI_H

#include "wire.h" /* the fixed-width types */

/*
 * A watched process, or one that is to be: the programs add children, with slot 0, and the loader gives
 * them their slot. By thread group id.
 */
struct followed {
	uint32_t slot;	/* of unwind_process; 0: none yet */
	uint32_t flags; /* FOLLOW_* */
	uint32_t has_exited;
	uint32_t exit_status; /* as wait(2) has it */
};

#define FOLLOW_CHILDREN 1u /* so are its children */
/* It may be stopped for a moment. Not so where a shell with job control would take the process out of
 * the foreground for that. */
#define FOLLOW_MAY_STOP 2u

/* The loader leads it through its own loading: nothing needs to be told of that. */
#define FOLLOW_LOADING 4u

/* It traces others, and waits itself for them to stop: its children are not held. */
#define FOLLOW_TRACER 8u

#endif /* FOLLOW_ABI_H */
