/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The names of alloc_api.h, to be looked up fast (a large library has a hundred thousand symbols),
 * and whose functions a file's are: every family's malloc is called malloc.
 */
#ifndef FAMILIES_H
#define FAMILIES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/hash.h"
#include "probe/allocators.h"

struct custom_list;
struct custom_fn;

/* A name and one of its senses: exactly one pointer is set. */
struct known_name {
	const char *symbol;
	const struct alloc_fn *fn;
	struct custom_fn *custom;
	const char *marker; /* the family it tells */
	unsigned rank;	    /* of the marker: the lower is the surer */
};

struct known_names {
	struct known_name *sorted; /* the senses of a name stand together */
	size_t nr;
	struct hmap first; /* hash of a name -> its first sense */
};

/* custom may be NULL. */
void known_names__init(struct known_names *names, const struct custom_list *custom);
void known_names__clear(struct known_names *names);
/* The senses of a name, *nr of them; NULL: it has none. */
const struct known_name *known_names__find(const struct known_names *names, const char *symbol,
					   size_t *nr);

/* Is it a family's own name, that tells it wherever it stands (mi_malloc)? */
bool family__is_own_name(const char *symbol);
/* Is it an operator new or delete? */
bool family__is_operator(const char *symbol);
/* Does free of that family end there, without handing the block on to another's? */
bool family__free_is_last(const char *family);

#endif /* FAMILIES_H */
