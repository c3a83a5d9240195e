/* SPDX-License-Identifier: BSD-2-Clause */
/* Patterns with * (any characters) and ? (any one) for names of functions and files. */
#ifndef GLOB_H_HEAPTAP
#define GLOB_H_HEAPTAP

#include <stdbool.h>
#include <stddef.h>

/* Does the whole text match? ? is itself unless any_one. Takes time of the product of both lengths
 * at most. */
bool glob__match(const char *pattern, const char *text, bool any_one);

/* A demangled name without its parameters: shop::Shelf::stock of shop::Shelf::stock(int). The
 * caller frees it. */
char *name__without_parameters(const char *name);
/* Likewise, and without its scopes: stock. */
char *name__unqualified(const char *name);

/* How a name must relate to the text of a name_pattern. */
enum name_relation {
	NAME_GLOB,   /* match it */
	NAME_EQUAL,  /* be it */
	NAME_PREFIX, /* begin with it */
	NAME_SCOPE,  /* likewise, and not go on with the same identifier */
};

struct name_pattern {
	char *text; /* NULL: no name matches; owned */
	enum name_relation relation;
};

bool name_pattern__match(const struct name_pattern *pattern, const char *name);
void name_pattern__clear(struct name_pattern *pattern);

/*
 * What a mangled C++ or Rust name says of demangled ones: the name itself, or, where it has
 * wildcards, the scopes and the identifier in front of the first (_ZN3foo3bar* is foo::bar). Of a
 * text that is not mangled, or says too little: no pattern.
 */
struct name_pattern name_pattern__demangled(const char *mangled);

#endif /* GLOB_H_HEAPTAP */
