/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which entries of a report are wanted, by the frames of their stacks: regular expressions that
 * some frame must match, and suppressions that leave entries out.
 */
#ifndef SELECTION_H
#define SELECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "report/frames.h"

struct selection;

enum verdict { WANTED, NOT_WANTED, SUPPRESSED };

enum verdict selection__judge(struct selection *selection, const struct frame *frames,
			      uint32_t nr_frames);

#endif /* SELECTION_H */
