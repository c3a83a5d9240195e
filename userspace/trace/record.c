// SPDX-License-Identifier: BSD-2-Clause
#include "trace/record.h"

#include <stdint.h>

#include "base/util.h"
#include "wire.h"

#define MAX_BUILD_ID	  64
#define MAX_SYMBOL_FRAMES 64

static bool stack_fits(const struct wire_head *head)
{
	const struct wire_stack *stack = (const void *)head;

	return stack->nr_frames <= WIRE_MAX_FRAMES &&
	       sizeof(*stack) + stack->nr_frames * sizeof(stack->frames[0]) <= head->size;
}

static bool target_fits(const struct wire_head *head)
{
	const struct wire_target *target = (const void *)head;

	return target->exe_len <= WIRE_MAX_STRING && target->cmdline_len <= WIRE_MAX_STRING &&
	       sizeof(*target) + target->exe_len + target->cmdline_len <= head->size;
}

static bool module_fits(const struct wire_head *head)
{
	const struct wire_module *module = (const void *)head;

	return module->build_id_len <= MAX_BUILD_ID && module->path_len <= WIRE_MAX_STRING &&
	       sizeof(*module) + module->build_id_len + module->path_len <= head->size;
}

static bool string_fits(const struct wire_head *head)
{
	const struct wire_string *string = (const void *)head;

	return string->len <= WIRE_MAX_STRING && sizeof(*string) + string->len <= head->size;
}

static bool symbol_fits(const struct wire_head *head)
{
	const struct wire_symbol *symbol = (const void *)head;

	return symbol->nr_frames <= MAX_SYMBOL_FRAMES &&
	       sizeof(*symbol) + symbol->nr_frames * sizeof(symbol->frames[0]) <= head->size;
}

static bool function_fits(const struct wire_head *head)
{
	const struct wire_function *function = (const void *)head;

	return sizeof(*function) + function->family_len + function->symbol_len <= head->size;
}

/* A known type, its fixed part and, where it has one, the check of its variable part. */
static const struct {
	size_t fixed_size;
	bool (*fits)(const struct wire_head *head);
} types[] = {
	[WIRE_ALLOC] = { sizeof(struct wire_alloc), NULL },
	[WIRE_FREE] = { sizeof(struct wire_free), NULL },
	[WIRE_STACK] = { sizeof(struct wire_stack), stack_fits },
	[WIRE_TARGET] = { sizeof(struct wire_target), target_fits },
	[WIRE_MODULE] = { sizeof(struct wire_module), module_fits },
	[WIRE_MAPPING] = { sizeof(struct wire_mapping), NULL },
	[WIRE_LOST] = { sizeof(struct wire_lost), NULL },
	[WIRE_EXEC] = { sizeof(struct wire_exec), NULL },
	[WIRE_SYMBOL] = { sizeof(struct wire_symbol), symbol_fits },
	[WIRE_STRING] = { sizeof(struct wire_string), string_fits },
	[WIRE_END] = { sizeof(struct wire_end), NULL },
	[WIRE_FORK] = { sizeof(struct wire_fork), NULL },
	[WIRE_FUNCTION] = { sizeof(struct wire_function), function_fits },
	[WIRE_MEMORY] = { sizeof(struct wire_memory), NULL },
	[WIRE_INDEX] = { sizeof(struct wire_index), NULL },
	[WIRE_FOOTER] = { sizeof(struct wire_footer), NULL },
};

bool record__valid(const struct wire_head *head, size_t available)
{
	if (head->size < sizeof(*head) || head->size % 8 || head->size > available)
		return false;
	if (head->type >= ARRAY_SIZE(types))
		return true;
	return head->size >= types[head->type].fixed_size &&
	       (!types[head->type].fits || types[head->type].fits(head));
}
