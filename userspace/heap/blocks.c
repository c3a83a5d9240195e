// SPDX-License-Identifier: BSD-2-Clause
/*
 * 256 open-addressed tables ("segments"), chosen by the hash's top bits. One that grows is 1/256 of
 * the whole, so an old and a new table side by side never count for much. Each has a byte a slot
 * ("tag"), and a search looks at the tags of a group of 8 slots at once: the wide slots are touched
 * only to take or leave a block there.
 */
#include "heap/blocks.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/util.h"

#define NR_SEGMENTS 256
#define GROUP	    8
/* From here on a table is mapped on its own, so that its memory goes back when it is left. */
#define MAP_BYTES (16u << 10)

/* Tags: TAG_LIVE with 7 bits of the hash, or one of the other two. */
#define TAG_FREE 0x00
#define TAG_GONE 0x01 /* a block was here, and a search that came by must still go on */
#define TAG_LIVE 0x80

#define EVERY_TAG(tag) (0x0101010101010101ull * (tag))

_Static_assert(sizeof(struct heap_block) == 32, "the memory bound counts on 32-byte slots");

struct segment {
	struct heap_block *slots;
	uint8_t *tags;	   /* behind the slots */
	uint32_t capacity; /* whole groups, no power of two */
	uint32_t nr;	   /* live */
	uint32_t nr_used;  /* live or gone */
};

struct blocks {
	size_t nr;
	size_t slot_bytes;
	struct segment segments[NR_SEGMENTS];
};

static size_t table_bytes(uint32_t capacity)
{
	return (sizeof(struct heap_block) + 1) * (size_t)capacity;
}

static void alloc_table(struct segment *segment, uint32_t capacity)
{
	size_t bytes = table_bytes(capacity);
	void *memory;

	if (bytes < MAP_BYTES) {
		memory = xmalloc(bytes);
	} else {
		memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			      0);
		if (memory == MAP_FAILED) {
			log_err("out of memory: %zu more bytes could not be had.", bytes);
			exit(1);
		}
	}
	*segment = (struct segment){ .slots = memory, .capacity = capacity };
	segment->tags = (uint8_t *)(segment->slots + capacity);
	memset(segment->tags, TAG_FREE, capacity);
}

static void free_table(struct segment *segment)
{
	size_t bytes = table_bytes(segment->capacity);

	if (bytes < MAP_BYTES)
		free(segment->slots);
	else
		munmap(segment->slots, bytes);
}

struct blocks *blocks__new(void)
{
	return xcalloc(1, sizeof(struct blocks));
}

void blocks__free(struct blocks *blocks)
{
	if (!blocks)
		return;
	for (size_t i = 0; i < NR_SEGMENTS; i++)
		free_table(&blocks->segments[i]);
	free(blocks);
}

struct blocks *blocks__copy(const struct blocks *blocks)
{
	struct blocks *copy = xcalloc(1, sizeof(*copy));

	*copy = *blocks;
	for (size_t i = 0; i < NR_SEGMENTS; i++) {
		const struct segment *from = &blocks->segments[i];
		struct segment *to = &copy->segments[i];

		if (!from->capacity)
			continue;
		alloc_table(to, from->capacity);
		memcpy(to->slots, from->slots, table_bytes(from->capacity));
		to->nr = from->nr;
		to->nr_used = from->nr_used;
	}
	return copy;
}

/* Bits 56-63 of the hash choose the segment, 49-55 make the tag, 0-31 the place in the segment. */
static struct segment *segment_of(struct blocks *blocks, uint64_t hash)
{
	return &blocks->segments[hash >> 56];
}

static uint8_t tag_of(uint64_t hash)
{
	return TAG_LIVE | (uint8_t)(hash >> 49);
}

/* The number of the group where the search for a block begins. */
static uint32_t home(const struct segment *segment, uint64_t hash)
{
	return (uint32_t)(((hash & UINT32_MAX) * (segment->capacity / GROUP)) >> 32);
}

/* The tags of a group, the first in the lowest byte. */
static uint64_t load_tags(const struct segment *segment, uint32_t group)
{
	uint64_t tags;

	memcpy(&tags, segment->tags + (size_t)group * GROUP, sizeof(tags));
	return le64toh(tags);
}

/* The top bit of every byte that equals tag, and rarely of one above it that does not. */
static uint64_t match(uint64_t tags, uint8_t tag)
{
	uint64_t difference = tags ^ EVERY_TAG(tag);

	return (difference - EVERY_TAG(1)) & ~difference & EVERY_TAG(0x80);
}

static uint32_t first_of(uint32_t group, uint64_t matches)
{
	return group * GROUP + (uint32_t)__builtin_ctzll(matches) / 8;
}

/*
 * The slot that holds addr, or the first one where it may go. The search ends at the first group
 * with a free slot; there always is one.
 */
static uint32_t probe(const struct segment *segment, uint64_t hash, uint64_t addr)
{
	uint32_t group = home(segment, hash), place = UINT32_MAX;
	uint8_t tag = tag_of(hash);

	for (;;) {
		uint64_t tags = load_tags(segment, group);
		uint64_t vacant = ~tags & EVERY_TAG(TAG_LIVE);

		for (uint64_t found = match(tags, tag); found; found &= found - 1) {
			uint32_t i = first_of(group, found);

			if (segment->slots[i].addr == addr && segment->tags[i] & TAG_LIVE)
				return i;
		}
		if (vacant && place == UINT32_MAX)
			place = first_of(group, vacant);
		if (match(tags, TAG_FREE))
			return place;
		group = (group + 1) * GROUP == segment->capacity ? 0 : group + 1;
	}
}

static void put(struct segment *segment, uint32_t i, uint64_t hash, const struct heap_block *block)
{
	segment->nr_used += segment->tags[i] == TAG_FREE;
	segment->nr++;
	segment->tags[i] = tag_of(hash);
	segment->slots[i] = *block;
}

static uint64_t whole_groups(uint64_t slots)
{
	return (slots + GROUP - 1) / GROUP * GROUP;
}

/* Moves everything to a table of another capacity, or of the same, to be rid of TAG_GONE. */
static void rebuild(struct blocks *blocks, struct segment *segment, uint64_t capacity)
{
	struct segment old = *segment;

	alloc_table(segment, (uint32_t)capacity);
	for (uint32_t i = 0; i < old.capacity; i++) {
		uint64_t hash;

		if (!(old.tags[i] & TAG_LIVE))
			continue;
		hash = hash__u64(old.slots[i].addr);
		put(segment, probe(segment, hash, old.slots[i].addr), hash, &old.slots[i]);
	}
	blocks->slot_bytes += table_bytes(segment->capacity) - table_bytes(old.capacity);
	free_table(&old);
}

/*
 * A table of which 4/5 are used gets the size at which 5/8 are live: 53 bytes a block. One with
 * less than 11/20 live (60 bytes a block) shrinks to 7/10, some way from growing again.
 */
static void make_room(struct blocks *blocks, struct segment *segment)
{
	if ((segment->nr_used + 1) * 5ull > segment->capacity * 4ull)
		rebuild(blocks, segment, whole_groups((segment->nr + 1) * 8ull / 5));
}

static void give_room_back(struct blocks *blocks, struct segment *segment)
{
	uint64_t smaller;

	if (segment->nr * 20ull >= segment->capacity * 11ull)
		return;
	smaller = whole_groups((segment->nr + 1) * 10ull / 7);
	if (smaller < segment->capacity)
		rebuild(blocks, segment, smaller);
}

bool blocks__add(struct blocks *blocks, const struct heap_block *block, struct heap_block *replaced)
{
	uint64_t hash = hash__u64(block->addr);
	struct segment *segment = segment_of(blocks, hash);
	uint32_t i;

	make_room(blocks, segment);
	i = probe(segment, hash, block->addr);
	if (segment->tags[i] & TAG_LIVE) {
		*replaced = segment->slots[i];
		segment->slots[i] = *block;
		return true;
	}
	put(segment, i, hash, block);
	blocks->nr++;
	return false;
}

static void vacate(struct segment *segment, uint32_t i)
{
	bool searches_end_here = match(load_tags(segment, i / GROUP), TAG_FREE);

	segment->tags[i] = searches_end_here ? TAG_FREE : TAG_GONE;
	segment->nr_used -= searches_end_here;
	segment->nr--;
}

bool blocks__take(struct blocks *blocks, uint64_t addr, struct heap_block *taken)
{
	uint64_t hash = hash__u64(addr);
	struct segment *segment = segment_of(blocks, hash);
	uint32_t i;

	if (!segment->nr)
		return false;
	i = probe(segment, hash, addr);
	if (!(segment->tags[i] & TAG_LIVE))
		return false;
	*taken = segment->slots[i];
	vacate(segment, i);
	blocks->nr--;
	give_room_back(blocks, segment);
	return true;
}

size_t blocks__count(const struct blocks *blocks)
{
	return blocks->nr;
}

void blocks__for_each(const struct blocks *blocks,
		      void (*visit)(const struct heap_block *block, void *data), void *data)
{
	for (size_t i = 0; i < NR_SEGMENTS; i++) {
		const struct segment *segment = &blocks->segments[i];

		for (uint32_t j = 0; j < segment->capacity; j++)
			if (segment->tags[j] & TAG_LIVE)
				visit(&segment->slots[j], data);
	}
}

size_t blocks__memory_bytes(const struct blocks *blocks)
{
	return sizeof(*blocks) + blocks->slot_bytes;
}
