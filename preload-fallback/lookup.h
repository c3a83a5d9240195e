/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds functions of other loaded objects by their symbol tables, without dlsym: that may allocate,
 * changes what the program's dlerror says, and is in a library of its own in older C libraries.
 */
#ifndef PRELOAD_LOOKUP_H
#define PRELOAD_LOOKUP_H

/* The address of a function: of the first object behind this library, in the order in which they
 * were loaded, that defines it; of those in front of it where none does. NULL: there is none. */
void *lookup__function(const char *name);

#endif /* PRELOAD_LOOKUP_H */
