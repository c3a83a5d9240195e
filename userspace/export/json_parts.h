/* SPDX-License-Identifier: BSD-2-Clause */
/* What the JSON of every view has in common (README.md, "JSON"). */
#ifndef JSON_PARTS_H
#define JSON_PARTS_H

#include "base/json.h"
#include "report/frames.h"
#include "report/costs.h"
#include "report/model.h"
#include "report/report.h"

/* {"heaptap": VERSION, "view": NAME, "began": …, "seconds": …, "lost_events": …, "processes": [ */
void json_parts__begin(struct json *json, FILE *out, const char *view, const struct model *model);
void json_parts__end(struct json *json);

/* {"target": {…}, and the caller goes on, to json__end_object. */
void json_parts__process(struct json *json, const struct process *process);
/* "target": {…}, with "sample_bytes" where only some allocations are recorded. */
void json_parts__target(struct json *json, const struct process *process);

/* "cut": …, "frames": […] of a stack. */
void json_parts__frames(struct json *json, const struct frame *frames, uint32_t nr_frames,
			bool cut);
/* "function": … to "inlined": …, of one frame. */
void json_parts__frame_members(struct json *json, const struct frame *frame);
/* "NAME": {"bytes": …, "blocks": …} */
void json_parts__amount(struct json *json, const char *name, struct amount amount);
/* All of them: "live": {…}, "peak": {…}, … "mean_lifetime_ns": … (null: not known of any) */
void json_parts__costs(struct json *json, const struct costs *costs);
/* "suppressed": {"bytes": …, "blocks": …, "rules": [{"rule": …, "bytes": …, "blocks": …}]}, if
 * there were any. */
void json_parts__suppressed(struct json *json, const struct process_report *process);
/* "NAME": VALUE, or null where it is not known. */
void json_parts__known(struct json *json, const char *name, uint64_t value, bool known);
/* A moment: "2026-01-31T12:00:00.000Z", of a time since 1970. */
void json_parts__time(struct json *json, const char *name, uint64_t realtime_ns);
/* Seconds between two times of the records, as a number with decimals. */
void json_parts__seconds(struct json *json, const char *name, uint64_t ns);

#endif /* JSON_PARTS_H */
