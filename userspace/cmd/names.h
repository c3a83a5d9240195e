/* SPDX-License-Identifier: BSD-2-Clause */
/* The names at the end of a recording, read before all else. */
#ifndef NAMES_H
#define NAMES_H

#include <stdbool.h>

#include "cmd/memory_watch.h"

struct model;

/*
 * Gives a model that is to read a recording the names that are in it, if it is a file that can be
 * read twice. Whether it did: the names must then be kept from the model when it reads the rest.
 * Damage is told when it is met again, and so is too much memory.
 */
bool names__read(struct model *model, const char *path, struct memory_watch memory);

#endif /* NAMES_H */
