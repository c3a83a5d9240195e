/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Since Linux 6.13 a program's variables may be in memory of the processor's instead of on the kernel's
 * stack (kernel/bpf/verifier.c, bpf_enable_priv_stack): that is safe for programs that are not run twice
 * at a time on one processor. Probes of functions are: a thread may be preempted in the middle of one, and
 * the next runs into it as well. Then one overwrites the other's pointers, and the kernel oopses (seen with
 * 7.2, which preempts by default). A program in which there is a tail call keeps to the stack of its thread.
 */
#ifndef OWN_STACK_H
#define OWN_STACK_H

/* Always empty. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} no_programs SEC(".maps");

/* Never set: the verifier takes the call out, when it has seen that there is one. */
const volatile bool cfg_tail_call = false;

/* In every program that is attached to functions of processes, itself, not in what it calls. */
static __always_inline void keep_to_own_stack(void *ctx)
{
	if (cfg_tail_call)
		bpf_tail_call(ctx, &no_programs, 0);
}

#endif /* OWN_STACK_H */
