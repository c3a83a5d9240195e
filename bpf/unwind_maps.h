/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Where the walker (unwind.h) finds its tables and the memory of the process: the kernel's side. */
#ifndef UNWIND_MAPS_H
#define UNWIND_MAPS_H

#include "unwind_abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_MAX_SLOTS);
	__type(key, __u32);
	__type(value, struct unwind_process);
} processes SEC(".maps");

/* Of all processes' views. The loader sets the size. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * UNWIND_MAX_RANGE_BLOCKS);
	__type(key, __u32);
	__type(value, struct unwind_range_block);
} unwind_ranges SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_MAX_MODULES);
	__type(key, __u32);
	__type(value, struct unwind_module);
} unwind_modules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_MAX_RULES);
	__type(key, __u32);
	__type(value, struct unwind_rule);
} unwind_rules SEC(".maps");

struct unwind_chunk {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_CHUNK_BLOCKS);
	__uint(key_size, sizeof(__u32)); /* by size: clang keeps no full type behind __array */
	__uint(value_size, sizeof(struct unwind_block));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, UNWIND_MAX_CHUNKS);
	__type(key, __u32);
	__array(values, struct unwind_chunk);
} unwind_chunks SEC(".maps");

/* The walker's env is the process. A thread is of one process only, so that its caches need no more
 * than this to tell tables apart. */
static __always_inline __u32 unwind__generation(void *env)
{
	const struct unwind_process *process = env;

	return process->ranges_view + (process->address_epoch << 20);
}

static __always_inline const struct unwind_view *unwind__view(void *env)
{
	const struct unwind_process *process = env;

	/* After exec: until the loader has seen it, nothing is known of what is mapped. */
	if (process->ranges_epoch != process->address_epoch)
		return NULL;
	return process->ranges_view & 1 ? &process->views[1] : &process->views[0];
}

static __always_inline const struct unwind_range_block *unwind__range_block(void *env, __u32 number)
{
	return bpf_map_lookup_elem(&unwind_ranges, &number);
}

static __always_inline const struct unwind_module *unwind__module(void *env, __u32 number)
{
	return bpf_map_lookup_elem(&unwind_modules, &number);
}

static __always_inline const struct unwind_block *unwind__block(void *env, __u32 number)
{
	__u32 chunk_number = number / UNWIND_CHUNK_BLOCKS;
	__u32 index = number % UNWIND_CHUNK_BLOCKS;
	void *chunk = bpf_map_lookup_elem(&unwind_chunks, &chunk_number);

	return chunk ? bpf_map_lookup_elem(chunk, &index) : NULL;
}

static __always_inline const struct unwind_rule *unwind__rule(void *env, __u32 number)
{
	return bpf_map_lookup_elem(&unwind_rules, &number);
}

static __always_inline int unwind__read(void *env, void *to, __u32 bytes, __u64 address)
{
	return bpf_probe_read_user(to, bytes, (void *)address);
}

/* Return probes that may be pending at once in a thread; deeper ones end the stack. */
#define MAX_PENDING_RETURNS 32

/*
 * A return probe, ours or anybody's, has put its trampoline's address into the slot; what it replaced is
 * in the task's list of pending returns (kernel/events/uprobes.c). Chained ones (tail calls) share a
 * slot and all carry the original.
 */
static __always_inline __u64 unwind__original_return(void *env, __u64 slot)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct return_instance *pending = BPF_CORE_READ(task, utask, return_instances);

	for (int i = 0; i < MAX_PENDING_RETURNS && pending; i++) {
		if (BPF_CORE_READ(pending, stack) == slot)
			return BPF_CORE_READ(pending, orig_ret_vaddr);
		pending = BPF_CORE_READ(pending, next);
	}
	return 0;
}

#endif /* UNWIND_MAPS_H */
