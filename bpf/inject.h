/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Calls of the allocator that are made to fail, from outside. Since Linux 6.18 a program on a uprobe may
 * write the registers of who it has stopped (7384893d970e, "bpf: Allow uprobe program to change context
 * registers"). It changes one thing only: the size that is asked for, to one that no allocator has. So
 * the function fails by itself, as its contract says: errno, the return value of posix_memalign, the
 * old block of a realloc, the handler and the exception of new. Nothing is written to memory, and
 * nothing is left behind.
 */
#ifndef INJECT_H
#define INJECT_H

#include "alloc_api.h"
#include "inject_abi.h"

/* Set before load. */
const volatile bool cfg_inject = false;
const volatile struct inject_rules cfg_inject_rules = { 0 };

enum { INJECT_EEXIST = 17 }; /* include/uapi/asm-generic/errno-base.h */

/* Both views, one behind the other. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * INJECT_MAX_RANGES);
	__type(key, __u32);
	__type(value, struct inject_range);
} inject_ranges SEC(".maps");

/* Call paths that have failed. The loader sets the size where they are asked for. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct stack_key);
	__type(value, __u32);
} inject_paths SEC(".maps");

/* Written by the loader while it runs: the number of the view to read, whose lowest bit says where it
 * is. 0: there is none. */
__u32 inject_view;

__u64 nr_inject_drawn;	  /* by the rate */
__u64 nr_inject_passed;	  /* let pass by the filters, where there is an nth */
__u64 nr_inject_chosen;	  /* claims of what count allows */
__u64 nr_injected;	  /* that fail */
__u64 nr_inject_unknown;  /* that did not, for their stack could not be walked to its end */
__u64 nr_inject_no_room;  /* whose path did not fit in the table */
__u64 nr_inject_survived; /* that succeeded all the same */

/* Can no call fail any more? */
static __always_inline bool inject__is_done(void)
{
	__u64 count = cfg_inject_rules.count, nth = cfg_inject_rules.nth;

	return (count && nr_inject_chosen >= count) || (nth && nr_inject_passed >= nth);
}

/* A number that looks random, the same each time for one seed and index (splitmix64). */
static __always_inline __u32 inject__draw(__u64 seed, __u64 index)
{
	__u64 number = seed + index * 0x9e3779b97f4a7c15ull;

	number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9ull;
	number = (number ^ number >> 27) * 0x94d049bb133111ebull;
	return (number ^ number >> 31) >> 32;
}

/* What does not depend on the stack comes first: most calls cost no walk. */
static __always_inline bool inject__may_fail(__u64 bytes)
{
	__u64 rate = cfg_inject_rules.rate;

	if (!bytes || bytes < cfg_inject_rules.min_bytes || bytes > cfg_inject_rules.max_bytes ||
	    inject__is_done())
		return false;
	return rate == INJECT_ALWAYS ||
	       inject__draw(cfg_inject_rules.seed, __sync_fetch_and_add(&nr_inject_drawn, 1)) < rate;
}

/* The frames of a stack that has been walked, on their way to a judgement. */
struct inject_look {
	struct walk_context *context;
	__u32 in_memo;
	__u32 first_range; /* of the view */
	__u32 marks;	   /* found so far */
};

/* The marks of the code before a return address. */
static __always_inline __u32 inject__marks_of(__u32 first_range, __u64 return_address)
{
	const struct inject_range *range;
	__u64 address = return_address - 1;
	__u32 at = 0, index;

	for (__u32 step = INJECT_MAX_RANGES / 2; step; step /= 2) {
		index = first_range + at + step;
		range = bpf_map_lookup_elem(&inject_ranges, &index);
		if (!range)
			return INJECT_NEVER;
		at += step * (__u32)unwind__not_above(range->start, address);
	}
	index = first_range + at;
	range = bpf_map_lookup_elem(&inject_ranges, &index);
	if (!range)
		return INJECT_NEVER;
	return address < range->end ? range->marks : 0;
}

static long look_at_frame(__u32 index, void *data)
{
	struct inject_look *look = data;
	struct memo *memo = look->context->memo;
	struct unwind *walk = look->context->walk;
	__u64 frame;

	if (look->in_memo) {
		index += memo->first;
		if (index >= MEMO_FRAMES)
			return 1;
		frame = memo->frames[index & (MEMO_FRAMES - 1)].pc;
	} else {
		if (index >= walk->nr_frames)
			return 1;
		frame = walk->frames[index & WIRE_MAX_FRAMES];
	}
	look->marks |= inject__marks_of(look->first_range, frame);
	return !!(look->marks & INJECT_NEVER);
}

/* Does a walk that came to code without unwind tables end where stacks may? */
static __always_inline bool inject__ends(const struct unwind *walk, __u32 first_range)
{
	__u32 last = walk->nr_frames - 1;

	if (walk->status != UNWIND_GAP || last > WIRE_MAX_FRAMES)
		return false;
	barrier_var(last);
	return inject__marks_of(first_range, walk->frames[last & WIRE_MAX_FRAMES]) & INJECT_ENDS;
}

/* Is a call by this stack one that may fail, and is wanted? A stack of which frames are not known may
 * come from anywhere, also from the dynamic loader. */
static __always_inline bool inject__judge(struct walk_context *context, int in_memo)
{
	struct inject_look look = { .context = context, .in_memo = in_memo };
	__u32 view = *(volatile __u32 *)&inject_view;

	if (!view)
		return false;
	look.first_range = view & 1 ? INJECT_MAX_RANGES : 0;
	if (!in_memo && context->walk->status != UNWIND_COMPLETE &&
	    !inject__ends(context->walk, look.first_range)) {
		__sync_fetch_and_add(&nr_inject_unknown, 1);
		return false;
	}
	bpf_loop(MEMO_FRAMES, look_at_frame, &look, 0);
	/* A view that was replaced meanwhile may be being written: then this was no judgement. */
	if (view != *(volatile __u32 *)&inject_view || look.marks & INJECT_NEVER)
		return false;
	return !cfg_inject_rules.only || look.marks & INJECT_ONLY;
}

/* Each of these takes what there is one of: the nth call, a path's first, one of the count. */
static __always_inline bool inject__claim(const struct walk_context *context, int in_memo)
{
	__u64 nth = cfg_inject_rules.nth, count = cfg_inject_rules.count;
	struct stack_key key;
	__u32 none = 0;
	long err;

	if (nth && __sync_fetch_and_add(&nr_inject_passed, 1) + 1 != nth)
		return false;
	if (cfg_inject_rules.paths) {
		walked_key(context, in_memo, &key);
		err = bpf_map_update_elem(&inject_paths, &key, &none, BPF_NOEXIST);
		if (err && err != -INJECT_EEXIST)
			__sync_fetch_and_add(&nr_inject_no_room, 1);
		if (err)
			return false;
	}
	return !count || __sync_fetch_and_add(&nr_inject_chosen, 1) < count;
}

/* Sent before the function runs: it may be the last that the process does. */
static __always_inline void inject__tell(const struct call *call, __u32 pid, __u32 stack,
					 __u64 time_ns)
{
	struct wire_alloc *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);

	if (!record) {
		count_lost();
		return;
	}
	fill_head(&record->head, WIRE_ALLOC, sizeof(*record), pid);
	record->time_ns = time_ns;
	record->addr = 0;
	record->bytes = call->bytes;
	record->tid = (__u32)bpf_get_current_pid_tgid();
	record->stack = stack;
	record->func = call->func;
	record->flags = call->flags;
	record->weight = 0;
	submit(record);
}

/*
 * Does the call that has just been entered fail? Then it has been sent. A function of its own because it
 * is another place that walks.
 */
static __noinline long inject__chooses(struct pt_regs *ctx, struct thread *thread, __u64 cookie)
{
	struct call *call = &thread->call;
	struct walk_context context;
	__u64 time_ns = bpf_ktime_get_ns();
	int in_memo;

	if (!inject__may_fail(call->bytes))
		return 0;
	context.process = process_of_slot(call->slot);
	if (!context.process || !prepare_walk(thread, &context))
		return 0;
	context.ip = 0;
	bpf_probe_read_user(&context.ip, sizeof(context.ip), (void *)call->sp);
	context.sp = call->sp + 8;
	in_memo = walk_stack(ctx, &context);
	if (!inject__judge(&context, in_memo) || !inject__claim(&context, in_memo))
		return 0;
	__sync_fetch_and_add(&nr_injected, 1);
	call->flags = WIRE_ALLOC_INJECTED;
	if (call->old) {
		call->flags |= WIRE_ALLOC_REALLOC;
		send_free(cookie, call->old, WIRE_FREE_REALLOC);
	}
	inject__tell(call, context.process->pid, intern_walked(ctx, &context, in_memo, time_ns),
		     time_ns);
	return 1;
}

/* One store at a constant offset each, as read_register has loads: arguments only. */
#define WRITE_REGISTER(number, name)         \
	case number:                         \
		barrier_var(value);          \
		ctx->name = value;           \
		barrier_var(value);          \
		break

static __always_inline void write_register(struct pt_regs *ctx, __u32 reg, __u64 value)
{
	switch (reg) {
		WRITE_REGISTER(1, cx);
		WRITE_REGISTER(2, dx);
		WRITE_REGISTER(6, si);
		WRITE_REGISTER(7, di);
	}
}

#define INJECT_CASE(number, family, symbol, shape) case number:

/*
 * What to ask for, so that errno is set, too. mimalloc refuses what is more than half the address space
 * without that (2.0, mi_find_page), jemalloc only where there is an old block (5.3, do_rallocx). It is
 * not for all: others try more in vain, and remember it.
 */
static __always_inline __u64 inject__bytes(__u64 cookie)
{
	switch (PROBE_FUNC(cookie)) {
		ALLOC_MIMALLOC(INJECT_CASE)
		return INJECT_BYTES_OF_KERNEL;
		ALLOC_JEMALLOC(INJECT_CASE)
		if (PROBE_REG(cookie, PROBE_PTR_SHIFT) != PROBE_NO_REG)
			return INJECT_BYTES_OF_KERNEL;
	}
	return INJECT_BYTES;
}

/*
 * Of that many. A reallocarray finds that the product is too large and sets errno, which the realloc it
 * calls otherwise may not do: it can be another allocator's. Should one not look, it asks for 2^63.
 */
static __always_inline __u64 inject__count(__u64 cookie, __u64 bytes)
{
	return bytes == INJECT_BYTES && PROBE_REG(cookie, PROBE_PTR_SHIFT) != PROBE_NO_REG ? 3 : 1;
}

/*
 * The function is about to run its first instruction: from here on it fails. The registers' numbers are
 * taken from the cookie again: kept since they were read by, each would be a path through all between.
 */
static __always_inline void inject__fail(struct pt_regs *ctx, __u64 cookie)
{
	__u64 bytes;

	barrier_var(cookie);
	bytes = inject__bytes(cookie);
	write_register(ctx, PROBE_REG(cookie, PROBE_COUNT_SHIFT), inject__count(cookie, bytes));
	write_register(ctx, PROBE_REG(cookie, PROBE_SIZE_SHIFT), bytes);
}

#endif /* INJECT_H */
