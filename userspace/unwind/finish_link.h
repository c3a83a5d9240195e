/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between finish.c, in heaptap, and its worker, a child process: small messages over a socket of
 * type SOCK_SEQPACKET, and a shared area for what is long. The worker is not to be believed: it
 * reads hostile files.
 */
#ifndef FINISH_LINK_H
#define FINISH_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "unwind/finish.h"

#define FINISH_PC 16

/* Longer copies are cut at the outer end. */
#define FINISH_MAX_STACK  (1u << 20)
#define FINISH_MAX_FRAMES 4096

/* For one walk; the worker is killed after it. */
#define FINISH_SECONDS 2

enum finish_kind {
	FINISH_WALK = 1, /* to the worker: the area has a request */
	FINISH_WHICH,	 /* from it: what is mapped at start? */
	FINISH_MAPPING,	 /* the answer: start, end, vaddr, and the file with the message */
	FINISH_NOTHING,	 /* the answer: nothing, or nothing that may be read */
	FINISH_DONE,	 /* from it: the area has the frames */
};

struct finish_message {
	uint64_t kind; /* FINISH_* */
	uint64_t start, end, vaddr;
};

struct finish_request {
	uint64_t regs[FINISH_NR_REGS];
	uint64_t stack_address, stack_len;
	uint64_t max_frames;
	uint64_t generation; /* another one than before: mappings were replaced */
	bool is_return;
};

struct finish_area {
	struct finish_request request;
	/* Grows while the worker walks: when it dies, the last frame tells in which module. */
	uint32_t nr_frames;
	uint32_t complete;
	uint64_t frames[FINISH_MAX_FRAMES];
	uint8_t stack[FINISH_MAX_STACK];
};

/* The worker: closes all descriptors but socket, serves until the socket's other end is closed. */
_Noreturn void finish_worker__run(int socket, struct finish_area *area);

#endif /* FINISH_LINK_H */
