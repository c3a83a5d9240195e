/* SPDX-License-Identifier: BSD-2-Clause */
/* Stacks as people read them: locations with their names, inlined functions as frames of their own.
 */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "report/model.h"

struct frame {
	const char *function;	     /* NULL: unknown */
	const char *file;	     /* NULL: unknown; a whole path */
	uint32_t line;		     /* of the call; 0: unknown */
	const struct module *module; /* NULL: no file was mapped there */
	uint64_t offset;	     /* of the return address: link-time address in the module */
	uint64_t address;	     /* of the return address in the process */
	bool inlined;		     /* into the frame that follows */
};

/* The frames of one stack of a process, innermost first, owned. */
struct frames {
	struct frame *frames;
	uint32_t nr;
	bool cut; /* the outer end is missing */
};

/* Of a stack of the model's by its index, as it was in space at time_ns (NULL: addresses are not
 * wanted). Names must have been resolved. */
struct frames frames__of(const struct model *model, const struct space *space, uint32_t stack,
			 uint64_t time_ns);
void frames__clear(struct frames *frames);

/* The same, into an array of the caller's. */
uint32_t frames__count(const struct model *model, const struct stack *stack);
/* Returns how many they are: frames__count. */
uint32_t frames__fill(const struct model *model, const struct space *space,
		      const struct stack *stack, uint64_t time_ns, struct frame *out);

#endif /* FRAMES_H */
