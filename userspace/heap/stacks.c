// SPDX-License-Identifier: BSD-2-Clause
/* All frames stand in one array; a stack is a range of it. Both tables are hash maps, so that a
 * wild id costs no more memory than a good one. */
#include "heap/stacks.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/util.h"

struct entry {
	size_t first; /* index into frames */
	uint32_t nr_frames;
	bool cut;
};

struct stacks {
	uint32_t *frames;
	size_t nr_frames, frame_capacity;
	struct entry *entries; /* by index; [0] is the empty stack */
	size_t nr_entries, entry_capacity;
	struct hmap by_hash; /* hash of the content -> index */
	struct hmap by_id;   /* wire id -> index */
};

struct stacks *stacks__new(void)
{
	struct stacks *stacks = xcalloc(1, sizeof(*stacks));

	/* So that even the empty stack's frames are a real place. */
	stacks->frames = array__grow(NULL, 0, &stacks->frame_capacity, sizeof(*stacks->frames));
	stacks->entries = array__grow(NULL, 0, &stacks->entry_capacity, sizeof(*stacks->entries));
	stacks->entries[stacks->nr_entries++] = (struct entry){ 0 };
	return stacks;
}

void stacks__free(struct stacks *stacks)
{
	if (!stacks)
		return;
	free(stacks->frames);
	free(stacks->entries);
	hmap__clear(&stacks->by_hash);
	hmap__clear(&stacks->by_id);
	free(stacks);
}

static void append_frames(struct stacks *stacks, const uint32_t *frames, uint32_t nr_frames)
{
	size_t needed = stacks->nr_frames + nr_frames;

	if (needed > stacks->frame_capacity) {
		stacks->frame_capacity = max(needed, stacks->frame_capacity * 2);
		stacks->frames = xreallocarray(stacks->frames, stacks->frame_capacity,
					       sizeof(*stacks->frames));
	}
	memcpy(stacks->frames + stacks->nr_frames, frames, nr_frames * sizeof(*frames));
	stacks->nr_frames = needed;
}

/* The index of a stack that is not the empty one, added where new. */
static uint32_t intern(struct stacks *stacks, const uint32_t *frames, uint32_t nr_frames, bool cut)
{
	size_t size = nr_frames * sizeof(*frames);
	uint64_t hash = hash__bytes(frames, size) + cut;
	uint64_t *index;

	/* Two stacks of one 64-bit hash: the second takes the next free number. */
	for (; (index = hmap__find(&stacks->by_hash, hash)); hash++) {
		const struct entry *entry = &stacks->entries[*index];

		if (entry->nr_frames == nr_frames && entry->cut == cut &&
		    !memcmp(stacks->frames + entry->first, frames, size))
			return (uint32_t)*index;
	}
	stacks->entries = array__grow(stacks->entries, stacks->nr_entries, &stacks->entry_capacity,
				      sizeof(*stacks->entries));
	stacks->entries[stacks->nr_entries] =
		(struct entry){ .first = stacks->nr_frames, .nr_frames = nr_frames, .cut = cut };
	append_frames(stacks, frames, nr_frames);
	hmap__set(&stacks->by_hash, hash, stacks->nr_entries);
	return (uint32_t)stacks->nr_entries++;
}

void stacks__add(struct stacks *stacks, uint32_t id, const uint32_t *frames, uint32_t nr_frames,
		 bool cut)
{
	if (!id)
		return;
	hmap__set(&stacks->by_id, id,
		  nr_frames || cut
			  ? intern(stacks, nr_frames ? frames : stacks->frames, nr_frames, cut)
			  : 0);
}

uint32_t stacks__index(const struct stacks *stacks, uint32_t id)
{
	const uint64_t *index = hmap__find(&stacks->by_id, id);

	return index ? (uint32_t)*index : 0;
}

struct stack stacks__get(const struct stacks *stacks, uint32_t index)
{
	const struct entry *entry = &stacks->entries[index];

	return (struct stack){ .frames = stacks->frames + entry->first,
			       .nr_frames = entry->nr_frames,
			       .cut = entry->cut };
}

uint32_t stacks__count(const struct stacks *stacks)
{
	return (uint32_t)stacks->nr_entries;
}
