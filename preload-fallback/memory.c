// SPDX-License-Identifier: BSD-2-Clause
#include "memory.h"

#include "fail.h"
#include "live_set.h"
#include "modules.h"
#include "os.h"
#include "real.h"
#include "recorder.h"
#include "shared.h"
#include "snapshot.h"
#include "stream.h"

#define MODULES_MEMORY (64u << 10)
/* The part of all memory that is for the addresses of samples. */
#define LIVE_SET_PART 8u
/* The part that is for failing. */
#define FAIL_PART 5u
/* Of stacks, where the ring is not part of the same memory. */
#define SHARED_STACKS (8u << 20)

static uint8_t *set_memory; /* for the addresses of samples, */
static uint32_t set_bytes;  /* so many bytes */

uint32_t memory__bytes(void)
{
	return recorder.config.memory_bytes - CONFIG_STATIC_MEMORY;
}

bool memory__for_failing(uint32_t *bytes)
{
	uint32_t share = *bytes / FAIL_PART & ~4095u;
	void *memory = os__map(share);

	if (!memory)
		return false;
	*bytes -= share;
	fail__init(&recorder.config, memory, share, real__address());
	return true;
}

/* A share of memory of so many bytes, a power of two. */
static void note_live_set(uint8_t *memory, uint32_t bytes)
{
	uint32_t set = 4096;

	if (!recorder.config.sample_bytes)
		return;
	while (set * 2 <= bytes / LIVE_SET_PART)
		set *= 2;
	set_memory = memory;
	set_bytes = set;
}

/* The ring takes the largest power of two that leaves the stacks a third. */
bool memory__for_recording(uint32_t bytes)
{
	uint32_t ring = RING_MIN_SIZE, fixed = STREAM_MEMORY + MODULES_MEMORY;
	uint8_t *memory = os__map(bytes);

	if (!memory)
		return false;
	note_live_set(memory, bytes);
	memory += set_bytes;
	bytes -= set_bytes;
	while (ring * 2 <= bytes / 3 * 2 - fixed)
		ring *= 2;
	recorder.ring = (struct ring *)memory;
	ring += (uint32_t)sizeof(struct ring);
	ring__init(recorder.ring, ring, recorder.pid);
	stream__init(recorder.config.server[0] ? &sink_tcp : &sink_file, memory + ring);
	modules__init(memory + ring + STREAM_MEMORY, MODULES_MEMORY, recorder.pid, real__address());
	ring += fixed;
	stacks__init(&recorder.stacks, memory + ring, bytes - ring);
	return true;
}

bool memory__for_sharing(void)
{
	uint32_t fixed = MODULES_MEMORY + SHARED_STACKS;
	uint8_t *memory;

	if (!RECORDER_MAY_SHARE)
		return false;
	/* The system gives pages as they are written to: the set's may be too many. */
	memory = os__map(fixed + SHARED_STACKS / LIVE_SET_PART);
	if (!memory || !shared__init())
		return false;
	note_live_set(memory + fixed, SHARED_STACKS);
	modules__init(memory, MODULES_MEMORY, recorder.pid, real__address());
	modules__share((uint8_t *)recorder.ring + recorder.ring->catalogue_offset,
		       recorder.ring->catalogue_size, &recorder.ring->catalogue_used);
	stacks__init(&recorder.stacks, memory + MODULES_MEMORY, SHARED_STACKS);
	recorder.shared = true;
	return true;
}

bool memory__for_snapshots(uint32_t bytes)
{
	uint8_t *memory = os__map(bytes);

	if (!memory)
		return false;
	modules__init(memory, MODULES_MEMORY, recorder.pid, real__address());
	snapshot__init(memory + MODULES_MEMORY, bytes - MODULES_MEMORY);
	return true;
}

void memory__init_live_set(void)
{
	live_set__init(set_memory, set_bytes);
}
