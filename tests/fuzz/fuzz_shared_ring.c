// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer: a ring, its catalogue and its forks as a hostile child writes them, also while they
 * are read (each record that is handed on is followed by the child's next steps). What comes out
 * must be whole and name only what was told of.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "source/preload_source.h"
#include "trace/record.h"

#define FORKS_AT     (sizeof(struct ring) + RING_MIN_SIZE)
#define CATALOGUE_AT (FORKS_AT + RING_FORK_SLOTS * sizeof(struct ring_fork_slot))
#define CATALOGUE    8192u
#define ALL_BYTES    (CATALOGUE_AT + CATALOGUE)
#define NR_RINGS     2
/* A pid that the kernel gives to nobody (PID_MAX_LIMIT). */
#define NOBODY 0x7ffffff0

struct child {
	const uint8_t *at, *end; /* what it has still to do */
	struct ring *rings[NR_RINGS];
	struct preload_source *source;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t next(struct child *child)
{
	return child->at < child->end ? *child->at++ : 0;
}

/* Small numbers, and large ones. */
static uint32_t next_word(struct child *child)
{
	uint8_t byte = next(child);

	return byte & 0x80 ? byte * 0x01010101u : byte;
}

static void copy_bytes(struct child *child, uint8_t *to, size_t len)
{
	for (; len && child->at < child->end; len--)
		*to++ = next(child);
}

/* A record with a head that fits a type, and words of anything. */
static size_t make_record(struct child *child, uint8_t *to)
{
	static const struct {
		uint16_t type, size;
	} kinds[16] = {
		{ WIRE_ALLOC, 48 },  { WIRE_ALLOC, 48 },  { WIRE_FREE, 32 },   { WIRE_FREE, 40 },
		{ WIRE_STACK, 40 },  { WIRE_STACK, 48 },  { RING_FORK, 24 },   { RING_EXEC, 32 },
		{ WIRE_TARGET, 56 }, { WIRE_MODULE, 32 }, { WIRE_MODULE, 48 }, { WIRE_MAPPING, 48 },
		{ WIRE_END, 24 },    { WIRE_FORK, 24 },	  { WIRE_STRING, 24 }, { 77, 16 },
	};
	uint8_t kind = next(child) & 15;
	struct wire_head head = { .type = kinds[kind].type, .size = kinds[kind].size };
	uint32_t words[16];

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = i * 4 < head.size ? next_word(child) : 0;
	memcpy(words, &head, sizeof(head));
	memcpy(to, words, head.size);
	return head.size;
}

/* As the library does it, to the ring's end at most. */
static void put_record(struct child *child, struct ring *ring)
{
	uint8_t bytes[64], *data = (uint8_t *)ring + sizeof(*ring);
	size_t size = make_record(child, bytes), at = ring->head & (RING_MIN_SIZE - 1) & ~7u;

	if (size > RING_MIN_SIZE - at) { /* a gap */
		struct wire_head pad = { .type = RING_PAD, .size = (uint16_t)(RING_MIN_SIZE - at) };

		memcpy(data + at, &pad, sizeof(pad));
		ring->head += pad.size;
		at = 0;
	}
	memcpy(data + at, bytes, size);
	ring->head += (uint32_t)size;
}

static void put_catalogue(struct child *child, struct ring *ring)
{
	uint8_t bytes[64];
	size_t size = make_record(child, bytes);

	if (ring->catalogue_used > CATALOGUE - size)
		return;
	memcpy((uint8_t *)ring + CATALOGUE_AT + ring->catalogue_used, bytes, size);
	ring->catalogue_used += (uint32_t)size;
}

/* Somewhere, or where it is read next. */
static void scribble(struct child *child, struct ring *ring)
{
	size_t at = next(child) & 1 ? (next(child) * 256u + next(child)) * 2
				    : sizeof(*ring) + (ring->head & (RING_MIN_SIZE - 1));

	copy_bytes(child, (uint8_t *)ring + at % (ALL_BYTES - 16), next(child) & 15);
}

/* False: heaptap's turn. */
static bool do_step(struct child *child)
{
	uint8_t step = next(child);
	struct ring *ring = child->rings[step >> 3 & 1];

	switch (step & 7) {
	case 0:
		return false;
	case 1:
		scribble(child, ring);
		return true;
	case 2:
		((uint32_t *)ring)[next(child) % (sizeof(*ring) / 4)] = next_word(child);
		return true;
	case 3:
		put_catalogue(child, ring);
		return true;
	case 4:
		((uint32_t *)ring)[FORKS_AT / 4 + next(child) % 64] =
			next(child) & 1 ? NOBODY : next_word(child);
		return true;
	default:
		put_record(child, ring);
		return true;
	}
}

static void demand(bool condition)
{
	if (!condition)
		abort();
}

/* What heaptap makes of it. */
static int see(const struct wire_head *record, void *data)
{
	const struct wire_mapping *mapping = (const void *)record;
	const struct wire_stack *stack = (const void *)record;
	const struct wire_alloc *alloc = (const void *)record;
	struct child *child = data;
	struct stream_ids *ids = &child->source->ids;

	demand(record__valid(record, WIRE_MAX_RECORD) && record->pid);
	demand(record->type < WIRE_FOOTER);
	if (record->type == WIRE_ALLOC)
		demand(alloc->stack <= ids->nr_stacks);
	else if (record->type == WIRE_STACK)
		demand(stack->id == ids->nr_stacks);
	else if (record->type == WIRE_MAPPING)
		demand(mapping->module < ids->nr_modules);
	do_step(child);
	return 0;
}

static struct ring *hand_over(struct child *child, pid_t pid)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct ring *ring;

	demand(fd >= 0 && !ftruncate(fd, (off_t)ALL_BYTES) &&
	       !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	ring = mmap(NULL, ALL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	demand(ring != MAP_FAILED);
	*ring = (struct ring){ .magic = RING_MAGIC,
			       .version = RING_VERSION,
			       .data_offset = sizeof(struct ring),
			       .data_size = RING_MIN_SIZE,
			       .producer = (uint32_t)pid,
			       .catalogue_offset = CATALOGUE_AT,
			       .catalogue_size = CATALOGUE,
			       .forks_offset = FORKS_AT };
	/* A header that is none is for once. */
	if (next(child) & 1)
		((uint32_t *)ring)[next(child) % 16] = next_word(child) << (next(child) & 15);
	preloaded__greet(child->source, pid, fd);
	return ring;
}

/* Each turn takes what is there; it is bounded, whatever is written meanwhile. */
static void take_turns(struct child *child)
{
	struct preload_source *source = child->source;

	do {
		while (child->at < child->end && do_step(child))
			;
		for (size_t i = 0; i < source->nr; i++)
			if (preloaded__begin(source, source->list[i], true))
				demand(!preloaded__drain(source, source->list[i]));
		preload_execs__look(source, child->at >= child->end);
		source->round++;
		demand(!queue__take(&source->queue, see, child));
	} while (child->at < child->end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct child child = { .at = data, .end = data + size };
	struct preload_source *source = xcalloc(1, sizeof(*source));

	log__set_level(LOG_ERROR);
	preload_source__init(source);
	source->config.follow = true;
	source->config.library = "/nowhere";
	source->command = NOBODY;
	source->take = see;
	source->take_data = &child;
	child.source = source;
	preloaded__tell(source, preloaded__add(source, NOBODY), WIRE_TARGET_LAUNCHED, "/bin/fuzz",
			"fuzz", 5);
	for (int i = 0; i < NR_RINGS; i++)
		child.rings[i] = hand_over(&child, NOBODY + i);
	take_turns(&child);
	for (int i = 0; i < NR_RINGS; i++)
		munmap(child.rings[i], ALL_BYTES);
	source->source.close(&source->source);
	return 0;
}
