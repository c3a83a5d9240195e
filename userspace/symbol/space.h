/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which module was mapped where in one process, and when: turns an address of a moment into a
 * location (symbol/modmap.h), and back. Mappings of the past stay known, because records of the
 * past come later.
 */
#ifndef SPACE_H
#define SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbol/modmap.h"

struct space;

/* Locations and modules are those of map, which must outlive the space. */
struct space *space__new(struct modmap *map);
/* The same mappings for a child process: they are shared until one of the two adds a mapping. */
struct space *space__copy(const struct space *space);
void space__free(struct space *space);

/* From time_ns on, [start, end) is `module`, `start` being its link-time address vaddr. An unknown
 * module or an empty range is ignored. */
void space__add_mapping(struct space *space, uint64_t time_ns, uint64_t start, uint64_t end,
			uint64_t vaddr, uint32_t module);
/* Past ones included. */
size_t space__nr_mappings(const struct space *space);
/* The module of a mapping, by number below space__nr_mappings. A module may come more than once. */
uint32_t space__module(const struct space *space, size_t number);

/* Where a mapping was, and the link-time address of its start in its module. */
struct space_range {
	uint64_t start, end, vaddr;
};

/* The newest mapping of a module that has a return address in it, whenever that was; false: there
 * is none. */
bool space__range_at(const struct space *space, const struct module *module, uint64_t address,
		     struct space_range *range);

/* The location of a return address met at time_ns (the mapping is looked up for address - 1: a call
 * may be the last instruction of its mapping). Returns its index in the modmap. */
uint32_t space__locate(const struct space *space, uint64_t address, uint64_t time_ns);
/* The return address that a location had at time_ns; its link-time address where its module was
 * never mapped there. */
uint64_t space__address(const struct space *space, const struct location *location,
			uint64_t time_ns);

#endif /* SPACE_H */
