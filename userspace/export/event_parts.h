/* SPDX-License-Identifier: BSD-2-Clause */
/* How views that show single events write what these have: a moment, a stack, a function. */
#ifndef EVENT_PARTS_H
#define EVENT_PARTS_H

#include <stdio.h>

#include "base/json.h"
#include "report/model.h"

/* "after 1.234567 s (2026-01-31 12:00:00.123)": since watching began, and by the local clock. */
void event_parts__write_moment(const struct model *model, uint64_t time_ns, FILE *out);
/* "SECONDS": since watching began; "TIME": in UTC. Null for 0. */
void event_parts__json_moment(struct json *json, const char *seconds, const char *time,
			      const struct model *model, uint64_t time_ns);

/* "malloc", "operator new of c++", "function 999" where it is unknown. */
void event_parts__write_function(const struct model *model, uint16_t func, FILE *out);
/* "KEY": likewise, without its family; null where it is unknown. */
void event_parts__json_function(struct json *json, const char *key, const struct model *model,
				uint16_t func);

/*
 * The frames of a stack, by its index, whose names have been resolved: as report_text and
 * json_parts write them. depth: frames at most; 0: all.
 */
void event_parts__write_stack(const struct model *model, const struct process *process,
			      uint32_t stack, uint64_t time_ns, uint64_t depth, FILE *out);
void event_parts__json_stack(struct json *json, const struct model *model,
			     const struct process *process, uint32_t stack, uint64_t time_ns,
			     uint64_t depth);

#endif /* EVENT_PARTS_H */
