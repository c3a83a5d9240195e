// SPDX-License-Identifier: BSD-2-Clause
#include "report/glob.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "symbol/demangle.h"

/* Only the last * can have taken too little: what is before it has matched as early as it can. */
bool glob__match(const char *pattern, const char *text, bool any_one)
{
	const char *star = NULL, *retry = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = ++pattern;
			retry = text;
		} else if (*pattern && ((any_one && *pattern == '?') || *pattern == *text)) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star;
			text = ++retry;
		} else {
			return false;
		}
	}
	pattern += strspn(pattern, "*");
	return !*pattern;
}

static bool follows_operator(const char *name, const char *at)
{
	return at - name >= 8 && !strncmp(at - 8, "operator", 8);
}

/* The name as far as its parameters, and where behind scopes it begins. */
static size_t parse_name(const char *name, size_t *unqualified)
{
	static const char anonymous[] = "(anonymous namespace)";
	unsigned depth = 0; /* of template arguments */
	const char *c = name;

	*unqualified = 0;
	while (*c) {
		if (!strncmp(c, anonymous, strlen(anonymous))) {
			c += strlen(anonymous);
			continue;
		}
		if ((*c == '(' || *c == '<') && follows_operator(name, c)) {
			c += *c == '(' ? 1 + (c[1] == ')') : strspn(c, "<=");
			continue;
		}
		if (*c == '(' && !depth && c > name)
			break;
		depth += *c == '<';
		depth -= *c == '>' && depth;
		if (!depth && !strncmp(c, "::", 2))
			*unqualified = (size_t)(c + 2 - name);
		c++;
	}
	return (size_t)(c - name);
}

char *name__without_parameters(const char *name)
{
	size_t unqualified;

	return xstrndup(name, parse_name(name, &unqualified));
}

char *name__unqualified(const char *name)
{
	size_t unqualified, end = parse_name(name, &unqualified);

	return xstrndup(name + unqualified, end - unqualified);
}

bool name_pattern__match(const struct name_pattern *pattern, const char *name)
{
	size_t len = pattern->text ? strlen(pattern->text) : 0;

	if (!pattern->text)
		return false;
	switch (pattern->relation) {
	case NAME_GLOB:
		return glob__match(pattern->text, name, true);
	case NAME_EQUAL:
		return !strcmp(pattern->text, name);
	case NAME_PREFIX:
		return !strncmp(pattern->text, name, len);
	case NAME_SCOPE:
		return !strncmp(pattern->text, name, len) && name[len] != '_' &&
		       !isalnum((unsigned char)name[len]);
	}
	return false;
}

void name_pattern__clear(struct name_pattern *pattern)
{
	free(pattern->text);
	*pattern = (struct name_pattern){ 0 };
}

/* <length><identifier> at *at, added to the scopes in text. false: it is not whole. */
static bool take_identifier(const char **at, char **text)
{
	char *digits_end, *longer;
	unsigned long len = strtoul(*at, &digits_end, 10);
	size_t there = strcspn(digits_end, "*?");
	bool whole = len <= there;

	longer = xasprintf("%s%s%.*s", *text, **text ? "::" : "", (int)min(len, there), digits_end);
	free(*text);
	*text = longer;
	*at = digits_end + min(len, there);
	return whole;
}

/* The scopes in front of the first wildcard. */
static struct name_pattern scopes_of(const char *mangled)
{
	struct name_pattern pattern = { .text = xstrdup(""), .relation = NAME_SCOPE };
	const char *at = mangled + 2;

	if (*at == 'N')
		at++;
	if (*at == 'K')
		at++;
	if (!strncmp(at, "St", 2)) {
		free(pattern.text);
		pattern.text = xstrdup("std");
		at += 2;
	}
	while (pattern.relation == NAME_SCOPE) {
		at += *at == 'L'; /* static */
		if (!isdigit((unsigned char)*at))
			break;
		if (!take_identifier(&at, &pattern.text))
			pattern.relation = NAME_PREFIX;
	}
	if (*pattern.text)
		return pattern;
	name_pattern__clear(&pattern);
	return pattern;
}

struct name_pattern name_pattern__demangled(const char *mangled)
{
	struct name_pattern pattern = { .relation = NAME_EQUAL };

	if (strncmp(mangled, "_Z", 2) && strncmp(mangled, "_R", 2))
		return pattern;
	if (mangled[strcspn(mangled, "*?")])
		return mangled[1] == 'Z' ? scopes_of(mangled) : pattern;
	pattern.text = demangle__name(mangled);
	if (strcmp(pattern.text, mangled))
		return pattern;
	name_pattern__clear(&pattern);
	return pattern;
}
