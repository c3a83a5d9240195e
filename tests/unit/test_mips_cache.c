// SPDX-License-Identifier: BSD-2-Clause
/* mips-unwind's cache: what goes in comes out, halves do not; and walks by it alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "internal.h"
#include "mips_image.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static struct image image_memory;

static const struct mips_machine machines[] = {
	{ MIPS_O32, false, false }, { MIPS_O32, true, false },	{ MIPS_N32, false, false },
	{ MIPS_N32, true, false },  { MIPS_N64, false, false }, { MIPS_N64, true, false },
};

static void build_plain(struct image *image)
{
	image__begin(image, machines[0]);
	ADD(PROLOGUE(64));
	image__call(image);
	ADD(EPILOGUE(64));
}

/* Rules, in slots, and whether a word has room for them. */
static const struct {
	enum mips_rule_kind kind;
	uint32_t cfa, ra, fp;
	bool fits;
} rules_in_slots[] = {
	{ RULE_SP, 2, 1, 0, true },
	{ RULE_SP, 3, 1, 0, true },
	{ RULE_SP, (1 << 25) - 1, 1, 0, true },
	{ RULE_SP, 1 << 26, 1, 0, false },
	{ RULE_SP, 0xffff, 63, 0, true },
	{ RULE_SP, 0x10000, 2, 0, false },
	{ RULE_SP, 100, 64, 0, false },
	{ RULE_SP, 0, 1, 0, false },
	{ RULE_SP, 4, 0, 0, false },
	{ RULE_SP, 4, 5, 0, false },
	{ RULE_SP_FP, 2, 1, 2, true },
	{ RULE_SP_FP, 1 << 20, 1, 2, true },
	{ RULE_SP_FP, 1, 1, 2, false },
	{ RULE_SP_FP, 8, 1, 3, true },
	{ RULE_SP_FP, 0xffff, 63, 94, true },
	{ RULE_SP_FP, 100, 1, 33, false },
	{ RULE_SP_FP, 8, 2, 1, false },
	{ RULE_FP, 4, 1, 2, true },
	{ RULE_FP, 4, 1, 0, true },
	{ RULE_FP, 0xffff, 1, 2, true },
	{ RULE_FP, 0x10000, 1, 2, false },
	{ RULE_BOTTOM, 0, 0, 0, true },
	{ RULE_SIGNAL, 0, 0, 0, true },
	{ RULE_NONE, 0, 0, 0, true },
};

static void try_rule(unsigned i, struct mips_walk *walk)
{
	uint32_t slot_bytes = mips__slot_bytes(&walk->unwind->machine);
	struct mips_rule rule = { rules_in_slots[i].kind, rules_in_slots[i].cfa * slot_bytes,
				  rules_in_slots[i].ra * slot_bytes,
				  rules_in_slots[i].fp * slot_bytes };
	struct mips_rule got;

	mips_cache__init(walk->unwind->cache, walk->unwind->cache->entries, 1024);
	mips_cache__put(walk, &rule);
	assert_int_equal(mips_cache__get(walk, &got), rules_in_slots[i].fits);
	if (!rules_in_slots[i].fits)
		return;
	assert_int_equal(got.kind, rule.kind);
	assert_int_equal(got.cfa, rule.cfa);
	assert_int_equal(got.ra, rule.ra);
	assert_int_equal(got.fp, rule.fp);
}

/* Every rule comes back as it was, or not at all. */
static void rules_in_words(void **state)
{
	static uint64_t memory[128];
	struct image *image = &image_memory;
	struct mips_cache cache;
	struct mips_rule rule;

	for (unsigned i = 0; i < LENGTH(machines); i++) {
		struct mips_walk walk = { .unwind = &image->unwind, .at = { .pc = CODE } };

		image__begin(image, machines[i]);
		mips_cache__init(&cache, memory, sizeof(memory));
		image->unwind.cache = &cache;
		walk.key = mips_cache__key(&cache);
		for (unsigned j = 0; j < LENGTH(rules_in_slots); j++)
			try_rule(j, &walk);
		/* A frame that is no number of slots; and no empty entry is one of 0. */
		mips_cache__init(&cache, memory, sizeof(memory));
		mips_cache__put(&walk, &(struct mips_rule){ RULE_SP, 66, 8, 0 });
		assert_false(mips_cache__get(&walk, &rule));
		walk.at.pc = 0;
		assert_false(mips_cache__get(&walk, &rule));
	}
}

/* A function, and its frame: bytes, where ra and fp are saved (0: not), bytes of alloca. */
struct function {
	uint32_t size, ra, fp, alloca_bytes;
};

/*
 * Innermost first. fp is used as a base behind functions that save it beside ra, apart from it, or
 * not at all; and ra is not always in the last slot.
 */
static const struct function functions[] = {
	{ 64, 8, 0, 0 },   { 48, 8, 16, 0 },   { 32, 8, 0, 0 },	   { 96, 8, 16, 160 },
	{ 80, 8, 16, 48 }, { 128, 8, 40, 0 },  { 160, 40, 0, 0 },  { 64, 8, 16, 32 },
	{ 96, 24, 32, 0 }, { 96, 24, 56, 16 }, { 1024, 8, 16, 0 }, { 32, 8, 0, 0 },
};

#define NR_FUNCTIONS LENGTH(functions)

static void build_function(struct image *image, const struct function *f)
{
	ADD(ADDIU(SP, SP, -(int)f->size), SAVE(RA, SP, f->size - f->ra));
	if (f->fp)
		ADD(SAVE(FP, SP, f->size - f->fp));
	if (f->alloca_bytes)
		ADD(MOVE(FP, SP), image__subu(image, SP, SP, V0));
	ADD(JALR(T9), NOP);
}

static void end_function(struct image *image, const struct function *f)
{
	if (f->alloca_bytes)
		ADD(MOVE(SP, FP));
	ADD(LOAD(RA, SP, f->size - f->ra));
	if (f->fp)
		ADD(LOAD(FP, SP, f->size - f->fp));
	ADD(JR(RA), ADDIU(SP, SP, (int)f->size));
}

/* A program of these functions, each called by the next, and its stack. */
static void build_functions(struct image *image, mips_addr_t *pcs)
{
	uint64_t base = image->cursor.sp, fp = OLD_FP, end;

	for (unsigned i = 0; i < NR_FUNCTIONS; i++) {
		build_function(image, &functions[i]);
		pcs[i] = image__here(image);
		end_function(image, &functions[i]);
	}
	pcs[NR_FUNCTIONS] = CALLER;
	for (unsigned i = 0; i < NR_FUNCTIONS; i++)
		base += functions[i].size + functions[i].alloca_bytes;
	/* From the outermost: what fp is where a function is called, that one saves. */
	for (unsigned i = NR_FUNCTIONS; i-- > 0;) {
		end = base;
		base -= functions[i].size;
		image__put_slot(image, end - functions[i].ra, pcs[i + 1]);
		if (functions[i].fp)
			image__put_slot(image, end - functions[i].fp, fp);
		if (functions[i].alloca_bytes)
			fp = base;
		base -= functions[i].alloca_bytes;
	}
	image->cursor.pc = pcs[0];
	image->cursor.fp = fp;
}

static void expect_frames(struct image *image, const mips_addr_t *pcs, unsigned max)
{
	mips_addr_t frames[NR_FUNCTIONS + 2];
	struct mips_trace trace;

	mips_unwind__walk(&image->unwind, &image->cursor, &image->window, frames, max, &trace);
	assert_int_equal(trace.nr_frames, max < NR_FUNCTIONS + 1 ? max : NR_FUNCTIONS + 1);
	assert_int_equal(trace.end, max < NR_FUNCTIONS + 1 ? MIPS_END_FULL : MIPS_END_BOTTOM);
	for (unsigned i = 0; i < trace.nr_frames; i++)
		assert_true(frames[i] == pcs[i]);
}

/* The same stack, frame by frame, without a cache, into one, and by it without the code. */
static void warm_walks(void **state)
{
	static uint64_t memory[1024];
	struct image *image = &image_memory;
	struct mips_cache cache;
	mips_addr_t pcs[NR_FUNCTIONS + 1];

	for (unsigned i = 0; i < LENGTH(machines); i++) {
		image__begin(image, machines[i]);
		build_functions(image, pcs);
		expect_frames(image, pcs, NR_FUNCTIONS + 2);
		mips_cache__init(&cache, memory, sizeof(memory));
		image->unwind.cache = &cache;
		expect_frames(image, pcs, NR_FUNCTIONS + 2);
		for (unsigned max = 0; max <= NR_FUNCTIONS + 2; max++)
			expect_frames(image, pcs, max);
		memset(image->code, 0, sizeof(image->code));
		expect_frames(image, pcs, NR_FUNCTIONS + 1);
		expect_frames(image, pcs, NR_FUNCTIONS + 2);
	}
}

/* Wherever the window ends, a walk by the cache ends as one without. */
static void windows(void **state)
{
	static uint64_t memory[1024];
	struct image *image = &image_memory;
	struct mips_cache cache;
	mips_addr_t pcs[NR_FUNCTIONS + 1], frames[2][NR_FUNCTIONS + 1];
	struct mips_trace traces[2];

	image__begin(image, machines[4]);
	build_functions(image, pcs);
	mips_cache__init(&cache, memory, sizeof(memory));
	for (uint64_t hi = image->cursor.sp - 16; hi < image->cursor.sp + 2500; hi += 8) {
		image->window.hi = hi;
		for (unsigned i = 0; i < 2; i++) {
			image->unwind.cache = i ? &cache : NULL;
			mips_unwind__walk(&image->unwind, &image->cursor, &image->window, frames[i],
					  NR_FUNCTIONS + 1, &traces[i]);
		}
		assert_int_equal(traces[0].end, traces[1].end);
		assert_int_equal(traces[0].nr_frames, traces[1].nr_frames);
		assert_memory_equal(frames[0], frames[1],
				    traces[0].nr_frames * sizeof(frames[0][0]));
	}
	assert_int_equal(traces[1].end, MIPS_END_BOTTOM);
	/* fp outside the stack is no base. */
	image->unwind.cache = &cache;
	image->window.hi = STACK + STACK_SIZE;
	image__put_slot(image, image->cursor.sp + 64 + 48 - 16, STACK + STACK_SIZE + 64);
	mips_unwind__walk(&image->unwind, &image->cursor, &image->window, frames[0],
			  NR_FUNCTIONS + 1, &traces[0]);
	assert_int_equal(traces[0].end, MIPS_END_STACK);
	assert_int_equal(traces[0].nr_frames, 4);
}

/* Every mixture of the words of two entries is the one, the other, or none. */
static void torn_entries(void **state)
{
	static uint64_t memory[2][128];
	struct image *image = &image_memory;
	struct mips_cache caches[2];
	struct mips_walk at[2];
	struct mips_rule rules[2] = { { RULE_SP, 64, 4, 0 }, { RULE_SP_FP, 4096, 8, 12 } }, rule;

	build_plain(image);
	for (unsigned i = 0; i < 2; i++) {
		struct mips_cache_entry *from, *to;

		mips_cache__init(&caches[i], memory[i], sizeof(memory[i]));
		at[i] = (struct mips_walk){ .unwind = &image->unwind,
					    .at = { .pc = CODE + i * 0x10000 },
					    .key = mips_cache__key(&caches[i]) };
		image->unwind.cache = &caches[i];
		mips_cache__put(&at[i], &rules[i]);
		assert_true(mips_cache__get(&at[i], &rule));
		assert_int_equal(rule.cfa, rules[i].cfa);
		assert_int_equal(rule.fp, rules[i].fp);
		if (!i)
			continue;
		from = mips_cache__entry((char *)caches[0].entries, caches[0].mask, CODE);
		to = mips_cache__entry((char *)caches[1].entries, caches[1].mask, CODE);
		to->rule = from->rule;
		assert_false(mips_cache__get(&at[0], &rule));
		assert_false(mips_cache__get(&at[1], &rule));
		to->check = from->check;
		assert_true(mips_cache__get(&at[0], &rule));
	}
}

/* Two return addresses of one place are both known; what is free is used before anything moves. */
static void two_places(void **state)
{
	static uint64_t memory[128];
	struct image *image = &image_memory;
	struct mips_cache cache;
	struct mips_walk walks[3];
	struct mips_rule rules[3] = { { RULE_SP, 64, 4, 0 },
				      { RULE_SP, 128, 4, 0 },
				      { RULE_SP, 192, 4, 0 } };
	struct mips_rule rule;
	/* The last belongs where the others may be moved to. */
	const mips_addr_t places[3] = { CODE, CODE + 0x10000, CODE + 512 };

	build_plain(image);
	mips_cache__init(&cache, memory, sizeof(memory));
	image->unwind.cache = &cache;
	for (unsigned i = 0; i < 3; i++)
		walks[i] = (struct mips_walk){ .unwind = &image->unwind,
					       .at = { .pc = places[i] },
					       .key = mips_cache__key(&cache) };
	assert_true(mips_cache__other((char *)cache.entries, cache.mask, places[2]) ==
		    mips_cache__entry((char *)cache.entries, cache.mask, places[0]));
	mips_cache__put(&walks[2], &rules[2]);
	mips_cache__put(&walks[0], &rules[0]);
	assert_true(mips_cache__get(&walks[2], &rule) && rule.cfa == 192);
	assert_true(mips_cache__get(&walks[0], &rule) && rule.cfa == 64);
	mips_cache__put(&walks[1], &rules[1]);
	assert_true(mips_cache__get(&walks[0], &rule) && rule.cfa == 64);
	assert_true(mips_cache__get(&walks[1], &rule) && rule.cfa == 128);
	assert_false(mips_cache__get(&walks[2], &rule));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_in_words), cmocka_unit_test(warm_walks),
		cmocka_unit_test(windows),	  cmocka_unit_test(torn_entries),
		cmocka_unit_test(two_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
