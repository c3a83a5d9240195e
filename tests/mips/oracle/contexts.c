// SPDX-License-Identifier: BSD-2-Clause
#include "contexts.h"

#include <stdbool.h>

/* The outermost function of a stack has its frame above the call that is known as the first. */
#define OUTERMOST_BYTES 4096
/* A function that has its stack pointer so much lower within one block has changed to another. */
#define FAR_BYTES 65536

void contexts__clear(struct contexts *contexts)
{
	shadow__clear(&contexts->current);
	for (int i = 0; i < MAX_SUSPENDED; i++)
		shadow__clear(&contexts->suspended[i]);
}

/* Handlers on stacks of their own are shadow.c's business. */
static bool has_handler(const struct shadow *shadow)
{
	for (size_t i = 0; i < shadow->nr; i++)
		if (shadow->calls[i].interrupted != 0)
			return true;
	return false;
}

static bool is_elsewhere(const struct shadow *shadow, uint64_t sp_before, uint64_t sp)
{
	uint64_t highest =
		shadow->nr > 0 ? shadow->calls[0].sp + OUTERMOST_BYTES : sp_before + FAR_BYTES;

	return (sp > highest || sp + FAR_BYTES < sp_before) && !has_handler(shadow);
}

/* The suspended stack that sp lies in; NULL: none. */
static struct shadow *find(struct contexts *contexts, uint64_t sp)
{
	for (int i = 0; i < MAX_SUSPENDED; i++) {
		struct shadow *shadow = &contexts->suspended[i];

		if (shadow->nr > 0 && sp <= shadow->calls[0].sp + OUTERMOST_BYTES &&
		    sp + FAR_BYTES >= shadow->calls[shadow->nr - 1].sp)
			return shadow;
	}
	return NULL;
}

static struct shadow *room(struct contexts *contexts)
{
	struct shadow *shadow;

	for (int i = 0; i < MAX_SUSPENDED; i++)
		if (contexts->suspended[i].nr == 0)
			return &contexts->suspended[i];
	shadow = &contexts->suspended[contexts->oldest++ % MAX_SUSPENDED];
	shadow__clear(shadow);
	return shadow;
}

void contexts__follow(struct contexts *contexts, uint64_t sp_before, uint64_t sp)
{
	struct shadow *other, left;

	if (!is_elsewhere(&contexts->current, sp_before, sp))
		return;
	other = find(contexts, sp);
	if (!other)
		other = room(contexts);
	left = contexts->current;
	contexts->current = *other;
	*other = left;
}
