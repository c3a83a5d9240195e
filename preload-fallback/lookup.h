/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds functions of other loaded objects by their symbol tables, without dlsym: that may allocate,
 * changes what the program's dlerror says, and is in a library of its own in older C libraries.
 */
#ifndef PRELOAD_LOOKUP_H
#define PRELOAD_LOOKUP_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

/* Of one object: what its dynamic section points to. Good as long as the object stays loaded: in a
 * callback of dl_iterate_phdr. */
struct lookup_tables {
	ElfW(Addr) base;
	const ElfW(Sym) * symbols;
	const char *strings;
	const uint32_t *hash, *gnu_hash;
	const uint16_t *versions;
};

/* False: it has no symbols. */
bool lookup__read_tables(struct lookup_tables *tables, const struct dl_phdr_info *info);
/* How many there are. */
uint32_t lookup__nr_symbols(const struct lookup_tables *tables);

/* The address of a function: of the first object behind this library, in the order in which they
 * were loaded, that defines it; of those in front of it where none does. NULL: there is none. */
void *lookup__function(const char *name);

#endif /* PRELOAD_LOOKUP_H */
