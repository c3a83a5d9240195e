// SPDX-License-Identifier: BSD-2-Clause
#include "export/callgrind_names.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/text.h"
#include "base/util.h"

/* Bytes of a program's name at most: names of files are bounded, and others' are not. */
#define MAX_PROGRAM 64

/* The base name of its executable or, where that is unknown, of its first argument. */
static char *program_of(const struct process *process)
{
	const char *text = process->exe && *process->exe ? process->exe : process->cmdline;
	size_t len = text ? strlen(text) : 0;
	char *whole, *program;

	if (text && text == process->cmdline)
		len = strcspn(text, " ");
	whole = xstrndup(text ? text : "", len);
	program = xstrndup(path__base(whole), MAX_PROGRAM);
	free(whole);
	text__strip_controls(program);
	if (*program)
		return program;
	free(program);
	return xstrdup("unknown");
}

/* "1234", or "1234-2" of the second process of that pid. */
static char *number_of(const struct process *process, struct hmap *seen)
{
	const uint64_t *before = hmap__find(seen, process->pid);
	uint64_t nr = before ? *before + 1 : 1;

	hmap__set(seen, process->pid, nr);
	return nr == 1 ? xasprintf("%" PRIu32, process->pid)
		       : xasprintf("%" PRIu32 "-%" PRIu64, process->pid, nr);
}

static struct callgrind_names usual_names(const struct process *process, const char *number)
{
	char *program = process->pid ? program_of(process) : xstrdup("unknown");
	const char *dot = process->pid ? "." : "";
	struct callgrind_names names;

	if (!process->pid)
		number = "";
	names.main = xasprintf("callgrind.out.%s%s%s", program, dot, number);
	names.samples = xasprintf("%s%s%s.samples", program, dot, number);
	free(program);
	return names;
}

static bool is_wanted(const struct report *report, size_t i)
{
	return !i || report->processes[i].nr_entries;
}

struct callgrind_names *callgrind_names__make(const struct report *report, const char *path)
{
	struct callgrind_names *names = xcalloc(report->nr_processes, sizeof(*names));
	struct hmap seen = { 0 };
	size_t nr_wanted = 0;

	for (size_t i = 0; i < report->nr_processes; i++)
		nr_wanted += is_wanted(report, i);
	for (size_t i = 0; i < report->nr_processes; i++) {
		const struct process *process = report->processes[i].process;
		char *number;

		if (!is_wanted(report, i))
			continue;
		number = number_of(process, &seen);
		if (!path) {
			names[i] = usual_names(process, number);
		} else {
			names[i].main =
				nr_wanted > 1 ? xasprintf("%s.%s", path, number) : xstrdup(path);
			names[i].samples = xasprintf("%s.samples", names[i].main);
		}
		free(number);
	}
	hmap__clear(&seen);
	return names;
}

void callgrind_names__free(struct callgrind_names *names, size_t nr)
{
	for (size_t i = 0; names && i < nr; i++) {
		free(names[i].main);
		free(names[i].samples);
	}
	free(names);
}

char *callgrind_names__slice(const struct callgrind_names *names, uint64_t slice, uint64_t length_s)
{
	return xasprintf("%s_slice_%" PRIu64 "_%" PRIu64 "-%" PRIu64, names->main, slice,
			 slice * length_s, (slice + 1) * length_s);
}
