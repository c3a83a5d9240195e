// SPDX-License-Identifier: BSD-2-Clause
#include "unwind_memo.h"

#include <stddef.h>
#include <string.h>

#include "unwind_stack.h"

#define NR_MEMOS_BITS 4

static struct unwind_memo memos[1 << NR_MEMOS_BITS];

/*
 * One walker at a time. The same thread again is either a signal handler, which interrupted a walk
 * further up the stack and goes without; or the walk is over, because such a handler jumped out.
 */
static bool lock(struct unwind_memo *memo, uintptr_t thread, uintptr_t sp)
{
	uintptr_t user = 0;

	if (!__atomic_compare_exchange_n(&memo->user, &user, thread, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED)) {
		if (user != thread || sp <= memo->user_sp)
			return false;
		unwind_memo__forget(memo);
	}
	memo->user_sp = sp;
	/* A handler must not find the thread inside, but not where. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return true;
}

struct unwind_memo *unwind_memo__open(uintptr_t sp, uint64_t salt, unsigned max)
{
	uintptr_t thread = unwind_stack__thread();
	struct unwind_memo *memo = &memos[thread * 0x9e3779b97f4a7c15ull >> (64 - NR_MEMOS_BITS)];

	if (!lock(memo, thread, sp))
		return NULL;
	if (memo->thread != thread || memo->salt != salt || memo->max != max) {
		unwind_memo__forget(memo);
		memo->thread = thread;
		memo->salt = salt;
		memo->max = max;
	}
	memo->next = memo->first;
	memo->nr_new_words = 0;
	return memo;
}

void unwind_memo__close(struct unwind_memo *memo)
{
	__atomic_store_n(&memo->user, 0, __ATOMIC_RELEASE);
}

void unwind_memo__keep(struct unwind_memo *memo, unsigned joined, const uintptr_t *pcs,
		       unsigned nr_new, uint32_t flags, uint32_t serial)
{
	uint32_t word = joined < UNWIND_MEMO_FRAMES ? memo->frames[joined].word : UNWIND_MEMO_WORDS;

	if (nr_new > joined || memo->nr_new_words > word) {
		unwind_memo__forget(memo);
		return;
	}
	word -= memo->nr_new_words;
	memo->first = joined - nr_new;
	memcpy(memo->pcs + memo->first, pcs, nr_new * sizeof(*pcs));
	memcpy(memo->words + word, memo->new_words, memo->nr_new_words * sizeof(*memo->words));
	for (unsigned i = 0; i < nr_new; i++) {
		memo->frames[memo->first + i] = memo->new_frames[i];
		memo->frames[memo->first + i].word += word;
	}
	memo->flags = flags;
	do
		memo->serial++;
	while (!memo->serial || memo->serial == serial);
}
