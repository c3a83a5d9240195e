// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer: the scanning MIPS unwinder on code and a stack that are a stranger's. Every frame must
 * be aligned, executable, and exact or behind a call; a second walk, by the cache, must find the
 * same frames, and nothing may be read out of bounds.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mips_unwind.h"

#define CODE	   0x400000ull
#define STACK	   0x7ff00000ull
#define MAX_FRAMES 64
#define MAX_READS  (200000 * MAX_FRAMES)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first bytes of the input. */
struct head {
	uint8_t abi, flags, code_share, exact;
	uint32_t pc, sp, fp, ra, window;
};

static struct {
	const uint8_t *code, *stack; /* on the heap: a sanitizer sees their ends */
	size_t code_size, stack_size;
	bool by_bytes;
	unsigned long nr_reads;
} image;

static bool read_image(void *env, mips_addr_t address, void *to, size_t nr_bytes)
{
	if (++image.nr_reads > MAX_READS)
		abort();
	if (address >= CODE && address - CODE < image.code_size &&
	    image.code_size - (address - CODE) >= nr_bytes)
		memcpy(to, image.code + (address - CODE), nr_bytes);
	else if (address >= STACK && address - STACK < image.stack_size &&
		 image.stack_size - (address - STACK) >= nr_bytes)
		memcpy(to, image.stack + (address - STACK), nr_bytes);
	else
		return false;
	return true;
}

static bool find_code(void *env, mips_addr_t pc, struct mips_code *code)
{
	if (pc < CODE || pc - CODE >= image.code_size)
		return false;
	*code = (struct mips_code){ CODE, CODE + image.code_size,
				    image.by_bytes ? image.code : NULL };
	return true;
}

static uint32_t word_at(const struct mips_machine *machine, mips_addr_t pc)
{
	uint32_t word = 0;

	if (pc >= CODE && pc - CODE + 4 <= image.code_size)
		memcpy(&word, image.code + (pc - CODE), 4);
	return machine->big_endian ? __builtin_bswap32(word) : word;
}

/* jal, jalx, jalr, bal and its like; in release 6 also balc, jialc and their like. */
static bool is_behind_call(const struct mips_machine *machine, mips_addr_t pc)
{
	uint32_t slow = word_at(machine, pc - 8), fast = word_at(machine, pc - 4), op = fast >> 26;

	if (slow >> 26 == 3 || (slow >> 26 == 0x1d && !machine->r6))
		return true;
	if (slow >> 26 == 0 && (slow & 63) == 9 && (slow >> 11 & 31) == 31)
		return true;
	if (slow >> 26 == 1 && (slow >> 16 & 31) >= 0x10 && (slow >> 16 & 31) <= 0x13)
		return true;
	return machine->r6 &&
	       (op == 0x3a || op == 0x3e || op == 6 || op == 7 || op == 8 || op == 0x18);
}

static void check(const struct mips_machine *machine, const mips_addr_t *frames,
		  const struct mips_trace *trace)
{
	unsigned i, exact = 0;

	if (trace->nr_frames > MAX_FRAMES || trace->nr_exact > MIPS_MAX_EXACT)
		abort();
	for (i = 0; i < trace->nr_frames; i++) {
		if (frames[i] % 4 || frames[i] < CODE || frames[i] >= CODE + image.code_size)
			abort();
		if (exact < trace->nr_exact && trace->exact[exact] == i)
			exact++;
		else if (!is_behind_call(machine, frames[i]))
			abort();
	}
	if (exact != trace->nr_exact)
		abort();
}

/* A thread that walks again and again, its stack changed in between, by what is in the cache: what
 * it finds is what a walk that remembers nothing finds. */
static void walk_warm(const struct mips_unwind *unwind, const struct mips_cursor *cursor,
		      const struct mips_window *window, uint8_t *stack)
{
	static struct mips_last last;
	mips_addr_t warm[MAX_FRAMES], frames[MAX_FRAMES];
	struct mips_trace trace;

	last = (struct mips_last){ .unwind = unwind, .stack = *window };
	for (unsigned i = 0; i < 12; i++) {
		unsigned nr = mips_unwind__walk_warm(&last, cursor->pc, cursor->sp, cursor->fp,
						     warm, MAX_FRAMES);

		if (nr) {
			mips_unwind__walk(unwind, cursor, window, frames, MAX_FRAMES, &trace);
			if (trace.nr_frames != nr ||
			    (trace.end != MIPS_END_BOTTOM && !last.is_cut) ||
			    memcmp(warm, frames, nr * sizeof(*frames)) != 0)
				abort();
		}
		if (i % 4 == 3 && image.stack_size >= 16)
			memmove(stack + (i & 8), stack + 8 - (i & 8), image.stack_size - 8);
	}
}

static void walk_twice(const struct head *head, uint8_t *stack)
{
	static uint64_t memory[512];
	struct mips_cache cache;
	struct mips_unwind unwind = {
		.machine = { head->abi % 3, head->flags & 1, head->flags & 2 },
		.memory = { read_image, find_code, NULL },
		.cache = head->flags & 4 ? &cache : NULL,
	};
	uint64_t lo = head->window % (image.stack_size + 1);
	const struct mips_window window = { image.stack + lo, STACK + lo,
					    STACK + image.stack_size };
	const struct mips_cursor cursor = { CODE + head->pc % (image.code_size + 8),
					    STACK + head->sp % (image.stack_size + 8),
					    CODE + head->ra % (image.code_size + 8),
					    STACK + head->fp % (image.stack_size + 8),
					    head->exact & 1 };
	mips_addr_t first[MAX_FRAMES], second[MAX_FRAMES];
	struct mips_trace traces[2];

	mips_cache__init(&cache, memory, sizeof(memory));
	mips_unwind__walk(&unwind, &cursor, &window, first, MAX_FRAMES, &traces[0]);
	check(&unwind.machine, first, &traces[0]);
	mips_unwind__walk(&unwind, &cursor, &window, second, MAX_FRAMES, &traces[1]);
	check(&unwind.machine, second, &traces[1]);
	/* Recursion may find a later frame's rule in the cache for an earlier one. */
	if (traces[0].nr_frames && second[0] != first[0])
		abort();
	if (unwind.cache && !cursor.exact && cursor.sp % 8 == 0 && lo % 8 == 0 &&
	    cursor.sp >= window.lo && cursor.sp < window.hi)
		walk_warm(&unwind, &cursor, &window, stack);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct head head;
	uint8_t *code, *stack;

	if (size < sizeof(head) + 64)
		return 0;
	memcpy(&head, data, sizeof(head));
	data += sizeof(head);
	size -= sizeof(head);
	image.code_size = (size * (head.code_share + 1u) / 257) & ~(size_t)3;
	image.stack_size = (size - image.code_size) & ~(size_t)7;
	code = malloc(image.code_size + 1);
	stack = malloc(image.stack_size + 1);
	memcpy(code, data, image.code_size);
	memcpy(stack, data + image.code_size, image.stack_size);
	image.code = code;
	image.stack = stack;
	image.by_bytes = head.flags & 8;
	image.nr_reads = 0;
	walk_twice(&head, stack);
	free(code);
	free(stack);
	return 0;
}
