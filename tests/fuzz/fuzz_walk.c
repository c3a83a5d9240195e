// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer: the walker, compiled natively, on tables, registers and memory that are all a
 * stranger's. It must end, within the frames there is room for, whatever they say.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "unwind_abi.h"

#define CODE		0x400000ull
#define STACK		0x7ff000000000ull
#define NR_BLOCKS	8
#define NR_MODULES	2
#define NR_RULES	64
#define MAX_MAPPING	16
#define NR_RANGE_BLOCKS 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct unwind_view view;
	struct unwind_range_block ranges[NR_RANGE_BLOCKS];
	struct unwind_module modules[NR_MODULES];
	struct unwind_rule rules[NR_RULES];
	struct unwind_block blocks[NR_BLOCKS];
	uint64_t trampoline_slot, original_return;
	uint8_t *stack; /* on the heap: a sanitizer sees its end */
	size_t stack_len;
} process;

static uint32_t unwind__generation(void *env)
{
	return 1;
}

static const struct unwind_view *unwind__view(void *env)
{
	return &process.view;
}

static const struct unwind_range_block *unwind__range_block(void *env, uint32_t number)
{
	return number < NR_RANGE_BLOCKS ? &process.ranges[number] : NULL;
}

static const struct unwind_module *unwind__module(void *env, uint32_t number)
{
	return number < NR_MODULES ? &process.modules[number] : NULL;
}

static const struct unwind_block *unwind__block(void *env, uint32_t number)
{
	return number < NR_BLOCKS ? &process.blocks[number] : NULL;
}

static const struct unwind_rule *unwind__rule(void *env, uint32_t number)
{
	return number < NR_RULES ? &process.rules[number] : NULL;
}

static int unwind__read(void *env, void *to, uint32_t bytes, uint64_t address)
{
	uint64_t offset = address - STACK;

	if (offset >= process.stack_len || bytes > process.stack_len - offset)
		return -1;
	memcpy(to, process.stack + offset, bytes);
	return 0;
}

static uint64_t unwind__original_return(void *env, uint64_t slot)
{
	return slot == process.trampoline_slot ? process.original_return : 0;
}

#include "unwind.h"

/* ---- an input's bytes, read as what leads somewhere more often than random numbers would
 * --------- */

struct input {
	const uint8_t *data;
	size_t size;
};

static uint8_t byte(struct input *input)
{
	return input->size ? input->size--, *input->data++ : 0;
}

/* A number of any size. */
static uint64_t any(struct input *input)
{
	uint64_t number = 0;

	for (int i = 0; i < 8; i++)
		number = number << 8 | byte(input);
	return number;
}

/* An address in the code or on the stack, or a number of any size. */
static uint64_t word(struct input *input)
{
	uint8_t kind = byte(input);

	if (kind < 100)
		return STACK + 8 * byte(input) + (kind == 99);
	if (kind < 200)
		return CODE + 16 * byte(input) + kind % 16;
	return kind < 240 ? any(input) : kind - 240;
}

static void read_ranges(struct input *input)
{
	static const uint32_t modules[] = {
		0, 1, NR_MODULES, UNWIND_MODULE_JIT, UNWIND_MODULE_UNKNOWN, 0
	};
	size_t nr = 1 + byte(input) % MAX_MAPPING;
	uint8_t split = byte(input);

	for (size_t i = 0; i < UNWIND_MAX_RANGE_BLOCKS; i++)
		process.view.start[i] = INT64_MAX;
	process.view.first_block = split == 255 ? (uint32_t)any(input) : 0;
	for (size_t i = 0; i < NR_RANGE_BLOCKS * UNWIND_BLOCK_RANGES; i++)
		process.ranges[i / UNWIND_BLOCK_RANGES].start[i % UNWIND_BLOCK_RANGES] = INT64_MAX;
	for (size_t i = 0; i < nr; i++) {
		/* Some in the first block, the rest in the second. */
		size_t first = split % (MAX_MAPPING + 1), block = i >= first;
		size_t at = block ? i - first : i;
		uint8_t kind = byte(input);
		bool regular = kind < 200;

		process.ranges[block].start[at] = regular ? CODE + 0x400 * i : word(input);
		if (!at)
			process.view.start[block] = process.ranges[block].start[at];
		process.ranges[block].range[at] = (struct unwind_range){
			.end = regular ? CODE + 0x400 * (i + 1) : word(input),
			.bias = regular ? CODE : word(input),
			.module = modules[kind % ARRAY_SIZE(modules)],
		};
	}
}

static void read_modules(struct input *input)
{
	for (size_t i = 0; i < NR_MODULES; i++) {
		struct unwind_module *module = &process.modules[i];
		uint8_t kind = byte(input);

		module->base = kind < 200 ? 0 : word(input);
		module->nr_levels = kind < 200 ? kind % 4 : (uint32_t)any(input);
		for (int level = 0; level < UNWIND_MAX_LEVELS; level++)
			module->level[level] =
				kind < 240 ? byte(input) % (NR_BLOCKS + 1) : (uint32_t)any(input);
	}
}

static void read_rules(struct input *input)
{
	size_t nr = byte(input) % NR_RULES;

	memset(process.rules, 0, sizeof(process.rules));
	for (size_t i = 0; i < nr; i++) {
		uint8_t kind = byte(input);

		process.rules[i] = (struct unwind_rule){
			.cfa = kind % 9,
			.rbp = kind / 9 % 5,
			.rbp_offset = (int16_t)(kind < 200 ? (int8_t)byte(input) * 8 : any(input)),
			.cfa_offset = (int32_t)(kind < 200 ? (int8_t)byte(input) * 8 : any(input)),
			.cfa_extra = (int32_t)(kind < 200 ? kind % 3 * 8 : any(input)),
		};
	}
}

/* Blocks in order of addresses, or not. */
static void read_blocks(struct input *input)
{
	size_t nr = byte(input) % (NR_BLOCKS + 1);
	uint32_t pc = 0;

	memset(process.blocks, 0xff, sizeof(process.blocks));
	for (size_t i = 0; i < nr; i++) {
		size_t nr_rows = byte(input) % (UNWIND_BLOCK_ROWS + 1);

		for (size_t row = 0; row < nr_rows; row++) {
			uint8_t kind = byte(input);

			pc = kind == 255 ? (uint32_t)any(input) : pc + kind;
			process.blocks[i].pc[row] = pc;
			process.blocks[i].rule[row] = byte(input) % (NR_RULES + 1);
		}
	}
}

static void read_stack(struct input *input)
{
	size_t room = input->size / 2 * 8;

	process.stack = xmalloc(room + 8);
	process.stack_len = 0;
	while (input->size && process.stack_len < room) {
		uint64_t value = word(input);

		memcpy(process.stack + process.stack_len, &value, sizeof(value));
		process.stack_len += sizeof(value);
	}
}

/* A frame found by a rule lies above the one before. */
static void walk_all(struct unwind *walk)
{
	for (int steps = 0; walk->status == UNWIND_GOING; steps++) {
		uint64_t sp = walk->sp;

		walk->status = unwind__step(walk, NULL);
		if (steps > WIRE_MAX_FRAMES || walk->nr_frames > WIRE_MAX_FRAMES ||
		    walk->status > UNWIND_LOST)
			abort();
		if (walk->status == UNWIND_GOING && walk->is_return && walk->sp <= sp)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unwind *walk = xcalloc(1, sizeof(*walk));
	struct input input = { data, size };
	uint64_t pc = word(&input), sp = word(&input), bp = word(&input);

	unwind__begin(walk, NULL, pc, sp, bp, byte(&input) & 1);
	process.trampoline_slot = word(&input);
	process.original_return = word(&input);
	read_ranges(&input);
	read_modules(&input);
	read_rules(&input);
	read_blocks(&input);
	read_stack(&input);
	walk_all(walk);
	free(process.stack);
	free(walk);
	return 0;
}
