/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of what has no name. */
#ifndef UNRESOLVED_H
#define UNRESOLVED_H

#include <stddef.h>

struct model;

/*
 * Writes to path (base/output.h) a line "object 0xADDRESS" for each code address of the models
 * whose name was looked for in a file and not found; object is the path of the file as the process
 * saw it, address is that of the process; sorted, each line once. To be called after names were
 * looked up. 0, or -errno after saying why not.
 */
int unresolved__write(const struct model *const *models, size_t nr_models, const char *path);

#endif /* UNRESOLVED_H */
