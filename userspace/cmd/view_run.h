/* SPDX-License-Identifier: BSD-2-Clause */
/* What leaks, report and export have in common: a run, and a view of it written at its end. */
#ifndef VIEW_RUN_H
#define VIEW_RUN_H

#include "cmd/opts.h"
#include "export/view.h"

/* Returns the exit status. */
int view_run(const struct options *options, const struct view *view);

#endif /* VIEW_RUN_H */
