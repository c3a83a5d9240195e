/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ring of wire records that the preload library's threads fill and one consumer empties: the
 * library itself, which writes them to its sink, or another process that shares the memory. One
 * header, then data_size bytes of records.
 *
 * Positions (head, tail) are bytes that were ever passed, modulo 2^32; position & (data_size - 1)
 * is the offset. Both are multiples of 8. What is between tail and head is taken, the rest is free
 * and ALL ZERO.
 *
 * Producers, any number of threads and signal handlers in one process, without a lock:
 *   1. reserve: compare-and-swap head to head + n, where head + n - tail <= data_size. The order of
 *      reservations is the order of the heap. Nothing wraps: a reservation that would begins at
 *      offset 0, and one record RING_PAD, part of the same reservation, fills the end.
 *   2. write everything but the first 32-bit word (type and size) of the first record.
 *   3. commit: store that word, release order. Of several records in one reservation the first
 *      one's word comes last.
 *   Where there is no room a producer drops what it has and adds the number of records to `lost`.
 * It may wait for the consumer, for a bounded time; never with RING_CLOSED, never in a signal
 * handler.
 *
 * The consumer, one at a time:
 *   1. read the first word at tail, acquire order; 0: not committed yet, stop there. A thread that
 *      was killed there commits never: the consumer is stuck until it closes the ring.
 *   2. take the record (not RING_PAD), make its bytes zero, add its size to tail, release order.
 *   A consumer in another process believes nothing: head - tail at most data_size, sizes multiples
 * of 8 from 8 to what is left before the end of the data and before head; whatever else it finds,
 * it sets RING_CLOSED and keeps what it has. It sets RING_CLOSED too when it leaves; that one which
 *   died without doing so costs the producers one bounded wait. Neither side ends for the other's
 * sake.
 *
 * All words are 32 bits, for MIPS32 has no larger atomic ones. Byte order is the machine's.
 *
 * A ring that is shared with another process lies in one sealed memfd, together with a catalogue:
 * the records that say what the others mean (WIRE_TARGET first, WIRE_MODULE, WIRE_MAPPING), which
 * only grows. What a record of the ring refers to is in the catalogue before it is committed; so the
 * consumer notes head, reads the catalogue as far as it is used, then the ring up to that head.
 * The memfd is handed over by a struct ring_hello, one for each image that a process runs; another
 * one of the same process says that it has called exec.
 *
 * Forking: before it forks, a thread commits a struct ring_fork and empties the slot it names. The
 * child writes its pid there before anything else, and then makes a ring of its own; the parent does
 * so, too, where it learns the pid, and sets `done` when the fork is over. The consumer does not pass the record before it knows the child, for
 * a bounded time: what comes before it in the ring is the child's heap, too, what comes behind is not.
 */
#ifndef RING_ABI_H
#define RING_ABI_H

#include "wire.h"

#define RING_MAGIC   0x52504148u
#define RING_VERSION 1u
/* data_size: a power of two in these bounds. */
#define RING_MIN_SIZE (1u << 16)
#define RING_MAX_SIZE (1u << 30)

/* Type of a record without content; its size is that of the gap. Never in a recording. */
#define RING_PAD 0xffffu

/* Type of a struct ring_fork. Never in a recording. */
#define RING_FORK 0xfffeu

struct ring_fork {
	struct wire_head head;
	uint64_t time_ns;
	uint32_t slot; /* of the table below */
	uint32_t pad;
};

/* What became of it. Not in the ring, where a child that comes late would write into other records;
 * a slot is used again after RING_FORK_SLOTS forks. */
#define RING_FORK_SLOTS 1024u
struct ring_fork_slot {
	uint32_t child; /* 0: not known yet */
	uint32_t done;	/* RING_FORK_*: what the parent knows of it */
};
#define RING_FORK_OVER	 1u /* it has failed, or there is a child */
#define RING_FORK_FAILED 2u

/* Type of a struct ring_exec. Never in a recording. */
#define RING_EXEC 0xfffdu

/*
 * A process is about to become another program, or has failed to: the producer, or a child that it has
 * started in its own memory. Followed by path_len bytes of what was asked for. A program that loads
 * the library hands over a ring; of one that does not, the consumer can say so.
 */
struct ring_exec {
	struct wire_head head;
	uint32_t pid;
	uint32_t flags;	   /* RING_EXEC_* */
	uint32_t path_len; /* 0: not known */
	uint32_t pad;
};
#define RING_EXEC_FAILED 1u /* what was told of last has not happened */
#define RING_EXEC_PATH	 1024u

/*
 * A variable of the environment says where rings are handed over: NAME/TOKEN, NAME of a datagram
 * socket in the abstract namespace, TOKEN of RING_TOKEN letters. The datagram is a struct
 * ring_hello and one descriptor, of a memfd with F_SEAL_SHRINK. Where nobody listens the consumer
 * is gone.
 */
#define RING_VARIABLE "HEAPTAP_RING"
#define RING_TOKEN    32

struct ring_hello {
	uint32_t magic;	  /* RING_MAGIC */
	uint32_t version; /* RING_VERSION */
	char token[RING_TOKEN];
};

/* ring.flags, the consumer's */
#define RING_CLOSED 1u /* nobody reads any more: drop, do not wait */

/* What is written by different sides stands on different cache lines. */
struct ring {
	uint32_t magic; /* written last: all else is there */
	uint32_t version;
	uint32_t data_offset; /* from the start of this header */
	uint32_t data_size;
	uint32_t producer; /* its pid; a forked child has a ring of its own */
	/* Of a shared ring; else 0. */
	uint32_t parent; /* of a forked child: whose heap it has a copy of; 0: it began by exec */
	uint32_t catalogue_offset; /* from the start of this header */
	uint32_t catalogue_size;
	uint32_t catalogue_used; /* bytes of whole records, stored in release order */
	uint32_t forks_offset;	 /* of RING_FORK_SLOTS slots */
	uint32_t nr_forks;	 /* the producers' count of them */
	uint32_t starter;	 /* pid of who has started the process */
	uint32_t pad[4];

	uint32_t head; /* producers' */
	uint32_t pad2[15];

	uint32_t tail; /* consumer's */
	uint32_t flags;
	uint32_t pad3[14];

	uint32_t lost; /* producers': records dropped so far, modulo 2^32 */
	uint32_t pad4[15];
};

_Static_assert(sizeof(struct ring) == 256, "ring layout");
_Static_assert(sizeof(struct ring_fork) == 24, "ring layout");
_Static_assert(sizeof(struct ring_fork_slot) == 8, "ring layout");
_Static_assert(sizeof(struct ring_exec) == 24, "ring layout");
_Static_assert(sizeof(struct ring_hello) == 40, "ring layout");

#endif /* RING_ABI_H */
