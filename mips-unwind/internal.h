/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the unwinder share: walk.c and known.h (frames whose rules are known, one after
 * the other), slow.c (the rest of a walk), step.c (any other frame), cache.c (rules of return
 * addresses), forward.c with track.c, and backward.c (where rules come from), signal.c (frames the
 * kernel pushes), code.c (reads memory, and says what a caller is), decode.c (one instruction).
 */
#ifndef MIPS_INTERNAL_H
#define MIPS_INTERNAL_H

#include <string.h>

#include "decode.h"

#define MIPS_INLINE static inline __attribute__((always_inline))

#define MIPS_FORWARD_BUDGET  30000 /* instructions; generated functions are longer than 8192 */
#define MIPS_BACKWARD_BUDGET 65536

enum mips_rule_kind {
	RULE_NEVER = 0,	 /* in the cache: no entry */
	RULE_SP = 1,	 /* the frame ends at sp + cfa, fp stays */
	RULE_SP_FP = 2,	 /* ... fp is saved in the frame */
	RULE_FP = 3,	 /* the frame ends at fp + cfa, and fp is saved in it */
	RULE_BOTTOM = 4, /* there is no caller */
	RULE_SIGNAL = 5, /* the kernel's trampoline */
	RULE_NONE = 6,	 /* scanned, and none was found */
};

/*
 * How to get from a function to its caller. cfa, the caller's sp, is base + cfa; what is saved is
 * so many bytes below it, within the frame.
 */
struct mips_rule {
	enum mips_rule_kind kind;
	uint32_t cfa;
	uint32_t ra; /* 0: still in its register */
	uint32_t fp; /* 0: not saved */
};

/* Code as a scan reads it. */
struct mips_scan {
	const struct mips_unwind *unwind;
	struct mips_code code;
};

/* A walk under way. */
struct mips_walk {
	const struct mips_unwind *unwind;
	struct mips_window stack;
	struct mips_cursor at;
	mips_addr_t key; /* of the cache's generation, before anything was scanned */
	mips_addr_t *frames;
	const mips_addr_t *end; /* of the room for them */
	struct mips_trace *trace;
};

/* Finds the code at pc, unless it is in the range at hand. False: there is none. */
bool mips_code__enter(struct mips_scan *scan, mips_addr_t pc);
/* The instruction at pc, in the range at hand. False: outside, or not readable. */
bool mips_code__word(struct mips_scan *scan, mips_addr_t pc, uint32_t *word);
/* As above, decoded. */
bool mips_code__insn(struct mips_scan *scan, mips_addr_t pc, struct mips_insn *insn);

/*
 * Whether pc can be of a frame: of an instruction if exact, else a return address or the
 * trampoline. MIPS_END_BOTTOM: yes; else why not.
 */
enum mips_end mips_code__check(const struct mips_unwind *unwind, mips_addr_t pc, bool exact);
/* Whether the function that returns to pc has no caller: it hangs there, or ends the thread. */
bool mips_code__is_bottom(const struct mips_unwind *unwind, mips_addr_t pc);
/* Whether a system call of that number ends the thread. */
bool mips_code__is_exit(const struct mips_machine *machine, int32_t number);

static inline bool mips_window__holds(const struct mips_window *stack, mips_addr_t address,
				      unsigned nr_bytes)
{
	return address >= stack->lo && address <= stack->hi && stack->hi - address >= nr_bytes;
}

static inline const void *mips_window__at(const struct mips_window *stack, mips_addr_t address)
{
#ifdef MIPS_UNWIND_SELF
	(void)stack;
	return (const void *)address;
#else
	return (const char *)stack->bytes + (address - stack->lo);
#endif
}

/* A saved register that is in the window. */
MIPS_INLINE mips_addr_t mips_window__slot(const struct mips_unwind *unwind,
					  const struct mips_window *stack, mips_addr_t address)
{
	const void *at = mips_window__at(stack, address);
#ifdef MIPS_UNWIND_SELF
	typedef mips_addr_t __attribute__((may_alias)) slot_t;

	(void)unwind;
	/* A slot of n32 is wider than an address. */
	return ((const slot_t *)at)[MIPS_SELF_N32 && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__];
#else
	const struct mips_machine *machine = &unwind->machine;
	uint64_t wide;
	uint32_t narrow;

	if (mips__slot_bytes(machine) == 4) {
		memcpy(&narrow, at, sizeof(narrow));
		return mips__swapped(machine) ? __builtin_bswap32(narrow) : narrow;
	}
	memcpy(&wide, at, sizeof(wide));
	return mips__address(machine, mips__swapped(machine) ? __builtin_bswap64(wide) : wide);
#endif
}

/* Does one frame. False: the walk is over, for trace->end. */
bool mips_walk__step(struct mips_walk *walk);

/* Rules by instructions from pc on. False: no epilogue was reached. */
bool mips_forward__scan(const struct mips_unwind *unwind, mips_addr_t pc, bool exact,
			struct mips_rule *rule);
/*
 * Rules by instructions before pc: one, or two of which the first is likelier. Their number.
 */
unsigned mips_backward__scan(const struct mips_unwind *unwind, mips_addr_t pc,
			     struct mips_rule rules[2]);

/* Whether the instructions at pc are the trampoline's. */
bool mips_signal__is_trampoline(const struct mips_unwind *unwind, mips_addr_t pc);
/* Sets the walk, which stands at a trampoline, to what was interrupted. */
enum mips_end mips_signal__restore(struct mips_walk *walk);

/* An entry. The check makes it whole: rule * key + pc. */
struct mips_cache_entry {
	mips_addr_t rule;
	mips_addr_t check;
};

/*
 * A rule in a word, which is odd. The usual frame, with ra in its last slot and fp, if saved, in
 * the one before: bit 1 fp is saved, from 3 on the frame's bytes. All others are told by the
 * highest bit, by which they look larger than any window:
 *
 *	bits 1-3    the kind
 *	     4-9    slots from the frame's end to where ra is
 *	     10-14  slots from ra to where fp is; 0: not saved
 *	     15-30  the frame in slots
 */
#define RULE_ODD     ((mips_addr_t)1)
#define RULE_SPECIAL ((mips_addr_t)1 << (sizeof(mips_addr_t) * 8 - 1))

#define RULE_PLAIN_FP		  2
#define RULE_PLAIN_CFA(packed)	  ((packed) >> 3)
#define RULE_PLAIN_MAX_CFA	  ((mips_addr_t)1 << 28)
#define RULE_SPECIAL_KIND(packed) ((unsigned)(packed) >> 1 & 7)
#define RULE_SPECIAL_RA(packed)	  ((mips_addr_t)((packed) >> 4 & 63))
#define RULE_SPECIAL_FP(packed)	  ((mips_addr_t)((packed) >> 10 & 31))
#define RULE_SPECIAL_CFA(packed)  ((mips_addr_t)((packed) >> 15 & 0xffff))

#define RULE_PACKED_BOTTOM (RULE_SPECIAL | RULE_BOTTOM << 1 | RULE_ODD)

/* No frame of a special rule is in a window, from sp on, that is smaller. */
#define MIPS_CACHE_MAX_WINDOW (RULE_SPECIAL >> 3)

/* The place of a return address; calls are seldom so close that two have the same. */
MIPS_INLINE struct mips_cache_entry *mips_cache__entry(char *entries, mips_addr_t mask,
						       mips_addr_t pc)
{
	return (struct mips_cache_entry *)(void *)(entries + (pc & mask));
}

/* The other place it may be in: half of the table away. */
MIPS_INLINE struct mips_cache_entry *mips_cache__other(char *entries, mips_addr_t mask,
						       mips_addr_t pc)
{
	return mips_cache__entry(entries, mask, pc ^ (mask + sizeof(struct mips_cache_entry)) / 2);
}

/* The rule in an entry, if it is of pc. */
MIPS_INLINE bool mips_cache__read(const struct mips_cache_entry *entry, mips_addr_t key,
				  mips_addr_t pc, mips_addr_t *packed)
{
	*packed = __atomic_load_n(&entry->rule, __ATOMIC_RELAXED);
	return *packed * key + pc == __atomic_load_n(&entry->check, __ATOMIC_RELAXED);
}

/* Odd, and another for every generation. */
MIPS_INLINE mips_addr_t mips_cache__key(const struct mips_cache *cache)
{
	return __atomic_load_n(&cache->key, __ATOMIC_RELAXED);
}

/* Under the key the walk began with. False: not there. */
bool mips_cache__get(const struct mips_walk *walk, struct mips_rule *rule);
/* Keeps the rule of the walk's pc, if it can be written in a word. */
void mips_cache__put(const struct mips_walk *walk, const struct mips_rule *rule);

#endif /* MIPS_INTERNAL_H */
