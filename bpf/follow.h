/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Processes as they come and change: children of followed processes, and new images. So that nothing of
 * theirs is missed they are held, by SIGSTOP, until the loader has set the probes: a child before its
 * first instruction, exec before the first of the new image, and a dynamic loader when it has mapped
 * libraries and has run nothing of them yet.
 */
#ifndef FOLLOW_H
#define FOLLOW_H

enum pid_type { PIDTYPE_PID = 0, PIDTYPE_TGID = 1 };

/* Linux 6.13. Without it children run on while they are being probed. */
extern int bpf_send_signal_task(struct task_struct *task, int sig, enum pid_type type,
				__u64 value) __ksym __weak;

/* The loader's own process: it does not mind that its child stops. Set before load. */
const volatile __u32 cfg_own_tgid = 0;

#define SIGTTOU 22
#define SIG_IGN ((void *)1)

/*
 * Is the parent a shell with job control, which would think that its user has stopped the process?
 * Such shells ignore SIGTTOU, for they take the terminal back while in the background.
 */
static __always_inline bool shell_would_see(struct task_struct *task)
{
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);

	return (__u32)BPF_CORE_READ(parent, tgid) != cfg_own_tgid &&
	       BPF_CORE_READ(parent, signal, tty) &&
	       BPF_CORE_READ(parent, sighand, action[SIGTTOU - 1].sa.sa_handler) == SIG_IGN;
}

/*
 * A debugger is shown our stop signal, and passes it on when it likes: perhaps after the signal to
 * continue, and then for ever. So whom one traces is not held.
 */
static __always_inline bool is_traced(struct task_struct *task)
{
	return BPF_CORE_READ(task, ptrace) != 0;
}

/* Stops the calling process until the loader has seen to what the next record tells. */
static __always_inline void hold_this_process(const struct followed *entry)
{
	struct unwind_process *process = process_of_slot(entry->slot);

	if (!(entry->flags & FOLLOW_MAY_STOP) || is_traced((void *)bpf_get_current_task()))
		return;
	bpf_send_signal_thread(SIGSTOP);
	if (process)
		process->held = 1;
}

static __always_inline void tell_exec(void)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct followed *entry = this_followed();
	struct unwind_process *process;
	struct wire_exec *record;

	if (!entry || !watching)
		return;
	process = process_of_slot(entry->slot);
	if (process) {
		process->pid = pid_tgid >> 32;
		__sync_fetch_and_add(&process->address_epoch, 1);
	}
	if (entry->flags & FOLLOW_CHILDREN)
		hold_this_process(entry);
	record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record) {
		count_lost();
		return;
	}
	fill_head(&record->head, WIRE_EXEC, sizeof(*record), pid_tgid >> 32);
	record->time_ns = bpf_ktime_get_ns();
	bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
}

/*
 * The dynamic loader has mapped or unmapped something: addresses may have got another meaning. Where
 * the process cannot be held until the loader of heaptap has looked, what was known of them is not
 * used until then.
 */
static __always_inline void tell_loaded(__u32 slot)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct unwind_process *process = process_of_slot(slot);
	struct followed *entry = this_followed();
	struct wire_held *record;

	if (!entry || !process || (entry->flags & FOLLOW_LOADING))
		return;
	record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record) {
		count_lost();
		return;
	}
	if ((entry->flags & FOLLOW_CHILDREN) && (entry->flags & FOLLOW_MAY_STOP) &&
	    !is_traced((void *)bpf_get_current_task()))
		hold_this_process(entry);
	else
		__sync_fetch_and_add(&process->address_epoch, 1);
	fill_head(&record->head, WIRE_HELD, sizeof(*record), pid_tgid >> 32);
	record->time_ns = bpf_ktime_get_ns();
	bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
}

/* Only a parent is told how a process ended: others learn it here. */
static __always_inline void note_exit(void)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct followed *entry = this_followed();
	struct task_struct *task;

	/* The first thread's code is the process's (kernel/exit.c, do_group_exit). */
	if (!entry || (__u32)pid_tgid != pid_tgid >> 32)
		return;
	task = (struct task_struct *)bpf_get_current_task();
	entry->exit_status = BPF_CORE_READ(task, exit_code);
	entry->has_exited = 1;
}

/* Runs in the parent; the child has not run yet. */
static __always_inline void tell_fork(struct task_struct *parent, struct task_struct *child)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct followed *entry = this_followed(), new = { .flags = FOLLOW_CHILDREN };
	__u32 child_tgid = child->tgid;
	bool shares_memory = child->mm == parent->mm;
	struct wire_fork *record;

	if (child_tgid == (__u32)(pid_tgid >> 32) || !entry || !watching ||
	    !(entry->flags & FOLLOW_CHILDREN))
		return;
	/* strace waits for its child to stop itself, and would take our stop for that. */
	if (!(entry->flags & FOLLOW_TRACER) && !shell_would_see(child))
		new.flags |= FOLLOW_MAY_STOP;
	record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record || bpf_map_update_elem(&followed, &child_tgid, &new, BPF_ANY)) {
		if (record)
			bpf_ringbuf_discard(record, 0);
		count_lost();
		return;
	}
	if ((new.flags & FOLLOW_MAY_STOP) && !is_traced(child) && bpf_send_signal_task)
		bpf_send_signal_task(child, SIGSTOP, PIDTYPE_TGID, 0);
	fill_head(&record->head, WIRE_FORK, sizeof(*record), pid_tgid >> 32);
	record->time_ns = bpf_ktime_get_ns();
	record->child = child_tgid;
	record->flags = shares_memory ? WIRE_FORK_EMPTY : 0;
	bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
}

#endif /* FOLLOW_H */
