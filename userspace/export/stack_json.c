// SPDX-License-Identifier: BSD-2-Clause
#include "export/stack_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/util.h"

/* malloc-trace's lines have 256 KiB at most. A stack takes up to twice as much when it is quoted.
 */
#define MAX_BYTES		(120u << 10)
#define MALLOC_TRACE_MAX_FRAMES 15

static void write_own(const struct frame *frame, FILE *out)
{
	const char *between = "";

	fputc('{', out);
	if (frame->function) {
		fputs("\"f\":", out);
		json__write_text(out, frame->function);
		between = ",";
	}
	if (frame->file) {
		fprintf(out, "%s\"s\":", between);
		json__write_text(out, frame->file);
		between = ",";
	}
	if (frame->line) {
		fprintf(out, "%s\"l\":%" PRIu32, between, frame->line);
		between = ",";
	}
	if (frame->module) {
		fprintf(out, "%s\"m\":", between);
		json__write_text(out, frame->module->path);
		between = ",";
	}
	fprintf(out, "%s\"o\":%" PRIu64 "%s}", between, frame->offset,
		frame->inlined ? ",\"i\":true" : "");
}

/* A frame without a name has its place in the file instead: malloc-trace's readers want a name. */
static char *shown_name(const struct frame *frame)
{
	if (frame->function)
		return xstrdup(frame->function);
	if (frame->module)
		return xasprintf("%s+0x%" PRIx64, path__base(frame->module->path), frame->offset);
	return xasprintf("0x%" PRIx64, frame->offset);
}

/* Blanks and all. */
static void write_malloc_trace(const struct frame *frame, FILE *out)
{
	char *name = shown_name(frame);

	fputs("{\"f\":", out);
	json__write_text(out, name);
	free(name);
	if (frame->file && frame->line) {
		fputs(" , \"s\":", out);
		json__write_text(out, frame->file);
		fprintf(out, " , \"l\":%" PRIu32 "}", frame->line);
	} else {
		fputs(" }", out);
	}
}

static char *make(const struct frames *frames, uint64_t max_frames,
		  void (*write)(const struct frame *frame, FILE *out), bool *cut)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	uint32_t nr = (uint32_t)min((uint64_t)frames->nr, max_frames ? max_frames : UINT32_MAX), i;
	long good = 1;

	if (!out)
		return xstrdup("[]");
	fputc('[', out);
	for (i = 0; i < nr; i++) {
		if (i)
			fputc(',', out);
		write(&frames->frames[i], out);
		if (ftell(out) > MAX_BYTES)
			break;
		good = ftell(out);
	}
	*cut = frames->cut || i < frames->nr;
	fputs("]", out);
	if (fclose(out))
		return xstrdup("[]");
	if (i < nr)
		memcpy(text + good, "]", 2);
	return text;
}

char *stack_json__make(const struct frames *frames, uint64_t max_frames, bool *cut)
{
	return make(frames, max_frames, write_own, cut);
}

char *stack_json__make_malloc_trace(const struct frames *frames, uint64_t max_frames)
{
	bool cut;

	if (!max_frames || max_frames > MALLOC_TRACE_MAX_FRAMES)
		max_frames = MALLOC_TRACE_MAX_FRAMES;
	return make(frames, max_frames, write_malloc_trace, &cut);
}
