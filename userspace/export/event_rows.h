/* SPDX-License-Identifier: BSD-2-Clause */
/* Logged events as rows of a file that is written while they come: heaptap's own CSV, or what
 * malloc-trace wrote. */
#ifndef EVENT_ROWS_H
#define EVENT_ROWS_H

#include "export/view.h"
#include "report/eventlog.h"

enum row_format { ROWS_CSV, ROWS_MALLOC_TRACE };

/* The first row of heaptap's own, with its LF; and of a sampled recording, which has a column more:
 * the weight. */
extern const char event_rows__header[], event_rows__weighted_header[];

struct event_rows;

/* Begins the file that the options name. NULL after saying why not. */
struct event_rows *event_rows__open(struct model *model, const struct view_options *options,
				    enum row_format format);
/* A logged_fn; data is the event_rows. -errno, said, when it cannot be written. */
int event_rows__write(const struct logged_event *event, void *data);
/* Writes out what there is. 0 or -errno, said. */
int event_rows__flush(struct event_rows *rows);
/* Ends the file and frees; NULL is allowed. 0, or -errno, said, when rows are missing in it. */
int event_rows__close(struct event_rows *rows);

#endif /* EVENT_ROWS_H */
