// SPDX-License-Identifier: BSD-2-Clause
#include "unwind_memo.h"

#include <stddef.h>
#include <string.h>

#include "unwind_stack.h"

#define NR_MEMOS_BITS 4

static struct unwind_memo memos[1 << NR_MEMOS_BITS];

/* What a token holds as long as its walk is alive. */
static uintptr_t living(uintptr_t at)
{
	return at ^ 0x9e3779b97f4a7c15ul;
}

/*
 * One walk at a time. The same thread again is either a signal handler, which interrupted a walk
 * further up the stack and goes without; or such a handler jumped out of the walk for good, and the
 * stack where it was has been left or written over.
 */
static bool lock(struct unwind_memo *memo, uintptr_t *token, const struct unwind_window *window)
{
	uintptr_t user = 0, at = (uintptr_t)token;

	__atomic_store_n(token, living(at), __ATOMIC_RELAXED);
	if (__atomic_compare_exchange_n(&memo->user, &user, at, false, __ATOMIC_ACQUIRE,
					__ATOMIC_RELAXED))
		return true;
	if (user - window->lo >= window->hi - window->lo)
		return false;
	if (at < user && unwind_stack__load(user) == living(user))
		return false;
	__atomic_store_n(&memo->user, at, __ATOMIC_RELAXED);
	unwind_memo__forget(memo);
	return true;
}

struct unwind_memo *unwind_memo__open(uintptr_t *token, const struct unwind_window *window,
				      uint64_t salt, unsigned max)
{
	uintptr_t thread = unwind_stack__thread();
	struct unwind_memo *memo = &memos[thread * 0x9e3779b97f4a7c15ull >> (64 - NR_MEMOS_BITS)];

	if (!lock(memo, token, window))
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

/* In this order: a handler in between must not find a walk that has the memo and is not alive. */
void unwind_memo__close(struct unwind_memo *memo, uintptr_t *token)
{
	__atomic_store_n(&memo->user, 0, __ATOMIC_RELEASE);
	__atomic_store_n(token, 0, __ATOMIC_RELAXED);
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
