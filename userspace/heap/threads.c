// SPDX-License-Identifier: BSD-2-Clause
#include "heap/threads.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static uint16_t add_thread(struct threads *threads, uint32_t tid)
{
	threads->all =
		array__grow(threads->all, threads->nr, &threads->capacity, sizeof(*threads->all));
	/* The last slot is nobody's own. */
	if (threads->nr == THREADS_OTHER)
		tid = 0;
	threads->all[threads->nr] = (struct thread){ .tid = tid };
	if (tid)
		hmap__set(&threads->by_tid, tid, threads->nr);
	return (uint16_t)threads->nr++;
}

uint16_t threads__slot(struct threads *threads, uint32_t tid)
{
	const uint64_t *slot;

	if (threads->nr && threads->last_tid == tid)
		return threads->last_slot;
	slot = hmap__find(&threads->by_tid, tid);
	threads->last_tid = tid;
	if (slot)
		threads->last_slot = (uint16_t)*slot;
	else if (threads->nr < THREADS_MAX)
		threads->last_slot = add_thread(threads, tid);
	else
		threads->last_slot = THREADS_OTHER;
	return threads->last_slot;
}

uint32_t threads__tid(const struct threads *threads, uint16_t slot)
{
	return slot < threads->nr ? threads->all[slot].tid : 0;
}

struct threads threads__copy(const struct threads *threads)
{
	struct threads copy = { 0 };

	for (size_t i = 0; i < threads->nr; i++) {
		add_thread(&copy, threads->all[i].tid);
		copy.all[i].last_addr = threads->all[i].last_addr;
	}
	return copy;
}

void threads__clear(struct threads *threads)
{
	free(threads->all);
	hmap__clear(&threads->by_tid);
	*threads = (struct threads){ 0 };
}
