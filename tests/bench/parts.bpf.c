// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* heaptap's programs, and one that does their work only up to a chosen part of it. */
#include "heaptap.bpf.c"

/* The last part that is done: the order of parts.c. */
enum { PART_NOTHING, PART_CALL, PART_WALK, PART_INTERN, PART_RECORDS };
const volatile __u32 cfg_last_part = PART_RECORDS;

/* Those of leave_alloc and intern_stack, for stacks that can be walked. */
static __always_inline void leave_parts(struct pt_regs *ctx)
{
	struct thread *thread = this_thread(0);
	struct walk_context context;
	struct stack_key key;
	__u32 id = 1;

	if (!thread || thread->call.sp + 8 != ctx->sp)
		return;
	thread->call.sp = 0;
	if (cfg_last_part < PART_WALK)
		return;
	context.process = process_of_slot(thread->call.slot);
	if (!context.process || !prepare_walk(thread, &context))
		return;
	context.ip = ctx->ip;
	context.sp = ctx->sp;
	walked_key(&context, walk_stack(ctx, &context), &key);
	if (cfg_last_part < PART_INTERN)
		return;
	if (!bpf_map_lookup_elem(&stacks, &key))
		bpf_map_update_elem(&stacks, &key, &id, BPF_ANY);
}

SEC("uprobe")
int parts(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	bool allocates = PROBE_ROLE(cookie) == PROBE_ROLE_RETURNING;

	stay_on_the_stack(ctx);
	if (cfg_last_part == PART_NOTHING)
		return allocates ? WATCH_RETURN : SKIP_RETURN;
	if (ctx->ip != bpf_get_func_ip(ctx)) {
		if (cfg_last_part < PART_RECORDS)
			leave_parts(ctx);
		else
			leave_alloc(ctx, false);
		return 0;
	}
	if (!allocates && cfg_last_part < PART_RECORDS)
		return SKIP_RETURN;
	return enter_any(ctx, cookie);
}
