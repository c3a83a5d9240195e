// SPDX-License-Identifier: BSD-2-Clause
/*
 * By instructions (mips-unwind/): the only way on a MIPS, whose compilers give C no tables. What is
 * here is what that library asks for: which code is mapped, from the dynamic linker's list, and
 * what memory can be read, from the kernel. Neither is asked about a frame that was met before.
 */
#include <stddef.h>
#include <string.h>

#include "mips_unwind.h"
#include "unwind.h"
#include "unwind_module.h"
#include "unwind_stack.h"

/* Compiled for size: what is not done in a walk over frames that were met before. */
#define COLD __attribute__((noinline, cold))

/* Return addresses that are remembered: 8192, or 4096 where addresses have 64 bits. */
#define CACHE_BYTES (64u << 10)

static uint8_t cache_memory[CACHE_BYTES] __attribute__((aligned(16)));
static struct mips_cache cache;
/* All a walk needs where no memory but the stack is looked at. */
static struct mips_unwind known_code = { .cache = &cache };
static __thread struct mips_last last __attribute__((tls_model("initial-exec")));

/* What a walk has found of the memory that is not on the thread's own stack. */
struct view {
	struct unwind_window words;
	struct unwind_module module; /* of the last address that was looked up */
	bool is_unloaded;
};

/* Nothing is in an empty range. */
static bool holds(uintptr_t lo, uintptr_t hi, uintptr_t address, size_t nr_bytes)
{
	return address >= lo && address < hi && hi - address >= nr_bytes;
}

/* Of aligned words: they do not cross pages. */
static bool read_memory(void *env, mips_addr_t address, void *to, size_t nr_bytes)
{
	struct view *view = env;

	if (address % nr_bytes)
		return false;
	if (!holds(view->module.code, view->module.code_end, address, nr_bytes) &&
	    !holds(view->words.lo, view->words.hi, address, nr_bytes) &&
	    !unwind_stack__extend(&view->words, address & ~(uintptr_t)7))
		return false;
	memcpy(to, (const void *)address, nr_bytes);
	return true;
}

static bool find_code(void *env, mips_addr_t pc, struct mips_code *code)
{
	struct view *view = env;
	struct unwind_module *module = &view->module;

	if (!holds(module->code, module->code_end, pc, 4) &&
	    !unwind_module__find(pc, module, &view->is_unloaded))
		return false;
	code->lo = module->code;
	code->hi = module->code_end;
	code->bytes = (const void *)module->code;
	return holds(code->lo, code->hi, pc, 4);
}

void unwinder__forget(void)
{
	mips_cache__invalidate(&cache);
}

static bool mips__usable(void)
{
	if (!cache.entries)
		mips_cache__init(&cache, cache_memory, sizeof(cache_memory));
	known_code.entry = unwind_module__entry();
	return true;
}

/* Readers take every frame for a return address, and look in front of it. */
static void step_over_exact(uintptr_t *frames, const struct mips_trace *trace)
{
	for (unsigned i = 0; i < trace->nr_exact; i++)
		frames[trace->exact[i]] += 4;
}

/* False: it was found meanwhile that code has been unloaded. */
static bool walk_once(const struct unwind_from *from, const struct mips_window *stack,
			   uintptr_t *frames, unsigned max, struct mips_trace *trace)
{
	const struct mips_cursor cursor = { .pc = from->pc, .sp = from->sp, .fp = from->fp };
	struct view view = { .is_unloaded = false };
	struct mips_unwind unwind = known_code;

	unwind.memory = (struct mips_memory){ read_memory, find_code, &view };
	mips_unwind__walk(&unwind, &cursor, stack, frames, max, trace);
	return !view.is_unloaded;
}

/* What is not found whole by what is known, and a thread's first walk. */
static COLD unsigned walk(const struct unwind_from *from, uintptr_t *frames, unsigned max,
			  struct unwind_note *note)
{
	struct unwind_window window;
	struct mips_window stack;
	struct mips_trace trace;

	unwind_stack__open(&window, from->sp);
	stack = (struct mips_window){ (const void *)window.lo, window.lo, window.hi };
	if (note->alone && window.is_own) {
		last.unwind = &known_code;
		last.stack = stack;
	}
	if (!walk_once(from, &stack, frames, max, &trace)) {
		unwinder__forget();
		walk_once(from, &stack, frames, max, &trace);
	}
	step_over_exact(frames, &trace);
	note->serial = 0;
	note->flags = trace.end == MIPS_END_BOTTOM ? 0 : WIRE_STACK_CUT;
	if (trace.nr_frames)
		return trace.nr_frames;
	frames[0] = from->pc;
	return 1;
}

static unsigned mips__walk(const struct unwind_from *from, uintptr_t *frames, unsigned max,
			   struct unwind_note *note)
{
	struct mips_last *mine = &last;
	unsigned nr_frames;

	if (unwind_unlikely(from->sp - mine->stack.lo >= mine->stack.hi - mine->stack.lo ||
			    !note->alone))
		return walk(from, frames, max, note);
	mine->known = note->serial;
	nr_frames = mips_unwind__walk_warm(mine, from->pc, from->sp, from->fp, frames, max);
	if (unwind_unlikely(!nr_frames))
		return walk(from, frames, max, note);
	note->serial = mine->serial;
	note->flags = mine->is_cut ? WIRE_STACK_CUT : 0;
	return nr_frames;
}

const struct unwinder unwinder_mips = { "mips", mips__usable, mips__walk };
