// SPDX-License-Identifier: BSD-2-Clause
#include "report/suppressions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "report/suppressions_internal.h"
#include "symbol/demangle.h"

struct suppressions *suppressions__read(const char *path)
{
	struct suppressions_error error;
	struct suppressions *result;
	size_t len = 0;
	char *text = file__read_all(path, SUPPRESSIONS_MAX_BYTES + 1, &len);

	if (!text) {
		log_err("The suppressions in %s cannot be read: %s.", path, strerror(errno));
		return NULL;
	}
	if (len > SUPPRESSIONS_MAX_BYTES) {
		log_err("The suppressions in %s are more than %u MiB.", path,
			SUPPRESSIONS_MAX_BYTES >> 20);
		free(text);
		return NULL;
	}
	result = suppressions__parse(text, len, &error);
	if (!result)
		log_err("Line %u of the suppressions in %s %s. The syntax is LeakSanitizer's or "
			"valgrind's: `heaptap help leaks` says more.",
			error.line, path, error.what);
	free(text);
	return result;
}

void suppressions__free(struct suppressions *suppressions)
{
	if (!suppressions)
		return;
	for (size_t i = 0; i < suppressions->nr_rules; i++)
		free(suppressions->rules[i].name);
	for (size_t i = 0; i < suppressions->nr_patterns; i++) {
		free(suppressions->patterns[i].text);
		name_pattern__clear(&suppressions->patterns[i].demangled);
	}
	for (size_t i = 0; i < suppressions->nr_rows; i++)
		free(suppressions->rows[i].known);
	free(suppressions->rules);
	free(suppressions->patterns);
	free(suppressions->parts);
	free(suppressions->rows);
	strtab__clear(&suppressions->pattern_texts);
	strtab__clear(&suppressions->names);
	free(suppressions);
}

size_t suppressions__count(const struct suppressions *suppressions)
{
	return suppressions->nr_rules;
}

const char *suppressions__name(const struct suppressions *suppressions, size_t rule)
{
	return suppressions->rules[rule].name;
}

/* The same names come again and again: each is compared with a pattern once. */
static struct name_row *row_of(struct suppressions *self, const char *name)
{
	uint32_t id = strtab__add(&self->names, name, strlen(name));

	while (self->nr_rows < id) {
		self->rows = array__grow(self->rows, self->nr_rows, &self->rows_capacity,
					 sizeof(*self->rows));
		self->rows[self->nr_rows++] = (struct name_row){ 0 };
	}
	return &self->rows[id - 1];
}

static bool compare_one(const struct pattern *pattern, const char *name)
{
	bool any_one = pattern->kind != PATTERN_ANYTHING;

	return glob__match(pattern->text, name, any_one) ||
	       (pattern->kind == PATTERN_SOURCE &&
		glob__match(pattern->text, path__base(name), any_one)) ||
	       name_pattern__match(&pattern->demangled, name);
}

/* The C library's functions have several names: who looks strdup up may find __GI___strdup. */
static const char *public_name(const char *name)
{
	if (!strncmp(name, "__GI_", 5))
		name += 5;
	return !strncmp(name, "__", 2) ? name + 2 : name;
}

static bool compare(const struct pattern *pattern, const char *name)
{
	const char *other = public_name(name);

	return compare_one(pattern, name) || (other != name && compare_one(pattern, other));
}

static bool name_matches(struct suppressions *self, uint32_t number, const char *name)
{
	struct name_row *row = row_of(self, name);
	uint8_t *four, asked = (uint8_t)(1u << number % 4), yes = (uint8_t)(asked << 4);

	if (!row->known)
		row->known = xcalloc(self->nr_patterns / 4 + 1, 1);
	four = &row->known[number / 4];
	if (!(*four & asked))
		*four |= asked | (compare(&self->patterns[number], name) ? yes : 0);
	return *four & yes;
}

/* LeakSanitizer's. The first rule for a name + 1; 0: none. */
static size_t rule_of_name(struct suppressions *self, const char *name)
{
	struct name_row *row;
	char *bare;

	if (!name || !*name)
		return 0;
	row = row_of(self, name);
	if (row->asked)
		return row->rule;
	/* Its names of functions have parameters or not, depending on who finds them. */
	bare = name__without_parameters(name);
	for (size_t i = 0; !row->rule && i < self->nr_rules; i++) {
		const struct pattern *pattern = &self->patterns[self->parts[self->rules[i].first]];

		if (compare(pattern, name) || compare(pattern, bare))
			row->rule = i + 1;
	}
	free(bare);
	row->asked = true;
	return row->rule;
}

static size_t match_sanitizer(struct suppressions *self, const struct frame *frames,
			      uint32_t nr_frames, const char *const *allocator)
{
	size_t rule = rule_of_name(self, allocator[0]);

	if (!rule)
		rule = rule_of_name(self, allocator[1]);
	for (uint32_t i = 0; !rule && i < nr_frames; i++) {
		rule = frames[i].module ? rule_of_name(self, frames[i].module->path) : 0;
		if (!rule)
			rule = rule_of_name(self, frames[i].function);
		if (!rule)
			rule = rule_of_name(self, frames[i].file);
	}
	return rule ? rule - 1 : SUPPRESSIONS_NONE;
}

/* What valgrind has for what it does not know. */
#define UNKNOWN "???"

/* An inlined function has no mangled name for valgrind, only the one in the source. */
static bool function_matches(struct suppressions *self, uint32_t number, const struct frame *frame)
{
	const char *function = frame->function ? frame->function : UNKNOWN;
	bool matches = name_matches(self, number, function);
	char *unqualified;

	if (matches || !frame->inlined)
		return matches;
	unqualified = name__unqualified(function);
	matches = name_matches(self, number, unqualified);
	free(unqualified);
	return matches;
}

static bool frame_matches(struct suppressions *self, uint32_t number, const struct frame *frame)
{
	const char *object = frame->module ? frame->module->path : UNKNOWN;
	char *source;
	bool matches;

	switch (self->patterns[number].kind) {
	case PATTERN_FUNCTION:
		return function_matches(self, number, frame);
	case PATTERN_OBJECT:
		return name_matches(self, number, object);
	default:
		break;
	}
	if (!frame->file)
		return false;
	source = xasprintf("%s:%" PRIu32, frame->file, frame->line);
	matches = name_matches(self, number, source);
	free(source);
	return matches;
}

static bool allocator_matches(struct suppressions *self, uint32_t number,
			      const char *const *allocator)
{
	const struct frame unknown = { 0 };

	if (self->patterns[number].kind != PATTERN_FUNCTION || !allocator[0])
		return frame_matches(self, number, &unknown);
	return name_matches(self, number, allocator[0]) || name_matches(self, number, allocator[1]);
}

/*
 * As names are matched with *, frames are with "...": only the last of them can have taken too few.
 * Frames behind the last pattern do not matter. Frame 0 is the allocator.
 */
static bool rule_matches(struct suppressions *self, const struct rule *rule,
			 const struct frame *frames, uint32_t nr_frames,
			 const char *const *allocator)
{
	const uint32_t *part = &self->parts[rule->first], *end = part + rule->nr, *any = NULL;
	uint32_t at = 0, retry = 0;

	while (part < end) {
		if (*part == ANY_FRAMES) {
			any = ++part;
			retry = at;
		} else if (at <= nr_frames && (at ? frame_matches(self, *part, &frames[at - 1])
						  : allocator_matches(self, *part, allocator))) {
			part++;
			at++;
		} else if (any && retry < nr_frames) {
			part = any;
			at = ++retry;
		} else {
			return false;
		}
	}
	return true;
}

/*
 * C++'s operators call malloc and are frames like others to heaptap; valgrind and LeakSanitizer
 * have their own, which do not. Returns how many frames those are, and the symbol of the outermost.
 */
static uint32_t count_operators(const struct frame *frames, uint32_t nr_frames,
				const char **allocator)
{
	static const struct {
		const char *name, *symbol;
	} operators[] = {
		{ "operator new(unsigned long)", "_Znwm" },
		{ "operator new[](unsigned long)", "_Znam" },
		{ "operator new(unsigned int)", "_Znwj" },
		{ "operator new[](unsigned int)", "_Znaj" },
		{ "operator new(unsigned long, std::nothrow_t const&)", "_ZnwmRKSt9nothrow_t" },
		{ "operator new[](unsigned long, std::nothrow_t const&)", "_ZnamRKSt9nothrow_t" },
		{ "operator new(unsigned long, std::align_val_t)", "_ZnwmSt11align_val_t" },
		{ "operator new[](unsigned long, std::align_val_t)", "_ZnamSt11align_val_t" },
	};
	uint32_t nr = 0;

	for (; nr < nr_frames && frames[nr].function; nr++) {
		size_t i = 0;

		while (i < ARRAY_SIZE(operators) && strcmp(operators[i].name, frames[nr].function))
			i++;
		if (i == ARRAY_SIZE(operators))
			break;
		*allocator = operators[i].symbol;
	}
	return nr;
}

size_t suppressions__match(struct suppressions *suppressions, const struct frame *frames,
			   uint32_t nr_frames, const char *allocator)
{
	uint32_t nr_operators = count_operators(frames, nr_frames, &allocator);
	char *demangled = allocator ? demangle__name(allocator) : NULL;
	const char *const names[2] = { allocator, demangled };
	size_t rule = SUPPRESSIONS_NONE;

	frames += nr_operators;
	nr_frames -= nr_operators;
	if (suppressions->sanitizer)
		rule = match_sanitizer(suppressions, frames, nr_frames, names);
	for (size_t i = 0; !suppressions->sanitizer && i < suppressions->nr_rules; i++)
		if (rule_matches(suppressions, &suppressions->rules[i], frames, nr_frames, names)) {
			rule = i;
			break;
		}
	free(demangled);
	return rule;
}
