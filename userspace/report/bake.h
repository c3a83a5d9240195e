/* SPDX-License-Identifier: BSD-2-Clause */
/* Names as records: what makes a recording readable on any machine. */
#ifndef BAKE_H
#define BAKE_H

#include "report/model.h"

/*
 * Resolves the names of every location the model has met and hands them on as WIRE_STRING and
 * WIRE_SYMBOL records, except those that the stream has baked in already. Its strings are used, and
 * new ones go on from their ids: nothing but what is handed out may come after. 0, or what take
 * returned. progress as in sym__resolve, with the same data;
 * may be NULL.
 */
int bake__names(struct model *model, int (*take)(const struct wire_head *record, void *data),
		void (*progress)(uint32_t done, uint32_t modules, void *data), void *data);

#endif /* BAKE_H */
