/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The stack of the allocator's caller: walked, interned, sent once. walk_stack() is the seam: today it
 * follows frame pointers.
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

__u32 last_stack_id;
/* Changes when code addresses get a new meaning (exec): the stacks known so far are then unknown. */
__u32 address_epoch;
__u64 nr_stacks_not_kept; /* sent again each time, because the table was full */

/* Stack memory is read in pieces of so many bytes: a read costs about the same whatever its size. */
#define STACK_PIECE 512

/* A stack as it goes over the wire, built in place; behind it the piece of memory being walked. */
struct stack_buffer {
	struct wire_stack record;
	__u64 frames[WIRE_MAX_FRAMES];
	__u8 piece[STACK_PIECE];
};

/* The saved frame pointer and the return address above it. */
struct frame_link {
	__u64 next, return_address;
};

/*
 * Reads the piece of stack at `at`. Near the end of the stack's mapping a whole piece cannot be read;
 * then the link alone is (trap 6). Returns the bytes that are good, 0 when there are none.
 */
static __always_inline __u32 read_piece(__u8 *piece, __u64 at)
{
	if (!bpf_probe_read_user(piece, STACK_PIECE, (void *)at))
		return STACK_PIECE;
	if (!bpf_probe_read_user(piece, sizeof(struct frame_link), (void *)at))
		return sizeof(struct frame_link);
	return 0;
}

/*
 * Return addresses of the caller of the function that has just returned into ctx, innermost first, by
 * frame pointers. Returns how many are in buffer->frames.
 */
static __always_inline __u32 walk_stack(struct pt_regs *ctx, struct stack_buffer *buffer)
{
	__u64 fp = ctx->bp, piece_at = 0, last = ctx->sp;
	__u32 nr_frames = 1, good = 0;

	buffer->frames[0] = ctx->ip;
	for (__u32 i = 1; i < WIRE_MAX_FRAMES; i++) {
		struct frame_link *link;
		__u64 offset = fp - piece_at;

		/* Outer frames lie higher; anything else in rbp is no frame pointer. */
		if (fp < last || fp & 7)
			break;
		if (offset + sizeof(*link) > good) {
			good = read_piece(buffer->piece, fp);
			if (!good)
				break;
			piece_at = fp;
			offset = 0;
		}
		if (offset > STACK_PIECE - sizeof(*link)) /* never; the verifier wants to see it */
			break;
		link = (struct frame_link *)(buffer->piece + offset);
		if (!link->return_address)
			break;
		buffer->frames[i] = link->return_address;
		nr_frames = i + 1;
		last = fp + sizeof(*link);
		fp = link->next;
	}
	return nr_frames;
}

static __always_inline void hash_stack(const __u64 *frames, __u32 nr_frames, struct stack_key *key)
{
	__u64 first = cfg_hash_seed ^ nr_frames, second = ~cfg_hash_seed ^ address_epoch;

	for (__u32 i = 0; i < WIRE_MAX_FRAMES; i++) {
		if (i >= nr_frames)
			break;
		first = (first ^ frames[i]) * 0x9e3779b97f4a7c15ull;
		first ^= first >> 29;
		second = (second + frames[i]) * 0xd6e8feb86659fd93ull;
		second ^= second >> 32;
	}
	key->first = first;
	key->second = second;
}

/* Sends buffer's stack as a new one. Its id, or 0 when the ring is full. */
static __always_inline __u32 send_stack(struct stack_buffer *buffer, __u32 nr_frames, __u64 pid_tgid,
					__u64 time_ns)
{
	__u32 size = sizeof(buffer->record) + nr_frames * sizeof(buffer->frames[0]);
	struct wire_stack *record = &buffer->record;

	fill_head(&record->head, WIRE_STACK, size, pid_tgid);
	record->time_ns = time_ns;
	record->id = __sync_fetch_and_add(&last_stack_id, 1) + 1;
	record->nr_frames = nr_frames;
	record->flags = nr_frames == WIRE_MAX_FRAMES ? WIRE_STACK_CUT : 0;
	if (size > offsetof(struct stack_buffer, piece)) /* never; the verifier wants to see it */
		return 0;
	if (bpf_ringbuf_output(&ring, buffer, size, wakeup_flags())) {
		count_lost();
		return 0;
	}
	return record->id;
}

/* The wire id of the caller's stack, sent first if it was unknown; 0 when it could not be sent. */
static __always_inline __u32 intern_stack(struct pt_regs *ctx, struct stack_buffer *buffer,
					  __u64 pid_tgid, __u64 time_ns)
{
	__u32 nr_frames = walk_stack(ctx, buffer);
	struct stack_key key;
	__u32 *known, id;

	if (nr_frames > WIRE_MAX_FRAMES) /* never; the verifier wants to see it */
		return 0;
	hash_stack(buffer->frames, nr_frames, &key);
	known = bpf_map_lookup_elem(&stacks, &key);
	if (known)
		return *known;
	id = send_stack(buffer, nr_frames, pid_tgid, time_ns);
	if (id && bpf_map_update_elem(&stacks, &key, &id, BPF_ANY))
		__sync_fetch_and_add(&nr_stacks_not_kept, 1);
	return id;
}

#endif /* STACK_H */
