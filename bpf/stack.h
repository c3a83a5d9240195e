/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The stack of the allocator's caller: walked, interned, sent once. The walking itself is
 * unwind.h's.
 */
#ifndef STACK_H
#define STACK_H

/* 128 bits of two independent hashes stand for a stack: equality is not checked again. */
struct stack_key {
	__u64 first, second;
};

/* Our own table, because the kernel's stack map takes collisions for equality and drops on overflow. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 256 * 1024);
	__type(key, struct stack_key);
	__type(value, __u32);
} stacks SEC(".maps");

/* Enters every hash, so that nobody can prepare stacks that collide. Random, set before load. */
const volatile __u64 cfg_hash_seed = 0;
/* Bytes waiting in the ring at which walks are not shipped any more. */
const volatile __u64 cfg_walk_bytes = 0;

/* Every new stack is also shipped, for another walker to check it. */
const volatile bool cfg_check_stacks = false;

__u32 last_stack_id;
__u64 nr_stacks_not_kept; /* sent again each time, because the table was full */

/* Makes a new kernel walk like an old one, for testing. */
const volatile bool cfg_plain_loop = false;

#define STACK_STEP 1024

/* How walks ended that did not reach the outermost frame, by enum unwind_status. */
__u64 nr_unfinished[8];

#include "memo.h"

struct walk_context {
	struct unwind *walk;
	struct memo *memo;
	struct memo_scratch *scratch; /* MEMO_FRAMES */
	struct unwind_process *process;
	__u64 ip, sp; /* after the return */
};

/* One frame more, unless the last walk can be joined here. */
static long walk_on(__u32 index, void *data)
{
	struct unwind *walk = ((struct walk_context *)data)->walk;
	struct memo *memo = ((struct walk_context *)data)->memo;
	struct unwind_process *process = ((struct walk_context *)data)->process;
	__u32 at = walk->nr_frames & (MEMO_FRAMES - 1);
	struct memo_scratch *scratch;

	if (!walk->irregular && walk->is_return && memo__meets(memo, walk)) {
		walk->status = UNWIND_JOINED;
		return 1;
	}
	scratch = &((struct walk_context *)data)->scratch[at];
	scratch->sp = walk->sp;
	scratch->bp = walk->bp;
	memo->scratch_bp_at[at] = walk->bp_at;
	walk->status = unwind__step(walk, process);
	return walk->status != UNWIND_GOING;
}

/*
 * The verifiers of older kernels (seen in 6.1 and 6.12) do not learn an index's bounds from a comparison
 * as clang writes it, and need the mask behind it, which clang then takes for superfluous: a barrier
 * between the two keeps it.
 */
static long check_memo(__u32 index, void *data)
{
	struct unwind *walk = ((struct walk_context *)data)->walk;
	struct memo *memo = ((struct walk_context *)data)->memo;
	struct unwind_process *process = ((struct walk_context *)data)->process;
	__u32 at = memo->joined + index;

	if (at + 1 >= MEMO_FRAMES)
		return 1;
	barrier_var(at); /* see above */
	if (memo__holds(memo, walk, process, at))
		return 0;
	memo__forget(memo);
	return 1;
}

/* Puts an inner frame of the walk in front of what the memo has. Counts from the outer end. */
static long remember_frame(__u32 index, void *data)
{
	struct unwind *walk = ((struct walk_context *)data)->walk;
	struct memo *memo = ((struct walk_context *)data)->memo;
	__u32 from = walk->nr_frames - 1 - index, to = memo->joined - 1 - index;
	const struct memo_scratch *scratch =
		&((struct walk_context *)data)->scratch[from & (MEMO_FRAMES - 1)];
	struct memo_frame *frame = &memo->frames[to & (MEMO_FRAMES - 1)];
	struct stack_key key;
	__u32 outer;

	if (index >= walk->nr_frames)
		return 1;
	outer = to + 1;
	if (outer < MEMO_FRAMES) {
		barrier_var(outer);
		key = memo->frames[outer & (MEMO_FRAMES - 1)].hash;
	} else {
		memo__begin_hash(((struct walk_context *)data)->process, &key);
	}
	frame->pc = walk->frames[from & WIRE_MAX_FRAMES];
	frame->sp = scratch->sp;
	frame->bp = scratch->bp;
	frame->bp_at = memo->scratch_bp_at[from & (MEMO_FRAMES - 1)];
	memo__hash(&key, frame->pc);
	frame->hash = key;
	return 0;
}

/* Copies a frame of the memo into the record of a new stack. */
static long copy_frame(__u32 index, void *data)
{
	struct unwind *walk = ((struct walk_context *)data)->walk;
	struct memo *memo = ((struct walk_context *)data)->memo;
	__u32 from = memo->first + index;

	if (from >= MEMO_FRAMES)
		return 1;
	barrier_var(from);
	walk->frames[index & WIRE_MAX_FRAMES] = memo->frames[from & (MEMO_FRAMES - 1)].pc;
	walk->nr_frames = index + 1;
	return 0;
}

/* Joins the last walk where this one has met it. 0: it does not hold any more, or is too deep. */
static __always_inline int join_memo(struct walk_context *context)
{
	struct memo *memo = context->memo;

	/* Together they must be a stack that can be sent. */
	if (memo->joined <= context->walk->nr_frames)
		memo__forget(memo);
	else
		bpf_loop(MEMO_FRAMES, check_memo, context, 0);
	return memo->first < MEMO_FRAMES;
}

/* Keeps a complete walk: its own frames in front of those it joined. */
static __always_inline void remember(struct walk_context *context)
{
	struct unwind *walk = context->walk;
	struct memo *memo = context->memo;

	if (walk->nr_frames && memo->joined < MEMO_FRAMES)
		memo->frames[memo->joined & (MEMO_FRAMES - 1)].bp_at = walk->bp_at;
	bpf_loop(MEMO_FRAMES, remember_frame, context, 0);
	memo->first = memo->joined - walk->nr_frames;
	memo->tables = walk->generation;
}

/*
 * Walks with the help of the last walk, and keeps the result for the next. 1: the whole stack is in the
 * memo; 0: what there is of it is in the walk.
 */
static __always_inline int walk_with_memo(struct walk_context *context)
{
	struct unwind *walk = context->walk;
	struct memo *memo = context->memo;

	if (memo->tables != walk->generation)
		memo__forget(memo);
	memo->next = memo->first < MEMO_FRAMES ? memo->first : MEMO_FRAMES - 1;
	bpf_loop(WIRE_MAX_FRAMES + 1, walk_on, context, 0);
	if (walk->status == UNWIND_JOINED) {
		if (join_memo(context)) {
			remember(context);
			return 1;
		}
		bpf_loop(WIRE_MAX_FRAMES + 1, walk_on, context, 0);
	}
	if (walk->status != UNWIND_COMPLETE || walk->irregular)
		return 0;
	memo->joined = MEMO_FRAMES;
	remember(context);
	return 1;
}

/* Frames walked where the kernel has no bpf_loop (before 5.17): as many as its verifier bears. */
#define PLAIN_LOOP_FRAMES 96
/* Where frees walk, too: it is one budget for both. */
#define PLAIN_LOOP_FRAMES_OF_TWO 40

/* Frees tell who frees, too. Set before load. */
const volatile bool cfg_free_stacks = false;

/* A function of its own, so that the verifier meets the frames' paths one at a time. */
static __noinline long step_plainly(struct walk_context *context)
{
	struct unwind *walk = context->walk;

	walk->status = unwind__step(walk, context->process);
	return walk->status != UNWIND_GOING;
}

static __always_inline void walk_plainly(struct walk_context *context)
{
	/* Two loops with a bound each: a bound that is looked up costs the verifier too much. */
	if (cfg_free_stacks) {
		for (int i = 0; i < PLAIN_LOOP_FRAMES_OF_TWO; i++)
			if (step_plainly(context))
				return;
	} else {
		for (int i = 0; i < PLAIN_LOOP_FRAMES; i++)
			if (step_plainly(context))
				return;
	}
	context->walk->status = UNWIND_CUT;
}

static __always_inline void hash_stack(const struct walk_context *context, struct stack_key *key)
{
	const struct unwind *walk = context->walk;

	memo__begin_hash(context->process, key);
	for (__u32 i = 0; i < WIRE_MAX_FRAMES && i < walk->nr_frames; i++)
		memo__hash(key, walk->frames[i]);
	key->second ^= 1; /* not the hash of a stack in a memo, which goes from the outer end */
}

/* Sends the walked stack as a new one. Its id, or 0 when the ring is full. */
static __always_inline __u32 send_stack(struct unwind *walk, __u32 pid, __u64 time_ns)
{
	__u32 nr_frames = walk->nr_frames & WIRE_MAX_FRAMES;
	__u32 size = sizeof(walk->record) + nr_frames * sizeof(walk->frames[0]);
	struct wire_stack *record = &walk->record;

	fill_head(&record->head, WIRE_STACK, size, pid);
	record->time_ns = time_ns;
	record->id = __sync_fetch_and_add(&last_stack_id, 1) + 1;
	record->nr_frames = nr_frames;
	record->flags = walk->status == UNWIND_COMPLETE ? 0 : WIRE_STACK_CUT;
	if (bpf_ringbuf_output(&ring, record, size, wakeup_flags())) {
		count_lost();
		return 0;
	}
	return record->id;
}

static __always_inline void fill_walk(struct wire_walk *record, struct pt_regs *ctx,
				      const struct walk_context *context, __u32 room, __u32 id)
{
	const __u64 sp = context->sp;
	__u32 at, step;

	record->id = id;
	record->regs[3] = ctx->bx;
	record->regs[6] = ctx->bp;
	record->regs[7] = sp;
	record->regs[12] = ctx->r12;
	record->regs[13] = ctx->r13;
	record->regs[14] = ctx->r14;
	record->regs[15] = ctx->r15;
	record->regs[16] = context->ip;
	/* A read that crosses into a page that is not there fails whole: up to there in halves. */
	for (at = 0; at < room; at += STACK_STEP)
		if (bpf_probe_read_user(record->stack + at, STACK_STEP, (void *)(sp + at)))
			break;
	if (at < room)
		for (step = STACK_STEP / 2; step >= sizeof(__u64); step /= 2)
			if (!bpf_probe_read_user(record->stack + at, step, (void *)(sp + at)))
				at += step;
	record->stack_len = at;
}

/* Ships registers and stack for a walk to be finished in userspace. Its stack's id; 0: no room. */
static __always_inline __u32 send_walk(struct pt_regs *ctx, const struct walk_context *context,
				       __u32 pid, __u64 time_ns)
{
	const __u32 size = sizeof(struct wire_walk) + WIRE_WALK_STACK;
	struct wire_walk *record;
	__u32 id;

	/* Never at the price of ordinary records. */
	if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > cfg_walk_bytes)
		return 0;
	record = bpf_ringbuf_reserve(&ring, size, 0);
	if (!record)
		return 0;
	fill_head(&record->head, WIRE_WALK, size, pid);
	record->time_ns = time_ns;
	record->flags = 0;
	id = __sync_fetch_and_add(&last_stack_id, 1) + 1;
	fill_walk(record, ctx, context, WIRE_WALK_STACK, id);
	submit(record);
	return id;
}

/* Ships the same for a stack that was walked, and sent under id. */
static __always_inline void send_check(struct pt_regs *ctx, const struct walk_context *context,
				       __u32 id, __u32 pid, __u64 time_ns)
{
	const __u32 size = sizeof(struct wire_walk) + WIRE_WALK_CHECK_STACK;
	struct wire_walk *record = bpf_ringbuf_reserve(&ring, size, 0);

	if (!record)
		return;
	fill_head(&record->head, WIRE_WALK, size, pid);
	record->time_ns = time_ns;
	record->flags = WIRE_WALK_CHECK;
	fill_walk(record, ctx, context, WIRE_WALK_CHECK_STACK, id);
	submit(record);
}

/*
 * Walks from the return of the probed function: the caller's registers are those of ctx, but ip and sp
 * those of the context. 1: the whole stack is in the memo; 0: what there is of it is in the walk.
 */
static __always_inline int walk_stack(struct pt_regs *ctx, struct walk_context *context)
{
	unwind__begin(context->walk, context->process, context->ip, context->sp, ctx->bp, 1);
	if (!cfg_plain_loop && bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop))
		return walk_with_memo(context);
	walk_plainly(context);
	return 0;
}

/* What stands for the stack that was walked. in_memo: as walk_stack returned it. */
static __always_inline void walked_key(const struct walk_context *context, int in_memo,
				       struct stack_key *key)
{
	const struct memo *memo = context->memo;

	if (in_memo)
		*key = memo->frames[memo->first & (MEMO_FRAMES - 1)].hash;
	else
		hash_stack(context, key);
}

/* The wire id of the stack that was walked, sent first if it was unknown; 0 when it could not be sent. */
static __always_inline __u32 intern_walked(struct pt_regs *ctx, struct walk_context *context,
					   int in_memo, __u64 time_ns)
{
	__u32 pid = context->process->pid;
	struct unwind *walk = context->walk;
	struct stack_key key;
	__u32 *known, id;

	if (!in_memo) {
		if (walk->status != UNWIND_COMPLETE)
			__sync_fetch_and_add(&nr_unfinished[walk->status & 7], 1);
		id = walk->status == UNWIND_UNKNOWN ? send_walk(ctx, context, pid, time_ns) : 0;
		if (id)
			return id;
	}
	walked_key(context, in_memo, &key);
	known = bpf_map_lookup_elem(&stacks, &key);
	if (known)
		return *known;
	if (in_memo) {
		bpf_loop(MEMO_FRAMES, copy_frame, context, 0);
		walk->status = UNWIND_COMPLETE;
	}
	id = send_stack(walk, pid, time_ns);
	if (cfg_check_stacks && id)
		send_check(ctx, context, id, pid, time_ns);
	if (id && bpf_map_update_elem(&stacks, &key, &id, BPF_ANY))
		__sync_fetch_and_add(&nr_stacks_not_kept, 1);
	return id;
}

static __always_inline __u32 intern_stack(struct pt_regs *ctx, struct walk_context *context,
					  __u64 time_ns)
{
	return intern_walked(ctx, context, walk_stack(ctx, context), time_ns);
}

#endif /* STACK_H */
