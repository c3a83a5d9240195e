/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said of a module whose names could not be found, or where they were found. */
#ifndef COMPLAIN_H
#define COMPLAIN_H

#include <stdbool.h>

#include "symbol/lookup.h"
#include "symbol/sym.h"

/* Did the child of lookup__run come to the file at all, and then to grief? */
bool complain__is_about_reading(int err);

enum sym_trouble complain__trouble(int err);

/* One warning: err of lookup__run, where the file was looked for, what to do. has_symbols: function
 * names could be had after all. */
void complain__of(const struct module *module, const struct sym_options *options, int err,
		  bool has_symbols);

/* Which file the names are from, for those who ask for such talk. */
void complain__tell(const struct module *module, const struct lookup_result *result);

#endif /* COMPLAIN_H */
