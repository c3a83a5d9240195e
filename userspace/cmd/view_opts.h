/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of the options a view has use for. One that would change nothing is refused, so that nobody
 * believes it did. */
#ifndef VIEW_OPTS_H
#define VIEW_OPTS_H

#include "cmd/opts.h"

struct view;

/* 0, or -EINVAL after saying which option is not for this view, and for which it is. */
int view_opts__check(const struct options *options, const struct view *view);

#endif /* VIEW_OPTS_H */
