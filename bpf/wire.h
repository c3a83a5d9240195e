/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The wire records: what every engine emits, what a recording holds and what the model reads.
 *
 * Rules (DESIGN: "Wire rules"): fixed-width fields, explicit padding, no bitfields, no enum, bool,
 * long or pointers as members. Every record starts with struct wire_head; `size` counts the whole
 * record including the head and is a multiple of 8, so a reader skips what it does not know.
 * Values are explicit and append-only: never renumber, never reuse. Times are CLOCK_MONOTONIC ns.
 *
 * A stream holds any number of processes, told apart by head.pid. Ids of modules, stacks and strings,
 * and numbers of functions, are the stream's; heap, mappings, target and end are a process's. A
 * process begins with the wire_fork that names it as child, else with its first record, and ends with
 * its wire_end: records of its pid that come after that are ignored, until a wire_fork or wire_target
 * begins another process of that pid. A wire_fork comes before every other record of the child.
 */
#ifndef WIRE_H
#define WIRE_H

#ifdef __bpf__
#include <linux/types.h>
typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
typedef __s16 int16_t;
typedef __s32 int32_t;
typedef __s64 int64_t;
#else
#include <stdint.h>
#endif

/* Frames of one stack at most; deeper stacks are cut at the outer end and marked. */
#define WIRE_MAX_FRAMES 127
/* Bytes of one record at most (the head's `size` is 16 bits and a multiple of 8). */
#define WIRE_MAX_RECORD 65528
/* Bytes of one string (path, command line, symbol) at most, without the terminating NUL. */
#define WIRE_MAX_STRING 16384

/* Record types. 1-15 are hot (one an event); 16 and up are rare. */
enum {
	WIRE_ALLOC = 1,
	WIRE_FREE = 2,
	WIRE_STACK = 16,
	WIRE_TARGET = 17,
	WIRE_MODULE = 18,
	WIRE_MAPPING = 19,
	WIRE_LOST = 20,
	WIRE_EXEC = 21,
	WIRE_SYMBOL = 22,
	WIRE_STRING = 23,
	WIRE_END = 24,
	WIRE_WALK = 25,
	WIRE_FORK = 26,
	WIRE_FUNCTION = 27,
	WIRE_HELD = 28,
	WIRE_MEMORY = 29,
	WIRE_INDEX = 30,
	WIRE_FOOTER = 31,
};

struct wire_head {
	uint16_t type;
	uint16_t size; /* bytes of the whole record, head included, a multiple of 8 */
	uint32_t pid;  /* thread group id in the initial pid namespace; 0: the recording itself */
};

/* wire_alloc.flags */
#define WIRE_ALLOC_REALLOC 1u /* ends the WIRE_FREE_REALLOC that this thread sent last */
#define WIRE_ALLOC_INJECTED 2u /* with addr 0: it was made to fail, to see what the program does then */

/*
 * An allocation call has returned. addr 0: it failed and allocated nothing, except that with
 * WIRE_ALLOC_REALLOC and size 0 glibc's realloc(p, 0) has freed p.
 */
struct wire_alloc {
	struct wire_head head;
	uint64_t time_ns;
	uint64_t addr;
	uint64_t bytes; /* requested */
	uint32_t tid;
	uint32_t stack; /* a wire_stack.id sent earlier; 0: no stack */
	uint16_t func;  /* a number of alloc_api.h, or of a wire_function sent earlier */
	uint16_t flags;
	uint32_t weight; /* how many allocations this one stands for (wire_target.sample_bytes); 0: 1 */
};

/* wire_free.flags */
#define WIRE_FREE_REALLOC 1u /* a realloc of this block has begun: its fate comes in a wire_alloc */

/* A free is about to happen (sent at entry, so that the block's next owner comes later). */
struct wire_free {
	struct wire_head head;
	uint64_t time_ns;
	uint64_t addr; /* never 0 */
	uint32_t tid;
	uint16_t func;
	uint16_t flags;
};

/* The same, and who frees: sent where that is asked for. Told from a wire_free by its size. */
struct wire_free_from {
	struct wire_free free;
	uint32_t stack; /* a wire_stack.id sent earlier; 0: no stack */
	uint32_t pad;
};

/* wire_stack.flags */
#define WIRE_STACK_CUT 1u /* the walk stopped before the outermost frame */

/*
 * A stack of one process (head.pid: its mappings say what the frames are), sent once, before the first
 * record that names it; records of forked children may name it, too. Ids grow from 1 over all processes
 * of a stream and are not reused. Two ids may name equal frames (two CPUs met the
 * stack at once, the kernel's table was full, or it was met in two processes).
 */
struct wire_stack {
	struct wire_head head;
	uint64_t time_ns;
	uint32_t id;
	uint16_t nr_frames; /* 0..WIRE_MAX_FRAMES */
	uint16_t flags;
	/*
	 * Return addresses, innermost (the allocator's caller) first. Of an instruction that a signal
	 * interrupted, an address behind its first byte: all are looked up one byte in front.
	 */
	uint64_t frames[];
};

/* Bytes of stack behind a wire_walk at most; of one that is a check. */
#define WIRE_WALK_STACK 16384
#define WIRE_WALK_CHECK_STACK 61440
/* Registers of a wire_walk, by DWARF number (x86-64 psABI, figure 3.36; 16: the pc). */
#define WIRE_WALK_REGS 17

/* wire_walk.flags */
#define WIRE_WALK_CHECK 1u /* the walk was finished; this is to compare it with another walker's */

/*
 * A walk that the kernel could not finish: the source walks on and hands out a wire_stack of that id
 * instead. Never in a recording.
 */
struct wire_walk {
	struct wire_head head;
	uint64_t time_ns;
	uint32_t id;
	uint32_t flags;
	uint32_t stack_len; /* bytes of stack that are good */
	uint32_t pad;
	uint64_t regs[WIRE_WALK_REGS]; /* after the return; caller-saved ones are not set */
	uint8_t stack[];	       /* from regs[7], the stack pointer, on */
};

/* Who is watched; again after a wire_exec. Followed by two strings without NUL: exe_len bytes, then cmdline_len bytes
 * (arguments separated by NUL), then zero padding to 8. */
struct wire_target {
	struct wire_head head;
	uint64_t started_ns;      /* process start, CLOCK_REALTIME since the epoch */
	uint64_t attached_ns;     /* watching began, CLOCK_MONOTONIC */
	uint32_t exe_len;
	uint32_t cmdline_len;
	uint32_t flags;           /* WIRE_TARGET_* */
	uint32_t sample_bytes;    /* only some allocations are recorded, see below; 0: all are */
};
#define WIRE_TARGET_LAUNCHED 1u /* watched from its first instruction */
/* What was live at one moment: an ALLOC or two for each stack, whose weights and bytes add up, at made-up
 * addresses. Frees, totals, threads and times are not in it. */
#define WIRE_TARGET_SNAPSHOT 2u
/*
 * With sample_bytes R, an allocation of s bytes is recorded always where s >= R, else with the
 * probability 1 - exp(-s / R). Its weight is the inverse of that, rounded up or down at random so
 * that the mean is right: then sums of weight, and of weight times bytes, are unbiased. A block of
 * 4 GiB or more has weight 1, and no weight is above WIRE_MAX_WEIGHT.
 *
 * Frees and reallocs come of recorded blocks only. A realloc that makes a recorded block of one that
 * is not is an allocation like others, without WIRE_ALLOC_REALLOC; one that makes a block that is not
 * recorded of a recorded one ends like a realloc to nothing, with address and bytes 0.
 */
#define WIRE_MAX_WEIGHT 0x7fffffffu

/* A file mapped executable. Followed by build_id_len bytes of build-id (0: none), path_len bytes
 * of path as the target sees it, zero padding to 8. Ids count from 0 without gaps over all processes of
 * a stream: head.pid is the first that mapped it, and others may map it, too. */
struct wire_module {
	struct wire_head head;
	uint32_t id;
	uint32_t path_len;
	uint32_t build_id_len; /* at most 64 */
	uint32_t flags;	       /* WIRE_MODULE_* */
};
#define WIRE_MODULE_WATCHED 1u	 /* allocator functions of it are watched */
#define WIRE_MODULE_MAPS 2u /* it asks the kernel for memory itself (mmap, brk): it may be an allocator */

/* An executable mapping of a module appeared in a process (it replaces whatever overlapped it before
 * there). */
struct wire_mapping {
	struct wire_head head;
	uint64_t time_ns;
	uint64_t start;
	uint64_t end;   /* first byte after */
	uint64_t vaddr; /* the module's link-time address of `start` */
	uint32_t module;
	uint32_t pad;
};

/* `events` records could not be delivered at about this time. */
struct wire_lost {
	struct wire_head head;
	uint64_t time_ns;
	uint64_t events;
};

/*
 * The process (head.pid) has a new child process: from here on the child has a copy of its heap and
 * mappings (reallocs in flight are undone: their threads are not in the child). A wire_target of the child follows, and its events after that. With WIRE_FORK_EMPTY the
 * child shares its parent's memory until exec (vfork): it begins with nothing. child is neither 0 nor
 * head.pid; where a process of that pid has not ended, it has now. A reader that does not know
 * head.pid, or finds that too much was to be copied, begins the child with nothing.
 */
struct wire_fork {
	struct wire_head head;
	uint64_t time_ns;
	uint32_t child;
	uint32_t flags;
};
#define WIRE_FORK_EMPTY 1u

/*
 * An allocator function that alloc_api.h does not know, named by the user: sent before the first event
 * that has its number. Followed by family_len bytes of the family's name and symbol_len bytes of the
 * function's, zero padding to 8. head.pid is 0. Numbers of the user's begin at WIRE_FUNCTION_USER.
 */
struct wire_function {
	struct wire_head head;
	uint16_t func;
	uint16_t family_len;
	uint16_t symbol_len;
	uint16_t pad;
};
#define WIRE_FUNCTION_USER 1024

/* A process has loaded or unloaded libraries; it may stand still until the source has seen to that.
 * Never in a recording. */
struct wire_held {
	struct wire_head head;
	uint64_t time_ns;
};

/* Memory the process has of the kernel at a moment, whoever manages it: for the question whether an
 * allocator is missing. All in bytes. */
struct wire_memory {
	struct wire_head head;
	uint64_t time_ns;
	uint64_t anonymous_bytes; /* resident, without a file */
	uint64_t stack_bytes;	  /* size of the first thread's stack, part of it resident */
	uint64_t pad[2];
};

/* The process has replaced its image: its old heap and mappings are gone. All mappings of the new one
 * come after this, also those that were sent before. */
struct wire_exec {
	struct wire_head head;
	uint64_t time_ns;
};

/* A string, interned: later records name it by id. Ids count from 1 without gaps; 0 is "unknown".
 * Followed by len bytes, zero padding to 8. */
struct wire_string {
	struct wire_head head;
	uint32_t id;
	uint32_t len;
};

/*
 * The names of one code address, baked into a recording: for the return address whose link-time
 * address in `module` is `vaddr`, nr_frames frames, innermost first; all but the last are inlined.
 */
struct wire_symbol_frame {
	uint32_t function; /* string id, 0 unknown */
	uint32_t file;     /* string id, 0 unknown */
	uint32_t line;     /* 0 unknown */
	uint32_t pad;
};
struct wire_symbol {
	struct wire_head head;
	uint64_t vaddr;
	uint32_t module;
	uint32_t nr_frames; /* at most 64 */
	struct wire_symbol_frame frames[];
};

/* Watching the process has ended. head.pid 0: the recording is complete (names may follow). Recordings
 * of one process from before wire_fork end with its wire_end. */
struct wire_end {
	struct wire_head head;
	uint64_t time_ns;
	uint32_t reason; /* WIRE_END_* */
	uint32_t status; /* wait status of the process, when it ended and we know it; else 0 */
};
#define WIRE_END_STOPPED 1u /* the watcher stopped watching */
#define WIRE_END_EXITED 2u  /* the process ended */

/*
 * What one block of a recording holds, for readers that want to skip it. Only at the end of a
 * recording, behind everything else; head.pid is 0. The writer's own: no engine sends it.
 */
struct wire_index {
	struct wire_head head;
	uint64_t offset;   /* of the block, from the start of the recording's header */
	uint64_t first_ns; /* the earliest and the latest time of its events; 0 where it has none */
	uint64_t last_ns;
	uint64_t kinds;	    /* bit n: it has records of type n; bit 63: of that type or a greater one */
	uint32_t nr_events; /* allocations and frees */
	uint32_t pad;
};

/* The last record of a recording, in a block of its own that is stored as it is. head.pid is 0. */
struct wire_footer {
	struct wire_head head;
	uint64_t index_offset; /* of the first block with wire_index records: where all others end */
	uint64_t nr_blocks;    /* wire_index records */
	uint64_t nr_events;    /* of all of them */
	uint64_t first_ns;     /* of all events; 0 where there are none */
	uint64_t last_ns;
};

/* Bytes that n bytes of payload take, padded to the records' alignment. */
#define WIRE_PAD8(n) (((n) + 7u) & ~7u)

_Static_assert(sizeof(struct wire_head) == 8, "wire layout");
_Static_assert(sizeof(struct wire_alloc) == 48, "wire layout");
_Static_assert(sizeof(struct wire_free) == 32, "wire layout");
_Static_assert(sizeof(struct wire_free_from) == 40, "wire layout");
_Static_assert(sizeof(struct wire_stack) == 24, "wire layout");
_Static_assert(sizeof(struct wire_target) == 40, "wire layout");
_Static_assert(sizeof(struct wire_module) == 24, "wire layout");
_Static_assert(sizeof(struct wire_mapping) == 48, "wire layout");
_Static_assert(sizeof(struct wire_lost) == 24, "wire layout");
_Static_assert(sizeof(struct wire_fork) == 24, "wire layout");
_Static_assert(sizeof(struct wire_function) == 16, "wire layout");
_Static_assert(sizeof(struct wire_memory) == 48, "wire layout");
_Static_assert(sizeof(struct wire_exec) == 16, "wire layout");
_Static_assert(sizeof(struct wire_string) == 16, "wire layout");
_Static_assert(sizeof(struct wire_symbol) == 24, "wire layout");
_Static_assert(sizeof(struct wire_end) == 24, "wire layout");
_Static_assert(sizeof(struct wire_index) == 48, "wire layout");
_Static_assert(sizeof(struct wire_footer) == 48, "wire layout");

#endif /* WIRE_H */
