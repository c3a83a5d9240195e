/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses of blocks freed lately: a table of fixed size, in which a newer one may take an older
 * one's place. */
#ifndef FREED_H
#define FREED_H

#include <stdint.h>

/* Zero: none. 32 bytes: there are a million. */
struct freed {
	uint64_t addr;
	uint64_t time_ns;
	uint32_t heap;	/* a number of the caller's; 0 stands for none */
	uint32_t stack; /* wire id; of the allocation */
	uint32_t tid;	/* that freed it */
	uint16_t func, free_func;
};

/* A table of 2^bits entries, 0 at first; memory comes as it is used. NULL with errno. */
struct freed *freed__new(unsigned bits);
void freed__free(struct freed *table, unsigned bits);
/* The place of an address in it, whoever has it now. */
struct freed *freed__place(struct freed *table, unsigned bits, uint32_t heap, uint64_t addr);

#endif /* FREED_H */
