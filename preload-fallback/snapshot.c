// SPDX-License-Identifier: BSD-2-Clause
#include "snapshot.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "event.h"
#include "fail.h"
#include "modules.h"
#include "os.h"
#include "recorder.h"
#include "snapshot_blocks.h"
#include "snapshot_out.h"
#include "wire.h"

/* Between two snapshots that failures are the reason of. */
#define FAILURE_NS (10 * NSEC_PER_SEC)
/* Naps for another thread that writes, of 1 ms, at the end. */
#define MAX_NAPS 2000u

bool snapshot_is_on;

static struct {
	struct live_blocks blocks;
	struct live_sum *sums;
	uint32_t nr_sums;
	void *buffer;
	uint32_t wanted;  /* by a signal that came at a bad moment */
	uint32_t writing; /* a thread is */
	uint64_t failure_ns;
	bool has_complained;
} snapshot;

/* A thread's own: the block its realloc has taken away, until that ends. */
static __thread struct live_block moving __attribute__((tls_model("initial-exec")));

void snapshot__init(void *memory, uint32_t bytes)
{
	uint32_t for_stacks = bytes / 4 & ~7u, for_sums = for_stacks / 4 & ~15u;
	uint8_t *at = memory;

	snapshot.buffer = at;
	at += SNAPSHOT_OUT_MEMORY;
	snapshot.sums = (struct live_sum *)at;
	snapshot.nr_sums = for_sums / (uint32_t)sizeof(*snapshot.sums);
	at += for_sums;
	stacks__init(&recorder.stacks, at, for_stacks);
	at += for_stacks;
	live_blocks__init(&snapshot.blocks, at, bytes - (uint32_t)(at - (uint8_t *)memory));
	snapshot_is_on = true;
}

/* ---- writing ----------------------------------------------------------------------------------
 */

static void add_block(const struct live_block *block, void *unused)
{
	struct live_sum *sum = &snapshot.sums[block->stack];

	sum->bytes += block->bytes;
	sum->blocks++;
}

static void write_now(void)
{
	/* Not on the stack, which may be a small one of signal handlers. */
	static char path[CONFIG_MAX_PATH];
	uint64_t nr_lost;
	int err = -ENAMETOOLONG;

	for (uint32_t i = 0; i < snapshot.nr_sums; i++)
		snapshot.sums[i].bytes = snapshot.sums[i].blocks = 0;
	live_blocks__each(&snapshot.blocks, add_block, NULL);
	nr_lost = __atomic_load_n(&snapshot.blocks.nr_lost, __ATOMIC_RELAXED);
	/* What forgets a block after a failure has freed it in other runs: who compares wants
	 * those. */
	if (config__expand(path, sizeof(path), recorder.config.snapshot, recorder.pid))
		err = snapshot_out__write(path, &recorder.stacks, snapshot.sums, snapshot.nr_sums,
					  nr_lost, fail_is_on, snapshot.buffer);
	if (err && !snapshot.has_complained)
		os__say("writing a snapshot to ", recorder.config.snapshot,
			" failed: ", os__error(-err), "; the program runs on");
	snapshot.has_complained = err;
}

/* False: another thread is about it. The caller is in no call of this library's that has locked
 * anything. */
static bool try_write(void)
{
	int saved = errno;
	sigset_t before;
	enum guard_phase phase;

	os__block_signals(&before);
	if (__atomic_exchange_n(&snapshot.writing, 1, __ATOMIC_ACQUIRE)) {
		os__allow_signals(&before);
		return false;
	}
	phase = guard_thread.phase;
	guard__set_phase(GUARD_INTERNAL);
	write_now();
	guard__set_phase(phase);
	__atomic_store_n(&snapshot.writing, 0, __ATOMIC_RELEASE);
	os__allow_signals(&before);
	errno = saved;
	return true;
}

static void write_if_wanted(const struct guard_call *call)
{
	if (call->in_handler || !__atomic_load_n(&snapshot.wanted, __ATOMIC_RELAXED) ||
	    !__atomic_exchange_n(&snapshot.wanted, 0, __ATOMIC_ACQUIRE))
		return;
	if (!try_write())
		__atomic_store_n(&snapshot.wanted, 1, __ATOMIC_RELEASE);
}

/* At once, unless it has interrupted the allocator or this library: then their next call sees to
 * it. */
static void on_signal(int signal)
{
	if (guard_thread.phase != GUARD_OUTSIDE || !try_write())
		__atomic_store_n(&snapshot.wanted, 1, __ATOMIC_RELEASE);
}

void snapshot__open(void)
{
	int signal = recorder.config.snapshot_signal;
	struct sigaction action, before;

	if (!signal || sigaction(signal, NULL, &before) || before.sa_flags & SA_SIGINFO ||
	    before.sa_handler != SIG_DFL)
		return;
	memset(&action, 0, sizeof(action));
	action.sa_handler = on_signal;
	action.sa_flags = SA_RESTART | SA_ONSTACK;
	sigaction(signal, &action, NULL);
}

void snapshot__at_end(void)
{
	if (!snapshot_is_on)
		return;
	for (unsigned naps = 0; naps < MAX_NAPS && !try_write(); naps++)
		os__sleep_us(1000);
}

/* A program that goes on and on without memory has enough of them. */
static void write_failure(const struct guard_call *call)
{
	uint64_t now_ns = os__monotonic_ns();

	if (call->in_handler || (snapshot.failure_ns && now_ns - snapshot.failure_ns < FAILURE_NS))
		return;
	snapshot.failure_ns = now_ns;
	try_write();
}

/* ---- events -----------------------------------------------------------------------------------
 */

/* The id of a stack; 0: there is no room for it. */
static uint32_t find_stack(const struct guard_call *call, const struct unwind_from *from)
{
	struct guard_thread *thread = &guard_thread;
	uint32_t epoch = __atomic_load_n(&recorder.epoch, __ATOMIC_RELAXED), serial;
	struct unwind_note note = { .alone = !call->in_handler };
	uintptr_t frames[WIRE_MAX_FRAMES];
	struct stack_entry *entry;
	bool is_new = false;
	unsigned nr;

	if (!call->in_handler && thread->epoch == epoch)
		note.serial = thread->serial;
	serial = note.serial;
	nr = recorder.unwinder->walk(from, frames, WIRE_MAX_FRAMES, &note);
	if (note.serial && note.serial == serial)
		return thread->stack;
	entry = stacks__intern(&recorder.stacks, frames, nr, (uint16_t)note.flags, &thread->near,
			       &is_new);
	if (is_new && !call->in_handler && !modules__know(frames, nr)) {
		guard__set_phase(GUARD_INTERNAL);
		event__unloaded();
		guard__set_phase(GUARD_RECORDING);
	}
	if (!entry || entry->id >= snapshot.nr_sums)
		return 0;
	if (!call->in_handler) {
		thread->serial = 0;
		thread->stack = entry->id;
		thread->epoch = epoch;
		thread->serial = note.serial;
	}
	return entry->id;
}

void snapshot__allocated(const struct guard_call *call, const struct unwind_from *from,
			 uint16_t func, uint16_t flags, const void *block, uint64_t bytes)
{
	struct live_block fresh = { .addr = (uintptr_t)block, .bytes = (uintptr_t)bytes };
	bool resized = flags & WIRE_ALLOC_REALLOC && !call->in_handler && moving.addr;

	if (block) {
		fresh.stack = find_stack(call, from);
		if (!snapshot.sums[fresh.stack].func)
			snapshot.sums[fresh.stack].func = func;
		live_blocks__add(&snapshot.blocks, &fresh, !call->in_handler);
	} else if (resized && bytes) {
		live_blocks__add(&snapshot.blocks, &moving, true);
	}
	if (!call->in_handler)
		moving.addr = 0;
	if (!block && bytes)
		write_failure(call);
	write_if_wanted(call);
}

void snapshot__freed(const struct guard_call *call, uint16_t flags, const void *block)
{
	struct live_block taken;
	bool found =
		live_blocks__take(&snapshot.blocks, (uintptr_t)block, &taken, !call->in_handler);

	if (flags & WIRE_FREE_REALLOC && !call->in_handler) {
		moving.addr = 0;
		if (found)
			moving = taken;
	} else {
		write_if_wanted(call);
	}
}

void snapshot__thrown_out(void)
{
	if (snapshot_is_on)
		live_blocks__thrown_out(&snapshot.blocks);
}

void snapshot__forked(void)
{
	if (!snapshot_is_on)
		return;
	snapshot.writing = snapshot.wanted = 0;
	snapshot.has_complained = false;
	live_blocks__forked(&snapshot.blocks);
}
