// SPDX-License-Identifier: BSD-2-Clause
#include "report/frames.h"

#include <stdlib.h>

#include "base/util.h"

/* The frames of a location to out, unless it is NULL; returns how many there are. */
static uint32_t location_frames(const struct model *model, uint32_t index, uint64_t address,
				struct frame *out)
{
	const struct location *location = modmap__location(model->modmap, index);
	const struct module *module = modmap__module(model->modmap, location->module);
	const struct sym_frame *names = NULL;
	uint32_t nr = sym__frames(model->sym, location, &names);

	for (uint32_t i = 0; out && i < max(nr, 1u); i++) {
		out[i] = (struct frame){ .module = module,
					 .offset = location->vaddr,
					 .address = address,
					 .inlined = i + 1 < nr };
		if (nr) {
			out[i].function = names[i].function;
			out[i].file = names[i].file;
			out[i].line = names[i].line;
		}
	}
	return max(nr, 1u);
}

uint32_t frames__count(const struct model *model, const struct stack *stack)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < stack->nr_frames; i++)
		nr += location_frames(model, stack->frames[i], 0, NULL);
	return nr;
}

uint32_t frames__fill(const struct model *model, const struct space *space,
		      const struct stack *stack, uint64_t time_ns, struct frame *out)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < stack->nr_frames; i++) {
		const struct location *location = modmap__location(model->modmap, stack->frames[i]);
		uint64_t address =
			space ? space__address(space, location, time_ns) : location->vaddr;

		nr += location_frames(model, stack->frames[i], address, out + nr);
	}
	return nr;
}

struct frames frames__of(const struct model *model, const struct space *space, uint32_t index,
			 uint64_t time_ns)
{
	struct stack stack = stacks__get(model->stacks, index);
	struct frames result = { .cut = stack.cut };

	result.frames = xcalloc(frames__count(model, &stack), sizeof(*result.frames));
	result.nr = frames__fill(model, space, &stack, time_ns, result.frames);
	return result;
}

void frames__clear(struct frames *frames)
{
	free(frames->frames);
	*frames = (struct frames){ 0 };
}
