// SPDX-License-Identifier: BSD-2-Clause
#include "sample.h"

#include "chance.h"

__thread struct sample_thread sample_thread
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

uint32_t sample_every_bytes;
static uint64_t first_chance;
static uint32_t nr_threads;

void sample__start(uint32_t every_bytes, uint64_t seed)
{
	first_chance = chance__mix(seed + 1);
	sample_every_bytes = every_bytes;
}

void sample__forked(uint32_t pid)
{
	first_chance = chance__mix(first_chance + pid);
	nr_threads = 0;
	sample_thread = (struct sample_thread){ 0 };
}

static void count_anew(struct sample_thread *thread)
{
	uint64_t gap = chance__gap(&thread->chance, sample_every_bytes);

	/* Behind R bytes without a point the next is as far away as it ever was. */
	thread->at_point = gap <= sample_every_bytes;
	thread->kept = thread->at_point ? (uint32_t)gap : sample_every_bytes;
}

static void begin(struct sample_thread *thread)
{
	uint32_t number = __atomic_add_fetch(&nr_threads, 1, __ATOMIC_RELAXED);

	thread->chance = chance__mix(first_chance ^ (uint64_t)number << 32);
	thread->begun = true;
	count_anew(thread);
}

bool sample__chooses(uint64_t bytes, uint32_t *weight)
{
	struct sample_thread *thread = &sample_thread;
	uint32_t rest = (uint32_t)bytes;

	*weight = sample_every_bytes ? 1 : 0;
	if (!sample_every_bytes)
		return true;
	/* 0 already: in a handler, or what began last was left by a jump. */
	if (thread->left)
		thread->kept = thread->left;
	thread->left = 0;
	if (!thread->begun)
		begin(thread);
	if (bytes >= sample_every_bytes)
		return true;
	while (rest >= thread->kept) {
		bool at_point = thread->at_point;

		rest -= thread->kept;
		count_anew(thread);
		if (!at_point)
			continue;
		*weight = chance__weight(&thread->chance, (uint32_t)bytes, sample_every_bytes);
		return true;
	}
	thread->kept -= rest;
	return false;
}
