// SPDX-License-Identifier: BSD-2-Clause
/*
 * The table of unwinders.
 */
#include <stddef.h>
#include <string.h>

#include "unwind.h"

static bool none__usable(void)
{
	return true;
}

static unsigned none__walk(const struct unwind_from *from, uintptr_t *frames, unsigned max,
			   struct unwind_note *note)
{
	frames[0] = from->pc;
	note->serial = 0;
	note->flags = WIRE_STACK_CUT;
	return 1;
}

const struct unwinder unwinder_none = { "none", none__usable, none__walk };

/* The best first. */
static const struct unwinder *const unwinders[] = {
#ifdef __mips__
	&unwinder_mips,
#endif
#if defined(__x86_64__) || defined(__aarch64__)
	&unwinder_eh,
	&unwinder_fp,
#endif
	&unwinder_none,
};

const struct unwinder *unwinder__choose(const char *name)
{
	bool any = !name || !*name || !strcmp(name, "auto");

	for (size_t i = 0; i < sizeof(unwinders) / sizeof(unwinders[0]); i++) {
		if ((any || !strcmp(name, unwinders[i]->name)) && unwinders[i]->usable())
			return unwinders[i];
	}
	return NULL;
}
