// SPDX-License-Identifier: BSD-2-Clause
/* The two syntaxes of rules. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "report/suppressions_internal.h"

struct parser {
	struct suppressions *to;
	const char *at, *end;
	unsigned line_number;
	char line[SUPPRESSIONS_MAX_LINE + 1]; /* the line, without blanks around it */
	const char *error;
};

/* The next line that says something. false at the end, and at an error. */
static bool next_line(struct parser *parser)
{
	while (parser->at < parser->end && !parser->error) {
		const char *text = parser->at;
		const char *newline = memchr(text, '\n', (size_t)(parser->end - text));
		const char *end = newline ? newline : parser->end;
		size_t len;

		parser->at = newline ? newline + 1 : parser->end;
		parser->line_number++;
		while (text < end && isspace((unsigned char)*text))
			text++;
		while (text < end && isspace((unsigned char)end[-1]))
			end--;
		len = (size_t)(end - text);
		if (len > SUPPRESSIONS_MAX_LINE)
			parser->error = "is too long";
		else if (len && memchr(text, '\0', len))
			parser->error = "is not text";
		else if (len && *text != '#') {
			memcpy(parser->line, text, len);
			parser->line[len] = '\0';
			return true;
		}
	}
	return false;
}

static void add_part(struct parser *parser, uint32_t part)
{
	struct suppressions *to = parser->to;

	to->parts = array__grow(to->parts, to->nr_parts, &to->parts_capacity, sizeof(*to->parts));
	to->parts[to->nr_parts++] = part;
	to->rules[to->nr_rules - 1].nr++;
}

/* text is taken over. */
static void add_pattern(struct parser *parser, enum pattern_kind kind, char *text)
{
	struct suppressions *to = parser->to;
	char *key = xasprintf("%d%s", (int)kind, text);
	uint32_t id = strtab__add(&to->pattern_texts, key, strlen(key));

	free(key);
	if (id <= to->nr_patterns) {
		free(text);
	} else if (to->nr_patterns == SUPPRESSIONS_MAX_PATTERNS) {
		parser->error = "is one pattern too many";
		free(text);
		return;
	} else {
		to->patterns = array__grow(to->patterns, to->nr_patterns, &to->patterns_capacity,
					   sizeof(*to->patterns));
		to->patterns[to->nr_patterns] = (struct pattern){ .kind = kind, .text = text };
		if (kind == PATTERN_FUNCTION)
			to->patterns[to->nr_patterns].demangled = name_pattern__demangled(text);
		to->nr_patterns++;
	}
	add_part(parser, id - 1);
}

static void begin_rule(struct parser *parser, const char *name)
{
	struct suppressions *to = parser->to;

	if (to->nr_rules == SUPPRESSIONS_MAX_RULES) {
		parser->error = "is one rule too many";
		return;
	}
	to->rules = array__grow(to->rules, to->nr_rules, &to->rules_capacity, sizeof(*to->rules));
	to->rules[to->nr_rules++] = (struct rule){ .name = xstrdup(name), .first = to->nr_parts };
}

static void drop_rule(struct suppressions *to)
{
	struct rule *rule = &to->rules[--to->nr_rules];

	to->nr_parts = rule->first;
	free(rule->name);
}

/* What a mangled name without wildcards says, for the pattern that was added last. */
static void add_demangled(struct suppressions *to, const char *mangled, const char *begin,
			  const char *end)
{
	struct pattern *pattern = &to->patterns[to->parts[to->nr_parts - 1]];
	struct name_pattern demangled = { 0 };

	/* It may be there from an equal rule. */
	if (!strchr(mangled, '*') && !pattern->demangled.text)
		demangled = name_pattern__demangled(mangled);
	if (demangled.text)
		pattern->demangled.text = xasprintf("%s%s%s", begin, demangled.text, end);
	name_pattern__clear(&demangled);
}

/* LeakSanitizer's pattern as one with * at its open ends. A mangled name stands for both. */
static void add_sanitizer_pattern(struct parser *parser, const char *text)
{
	const char *begin = *text == '^' ? "" : "*", *end;
	size_t len;
	char *copy;

	text += *text == '^';
	len = strcspn(text, "$");
	end = text[len] ? "" : "*";
	copy = xstrndup(text, len);
	add_pattern(parser, PATTERN_ANYTHING, xasprintf("%s%s%s", begin, copy, end));
	if (!parser->error)
		add_demangled(parser->to, copy, begin, end);
	free(copy);
}

static void parse_sanitizer(struct parser *parser)
{
	do {
		const char *colon = strchr(parser->line, ':');
		size_t len = colon ? (size_t)(colon - parser->line) : 0;

		if (!len) {
			parser->error = "is neither leak:PATTERN nor a comment";
		} else if (len == 4 && !strncmp(parser->line, "leak", len)) {
			const char *pattern = colon + 1 + strspn(colon + 1, " \t");

			if (!*pattern) {
				parser->error = "has no pattern behind leak:";
				return;
			}
			begin_rule(parser, pattern);
			if (!parser->error)
				add_sanitizer_pattern(parser, pattern);
		}
	} while (!parser->error && next_line(parser));
}

/* "Memcheck,Addrcheck:Leak" */
static bool is_of_leaks(const char *kind)
{
	const char *colon = strchr(kind, ':');
	char tools[SUPPRESSIONS_MAX_LINE + 1], *rest = tools, *tool;

	if (!colon || strcmp(colon + 1, "Leak"))
		return false;
	memcpy(tools, kind, (size_t)(colon - kind));
	tools[colon - kind] = '\0';
	while ((tool = strsep(&rest, ",")))
		if (!strcmp(tool, "Memcheck"))
			return true;
	return false;
}

/* A line of a rule behind the first two. */
static void parse_frame(struct parser *parser)
{
	static const struct {
		const char *word;
		enum pattern_kind kind;
	} kinds[] = {
		{ "fun:", PATTERN_FUNCTION },
		{ "obj:", PATTERN_OBJECT },
		{ "src:", PATTERN_SOURCE },
	};
	const char *line = parser->line;

	if (!strcmp(line, "...")) {
		add_part(parser, ANY_FRAMES);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const char *text = line + strlen(kinds[i].word);
		bool any_line = kinds[i].kind == PATTERN_SOURCE && !strchr(line + 4, ':');

		if (strncmp(line, kinds[i].word, strlen(kinds[i].word)))
			continue;
		add_pattern(parser, kinds[i].kind, xasprintf("%s%s", text, any_line ? ":*" : ""));
		return;
	}
	if (strncmp(line, "match-leak-kinds:", 17))
		parser->error = "is none of fun:, obj:, src: and ...";
}

static bool has_pattern(const struct suppressions *to, const struct rule *rule)
{
	for (size_t i = 0; i < rule->nr; i++)
		if (to->parts[rule->first + i] != ANY_FRAMES)
			return true;
	return false;
}

/* One rule, behind its {. false: its } did not come. */
static bool parse_valgrind_rule(struct parser *parser)
{
	struct suppressions *to = parser->to;
	bool wanted, closed = false;

	if (!next_line(parser))
		return false;
	begin_rule(parser, parser->line);
	if (parser->error || !next_line(parser))
		return false;
	wanted = is_of_leaks(parser->line);
	if (!strchr(parser->line, ':'))
		parser->error = "is not the kind of a rule, such as Memcheck:Leak";
	while (!parser->error && !closed && next_line(parser)) {
		closed = !strcmp(parser->line, "}");
		if (wanted && !closed)
			parse_frame(parser);
	}
	if (!closed)
		return false;
	if (!wanted)
		drop_rule(to);
	else if (!has_pattern(to, &to->rules[to->nr_rules - 1]))
		parser->error = "ends a rule that would match everything";
	return true;
}

static void parse_valgrind(struct parser *parser)
{
	do {
		if (strcmp(parser->line, "{")) {
			parser->error = "should be a { that begins a rule";
			return;
		}
		if (!parse_valgrind_rule(parser) && !parser->error)
			parser->error = "is the last, and its rule has no } at its end";
	} while (!parser->error && next_line(parser));
}

struct suppressions *suppressions__parse(const char *text, size_t len,
					 struct suppressions_error *error)
{
	struct parser parser = { .to = xcalloc(1, sizeof(*parser.to)),
				 .at = text,
				 .end = text + len };

	if (next_line(&parser)) {
		parser.to->sanitizer = parser.line[0] != '{';
		if (parser.to->sanitizer)
			parse_sanitizer(&parser);
		else
			parse_valgrind(&parser);
	}
	if (!parser.error)
		return parser.to;
	*error = (struct suppressions_error){ .line = parser.line_number, .what = parser.error };
	suppressions__free(parser.to);
	return NULL;
}
