/* SPDX-License-Identifier: BSD-2-Clause */
/* What rules are made of: for suppressions*.c. */
#ifndef SUPPRESSIONS_INTERNAL_H
#define SUPPRESSIONS_INTERNAL_H

#include "base/strtab.h"
#include "report/glob.h"
#include "report/suppressions.h"

enum pattern_kind {
	PATTERN_ANYTHING, /* LeakSanitizer's: function, file or module */
	PATTERN_FUNCTION,
	PATTERN_OBJECT,
	PATTERN_SOURCE, /* FILE:LINE */
};

/* Rules share those that are equal. */
struct pattern {
	enum pattern_kind kind;
	char *text;
	struct name_pattern demangled; /* what it says of demangled names, where it is mangled */
};

/* In place of a pattern: any number of frames. */
#define ANY_FRAMES UINT32_MAX

struct rule {
	char *name;
	size_t first; /* of its patterns: suppressions->parts */
	size_t nr;    /* of LeakSanitizer's: 1 */
};

/* What is known of a name that a frame had. */
struct name_row {
	uint8_t *known; /* two bits a pattern: asked, matched; NULL: none was asked */
	size_t rule;	/* the first of LeakSanitizer's that matches + 1 */
	bool asked;	/* rule is known */
};

struct suppressions {
	bool sanitizer; /* LeakSanitizer's syntax, else valgrind's */
	struct rule *rules;
	size_t nr_rules, rules_capacity;
	struct pattern *patterns;
	size_t nr_patterns, patterns_capacity;
	struct strtab pattern_texts; /* -> id - 1 is the pattern */
	uint32_t *parts;	     /* patterns, or ANY_FRAMES, rule after rule */
	size_t nr_parts, parts_capacity;
	struct strtab names; /* of frames, for name_row */
	struct name_row *rows;
	size_t nr_rows, rows_capacity;
};

#endif /* SUPPRESSIONS_INTERNAL_H */
