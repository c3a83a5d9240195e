/* SPDX-License-Identifier: BSD-2-Clause */
/* A heap as cjdns wrote a snapshot of its allocators, for who has scripts that read it. */
#ifndef CJDNS_TEXT_H
#define CJDNS_TEXT_H

#include <stdio.h>

#include "report/live_blocks.h"
#include "report/report.h"

/* One process; its report must have been made of whole stacks. */
void cjdns_text__write(const struct report *report, const struct process_report *process,
		       const struct live_blocks *blocks, FILE *out);

#endif /* CJDNS_TEXT_H */
