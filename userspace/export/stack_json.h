/* SPDX-License-Identifier: BSD-2-Clause */
/* A stack as JSON on one line, for a field of a row. Always valid, of bounded length. */
#ifndef STACK_JSON_H
#define STACK_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/frames.h"

/*
 * [{"f": function, "s": source file, "l": line, "m": module, "o": offset in it, "i": true when it
 * was inlined into the next}], innermost first; what is not known is left out. At most max_frames
 * (0: all). *cut: outer frames are missing. The caller frees it.
 */
char *stack_json__make(const struct frames *frames, uint64_t max_frames, bool *cut);
/* As malloc-trace wrote it: "f", and "s" and "l" where they are known; 15 frames at most, too. */
char *stack_json__make_malloc_trace(const struct frames *frames, uint64_t max_frames);

#endif /* STACK_JSON_H */
