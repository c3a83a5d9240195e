/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address space of one process: which module was mapped where, and when. Mappings of the past stay
 * known, because records of the past come later.
 */
#ifndef SPACE_H
#define SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct space;

struct space *space__new(void);
void space__free(struct space *space);
/* What a forked child begins with. */
struct space *space__copy(const struct space *from);

/* From time_ns on, [start, end) is `module`, `start` being its link-time address vaddr. An empty range
 * is ignored. */
void space__add(struct space *space, uint64_t time_ns, uint64_t start, uint64_t end, uint64_t vaddr,
		uint32_t module);
/* What was mapped at an address at a time: its link-time address and module. False: nothing. */
bool space__find(const struct space *space, uint64_t address, uint64_t time_ns, uint64_t *vaddr,
		 uint32_t *module);
/* Mappings known, those of the past included. */
size_t space__count(const struct space *space);

#endif /* SPACE_H */
