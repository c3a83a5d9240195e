// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The probes. A few programs serve every allocator function: which one fired and where its arguments
 * are is in the attach cookie (probe_abi.h), so a new family needs no code here.
 *
 * Order is what makes the records exact: a free is sent at entry, before the block can be given to
 * anybody; an allocation at return. A realloc is both, tied together by its thread.
 */
#include "vmlinux.h"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include <stdbool.h>

#include "wire.h"
#include "probe_abi.h"
#include "unwind_maps.h"
#include "emit.h"
#include "unwind.h"
#include "stack.h"
#include "thread.h"
#include "follow.h"
#include "inject.h"
#include "own_stack.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Return values of a session program's entry side (Linux 6.13, kernel/trace/bpf_trace.c). */
enum { WATCH_RETURN = 0, SKIP_RETURN = 1 };

/* Of mmap (include/uapi/asm-generic/mman-common.h). */
enum { MAP_ANONYMOUS = 0x20 };

/* One load at a constant offset each: the verifier allows no computed offset into the context, which
 * is what clang makes of a plain switch. */
#define REGISTER(number, name)                   \
	case number:                             \
		value = ctx->name;               \
		barrier_var(value);              \
		break

static __always_inline __u64 read_register(const struct pt_regs *ctx, __u32 reg)
{
	__u64 value = 0; /* of PROBE_NO_REG */

	switch (reg) {
		REGISTER(0, ax);
		REGISTER(1, cx);
		REGISTER(2, dx);
		REGISTER(3, bx);
		REGISTER(5, bp);
		REGISTER(6, si);
		REGISTER(7, di);
		REGISTER(8, r8);
		REGISTER(9, r9);
		REGISTER(10, r10);
		REGISTER(11, r11);
		REGISTER(12, r12);
		REGISTER(13, r13);
		REGISTER(14, r14);
		REGISTER(15, r15);
	}
	return value;
}

/* The stack pointer at the function's entry: the address of the return address. */
static __always_inline __u64 entry_sp(const struct pt_regs *ctx, __u64 cookie)
{
	return ctx->sp + 8 * PROBE_PUSHED(cookie);
}

/* The bytes asked for; an overflowing product is more than any allocator has. */
static __always_inline __u64 requested_bytes(const struct pt_regs *ctx, __u64 cookie)
{
	__u64 bytes = read_register(ctx, PROBE_REG(cookie, PROBE_SIZE_SHIFT));
	__u32 count_reg = PROBE_REG(cookie, PROBE_COUNT_SHIFT);
	__u64 count, limit;

	if (count_reg == PROBE_NO_REG || PROBE_ROLE(cookie) == PROBE_ROLE_MAPPING)
		return bytes;
	count = read_register(ctx, count_reg);
	limit = count ? ~0ull / count : ~0ull;
	barrier_var(limit); /* or clang makes it a 128-bit product, which BPF does not have */
	return bytes > limit ? ~0ull : bytes * count;
}

/* Does a call of PROBE_ROLE_MAPPING ask for memory? sbrk may give some back, or just ask. */
static __always_inline bool maps_memory(const struct pt_regs *ctx, __u64 cookie)
{
	__u32 flags_reg = PROBE_REG(cookie, PROBE_COUNT_SHIFT);

	return (__s64)requested_bytes(ctx, cookie) > 0 &&
	       (flags_reg == PROBE_NO_REG || (read_register(ctx, flags_reg) & MAP_ANONYMOUS));
}

/*
 * Sends a free with the caller's stack. Nothing but pushes has been executed before the probe, so the
 * caller's registers are still its own; only its stack pointer has to be reckoned. A function of its own
 * because it is the second place that walks.
 */
static __noinline long send_free_from(struct pt_regs *ctx, __u64 cookie, __u64 addr)
{
	struct thread *thread = this_thread(BPF_LOCAL_STORAGE_GET_F_CREATE);
	__u64 sp = entry_sp(ctx, cookie);
	struct wire_free_from *record;
	struct walk_context context;
	__u32 stack;

	context.process = process_of_slot(PROBE_SLOT(cookie));
	if (!context.process)
		return 0;
	if (!thread || !prepare_walk(thread, &context)) {
		send_free(cookie, addr, 0);
		return 0;
	}
	context.ip = 0;
	bpf_probe_read_user(&context.ip, sizeof(context.ip), (void *)sp);
	context.sp = sp + 8;
	stack = intern_stack(ctx, &context, bpf_ktime_get_ns());
	record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record) {
		count_lost();
		return 0;
	}
	fill_head(&record->free.head, WIRE_FREE, sizeof(*record), context.process->pid);
	fill_free(&record->free, cookie, addr, 0);
	record->stack = stack;
	record->pad = 0;
	submit(record);
	return 0;
}

/* A free that is no realloc's. */
static __always_inline void send_plain_free(struct pt_regs *ctx, __u64 cookie, __u64 addr)
{
	if (cfg_free_stacks)
		send_free_from(ctx, cookie, addr);
	else
		send_free(cookie, addr, 0);
}

/* A call has been entered and noted: shall it fail? What is given back is sent only if so. */
static __always_inline int enter_injectable(struct pt_regs *ctx, struct thread *thread,
					    __u64 cookie)
{
	if (inject__chooses(ctx, thread, cookie))
		inject__fail(ctx, cookie);
	/* Its return is waited for, because calls inside it are none of the program's. */
	return PROBE_ROLE(cookie) == PROBE_ROLE_THROWING ? SKIP_RETURN : WATCH_RETURN;
}

static __always_inline int enter_alloc(struct pt_regs *ctx, __u64 cookie)
{
	__u64 sp = entry_sp(ctx, cookie), old;
	struct thread *thread;
	struct call *call;

	if (PROBE_ROLE(cookie) == PROBE_ROLE_MAPPING && !maps_memory(ctx, cookie))
		return SKIP_RETURN;
	thread = this_thread(BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!thread) {
		count_lost();
		return SKIP_RETURN;
	}
	call = &thread->call;
	if (call->sp && is_nested(call, sp))
		return SKIP_RETURN;
	if (thread->internal_free_sp == sp) {
		thread->internal_free_sp = 0;
		return SKIP_RETURN;
	}

	call->sp = sp;
	call->func = PROBE_FUNC(cookie);
	call->slot = PROBE_SLOT(cookie);
	call->bytes = requested_bytes(ctx, cookie);
	call->caller = 0;
	if (PROBE_ROLE(cookie) == PROBE_ROLE_THROWING)
		bpf_probe_read_user(&call->caller, sizeof(call->caller), (void *)sp);
	call->out = read_register(ctx, PROBE_REG(cookie, PROBE_OUT_SHIFT));
	call->flags = 0;
	call->role = PROBE_ROLE(cookie);
	call->only_frees = PROBE_REG(cookie, PROBE_SIZE_SHIFT) == PROBE_NO_REG;
	old = read_register(ctx, PROBE_REG(cookie, PROBE_PTR_SHIFT));
	call->old = old;
	if (cfg_inject)
		return enter_injectable(ctx, thread, cookie);
	if (old && call->only_frees) {
		send_plain_free(ctx, cookie, old);
	} else if (old) {
		call->flags = WIRE_ALLOC_REALLOC;
		send_free(cookie, old, WIRE_FREE_REALLOC);
	}
	return WATCH_RETURN;
}

/* The address of the new block; 0: the call failed. */
static __always_inline __u64 returned_block(const struct pt_regs *ctx, const struct call *call)
{
	__u64 result = ctx->ax, block = 0;

	barrier_var(result); /* one load, at a constant offset */
	if (call->role == PROBE_ROLE_RESIZING)
		return result >= call->bytes ? call->old : 0;
	if (call->role == PROBE_ROLE_MAPPING && result == ~0ull) /* MAP_FAILED */
		return 0;
	if (!call->out)
		return result;
	if (!(__u32)result)
		bpf_probe_read_user(&block, sizeof(block), (void *)call->out);
	return block;
}

/* at_ret: the instruction that returns has not been executed yet. */
static __always_inline void leave_alloc(struct pt_regs *ctx, bool at_ret)
{
	struct thread *thread = this_thread(0);
	struct walk_context context;
	struct wire_alloc *record;
	struct call *call;
	__u64 time_ns;
	__u32 stack;

	if (!thread || !thread->call.sp)
		return;
	context.ip = ctx->ip;
	context.sp = ctx->sp;
	if (at_ret) {
		context.ip = thread->call.caller;
		context.sp += 8;
		if (!context.ip)
			return;
	}
	/* The return pops the word at entry; any other return is of a nested call. */
	if (thread->call.sp + 8 != context.sp)
		return;
	call = &thread->call;
	call->sp = 0;
	if (!watching || call->only_frees)
		return;
	if (cfg_inject) {
		if (call->flags & WIRE_ALLOC_INJECTED && returned_block(ctx, call))
			__sync_fetch_and_add(&nr_inject_survived, 1);
		return;
	}
	context.process = process_of_slot(call->slot);
	if (!context.process)
		return;
	if (!prepare_walk(thread, &context)) {
		count_lost();
		return;
	}
	time_ns = bpf_ktime_get_ns();
	stack = intern_stack(ctx, &context, time_ns);
	record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record) {
		count_lost();
		return;
	}
	fill_head(&record->head, WIRE_ALLOC, sizeof(*record), context.process->pid);
	record->time_ns = time_ns;
	record->addr = returned_block(ctx, call);
	record->bytes = call->bytes;
	record->tid = (__u32)bpf_get_current_pid_tgid();
	record->stack = stack;
	record->func = call->func;
	record->flags = call->flags;
	record->weight = 0;
	submit(record);
}

static __always_inline void enter_free(struct pt_regs *ctx, __u64 cookie)
{
	__u64 addr = read_register(ctx, PROBE_REG(cookie, PROBE_PTR_SHIFT));
	__u64 sp = entry_sp(ctx, cookie);
	struct thread *thread;

	if (!addr)
		return;
	thread = this_thread(0);
	if (thread && thread->internal_free_sp == sp) {
		thread->internal_free_sp = 0;
		return;
	}
	if (thread && thread->call.sp && is_nested(&thread->call, sp))
		return;
	send_plain_free(ctx, cookie, addr);
}

static __always_inline void enter_internal_free(struct pt_regs *ctx)
{
	struct thread *thread = this_thread(BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (thread)
		thread->internal_free_sp = ctx->sp - 8; /* where the call puts its return address */
}

static __always_inline int enter_any(struct pt_regs *ctx, __u64 cookie)
{
	if (!watching)
		return SKIP_RETURN;
	/* In one place, for the verifier looks at each. */
	if (cfg_inject && PROBE_ROLE(cookie) != PROBE_ROLE_RETURN &&
	    PROBE_ROLE(cookie) != PROBE_ROLE_LOADED)
		return enter_alloc(ctx, cookie);
	switch (PROBE_ROLE(cookie)) {
	case PROBE_ROLE_RETURNING:
	case PROBE_ROLE_RESIZING:
	case PROBE_ROLE_MAPPING:
		return enter_alloc(ctx, cookie);
	case PROBE_ROLE_THROWING:
		enter_alloc(ctx, cookie);
		break;
	case PROBE_ROLE_RETURN:
		leave_alloc(ctx, true);
		break;
	case PROBE_ROLE_FREE:
		enter_free(ctx, cookie);
		break;
	case PROBE_ROLE_INTERNAL_FREE:
		enter_internal_free(ctx);
		break;
	case PROBE_ROLE_LOADED:
		tell_loaded(PROBE_SLOT(cookie));
		break;
	}
	return SKIP_RETURN;
}

/*
 * Both sides of every function, where the kernel has session links. On the entry side the thread stands
 * at the probe, on the other at its caller. (bpf_session_is_return has another prototype since Linux 7,
 * and libbpf takes the one or the other.)
 */
SEC("uprobe")
int session(struct pt_regs *ctx)
{
	keep_to_own_stack(ctx);
	if (ctx->ip == bpf_get_func_ip(ctx))
		return enter_any(ctx, bpf_get_attach_cookie(ctx));
	leave_alloc(ctx, false);
	return 0;
}

/* The two sides apart, for the other kinds of link. */
SEC("uprobe")
int enter(struct pt_regs *ctx)
{
	keep_to_own_stack(ctx);
	enter_any(ctx, bpf_get_attach_cookie(ctx));
	return 0;
}

SEC("uprobe")
int leave(struct pt_regs *ctx)
{
	keep_to_own_stack(ctx);
	leave_alloc(ctx, false);
	return 0;
}

SEC("raw_tp/sched_process_exec")
int exec_done(void *ctx)
{
	tell_exec();
	return 0;
}

SEC("raw_tp/sched_process_exit")
int exit_begun(void *ctx)
{
	note_exit();
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(fork_done, struct task_struct *parent, struct task_struct *child)
{
	tell_fork(parent, child);
	return 0;
}
