// SPDX-License-Identifier: BSD-2-Clause
/* JSON and JUnit's XML. */
#include "cmd/fail_formats.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "base/util.h"
#include "cmd/opts.h"
#include "export/report_text.h"

#define STATUS_TEXT 80

/* ", exit status 1", as far as there is one, or a signal; of the client where that failed. */
static const char *status_text(const struct fail_path *path, char text[STATUS_TEXT])
{
	*text = '\0';
	if (path->signal)
		snprintf(text, STATUS_TEXT, ", signal %d (%s)", path->signal,
			 strsignal(path->signal));
	else if (path->client_status > 0)
		snprintf(text, STATUS_TEXT, ", exit status %d of the client", path->client_status);
	else if (path->exit_status >= 0)
		snprintf(text, STATUS_TEXT, ", exit status %d", path->exit_status);
	return text;
}

char *fail_formats__verdict(const struct fail_path *path)
{
	const char *name = fail_verdict__name(path->verdict);
	char status[STATUS_TEXT];

	switch (path->verdict) {
	case FAIL_CRASH:
	case FAIL_ABORT:
	case FAIL_HANG:
		return xasprintf("%s%s", name, status_text(path, status));
	case FAIL_CLEAN:
		return xasprintf("%s%s%s", name, status_text(path, status),
				 path->said_something ? ", said so on stderr" : "");
	case FAIL_LEAK:
		return xasprintf("%s, %" PRIu64 " block%s of %" PRIu64 " bytes%s", name,
				 path->leaks.blocks, path->leaks.blocks == 1 ? "" : "s",
				 path->leaks.bytes, status_text(path, status));
	case FAIL_SILENT:
		return xasprintf("%s%s, %s", name, status_text(path, status),
				 path->output_differs ? "but other output"
						      : "but another one undisturbed");
	case FAIL_SURVIVED:
		return xasprintf("%s, output %s", name,
				 path->output_unknown	? "not compared"
				 : path->output_differs ? "differs"
							: "as undisturbed");
	case FAIL_UNTRIED:
		return xasprintf("%s, it has failed only together with others", name);
	default:
		return xstrdup(name);
	}
}

static void put_status(struct json *json, const char *key, int status)
{
	if (status >= 0)
		json__int(json, key, status);
	else
		json__null(json, key);
}

static void put_signal(struct json *json, int signal)
{
	const char *name = signal ? sigabbrev_np(signal) : NULL;
	char *full = name ? xasprintf("SIG%s", name) : NULL;

	if (signal)
		json__int(json, "signal", signal);
	else
		json__null(json, "signal");
	json__string(json, "signal_name", full);
	free(full);
}

static void put_frame(struct json *json, const struct frame *frame)
{
	json__object(json, NULL);
	json__string(json, "function", frame->function);
	json__string(json, "file", frame->file);
	json__uint(json, "line", frame->line);
	json__string(json, "module", frame->module ? frame->module->path : NULL);
	json__uint(json, "offset", frame->offset);
	json__bool(json, "inlined", frame->inlined);
	json__end_object(json);
}

static void put_frames(struct json *json, const char *key, struct frames frames)
{
	json__array(json, key);
	for (uint32_t i = 0; i < frames.nr; i++)
		put_frame(json, &frames.frames[i]);
	json__end_array(json);
	frames__clear(&frames);
}

static void put_leaks(struct json *json, const struct fail_shown *shown, size_t number)
{
	const struct fail_leaks *leaks = &shown->paths[number]->leaks;

	json__uint(json, "leaked_blocks", leaks->blocks);
	json__uint(json, "leaked_bytes", leaks->bytes);
	json__array(json, "leaks");
	for (size_t i = 0; i < leaks->nr; i++) {
		json__object(json, NULL);
		json__uint(json, "blocks", leaks->worst[i].blocks);
		json__uint(json, "bytes", leaks->worst[i].bytes);
		put_frames(json, "stack", fail_names__leak(shown->names, number, i));
		json__end_object(json);
	}
	json__end_array(json);
}

static void put_path(struct json *json, const struct fail_shown *shown, size_t number)
{
	const struct fail_path *path = shown->paths[number];
	char id[17], *function = fail_names__function(path);

	snprintf(id, sizeof(id), "%016" PRIx64, path->id);
	json__object(json, NULL);
	json__string(json, "id", id);
	json__string(json, "function", function);
	json__uint(json, "size", path->size);
	json__uint(json, "run", path->run);
	json__string(json, "verdict", fail_verdict__name(path->verdict));
	put_signal(json, path->signal);
	put_status(json, "exit_status", path->exit_status);
	put_status(json, "client_status", path->client_status);
	if (path->output_unknown)
		json__null(json, "output_differs");
	else
		json__bool(json, "output_differs", path->output_differs);
	json__bool(json, "said_something", path->said_something);
	put_frames(json, "stack", fail_names__stack(shown->names, number));
	put_frames(json, "crash_stack", fail_names__crash_stack(shown->names, number));
	put_leaks(json, shown, number);
	json__end_object(json);
	free(function);
}

void fail_formats__json(const struct fail_shown *shown, FILE *out)
{
	struct json json;

	json__begin(&json, out);
	json__object(&json, NULL);
	json__array(&json, "paths");
	for (size_t i = 0; i < shown->nr; i++)
		put_path(&json, shown, i);
	json__end_array(&json);
	json__uint(&json, "runs", shown->summary->nr_runs);
	json__bool(&json, "complete", shown->summary->complete);
	json__end_object(&json);
	fputc('\n', out);
}

/* XML has no place for control characters, escaped or not. */
static void put_xml(FILE *out, const char *text)
{
	static const struct {
		char c;
		const char *entity;
	} entities[] = { { '<', "&lt;" }, { '>', "&gt;" }, { '&', "&amp;" }, { '"', "&quot;" } };
	size_t len;

	for (; *text; text += len ? len : 1) {
		const char *entity = NULL;

		len = *text == '\n' ? 1 : text__character(text);
		for (size_t i = 0; i < ARRAY_SIZE(entities); i++)
			if (*text == entities[i].c)
				entity = entities[i].entity;
		if (entity)
			fputs(entity, out);
		else if (len)
			fwrite(text, 1, len, out);
		else
			fputc('?', out);
	}
}

static void put_xml_stack(FILE *out, const char *title, struct frames frames)
{
	char *text = NULL;
	size_t len = 0;
	FILE *memory;

	memory = frames.nr ? open_memstream(&text, &len) : NULL;
	if (memory) {
		report_text__write_frames(frames.frames, frames.nr, frames.cut, memory);
		fclose(memory);
		fputs(title, out);
		fputc('\n', out);
		put_xml(out, text);
	}
	free(text);
	frames__clear(&frames);
}

/* What is no fault has its verdict in words, too. */
static void put_verdict(const char *verdict, FILE *out)
{
	fputs("<system-out>", out);
	put_xml(out, verdict);
	fputs("</system-out>", out);
}

static void put_fault(const struct fail_shown *shown, size_t number, const char *verdict, FILE *out)
{
	const struct fail_path *path = shown->paths[number];

	fputs("\n    <failure message=\"", out);
	put_xml(out, verdict);
	fputs("\">", out);
	put_xml_stack(out, "The call that failed:", fail_names__stack(shown->names, number));
	put_xml_stack(out, "Where it ended:", fail_names__crash_stack(shown->names, number));
	for (size_t i = 0; i < path->leaks.nr; i++)
		put_xml_stack(out, "Left behind:", fail_names__leak(shown->names, number, i));
	fputs("</failure>\n  ", out);
}

static void put_case(const struct fail_shown *shown, size_t number, FILE *out)
{
	const struct fail_path *path = shown->paths[number];
	char *verdict = fail_formats__verdict(path), *function = fail_names__function(path);

	fputs("  <testcase classname=\"", out);
	put_xml(out, shown->summary->program);
	fprintf(out, "\" name=\"%016" PRIx64 " ", path->id);
	put_xml(out, function ? function : "allocation");
	fprintf(out, " of %" PRIu64 " bytes\">", path->size);
	if (fail_verdict__is_fault(path->verdict, shown->summary->options->strict))
		put_fault(shown, number, verdict, out);
	else
		put_verdict(verdict, out);
	fputs("</testcase>\n", out);
	free(function);
	free(verdict);
}

void fail_formats__junit(const struct fail_shown *shown, FILE *out)
{
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"heaptap fail\"", out);
	fprintf(out, " tests=\"%zu\" failures=\"%" PRIu64 "\" errors=\"0\">\n", shown->nr,
		shown->summary->nr_faults);
	for (size_t i = 0; i < shown->nr; i++)
		put_case(shown, i, out);
	fputs("</testsuite>\n", out);
}
