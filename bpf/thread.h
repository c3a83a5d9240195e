/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What is remembered of a thread between a call and its return, in task storage: per-CPU memory could
 * be overwritten by another task in the middle of a program (trap 3).
 */
#ifndef THREAD_H
#define THREAD_H

/* The outermost allocator call the thread is in; sp 0: none. */
struct call {
	__u64 sp; /* stack pointer at entry: the address of the return address */
	__u64 bytes;
	__u64 caller; /* the return address, where it is left in its place; 0: a trampoline is there */
	__u64 out; /* where the block's address will be stored; 0: it is returned */
	__u64 old; /* the block given back; 0: none */
	__u16 func;
	__u16 flags; /* WIRE_ALLOC_* */
	__u32 slot;	  /* of its process */
	__u16 role;	  /* PROBE_ROLE_* */
	__u16 only_frees; /* a free that may call another: nothing to send at its return */
};

struct thread {
	struct call call;
	__u64 internal_free_sp; /* the free entered at this stack pointer is none; 0: no such */
	struct unwind walk;
	struct memo_scratch scratch[MEMO_FRAMES];
};

/* Since Linux 7 an element of task storage has 8 KiB at most, its head included: hence two. */
_Static_assert(sizeof(struct thread) <= 8000 && sizeof(struct memo) <= 8000, "task storage");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct memo);
} memos SEC(".maps");

static __always_inline struct thread *this_thread(__u64 flags)
{
	return bpf_task_storage_get(&threads, bpf_get_current_task_btf(), NULL, flags);
}

/* What a walk of the thread works with. False: there is no memory for it. */
static __always_inline bool prepare_walk(struct thread *thread, struct walk_context *context)
{
	context->walk = &thread->walk;
	context->scratch = thread->scratch;
	context->memo = bpf_task_storage_get(&memos, bpf_get_current_task_btf(), NULL,
					     BPF_LOCAL_STORAGE_GET_F_CREATE);
	return context->memo;
}

/*
 * Is a call entered at sp made from inside `call` (trap 1)? It is when it stands deeper on the stack,
 * or at the same place (a tail call), and the outer call still waits for its return: then the word at
 * call->sp is the kernel's return trampoline. An outer call that was left by longjmp, by an exception
 * or by exec is not there any more; the new call takes its place.
 */
static __always_inline bool is_nested(const struct call *call, __u64 sp)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u64 trampoline, word = 0;

	if (sp > call->sp)
		return false;
	bpf_probe_read_user(&word, sizeof(word), (void *)call->sp);
	/* A tail call takes the place of a call without a trampoline: it returns for both. */
	if (call->caller)
		return sp != call->sp && word == call->caller;
	trampoline = BPF_CORE_READ(task, mm, uprobes_state.xol_area, vaddr);
	return word == trampoline;
}

#endif /* THREAD_H */
