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
/* "Lost events: 0." */
void report_text__write_lost(const struct model *model, FILE *out);
/* What is not shown of a process, and why; nothing where all is. */
void report_text__write_notes(const struct process_report *process, FILE *out);

#endif /* REPORT_TEXT_H */
