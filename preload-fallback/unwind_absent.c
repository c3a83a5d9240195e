// SPDX-License-Identifier: BSD-2-Clause
/* Stand for unwinders this build has no file for: never usable, and replaced where there is one. */
#include <stddef.h>

#include "unwind.h"

static bool absent__usable(void)
{
	return false;
}

#define ABSENT(name) \
	__attribute__((weak)) const struct unwinder name = { "-", absent__usable, NULL }

ABSENT(unwinder_mips);
ABSENT(unwinder_eh);
ABSENT(unwinder_fp);

__attribute__((weak)) void unwinder__forget(void)
{
}
