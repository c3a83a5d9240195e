/* SPDX-License-Identifier: BSD-2-Clause */
/* Interned strings: equal text, equal id. */
#ifndef STRTAB_H
#define STRTAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

/* Zero-initialise. Ids count from 1 in the order of first sight; 0 stands for "no string". */
struct strtab {
	char **texts;
	size_t nr, capacity;
	struct hmap by_hash; /* hash of the text -> id */
};

/* The id of the first len bytes of text, added where new. A NUL byte ends the text early. */
uint32_t strtab__add(struct strtab *tab, const char *text, size_t len);
/* The text of id; NULL for 0 and for ids never given out. Lives as long as the table. */
const char *strtab__text(const struct strtab *tab, uint32_t id);
void strtab__clear(struct strtab *tab);

#endif /* STRTAB_H */
