// SPDX-License-Identifier: BSD-2-Clause
#include "event.h"

#include <string.h>

#include "modules.h"
#include "os.h"
#include "recorder.h"
#include "snapshot.h"
#include "stream.h"
#include "wire.h"

/* A stack an event names. */
struct named_stack {
	uint32_t id, serial;
	uint32_t generation; /* in which it counts as sent */
	bool to_send;
	struct stack_entry *entry; /* NULL: it is not kept, or said to be sent */
	bool claimed;
	unsigned nr_frames;
	uint32_t flags;
	uintptr_t frames[WIRE_MAX_FRAMES];
};

static uint32_t tid(void)
{
	if (!guard_thread.tid)
		guard_thread.tid = os__tid();
	return guard_thread.tid;
}

static uint32_t generation(void)
{
	return __atomic_load_n(&recorder.generation, __ATOMIC_SEQ_CST);
}

/* A handler may have come between the words of what was kept: it neither uses nor changes that. */
static bool is_last(const struct guard_call *call, const struct named_stack *stack)
{
	const struct guard_thread *thread = &guard_thread;

	return !call->in_handler && thread->serial && thread->generation == stack->generation &&
	       thread->epoch == __atomic_load_n(&recorder.epoch, __ATOMIC_RELAXED);
}

static void keep(const struct guard_call *call, const struct named_stack *stack)
{
	struct guard_thread *thread = &guard_thread;

	if (call->in_handler)
		return;
	thread->serial = 0;
	if (!stack->entry)
		return;
	thread->stack = stack->entry->id;
	thread->generation = stack->generation;
	thread->epoch = __atomic_load_n(&recorder.epoch, __ATOMIC_RELAXED);
	thread->serial = stack->serial;
}

static void unloaded(uintptr_t start, uintptr_t end)
{
	stacks__unload(&recorder.stacks, start, end);
	__atomic_fetch_add(&recorder.epoch, 1, __ATOMIC_RELAXED);
}

void event__unloaded(void)
{
	if (recorder.stacks.slots)
		modules__refresh(unloaded);
	unwinder__forget();
}

/* A library has been loaded since, whose code this is: it is told of before the stack is. */
static void learn_modules(const struct guard_call *call, const struct named_stack *stack)
{
	if (call->in_handler || modules__know(stack->frames, stack->nr_frames))
		return;
	guard__set_phase(GUARD_INTERNAL);
	modules__refresh(unloaded);
	guard__set_phase(GUARD_RECORDING);
}

static void find_stack(const struct guard_call *call, const struct unwind_from *from,
		       struct named_stack *stack)
{
	struct unwind_note note = { .alone = !call->in_handler };
	struct stack_entry *entry;
	bool is_new;

	stack->generation = generation();
	stack->to_send = stack->claimed = false;
	stack->entry = NULL;
	if (is_last(call, stack))
		note.serial = guard_thread.serial;
	stack->serial = note.serial;
	stack->nr_frames = recorder.unwinder->walk(from, stack->frames, WIRE_MAX_FRAMES, &note);
	if (note.serial && note.serial == stack->serial) {
		stack->id = guard_thread.stack;
		return;
	}
	stack->serial = note.serial;
	stack->flags = note.flags;
	entry = stacks__intern(&recorder.stacks, stack->frames, stack->nr_frames,
			       (uint16_t)note.flags, &guard_thread.near, &is_new);
	if (is_new || !entry)
		learn_modules(call, stack);
	if (entry && stack_entry__is_sent(entry, stack->generation)) {
		stack->entry = entry;
		stack->id = entry->id;
		keep(call, stack);
		return;
	}
	stack->to_send = true;
	stack->claimed = entry && stack_entry__claim(entry, stack->generation);
	stack->entry = stack->claimed ? entry : NULL;
	stack->id = stack->claimed ? entry->id : stacks__fresh_id(&recorder.stacks);
}

static uint16_t stack_size(const struct named_stack *stack)
{
	return stack->to_send ? (uint16_t)(sizeof(struct wire_stack) + stack->nr_frames * 8) : 0;
}

static void write_stack(struct wire_stack *record, const struct named_stack *stack,
			uint64_t time_ns)
{
	record->head.pid = recorder.pid;
	record->time_ns = time_ns;
	record->id = stack->id;
	record->nr_frames = (uint16_t)stack->nr_frames;
	record->flags = (uint16_t)stack->flags;
	for (unsigned i = 0; i < stack->nr_frames; i++)
		record->frames[i] = stack->frames[i];
}

/* Room in the ring, waited for where that is allowed; NULL: nr_records are lost. */
static void *reserve(const struct guard_call *call, uint32_t bytes, uint32_t nr_records)
{
	void *at = ring__reserve(recorder.ring, bytes, guard__claim());

	if (!at && !call->in_handler)
		at = stream__wait_for_room(bytes);
	if (!at)
		ring__count_lost(recorder.ring, nr_records);
	return at;
}

static void committed(const struct guard_call *call, uint64_t now_ns)
{
	guard__claim()->bytes = 0;
	if (!call->in_handler)
		stream__drain_some(now_ns);
}

static void commit(const struct guard_call *call, void *at, uint16_t type, uint16_t size,
		   uint64_t now_ns)
{
	ring__commit(at, type, size);
	committed(call, now_ns);
}

/* False: the stream began anew meanwhile, and does not know the stack. */
static bool emit_alloc(const struct guard_call *call, struct named_stack *stack,
		       const struct wire_alloc *event)
{
	uint16_t before = stack_size(stack);
	uint32_t bytes = before + (uint32_t)sizeof(*event);
	uint8_t *at = reserve(call, bytes, 1);
	struct wire_alloc *record;
	bool fresh = at && generation() == stack->generation;

	if (stack->claimed && !fresh)
		stack_entry__settle(stack->entry, stack->generation, false);
	if (!at)
		return true;
	if (!fresh) {
		commit(call, at, RING_PAD, (uint16_t)bytes, event->time_ns);
		return false;
	}
	record = (struct wire_alloc *)(at + before);
	/* All but the first word of the reservation, which the commit writes. */
	memcpy(&record->head.pid, &event->head.pid, sizeof(*event) - 4);
	if (!before) {
		commit(call, at, WIRE_ALLOC, sizeof(*event), event->time_ns);
		return true;
	}
	ring__commit(record, WIRE_ALLOC, sizeof(*event));
	write_stack((struct wire_stack *)at, stack, event->time_ns);
	ring__commit(at, WIRE_STACK, before);
	/* Now, for this thread may be thrown out anywhere: then it stays claimed, and others send
	 * their own. */
	if (stack->claimed)
		stack_entry__settle(stack->entry, stack->generation, true);
	committed(call, event->time_ns);
	keep(call, stack);
	return true;
}

void event__allocated(const struct guard_call *call, const struct unwind_from *from, uint16_t func,
		      uint16_t flags, const void *block, uint64_t bytes, uint32_t weight)
{
	struct wire_alloc event;
	struct named_stack stack;
	unsigned attempts = 3;

	if (snapshot_is_on)
		snapshot__allocated(call, from, func, flags, block, bytes);
	if (!recorder.ring)
		return;
	memset(&event, 0, sizeof(event));
	event.head.pid = recorder.pid;
	event.time_ns = os__monotonic_ns();
	event.addr = (uintptr_t)block;
	event.bytes = bytes;
	event.tid = tid();
	event.func = func;
	event.flags = flags;
	event.weight = weight;
	do {
		find_stack(call, from, &stack);
		event.stack = stack.id;
	} while (!emit_alloc(call, &stack, &event) && --attempts);
	if (!attempts)
		ring__count_lost(recorder.ring, 1);
}

void event__ended(const struct guard_call *call, uint16_t func, uint64_t bytes)
{
	struct wire_alloc *record = reserve(call, sizeof(*record), 1);
	uint64_t now_ns = os__monotonic_ns();

	if (!record)
		return;
	record->head.pid = recorder.pid;
	record->time_ns = now_ns;
	record->bytes = bytes;
	record->tid = tid();
	record->func = func;
	record->flags = WIRE_ALLOC_REALLOC;
	record->weight = 1;
	commit(call, record, WIRE_ALLOC, sizeof(*record), now_ns);
}

void event__freed(const struct guard_call *call, uint16_t func, uint16_t flags, const void *block)
{
	struct wire_free *record;
	uint64_t now_ns;

	if (snapshot_is_on)
		snapshot__freed(call, flags, block);
	if (!recorder.ring)
		return;
	record = reserve(call, sizeof(*record), 1);
	now_ns = os__monotonic_ns();
	if (!record)
		return;
	record->head.pid = recorder.pid;
	record->time_ns = now_ns;
	record->addr = (uintptr_t)block;
	record->tid = tid();
	record->func = func;
	record->flags = flags;
	commit(call, record, WIRE_FREE, sizeof(*record), now_ns);
}
