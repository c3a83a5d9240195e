/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stacks met so far, each under an id, in bounded memory and without a lock: open addressing,
 * frames compared one by one, nothing is ever moved or removed. May be called in any thread and in
 * signal handlers.
 *
 * A program's stacks differ in a few inner frames. So an entry has only those of its own, and the
 * outer ones are those of another entry.
 *
 * An entry knows the generation of the stream it was sent in; where that is not the present one,
 * who names the stack sends it first. Two may find out at once: one claims it, the other sends the
 * same frames under an id of their own. So what is said once is certainly said before it is named.
 */
#ifndef PRELOAD_STACKS_H
#define PRELOAD_STACKS_H

#include <stdbool.h>
#include <stdint.h>

struct stacks {
	uint32_t *slots; /* which entry, and a few bits of its hash; 0: empty */
	uint32_t nr_slots;
	uint8_t *arena;
	uint32_t arena_size, arena_used;
	uint32_t nr, last_id;
	uint32_t nr_unkept; /* ids given to what did not fit */
};

struct stack_entry {
	uint32_t hash;
	uint32_t id;
	uint32_t sent;	   /* generation * 2; + 1: being sent */
	uint32_t outer;	   /* offset of the entry that has the frames outside of its own */
	uint8_t nr_frames; /* in all */
	uint8_t nr_own;	   /* at least 1 */
	uint16_t flags;
	uint32_t dead; /* code its frames stand for is unloaded: these are other frames now */
	uintptr_t own[];
};

/* Divides `bytes` bytes of zeroed memory, aligned to 8. */
void stacks__init(struct stacks *stacks, void *memory, uint32_t bytes);

/*
 * The entry of these frames, 1..WIRE_MAX_FRAMES, made where there is none; NULL: there is no room.
 * near: what an earlier call with this table left there, 0 at first; best of the same thread, whose
 * stacks have most in common. is_new: it was made now.
 */
struct stack_entry *stacks__intern(struct stacks *stacks, const uintptr_t *frames,
				   unsigned nr_frames, uint16_t flags, uint32_t *near,
				   bool *is_new);

/* An id that nobody else gets. */
uint32_t stacks__fresh_id(struct stacks *stacks);

/* Has it been sent in this generation (not 0)? */
bool stack_entry__is_sent(const struct stack_entry *entry, uint32_t generation);
/* True: it is this caller's to send; stack_entry__settle must follow. */
bool stack_entry__claim(struct stack_entry *entry, uint32_t generation);
/* It was reserved in the stream, or was not. */
void stack_entry__settle(struct stack_entry *entry, uint32_t generation, bool sent);

/* That of a slot, 0..nr_slots-1; NULL: it is empty. */
const struct stack_entry *stacks__in_slot(const struct stacks *stacks, uint32_t slot);
/* All its frames, as nr_frames words of the wire. */
void stack_entry__frames(const struct stack_entry *entry, const struct stacks *stacks,
			 uint64_t *frames);

/* Code from start to end is gone. */
void stacks__unload(struct stacks *stacks, uintptr_t start, uintptr_t end);

#endif /* PRELOAD_STACKS_H */
