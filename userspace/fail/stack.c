// SPDX-License-Identifier: BSD-2-Clause
#include "fail/stack.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/json_read.h"
#include "base/util.h"

void fail_stack__add(struct fail_stack *stack, const char *module, const char *build_id,
		     uint64_t offset)
{
	if (stack->nr == FAIL_MAX_FRAMES)
		return;
	stack->frames =
		array__grow(stack->frames, stack->nr, &stack->capacity, sizeof(*stack->frames));
	stack->frames[stack->nr++] =
		(struct fail_frame){ .module = module ? xstrdup(module) : NULL,
				     .build_id = build_id ? xstrdup(build_id) : NULL,
				     .offset = offset };
}

struct fail_stack fail_stack__copy(const struct fail_stack *stack)
{
	struct fail_stack copy = { 0 };

	for (size_t i = 0; i < stack->nr; i++)
		fail_stack__add(&copy, stack->frames[i].module, stack->frames[i].build_id,
				stack->frames[i].offset);
	return copy;
}

void fail_stack__clear(struct fail_stack *stack)
{
	for (size_t i = 0; i < stack->nr; i++) {
		free(stack->frames[i].module);
		free(stack->frames[i].build_id);
	}
	free(stack->frames);
	*stack = (struct fail_stack){ 0 };
}

static void write_text(const char *text, FILE *out)
{
	if (text)
		json__write_text(out, text);
	else
		fputs("null", out);
}

void fail_stack__write(const struct fail_stack *stack, FILE *out)
{
	fputc('[', out);
	for (size_t i = 0; i < stack->nr; i++) {
		fputs(i ? ",{\"module\":" : "{\"module\":", out);
		write_text(stack->frames[i].module, out);
		fputs(",\"build_id\":", out);
		write_text(stack->frames[i].build_id, out);
		fprintf(out, ",\"offset\":%" PRIu64 "}", stack->frames[i].offset);
	}
	fputc(']', out);
}

struct fail_stack fail_stack__read(const struct json_doc *doc, const struct json_value *array)
{
	struct fail_stack stack = { 0 };
	const struct json_value *frame;

	if (!array || array->type != JSON_ARRAY)
		return stack;
	for (frame = json_read__first(doc, array); frame; frame = json_read__next(doc, frame))
		if (json_read__member(doc, frame, "offset"))
			fail_stack__add(&stack, json_read__text(doc, frame, "module"),
					json_read__text(doc, frame, "build_id"),
					json_read__u64(doc, frame, "offset", 0));
	return stack;
}
