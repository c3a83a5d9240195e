/* SPDX-License-Identifier: BSD-2-Clause */
/* What the text of several views has in common. */
#ifndef REPORT_TEXT_H
#define REPORT_TEXT_H

#include <stdio.h>

#include "report/report.h"

/* "f at x.c:13", "f at libx.so+0x12", "?? at 0x12". */
void report_text__write_frame(const struct frame *frame, FILE *out);
/* A line a frame: " f at x.c:13", " f at libx.so+0x12", " ?? at 0x12". */
void report_text__write_frames(const struct frame *frames, uint32_t nr_frames, bool cut, FILE *out);
/* "about one allocation per 512 KiB was recorded; bytes and blocks are estimates": what is to be
 * said of a recording with that period. The caller frees it. */
char *report_text__sampled(uint32_t sample_bytes);
/* "Sampled: about … estimates.", where that is so, and likewise "A snapshot: …"; else nothing. */
void report_text__write_sampled(const struct model *model, FILE *out);
/* The same to standard error, for formats that have no place for it. */
void report_text__warn_sampled(const struct model *model);
/* "Temporary: …", where recordings are sampled: such figures are too high then. */
void report_text__write_temporary(const struct model *model, FILE *out);
/* "Lost events: 0.", and before it that the recording is sampled or a snapshot, where it is. */
void report_text__write_lost(const struct model *model, FILE *out);
/* What is not shown of a process, and why; nothing where all is. */
void report_text__write_notes(const struct process_report *process, FILE *out);

#endif /* REPORT_TEXT_H */
