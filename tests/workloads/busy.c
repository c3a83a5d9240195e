/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocates, fills, checks and gives back blocks as fast as it can until stdin ends; then prints
 * how often, a sum of everything it read back, and what that sum must be, computed without the
 * heap. Its first line says that it has begun.
 */
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>

#include "tally.h"

#define SLOTS 64

struct slot {
	unsigned char *block;
	uint32_t bytes;
	unsigned char tag;
};

static struct slot slots[SLOTS];

static uint32_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

static uint64_t mix(uint64_t sum, uint32_t bytes, unsigned char tag)
{
	return sum * 31 + (uint64_t)bytes * tag;
}

/* One step: what the slot holds is read back and replaced. touch: with the heap, or without. */
static uint64_t step(uint64_t *seed, uint64_t sum, int touch)
{
	uint32_t chance = next(seed);
	struct slot *slot = &slots[chance % SLOTS];
	uint64_t read_back = 0;
	uint32_t i;

	if (touch && slot->block) {
		for (i = 0; i < slot->bytes; i++)
			read_back += slot->block[i];
		MUST(read_back == (uint64_t)slot->bytes * slot->tag);
		sum = sum * 31 + read_back;
		free(slot->block);
	} else if (slot->bytes) {
		sum = mix(sum, slot->bytes, slot->tag);
	}
	slot->bytes = 1 + (chance >> 8) % 500;
	slot->tag = (unsigned char)(chance >> 20);
	if (touch) {
		slot->block = chance & 64 ? malloc(slot->bytes) : realloc(NULL, slot->bytes);
		MUST(slot->block);
		memset(slot->block, slot->tag, slot->bytes);
	}
	return sum;
}

static int told_to_end(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	char byte;

	return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) == 0;
}

int main(void)
{
	uint64_t seed = 1, sum = 0, expected = 0, steps = 0, i;
	char line[128];
	int length;

	MUST(write(STDOUT_FILENO, "on\n", 3) == 3);
	do {
		for (i = 0; i < 100; i++, steps++)
			sum = step(&seed, sum, 1);
	} while (!told_to_end());
	memset(slots, 0, sizeof(slots));
	seed = 1;
	for (i = 0; i < steps; i++)
		expected = step(&seed, expected, 0);
	length = snprintf(line, sizeof(line), "%llu %llx %llx\n", (unsigned long long)steps,
			  (unsigned long long)sum, (unsigned long long)expected);
	MUST(write(STDOUT_FILENO, line, length) == length);
	return 0;
}
