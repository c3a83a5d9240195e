// SPDX-License-Identifier: BSD-2-Clause
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/run.h"
#include "export/report_text.h"
#include "report/function_name.h"
#include "wire.h"

/* Names are looked up for all that has come since the last time at once. */
#define PRINT_NS (NSEC_PER_SEC / 4)

/* A call site's first allocation, not printed yet. */
struct sighting {
	uint32_t stack; /* index */
	uint16_t func;
	uint64_t bytes;
	uint32_t pid, tid;
};

struct sightings {
	struct hmap seen; /* location of the innermost frame */
	struct sighting *waiting;
	size_t nr, capacity;
	uint64_t printed_ns;
};

static void observe(struct run *run, const struct wire_head *record)
{
	const struct wire_alloc *alloc = (const struct wire_alloc *)record;
	struct sightings *sightings = run->observer;
	uint32_t index;
	struct stack stack;

	if (record->type != WIRE_ALLOC)
		return;
	index = stacks__index(run->model->stacks, alloc->stack);
	stack = stacks__get(run->model->stacks, index);
	if (!stack.nr_frames || hmap__find(&sightings->seen, stack.frames[0]))
		return;
	hmap__set(&sightings->seen, stack.frames[0], 1);
	sightings->waiting = array__grow(sightings->waiting, sightings->nr, &sightings->capacity,
					 sizeof(*sightings->waiting));
	sightings->waiting[sightings->nr++] =
		(struct sighting){ index, alloc->func, alloc->bytes, record->pid, alloc->tid };
}

static void print_sighting(struct model *model, const struct sighting *sighting)
{
	char *function = function_name__make(model->functions, sighting->func);
	struct frames frames = frames__of(model, NULL, sighting->stack, UINT64_MAX);

	text__print(stdout, function ? function : "allocation");
	free(function);
	printf(" of %" PRIu64 " bytes in thread %" PRIu32, sighting->bytes, sighting->tid);
	if (model->nr_processes > 1)
		printf(" of process %" PRIu32, sighting->pid);
	putchar('\n');
	report_text__write_frames(frames.frames, frames.nr, frames.cut, stdout);
	putchar('\n');
	frames__clear(&frames);
}

static void print_waiting(struct run *run)
{
	struct sightings *sightings = run->observer;
	uint32_t *stacks;

	if (!sightings->nr)
		return;
	stacks = xcalloc(sightings->nr, sizeof(*stacks));
	for (size_t i = 0; i < sightings->nr; i++)
		stacks[i] = sightings->waiting[i].stack;
	model__resolve_stacks(run->model, run->model->stacks, stacks, sightings->nr, NULL, NULL);
	log__progress(NULL);
	for (size_t i = 0; i < sightings->nr; i++)
		print_sighting(run->model, &sightings->waiting[i]);
	fflush(stdout);
	sightings->nr = 0;
	free(stacks);
}

static int print_now_and_then(struct run *run)
{
	struct sightings *sightings = run->observer;
	uint64_t now_ns = clock__monotonic_ns();

	if (now_ns - sightings->printed_ns < PRINT_NS)
		return 0;
	print_waiting(run);
	sightings->printed_ns = clock__monotonic_ns();
	return 0;
}

static int run_stacks(const struct options *options)
{
	struct sightings sightings = { .nr = 0 };
	int status = EXIT_CANNOT;
	struct run run;

	if (!run__open(&run, options)) {
		run.observer = &sightings;
		run.observe = observe;
		run.after_pump = print_now_and_then;
		run.count_heap = false;
		if (!run__pump(&run)) {
			print_waiting(&run);
			status = run__status(&run);
		}
	}
	run__close(&run);
	hmap__clear(&sightings.seen);
	free(sightings.waiting);
	return status;
}

const struct cmd cmd_stacks = {
	.name = "stacks",
	.bit = CMD_STACKS,
	.operands = CMD_OPERANDS_TARGET_OR_FILE,
	.summary = "Print where a program allocates, as it does so.",
	.about = "Prints a stack for each place in the program that calls an allocator, when it is "
		 "first seen: the function, the size asked for, the thread, and the call path, "
		 "innermost call first. Goes on until Ctrl-C, the time of -d, or the end.",
	.examples = "heaptap stacks -p 1234 -d 5   what allocates in these five seconds\n"
		    "heaptap stacks -- ./prog      every allocating place of a run",
	.run = run_stacks,
};
