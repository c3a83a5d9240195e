/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The ring and everything said about it: one ring keeps the order of the heap (trap 13), what does not
 * fit is counted, and in lossless mode the target is stopped before anything has to be dropped.
 */
#ifndef EMIT_H
#define EMIT_H

#include "follow_abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4 * UNWIND_MAX_SLOTS);
	__type(key, __u32);
	__type(value, struct followed);
} followed SEC(".maps");

/* The loader sets the size. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} ring SEC(".maps");

/* Set before load. Bytes waiting in the ring at which the reader is woken, and the target stopped
 * (0: never). */
const volatile __u64 cfg_wake_bytes = 4096;
const volatile __u64 cfg_stop_bytes = 0;

/* Written by the loader while it runs. */
__u32 watching;	/* 0: probes do nothing. Flipping it is one moment for all probes. */

/* Written here, read by the loader. */
__u64 nr_lost;	/* records that could not be delivered */
__u32 stopped;	/* some process's own mark is set */

#define SIGSTOP 19

static __always_inline struct followed *this_followed(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	return bpf_map_lookup_elem(&followed, &tgid);
}

static __always_inline struct unwind_process *process_of_slot(__u32 slot)
{
	return slot ? bpf_map_lookup_elem(&processes, &slot) : NULL;
}

/* Stops the calling thread, and with it its process, because the ring fills. */
static __always_inline void stop_this_thread(void)
{
	struct followed *entry = this_followed();
	struct unwind_process *process;

	if (!entry || !(entry->flags & FOLLOW_MAY_STOP))
		return;
	process = process_of_slot(entry->slot);
	if (!process)
		return;
	bpf_send_signal_thread(SIGSTOP);
	process->stopped = 1;
	stopped = 1;
}

/*
 * Wakes the reader, and stops the target, when the ring fills. The reader also looks on its own every
 * few milliseconds, so waking only near the threshold is enough, and an ordinary record costs no IPI.
 *
 * Every thread stops itself: a signal to the process is first noticed by one thread, which may be
 * preempted before it acts, while the others run on and fill the ring. The reader's SIGCONT takes back
 * every stop signal still pending; and because `stopped` is set after the signal, one always follows.
 */
static __always_inline __u64 wakeup_flags(void)
{
	__u64 waiting = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);

	if (cfg_stop_bytes && waiting > cfg_stop_bytes) {
		stop_this_thread();
		return BPF_RB_FORCE_WAKEUP;
	}
	return waiting - cfg_wake_bytes < 4096 ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void submit(void *record)
{
	bpf_ringbuf_submit(record, wakeup_flags());
}

static __always_inline void count_lost(void)
{
	__sync_fetch_and_add(&nr_lost, 1);
}

static __always_inline void fill_head(struct wire_head *head, __u16 type, __u16 size, __u32 pid)
{
	head->type = type;
	head->size = size;
	head->pid = pid;
}

static __always_inline void fill_free(struct wire_free *record, __u64 cookie, __u64 addr,
				      __u16 flags)
{
	record->time_ns = bpf_ktime_get_ns();
	record->addr = addr;
	record->tid = (__u32)bpf_get_current_pid_tgid();
	record->func = PROBE_FUNC(cookie);
	record->flags = flags;
}

static __always_inline void send_free(__u64 cookie, __u64 addr, __u16 flags)
{
	const struct unwind_process *process = process_of_slot(PROBE_SLOT(cookie));
	struct wire_free *record;

	if (!process)
		return;
	record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record) {
		count_lost();
		return;
	}
	fill_head(&record->head, WIRE_FREE, sizeof(*record), process->pid);
	fill_free(record, cookie, addr, flags);
	submit(record);
}

#endif /* EMIT_H */
