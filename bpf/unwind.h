/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The walker: from registers and unwind tables to return addresses. Pure but for what includes it
 * defines first, so that it also compiles natively and is tested on captured memory:
 *
 *   uint32_t unwind__generation(void *env);
 *       another number whenever an address may have got another rule; never 0
 *   const struct unwind_view *unwind__view(void *env);
 *   const struct unwind_range_block *unwind__range_block(void *env, uint32_t number);
 *   const struct unwind_module *unwind__module(void *env, uint32_t number);
 *   const struct unwind_block *unwind__block(void *env, uint32_t number);
 *   const struct unwind_rule *unwind__rule(void *env, uint32_t number);
 *       NULL: not there
 *   int unwind__read(void *env, void *to, uint32_t bytes, uint64_t address);
 *       memory of the process; 0: all of it was read
 *   uint64_t unwind__original_return(void *env, uint64_t slot);
 *       the return address that a probe's trampoline stands for at stack address slot; 0: none
 *
 * Searches are arithmetic, not branches: the verifier then has one path through them, not thousands.
 */
#ifndef UNWIND_H
#define UNWIND_H

#include "unwind_abi.h"
#include "wire.h"

/* Stack memory is read in pieces of so many bytes: a read costs about the same whatever its size. */
#define UNWIND_PIECE 1024

/* Programs return to few places: with the rules found last at hand, most frames need no search. */
#define UNWIND_CACHE_BITS 7
struct unwind_cached {
	uint64_t address;
	struct unwind_rule rule;
	uint32_t generation; /* in which the rule was found */
};

struct unwind {
	uint64_t pc, sp, bp;
	uint32_t nr_frames;
	uint32_t status;	/* enum unwind_status */
	uint32_t is_return;	/* pc is a return address: its call is in front of it */
	uint32_t bp_lost;	/* bp is not known */
	uint64_t bp_at;		/* where this frame's bp was read; 0: it was carried over */
	uint32_t generation;	/* of the tables at the beginning */
	uint32_t irregular;	/* a step was not by return address and saved rbp alone */
	/* The mapping of the frame before: the next is often in it, too. */
	uint64_t start, end, bias;
	uint32_t module;
	uint32_t piece_bytes;	/* good ones */
	uint64_t piece_at;	/* address of piece[0] */
	uint8_t piece[UNWIND_PIECE];
	/* The result, built in place as it goes over the wire; one frame is room for the verifier. */
	struct wire_stack record;
	uint64_t frames[WIRE_MAX_FRAMES + 1];
	/* Stays from walk to walk; zeroed before the first. */
	struct unwind_cached cache[1 << UNWIND_CACHE_BITS];
};

_Static_assert((WIRE_MAX_FRAMES & (WIRE_MAX_FRAMES + 1)) == 0, "used as a mask");

/* 1 when a <= b, without a branch (both below 2^63): hidden from the compiler, or it makes one. */
static __always_inline uint64_t unwind__not_above(uint64_t a, uint64_t b)
{
	uint64_t above = b - a;

	__asm__ volatile("" : "+r"(above));
	above >>= 63;
	__asm__ volatile("" : "+r"(above));
	return 1 - above;
}

/* Moves the walk's current mapping to the one that holds address. 0 when there is none. */
static __always_inline int unwind__find_range(struct unwind *walk, void *env, uint64_t address)
{
	const struct unwind_range_block *ranges;
	const struct unwind_range *range;
	const struct unwind_view *view;
	uint32_t block = 0, at = 0;

	if (address - walk->start < walk->end - walk->start)
		return 1;
	view = unwind__view(env);
	if (!view || address >> 63)
		return 0;
	for (uint32_t step = UNWIND_MAX_RANGE_BLOCKS / 2; step; step /= 2) {
		uint64_t start = view->start[(block + step) & (UNWIND_MAX_RANGE_BLOCKS - 1)];

		block += step * (uint32_t)unwind__not_above(start, address);
	}
	ranges = unwind__range_block(env, view->first_block + block);
	if (!ranges)
		return 0;
	for (uint32_t step = UNWIND_BLOCK_RANGES / 2; step; step /= 2) {
		uint64_t start = ranges->start[(at + step) & (UNWIND_BLOCK_RANGES - 1)];

		at += step * (uint32_t)unwind__not_above(start, address);
	}
	at &= UNWIND_BLOCK_RANGES - 1;
	range = &ranges->range[at];
	if (address < ranges->start[at] || address >= range->end)
		return 0;
	walk->start = ranges->start[at];
	walk->end = range->end;
	walk->bias = range->bias;
	walk->module = range->module;
	return 1;
}

/* The place in a block of the last address not above pc; 0 also when there is none. */
static __always_inline uint32_t unwind__search(const struct unwind_block *block, uint32_t pc)
{
	uint32_t at = 0;

	for (uint32_t step = UNWIND_BLOCK_ROWS / 2; step; step /= 2) {
		uint64_t row = block->pc[(at + step) & (UNWIND_BLOCK_ROWS - 1)];

		at += step * (uint32_t)unwind__not_above(row, pc);
	}
	return at & (UNWIND_BLOCK_ROWS - 1);
}

/* The rule at an address of the current mapping; NULL: there is none. */
static __always_inline const struct unwind_rule *unwind__find_rule(struct unwind *walk, void *env,
								   uint64_t address)
{
	const struct unwind_module *module = unwind__module(env, walk->module);
	const struct unwind_block *block;
	uint32_t index = 0, nr_levels;
	uint64_t pc;

	if (!module)
		return 0;
	pc = address - walk->bias - module->base;
	nr_levels = module->nr_levels;
	if (!nr_levels || pc >= 0xffffffffu)
		return 0;
#ifdef __clang__
#pragma unroll
#endif
	for (int level = UNWIND_MAX_LEVELS - 1; level >= 0; level--) {
		if ((uint32_t)level >= nr_levels)
			continue;
		block = unwind__block(env, module->level[level] + index);
		if (!block)
			return 0;
		index = index * UNWIND_BLOCK_ROWS + unwind__search(block, (uint32_t)pc);
	}
	index &= UNWIND_BLOCK_ROWS - 1;
	if (block->pc[index] > (uint32_t)pc) /* below the first row */
		return 0;
	return unwind__rule(env, block->rule[index]);
}

/* A word of the stack, from the piece or after reading another one. 0 when it cannot be had. */
static __always_inline int unwind__word(struct unwind *walk, void *env, uint64_t address,
					uint64_t *word)
{
	uint64_t offset = address - walk->piece_at;

	if (offset + sizeof(*word) > walk->piece_bytes || offset >= UNWIND_PIECE) {
		walk->piece_bytes = 0;
		walk->piece_at = address;
		/* Near the end of the stack's mapping a whole piece cannot be read. */
		if (!unwind__read(env, walk->piece, UNWIND_PIECE, address))
			walk->piece_bytes = UNWIND_PIECE;
		else if (!unwind__read(env, walk->piece, 64, address))
			walk->piece_bytes = 64;
		else if (!unwind__read(env, walk->piece, sizeof(*word), address))
			walk->piece_bytes = sizeof(*word);
		else
			return 0;
		offset = 0;
	}
	if (offset > UNWIND_PIECE - sizeof(*word)) /* never; the verifier wants to see it */
		return 0;
	__builtin_memcpy(word, walk->piece + offset, sizeof(*word));
	return 1;
}

/* The caller's registers, from the frame the kernel put on the stack for a signal handler. */
static __always_inline uint32_t unwind__step_signal(struct unwind *walk, void *env)
{
	uint64_t frame = walk->sp, bp, sp, pc;

	if (!unwind__word(walk, env, frame + UNWIND_SIGNAL_RBP, &bp) ||
	    !unwind__word(walk, env, frame + UNWIND_SIGNAL_RSP, &sp) ||
	    !unwind__word(walk, env, frame + UNWIND_SIGNAL_RIP, &pc))
		return UNWIND_LOST;
	walk->irregular = 1;
	walk->bp = bp;
	walk->bp_lost = 0;
	walk->sp = sp;
	walk->pc = pc;
	walk->is_return = 0;
	return UNWIND_GOING;
}

/* Code of a JIT compiler: by its frame pointer. */
static __always_inline uint32_t unwind__step_frame_pointer(struct unwind *walk, void *env)
{
	uint64_t bp = walk->bp, next, pc;

	if (walk->bp_lost || bp < walk->sp || bp & 7)
		return UNWIND_LOST;
	if (!unwind__word(walk, env, bp, &next) || !unwind__word(walk, env, bp + 8, &pc))
		return UNWIND_LOST;
	walk->irregular = 1;
	walk->bp = next;
	walk->sp = bp + 16;
	walk->pc = pc;
	walk->is_return = 1;
	return UNWIND_GOING;
}

/* The canonical frame address by a rule; 0: it cannot be had. */
static __always_inline uint64_t unwind__cfa(struct unwind *walk, void *env,
					    const struct unwind_rule *rule)
{
	uint64_t offset = (uint64_t)(int64_t)rule->cfa_offset, word;
	uint32_t kind = rule->cfa;

	if (kind == UNWIND_CFA_RSP)
		return walk->sp + offset;
	if (kind == UNWIND_CFA_PLT)
		return walk->sp + 8 + ((walk->pc & 15) >= 11 ? 8 : 0);
	walk->irregular |= kind != UNWIND_CFA_RBP;
	if (kind == UNWIND_CFA_RSP_DEREF)
		offset += walk->sp;
	else if (walk->bp_lost)
		return 0;
	else if (kind == UNWIND_CFA_RBP)
		return walk->bp + offset;
	else
		offset += walk->bp;
	if (!unwind__word(walk, env, offset, &word))
		return 0;
	return word + (uint64_t)(int64_t)rule->cfa_extra;
}

static __always_inline uint32_t unwind__step_rule(struct unwind *walk, void *env,
						  const struct unwind_rule *rule)
{
	uint64_t cfa = unwind__cfa(walk, env, rule), bp = walk->bp, pc, saved_at = 0;

	/* The stack grows down: a caller's frame lies higher. */
	if (cfa <= walk->sp || cfa & 7)
		return UNWIND_LOST;
	if (rule->rbp == UNWIND_RBP_AT_RBP && walk->bp_lost)
		return UNWIND_LOST;
	if (rule->rbp == UNWIND_RBP_SAVED || rule->rbp == UNWIND_RBP_AT_RBP) {
		saved_at = (rule->rbp == UNWIND_RBP_SAVED ? cfa : bp) +
			   (uint64_t)(int64_t)rule->rbp_offset;
		if (!unwind__word(walk, env, saved_at, &bp))
			return UNWIND_LOST;
		walk->bp_lost = 0;
	} else if (rule->rbp == UNWIND_RBP_LOST) {
		walk->bp_lost = 1;
		walk->irregular = 1;
	}
	if (!unwind__word(walk, env, cfa - 8, &pc))
		return UNWIND_LOST;
	walk->bp = bp;
	walk->bp_at = saved_at;
	walk->sp = cfa;
	walk->pc = pc;
	walk->is_return = 1;
	return UNWIND_GOING;
}

/* The pc is in no known mapping: a probe's trampoline stands in for the return address there. */
static __always_inline int unwind__leave_trampoline(struct unwind *walk, void *env)
{
	uint64_t original = walk->is_return ? unwind__original_return(env, walk->sp - 8) : 0;

	if (!original)
		return 0;
	walk->pc = original;
	walk->irregular = 1;
	return unwind__find_range(walk, env, original - 1);
}

static __always_inline struct unwind_cached *unwind__cached(struct unwind *walk, uint64_t address)
{
	return &walk->cache[address * 0x9e3779b97f4a7c15ull >> (64 - UNWIND_CACHE_BITS)];
}

static __always_inline void unwind__append(struct unwind *walk)
{
	walk->frames[walk->nr_frames & WIRE_MAX_FRAMES] = walk->pc + 1 - walk->is_return;
	walk->nr_frames++;
}

/* Puts the rule of the frame's pc into the cache; anything but UNWIND_GOING: there is none. */
static __always_inline uint32_t unwind__fetch_rule(struct unwind *walk, void *env)
{
	uint64_t lookup = walk->pc - walk->is_return;
	const struct unwind_rule *rule;
	struct unwind_cached *cached;

	if (!unwind__find_range(walk, env, lookup)) {
		if (!unwind__leave_trampoline(walk, env))
			return UNWIND_UNKNOWN;
		lookup = walk->pc - walk->is_return;
	}
	cached = unwind__cached(walk, lookup);
	if (walk->module == UNWIND_MODULE_JIT) {
		cached->rule = (struct unwind_rule){ .cfa = UNWIND_CFA_JIT };
	} else {
		rule = unwind__find_rule(walk, env, lookup);
		if (!rule) {
			unwind__append(walk);
			return walk->module == UNWIND_MODULE_UNKNOWN ? UNWIND_UNKNOWN : UNWIND_GAP;
		}
		cached->rule = *rule;
	}
	cached->address = lookup;
	cached->generation = walk->generation;
	return UNWIND_GOING;
}

/*
 * From one frame to its caller: appends the pc, then moves to the caller's registers. Returns the
 * status; anything but UNWIND_GOING ends the walk.
 */
static __always_inline uint32_t unwind__step(struct unwind *walk, void *env)
{
	uint64_t lookup = walk->pc - walk->is_return;
	struct unwind_cached *cached = unwind__cached(walk, lookup);
	const struct unwind_rule *rule;
	uint32_t status;

	if (!walk->pc) {
		walk->irregular = 1;
		return UNWIND_COMPLETE;
	}
	if (walk->nr_frames >= WIRE_MAX_FRAMES)
		return UNWIND_CUT;
	if (cached->address != lookup || cached->generation != walk->generation) {
		status = unwind__fetch_rule(walk, env);
		if (status != UNWIND_GOING)
			return status;
		/* A trampoline's pc has been replaced. */
		cached = unwind__cached(walk, walk->pc - walk->is_return);
	}
	rule = &cached->rule;
	unwind__append(walk);
	if (rule->cfa == UNWIND_CFA_END)
		return UNWIND_COMPLETE;
	if (rule->cfa == UNWIND_CFA_SIGNAL)
		return unwind__step_signal(walk, env);
	if (rule->cfa == UNWIND_CFA_JIT)
		return unwind__step_frame_pointer(walk, env);
	if (rule->cfa == UNWIND_CFA_NONE)
		return rule->rbp == UNWIND_RBP_LOST ? UNWIND_UNKNOWN : UNWIND_GAP;
	return unwind__step_rule(walk, env, rule);
}

static __always_inline void unwind__begin(struct unwind *walk, void *env, uint64_t pc, uint64_t sp,
					  uint64_t bp, uint32_t is_return)
{
	walk->generation = unwind__generation(env);
	walk->pc = pc;
	walk->sp = sp;
	walk->bp = bp;
	walk->is_return = is_return;
	walk->bp_lost = 0;
	walk->bp_at = 0;
	walk->irregular = 0;
	walk->nr_frames = 0;
	walk->status = UNWIND_GOING;
	walk->start = walk->end = 0;
	walk->piece_bytes = 0;
}

#endif /* UNWIND_H */
