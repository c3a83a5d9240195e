// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/fail_show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/output.h"
#include "base/text.h"
#include "base/util.h"
#include "cmd/fail_formats.h"
#include "cmd/opts.h"
#include "export/report_text.h"

static void put_stack(const char *title, struct frames frames, FILE *out)
{
	if (frames.nr) {
		fprintf(out, "  %s\n", title);
		report_text__write_frames(frames.frames, frames.nr, frames.cut, out);
	}
	frames__clear(&frames);
}

static void put_head(const struct fail_path *path, FILE *out)
{
	char *verdict = fail_formats__verdict(path), *function = fail_names__function(path);

	fprintf(out, "%016" PRIx64 "  ", path->id);
	if (function) {
		text__print(out, function);
		fprintf(out, " of %" PRIu64 " bytes", path->size);
	} else {
		fputs("not seen failing here", out);
	}
	fprintf(out, ": %s\n", verdict);
	free(function);
	free(verdict);
}

static void put_leaks(const struct fail_shown *shown, size_t number, FILE *out)
{
	const struct fail_leaks *leaks = &shown->paths[number]->leaks;

	for (size_t i = 0; i < leaks->nr; i++) {
		char *title = xasprintf("Left behind, %" PRIu64 " bytes in %" PRIu64 " block%s:",
					leaks->worst[i].bytes, leaks->worst[i].blocks,
					leaks->worst[i].blocks == 1 ? "" : "s");

		put_stack(title, fail_names__leak(shown->names, number, i), out);
		free(title);
	}
}

static void put_path(const struct fail_shown *shown, size_t number, bool all, FILE *out)
{
	const struct fail_path *path = shown->paths[number];
	bool is_fault = fail_verdict__is_fault(path->verdict, shown->summary->options->strict);
	bool full = all || is_fault || path->verdict == FAIL_ABORT;

	put_head(path, out);
	if (!full)
		return;
	put_stack("The call that failed:", fail_names__stack(shown->names, number), out);
	put_stack("Where it ended:", fail_names__crash_stack(shown->names, number), out);
	put_leaks(shown, number, out);
	fputc('\n', out);
}

static void put_counts(const struct fail_shown *shown, FILE *out)
{
	const struct fail_summary *summary = shown->summary;
	uint64_t counts[FAIL_NR_VERDICTS] = { 0 };
	const char *comma = ": ";

	for (size_t i = 0; i < shown->nr; i++)
		counts[shown->paths[i]->verdict]++;
	fprintf(out, "%zu call path%s", shown->nr, shown->nr == 1 ? "" : "s");
	for (size_t i = FAIL_NR_VERDICTS; i-- > 0;)
		if (counts[i]) {
			fprintf(out, "%s%" PRIu64 " %s", comma, counts[i],
				fail_verdict__name((enum fail_verdict)i));
			comma = ", ";
		}
	fputs(".", out);
	if (summary->nr_runs)
		fprintf(out, " %" PRIu64 " run%s%s.", summary->nr_runs,
			summary->nr_runs == 1 ? "" : "s",
			!summary->complete  ? ", not complete"
			: summary->new_only ? ""
					    : ", until no new path came");
	fputc('\n', out);
}

void fail_formats__text(const struct fail_shown *shown, bool all, FILE *out)
{
	for (size_t i = 0; i < shown->nr; i++)
		put_path(shown, i, all, out);
	put_counts(shown, out);
}

static int by_verdict(const void *a, const void *b)
{
	const struct fail_path *one = *(struct fail_path *const *)a;
	const struct fail_path *other = *(struct fail_path *const *)b;

	if (one->verdict != other->verdict)
		return one->verdict < other->verdict ? -1 : 1;
	return one->run < other->run ? -1 : one->run > other->run;
}

static struct fail_shown choose(struct fail_summary *summary)
{
	const struct fail_database *database = summary->database;
	struct fail_shown shown = { .summary = summary };

	shown.paths = xcalloc(database->nr + 1, sizeof(*shown.paths));
	summary->nr_faults = 0;
	for (size_t i = 0; i < database->nr; i++) {
		struct fail_path *path = &database->paths[i];

		if (summary->new_only && !path->is_new)
			continue;
		shown.paths[shown.nr++] = path;
		summary->nr_faults +=
			fail_verdict__is_fault(path->verdict, summary->options->strict);
	}
	summary->nr_paths = shown.nr;
	qsort(shown.paths, shown.nr, sizeof(*shown.paths), by_verdict);
	shown.names = fail_names__new(summary->options, shown.paths, shown.nr);
	return shown;
}

static int write_junit(const struct fail_shown *shown, const char *path)
{
	struct output *output = output__open(path);

	if (!output)
		return -errno;
	fail_formats__junit(shown, output__stream(output));
	return output__commit(output);
}

static int write_all(struct fail_summary *summary, bool all)
{
	struct fail_shown shown = choose(summary);
	int err = 0;

	if (summary->options->json)
		fail_formats__json(&shown, stdout);
	else
		fail_formats__text(&shown, all, stdout);
	if (summary->options->junit)
		err = write_junit(&shown, summary->options->junit) ? -EIO : err;
	fail_names__free(shown.names);
	free(shown.paths);
	return err;
}

int fail_show__write(struct fail_summary *summary)
{
	return write_all(summary, false);
}

int fail_show__list(struct fail_summary *summary)
{
	return write_all(summary, true);
}
