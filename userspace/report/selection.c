// SPDX-License-Identifier: BSD-2-Clause
#include "report/selection.h"

#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strtab.h"
#include "base/util.h"
#include "report/suppressions.h"

#define MAX_EXPRESSION 1000
/* A regular expression becomes as large as its repetitions say: (a{255}){255} is 65025 parts, and
 * each
 * + doubles what it repeats. */
#define MAX_PARTS 2000

struct expression {
	regex_t regex;
	bool negated;
};

/* Of one kind. */
struct expressions {
	struct expression *all;
	size_t nr, capacity;
	bool any_positive;
	/* What is known of names, by id - 1: the bits below. */
	struct strtab names;
	uint8_t *known;
	size_t nr_known, known_capacity;
};

enum { HIT = 1, REFUSED = 2, NOT_ASKED = 4 };

struct selection {
	struct expressions of[NR_SELECTION_KINDS];
	struct suppressions **files;
	size_t nr_files, files_capacity;
	char reason[128];
};

struct selection *selection__new(void)
{
	return xcalloc(1, sizeof(struct selection));
}

static void clear(struct expressions *expressions)
{
	for (size_t i = 0; i < expressions->nr; i++)
		regfree(&expressions->all[i].regex);
	free(expressions->all);
	free(expressions->known);
	strtab__clear(&expressions->names);
}

void selection__free(struct selection *selection)
{
	if (!selection)
		return;
	for (size_t i = 0; i < NR_SELECTION_KINDS; i++)
		clear(&selection->of[i]);
	for (size_t i = 0; i < selection->nr_files; i++)
		suppressions__free(selection->files[i]);
	free(selection->files);
	free(selection);
}

/* The highest number of a {n,m} at text; 1 where there is none. */
static uint64_t repetition(const char *text)
{
	uint64_t most = 1;

	while (*++text && *text != '}') {
		char *end = NULL;

		if (!isdigit((unsigned char)*text))
			continue;
		most = max(most, (uint64_t)strtoul(text, &end, 10));
		text = end - 1;
	}
	return min(most, MAX_PARTS + 1ull);
}

/* The end of a bracket expression, which may hold ] and [:names:]. */
static const char *end_of_bracket(const char *c)
{
	c += 1 + (c[1] == '^');
	c += *c == ']';
	for (; *c && *c != ']'; c++)
		if (*c == '[' && c[1] == ':' && strstr(c + 2, ":]"))
			c = strstr(c + 2, ":]") + 1;
	return c;
}

struct group {
	uint64_t sum, last; /* parts: in all, and of what came last */
};

/* How many parts an expression has when its repetitions are written out; at most a few more than
 * MAX_PARTS. */
static uint64_t count_parts(const char *c)
{
	const struct group empty = { 0 };
	struct group groups[MAX_EXPRESSION + 1] = { 0 }, *group = groups;
	uint64_t part;

	for (; *c && groups[0].sum <= MAX_PARTS && group->sum <= MAX_PARTS; c++) {
		part = 1;
		if (*c == '(') {
			*++group = empty;
			continue;
		}
		if (*c == '+' || *c == '{') {
			uint64_t times = *c == '+' ? 1 : repetition(c);

			group->sum += group->last * times;
			group->last *= times + 1;
			c += *c == '{' ? strcspn(c, "}") : 0;
			if (!*c)
				break;
			continue;
		}
		if (*c == '*' || *c == '?')
			continue;
		if (*c == ')' && group > groups)
			part += (group--)->sum;
		else if (*c == '[')
			c = end_of_bracket(c);
		else if (*c == '\\')
			c++;
		group->last = part;
		group->sum += part;
		if (!*c)
			break;
	}
	return max(groups[0].sum, group->sum);
}

/* What makes an expression take memory or time without bound; NULL: nothing. */
static const char *danger_of(const char *expression)
{
	if (strlen(expression) > MAX_EXPRESSION)
		return "is longer than 1000 characters";
	for (const char *c = expression; *c; c++) {
		if (*c == '\\' && c[1] >= '1' && c[1] <= '9')
			return "refers back to a group, which is not supported";
		c += *c == '\\' && c[1];
	}
	if (count_parts(expression) > MAX_PARTS)
		return "repeats too much: written out it has more than 2000 parts";
	return NULL;
}

int selection__add(struct selection *selection, enum selection_kind kind, const char *expression,
		   const char **reason)
{
	struct expressions *to = &selection->of[kind];
	struct expression new = { .negated = *expression == '!' };
	int err;

	expression += new.negated;
	*reason = *expression ? danger_of(expression) : "is empty";
	if (*reason)
		return -EINVAL;
	err = regcomp(&new.regex, expression, REG_EXTENDED | REG_NOSUB);
	if (err) {
		char why[100];

		regerror(err, &new.regex, why, sizeof(why));
		snprintf(selection->reason, sizeof(selection->reason), "is none: %s", why);
		*reason = selection->reason;
		return -EINVAL;
	}
	to->all = array__grow(to->all, to->nr, &to->capacity, sizeof(*to->all));
	to->all[to->nr++] = new;
	to->any_positive |= !new.negated;
	return 0;
}

int selection__add_suppressions(struct selection *selection, const char *path)
{
	struct suppressions *file = suppressions__read(path);

	if (!file)
		return -EINVAL;
	selection->files = array__grow(selection->files, selection->nr_files,
				       &selection->files_capacity, sizeof(struct suppressions *));
	selection->files[selection->nr_files++] = file;
	return 0;
}

size_t selection__nr_rules(const struct selection *selection)
{
	size_t nr = 0;

	for (size_t i = 0; i < selection->nr_files; i++)
		nr += suppressions__count(selection->files[i]);
	return nr;
}

const char *selection__rule_name(const struct selection *selection, size_t rule)
{
	size_t file = 0;

	while (rule >= suppressions__count(selection->files[file]))
		rule -= suppressions__count(selection->files[file++]);
	return suppressions__name(selection->files[file], rule);
}

static uint8_t ask(const struct expressions *expressions, const char *name, bool is_path)
{
	const char *base = is_path ? path__base(name) : name;
	uint8_t bits = 0;

	for (size_t i = 0; i < expressions->nr; i++) {
		const struct expression *expression = &expressions->all[i];

		if (!regexec(&expression->regex, name, 0, NULL, 0) ||
		    (base != name && !regexec(&expression->regex, base, 0, NULL, 0)))
			bits |= expression->negated ? REFUSED : HIT;
	}
	return bits;
}

/* The same names come again and again: each is asked for once. */
static uint8_t bits_of(struct expressions *expressions, const char *name, bool is_path)
{
	uint32_t id = strtab__add(&expressions->names, name, strlen(name));

	while (expressions->nr_known < id) {
		expressions->known =
			array__grow(expressions->known, expressions->nr_known,
				    &expressions->known_capacity, sizeof(*expressions->known));
		expressions->known[expressions->nr_known++] = NOT_ASKED;
	}
	if (expressions->known[id - 1] == NOT_ASKED)
		expressions->known[id - 1] = ask(expressions, name, is_path);
	return expressions->known[id - 1];
}

static const char *name_of(const struct frame *frame, enum selection_kind kind)
{
	switch (kind) {
	case SELECT_FUNCTION:
		return frame->function;
	case SELECT_FILE:
		return frame->file;
	default:
		return frame->module ? frame->module->path : NULL;
	}
}

static bool wants(struct expressions *expressions, enum selection_kind kind,
		  const struct frame *frames, uint32_t nr_frames)
{
	uint8_t bits = 0;

	for (uint32_t i = 0; expressions->nr && i < nr_frames; i++) {
		const char *name = name_of(&frames[i], kind);

		if (name)
			bits |= bits_of(expressions, name, kind != SELECT_FUNCTION);
	}
	return !(bits & REFUSED) && (!expressions->any_positive || bits & HIT);
}

struct judgement selection__judge(struct selection *selection, const struct frame *frames,
				  uint32_t nr_frames, const char *allocator)
{
	size_t rule, rules_before = 0;

	for (unsigned kind = 0; selection && kind < NR_SELECTION_KINDS; kind++)
		if (!wants(&selection->of[kind], kind, frames, nr_frames))
			return (struct judgement){ .verdict = NOT_WANTED };
	for (size_t i = 0; selection && i < selection->nr_files; i++) {
		rule = suppressions__match(selection->files[i], frames, nr_frames, allocator);
		if (rule != SUPPRESSIONS_NONE)
			return (struct judgement){ .verdict = SUPPRESSED,
						   .rule = rules_before + rule };
		rules_before += suppressions__count(selection->files[i]);
	}
	return (struct judgement){ .verdict = WANTED };
}
