/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of one address: every block that contained it, and every free of it while nothing lived
 * there. An observer of the model; blocks that its filter leaves out do not count.
 */
#ifndef LIVES_H
#define LIVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/model.h"

/* Kept of each process: so many of the first, and so many of the last. */
#define LIVES_MAX 1000

enum life_kind {
	LIFE_LIVE,     /* at the end */
	LIFE_FREED,    /* by a free, or a realloc to nothing */
	LIFE_MOVED,    /* by a realloc, to another place or to another size */
	LIFE_REPLACED, /* its free was not seen, and the address was given out again */
	LIFE_NOTHING,  /* no life: a free of the address, and nothing was there */
};

struct life {
	enum life_kind kind;
	uint64_t addr, bytes; /* of the block; NOTHING: the address, 0 */
	/* How it began; NOTHING: not set. */
	uint64_t born_ns;
	uint32_t born_tid; /* 0: not known */
	uint32_t stack;	   /* index */
	uint16_t born_func;
	uint32_t weight;	      /* it stands for so many blocks, itself included */
	bool inherited;		      /* was there when the process was forked */
	bool was_moved;		      /* a realloc made it of another block ... */
	uint64_t old_addr, old_bytes; /* ... this one; addr 0: not known */
	/* How it ended; LIVE: not set. */
	uint64_t died_ns;
	uint32_t died_tid;
	uint16_t died_func;
	uint32_t died_stack;	      /* index; 0: not known */
	uint64_t new_addr, new_bytes; /* MOVED: what a realloc made of it */
};

/* A live block beside the address. */
struct life_neighbour {
	struct heap_block block; /* addr 0: there is none */
	uint32_t stack;		 /* index */
	uint32_t tid;		 /* 0: not known */
};

/* Of one process. */
struct lives_process {
	const struct life *lives; /* in the order of their beginnings */
	size_t nr_lives;
	size_t nr_first; /* so many of these are the first ones; then come, left out: */
	uint64_t nr_hidden;
	uint64_t nr_blocks, nr_nothing; /* of all, hidden ones included */
	/* At the end: nearest below the address, and above, whatever the filter. */
	struct life_neighbour before, after;
};

struct lives;

/* Begins to observe a model, before its first record. Freed before or after the model. */
struct lives *lives__new(struct model *model, uint64_t address);
void lives__free(struct lives *lives);

/* What has come of a process so far. Lives until the next record, or the next call of it. */
struct lives_process lives__of(struct lives *lives, const struct process *process);

#endif /* LIVES_H */
