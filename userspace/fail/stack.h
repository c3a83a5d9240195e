/* SPDX-License-Identifier: BSD-2-Clause */
/* Stacks as they are kept between runs: files and offsets, which mean the same in every run. */
#ifndef FAIL_STACK_H
#define FAIL_STACK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FAIL_MAX_FRAMES 256

struct json_doc;
struct json_value;

struct fail_frame {
	char *module;	 /* path; NULL: no file was mapped there */
	char *build_id;	 /* hexadecimal digits; NULL: none */
	uint64_t offset; /* link-time address of the return address in it */
};

struct fail_stack {
	struct fail_frame *frames; /* innermost first */
	size_t nr, capacity;
};

/* Adds a frame, outermost last; both texts are copied. What is beyond FAIL_MAX_FRAMES is left out.
 */
void fail_stack__add(struct fail_stack *stack, const char *module, const char *build_id,
		     uint64_t offset);
struct fail_stack fail_stack__copy(const struct fail_stack *stack);
void fail_stack__clear(struct fail_stack *stack);

/* [{"module", "build_id", "offset"}, ...] */
void fail_stack__write(const struct fail_stack *stack, FILE *out);
/* What is no frame there is passed over; array may be NULL. */
struct fail_stack fail_stack__read(const struct json_doc *doc, const struct json_value *array);

#endif /* FAIL_STACK_H */
