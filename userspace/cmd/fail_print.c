// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/fail_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "base/util.h"
#include "export/report_text.h"
#include "export/stack_json.h"
#include "export/time_text.h"
#include "report/frames.h"
#include "report/function_name.h"
#include "wire.h"

struct failed_call {
	uint64_t time_ns, bytes;
	uint32_t stack; /* index */
	uint32_t pid, tid;
	uint16_t func;
};

void fail_print__add(struct fail_print *print, const struct model *model,
		     const struct wire_alloc *alloc)
{
	print->waiting =
		array__grow(print->waiting, print->nr, &print->capacity, sizeof(*print->waiting));
	print->waiting[print->nr++] =
		(struct failed_call){ .time_ns = alloc->time_ns,
				      .bytes = alloc->bytes,
				      .stack = stacks__index(model->stacks, alloc->stack),
				      .pid = alloc->head.pid,
				      .tid = alloc->tid,
				      .func = alloc->func };
}

/* One call with what is known of it. */
struct shown_call {
	const struct failed_call *call;
	const char *function;
	char time[TIME_TEXT_MAX];
	struct frames frames;
	uint64_t number;
};

static void print_text(const struct shown_call *shown)
{
	printf("Failure %" PRIu64 " at %s: ", shown->number, shown->time);
	text__print(stdout, shown->function);
	printf(" of %" PRIu64 " bytes in thread %" PRIu32 "\n", shown->call->bytes,
	       shown->call->tid);
	report_text__write_frames(shown->frames.frames, shown->frames.nr, shown->frames.cut,
				  stdout);
	putchar('\n');
}

static void print_json(const struct shown_call *shown)
{
	bool cut = false;
	char *frames = stack_json__make(&shown->frames, 0, &cut);

	printf("{\"number\":%" PRIu64 ",\"time\":\"%s\",\"pid\":%" PRIu32 ",\"tid\":%" PRIu32
	       ",\"function\":",
	       shown->number, shown->time, shown->call->pid, shown->call->tid);
	json__write_text(stdout, shown->function);
	printf(",\"size\":%" PRIu64 ",\"cut\":%s,\"frames\":%s}\n", shown->call->bytes,
	       cut ? "true" : "false", frames);
	free(frames);
}

static void print_call(struct fail_print *print, const struct model *model,
		       const struct failed_call *call)
{
	char *function = function_name__make(model->functions, call->func);
	struct shown_call shown = { .call = call,
				    .function = function ? function : "allocation",
				    .frames = frames__of(model, NULL, call->stack, UINT64_MAX),
				    .number = ++print->nr_printed };

	time_text__utc(shown.time,
		       model->anchor.realtime_ns + (call->time_ns - model->anchor.monotonic_ns));
	if (print->json)
		print_json(&shown);
	else
		print_text(&shown);
	frames__clear(&shown.frames);
	free(function);
}

void fail_print__flush(struct fail_print *print, struct model *model)
{
	uint32_t *stacks;

	if (!print->nr)
		return;
	stacks = xcalloc(print->nr, sizeof(*stacks));
	for (size_t i = 0; i < print->nr; i++)
		stacks[i] = print->waiting[i].stack;
	model__resolve_stacks(model, model->stacks, stacks, print->nr, NULL, NULL);
	log__progress(NULL);
	for (size_t i = 0; i < print->nr; i++)
		print_call(print, model, &print->waiting[i]);
	fflush(stdout);
	print->nr = 0;
	free(stacks);
}

void fail_print__clear(struct fail_print *print)
{
	free(print->waiting);
	*print = (struct fail_print){ 0 };
}
