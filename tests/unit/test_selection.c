// SPDX-License-Identifier: BSD-2-Clause
/* Which stacks are wanted: patterns, rules in both syntaxes, regular expressions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "report/glob.h"
#include "report/selection.h"
#include "report/suppressions.h"

static const struct module app = { .path = (char *)"/usr/bin/app" };
static const struct module libx = { .path = (char *)"/usr/lib/libx.so.1" };

/* new_thing (inlined) <- ns::Shelf::stock(int) <- run <- main */
static const struct frame stack[] = {
	{ "ns::new_thing(char*)", "/src/thing.cc", 7, &libx, 0x10, 0, true },
	{ "ns::Shelf<int>::stock(int, std::function<void (int)>)", "/src/shelf.cc", 20, &libx, 0x10,
	  0, false },
	{ NULL, NULL, 0, &libx, 0x99, 0, false },
	{ "run", "/src/app/run.c", 3, &app, 0x20, 0, false },
	{ "main", "/src/app/main.c", 12, &app, 0x30, 0, false },
};
#define NR ARRAY_SIZE(stack)

static void test_globs_match_whole_texts(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} cases[] = {
		{ "", "", true },
		{ "", "a", false },
		{ "*", "", true },
		{ "a", "a", true },
		{ "a", "ab", false },
		{ "a*", "ab", true },
		{ "*b", "ab", true },
		{ "*b", "abc", false },
		{ "a?c", "abc", true },
		{ "a?c", "ac", false },
		{ "*a*b*", "xxaxxbxx", true },
		{ "*a*b", "abab", true },
		{ "a**b", "ab", true },
		{ "*ab", "aab", true },
		{ "a*b*c", "abcbd", false },
		{ "?", "", false },
		{ "*?", "x", true },
		{ "foo*foo", "foo", false },
		{ "*aab", "aaaaaab", true },
		{ "*.so*", "libx.so.1", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(glob__match(cases[i].pattern, cases[i].text, true),
				 cases[i].matches);
	assert_false(glob__match("a?c", "abc", false));
	assert_true(glob__match("a?c", "a?c", false));
}

/* Naive search would take 2^50 steps. */
static void test_globs_are_not_a_bomb(void **state)
{
	char *text = xcalloc(16001, 1), pattern[4096];

	memset(text, 'a', 16000);
	for (size_t i = 0; i + 1 < sizeof(pattern); i++)
		pattern[i] = i % 2 ? 'a' : '*';
	pattern[sizeof(pattern) - 2] = 'b';
	pattern[sizeof(pattern) - 1] = '\0';
	assert_false(glob__match(pattern, text, true));
	free(text);
}

static void test_names_lose_their_parameters(void **state)
{
	static const struct {
		const char *name, *bare, *unqualified;
	} cases[] = {
		{ "main", "main", "main" },
		{ "a::b::c(int, d::e)", "a::b::c", "c" },
		{ "a::b<c::d, e(int)>::f(int) const", "a::b<c::d, e(int)>::f", "f" },
		{ "(anonymous namespace)::f(int)", "(anonymous namespace)::f", "f" },
		{ "a::operator()(int)", "a::operator()", "operator()" },
		{ "a::operator<<(int)", "a::operator<<", "operator<<" },
		{ "(odd", "(odd", "(odd" },
		{ "", "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *bare = name__without_parameters(cases[i].name);
		char *unqualified = name__unqualified(cases[i].name);

		assert_string_equal(bare, cases[i].bare);
		assert_string_equal(unqualified, cases[i].unqualified);
		free(bare);
		free(unqualified);
	}
}

static void test_mangled_patterns_say_demangled_names(void **state)
{
	static const struct {
		const char *mangled, *name;
		bool matches;
	} cases[] = {
		{ "_ZN3foo3barEi", "foo::bar(int)", true },
		{ "_ZN3foo3barEi", "foo::bar(long)", false },
		{ "_ZN3foo3bar*", "foo::bar(long)", true },
		{ "_ZN3foo3bar*", "foo::bark(long)", false },
		{ "_ZN3foo3ba*", "foo::bark(long)", true },
		{ "_ZN3foo*", "foo::x()", true },
		{ "_ZN3foo*", "food::x()", false },
		{ "_ZNK3foo3bar*", "foo::bar() const", true },
		{ "_ZNSt6vector*", "std::vector<int>::f()", true },
		{ "_ZL3foo*", "foo(int)", true },
		{ "_Znw*", "operator new(unsigned long)", false },
		{ "_Z*", "foo(int)", false },
		{ "foo", "foo", false },
		{ "_Z99999999999999999999x*", "x", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct name_pattern pattern = name_pattern__demangled(cases[i].mangled);

		if (name_pattern__match(&pattern, cases[i].name) != cases[i].matches)
			fail_msg("%s and %s", cases[i].mangled, cases[i].name);
		name_pattern__clear(&pattern);
	}
}

/* The name of the rule that matches; NULL: none. */
static const char *match(const char *rules, const char *allocator)
{
	static char name[256];
	struct suppressions_error error;
	struct suppressions *all = suppressions__parse(rules, strlen(rules), &error);
	size_t rule, again;

	if (!all)
		fail_msg("line %u %s: %s", error.line, error.what, rules);
	rule = suppressions__match(all, stack, NR, allocator);
	again = suppressions__match(all, stack, NR, allocator);
	assert_int_equal(rule, again);
	if (rule != SUPPRESSIONS_NONE)
		snprintf(name, sizeof(name), "%s", suppressions__name(all, rule));
	suppressions__free(all);
	return rule == SUPPRESSIONS_NONE ? NULL : name;
}

static void test_rules_of_the_sanitizer(void **state)
{
	static const struct {
		const char *rules, *by;
	} cases[] = {
		{ "leak:new_thing", "new_thing" },
		{ "leak:^new_thing", NULL },
		{ "leak:^ns::new_thing$", "^ns::new_thing$" },
		{ "leak:^ns::new_thing(char*)$", "^ns::new_thing(char*)$" },
		{ "leak:libx.so", "libx.so" },
		{ "leak:/usr/lib/*.so.1$", "/usr/lib/*.so.1$" },
		{ "leak:lib$", NULL },
		{ "leak:shelf.cc", "shelf.cc" },
		{ "leak:ma?n", NULL },
		{ "leak:malloc", "malloc" },
		{ "leak:calloc", NULL },
		{ "leak:_ZN2ns9new_thingEPc", "_ZN2ns9new_thingEPc" },
		{ "# main\n\n  leak: main \nleak:run", "run" },
		{ "race:main\nleak:nothing", NULL },
		{ "", NULL },
		{ "# only\n", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *by = match(cases[i].rules, "malloc");

		if (!by != !cases[i].by || (by && strcmp(by, cases[i].by)))
			fail_msg("%s: by %s", cases[i].rules, by ? by : "none");
	}
}

static void test_rules_of_valgrind(void **state)
{
	static const struct {
		const char *lines;
		bool matches;
	} cases[] = {
		{ "fun:malloc", true },
		{ "fun:calloc", false },
		{ "fun:*lloc\nfun:*new_thing*", true },
		{ "fun:malloc\nfun:new_thing", true }, /* inlined: the name in the source */
		{ "fun:malloc\nfun:_ZN2ns9new_thingEPc", true },
		{ "fun:malloc\nfun:stock", false },
		{ "fun:_ZN2ns9new_thingEPc", false },
		{ "...\nfun:main", true },
		{ "...\nfun:main\nfun:_start", false },
		{ "fun:malloc\n...\nobj:*/libx.so*\nfun:run", true },
		{ "fun:malloc\n...\nobj:libx.so.1\nfun:run", false },
		{ "...\nobj:/usr/lib/libx.so.1\nobj:/usr/bin/app", true },
		{ "fun:malloc\nfun:*\nfun:*\nfun:run", false },
		{ "fun:malloc\nfun:*\nfun:*\nfun:*\nfun:run\nfun:main", true },
		{ "fun:malloc\nsrc:thing.cc:7", true },
		{ "fun:malloc\nsrc:thing.cc", true },
		{ "fun:malloc\nsrc:/src/thing.cc:*", true },
		{ "fun:malloc\nsrc:thing.cc:8", false },
		{ "...\nsrc:m??n.c:12", true },
		{ "match-leak-kinds: definite\nfun:malloc", true },
		{ "...\nfun:run\n...\nfun:main\n...", true },
		{ "...\nfun:main\n...\nfun:run", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *rules = xasprintf("# x\n{\n a name\n Memcheck:Leak\n%s\n}\n", cases[i].lines);

		if (!match(rules, "malloc") != !cases[i].matches)
			fail_msg("%s", cases[i].lines);
		free(rules);
	}
	assert_string_equal(match("{\nc\nMemcheck:Cond\nfun:malloc\n}\n"
				  "{\nl\ndrd,Memcheck:Leak\nfun:malloc\n}",
				  "malloc"),
			    "l");
	assert_null(match("{\nx\nMemcheck:Leak\nfun:malloc\n}", NULL));
	assert_non_null(match("{\nx\nMemcheck:Leak\nfun:_Znwm\n}", "_Znwm"));
	assert_non_null(match("{\nx\nMemcheck:Leak\nfun:operator new*\n}", "_Znwm"));
}

/* "operator new" that calls malloc is the allocator to both. */
static void test_operators_are_allocators(void **state)
{
	const struct frame frames[] = {
		{ .function = "operator new(unsigned long)" },
		{ .function = "operator new[](unsigned long)" },
		{ .function = "f" },
	};
	static const char rules[] = "{\nx\nMemcheck:Leak\nfun:_Znam\nfun:f\n}";
	struct suppressions_error error;
	struct suppressions *all = suppressions__parse(rules, strlen(rules), &error);

	assert_int_equal(suppressions__match(all, frames, 3, "malloc"), 0);
	assert_int_equal(suppressions__match(all, frames, 2, "malloc"), SUPPRESSIONS_NONE);
	suppressions__free(all);
}

static void test_the_c_library_has_aliases(void **state)
{
	const struct frame frame = { .function = "__GI___strdup" };
	static const char *const rules[] = { "{\nx\nMemcheck:Leak\nfun:malloc\nfun:strdup\n}",
					     "leak:^strdup$", "leak:^__GI_" };
	struct suppressions_error error;

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		struct suppressions *all = suppressions__parse(rules[i], strlen(rules[i]), &error);

		assert_int_equal(suppressions__match(all, &frame, 1, "malloc"), 0);
		suppressions__free(all);
	}
}

static void test_bad_rules_are_refused_with_their_line(void **state)
{
	static const struct {
		const char *rules;
		unsigned line;
	} cases[] = {
		{ "leak:a\nb\n", 2 },
		{ "leak:\n", 1 },
		{ ":x", 1 },
		{ "{\nx\nMemcheck:Leak\nfun:f", 4 },
		{ "{\nx\nMemcheck:Leak\nf\n}", 4 },
		{ "{\nx\nMemcheck:Leak\n}", 4 },
		{ "{\nx\nMemcheck:Leak\n...\n}", 5 },
		{ "{\nx\nLeak\nfun:f\n}", 3 },
		{ "{\nx\nMemcheck:Leak\nfun:f\n}\nleak:x\n", 6 },
		{ "{", 1 },
		{ "{\n}", 2 },
		{ "{\n}\n}", 3 },
		{ "{\nx\nMemcheck:Cond\n", 3 },
	};
	struct suppressions_error error;
	char *long_line = xcalloc(SUPPRESSIONS_MAX_LINE + 8, 1);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		error.line = 0;
		assert_null(suppressions__parse(cases[i].rules, strlen(cases[i].rules), &error));
		assert_int_equal(error.line, cases[i].line);
	}
	assert_null(suppressions__parse("leak:a\0b", 8, &error));
	memset(long_line, 'x', SUPPRESSIONS_MAX_LINE + 7);
	memcpy(long_line, "leak:", 5);
	assert_null(suppressions__parse(long_line, SUPPRESSIONS_MAX_LINE + 7, &error));
	assert_non_null(strstr(error.what, "long"));
	free(long_line);
}

static void test_rules_are_bounded(void **state)
{
	size_t nr = SUPPRESSIONS_MAX_RULES + 1, at = 0;
	char *text = xmalloc(nr * 16);
	struct suppressions_error error;

	for (size_t i = 0; i < nr; i++)
		at += (size_t)sprintf(text + at, "leak:f%zu\n", i);
	assert_null(suppressions__parse(text, at, &error));
	assert_int_equal(error.line, nr);
	free(text);
}

struct choice {
	enum selection_kind kind;
	const char *expression;
};

static enum verdict judge(const struct choice *choices, size_t nr)
{
	struct selection *selection = selection__new();
	enum verdict verdict;
	const char *reason;

	for (size_t i = 0; i < nr; i++)
		assert_int_equal(
			selection__add(selection, choices[i].kind, choices[i].expression, &reason),
			0);
	verdict = selection__judge(selection, stack, NR, "malloc").verdict;
	assert_int_equal(selection__judge(selection, stack, NR, "malloc").verdict, verdict);
	selection__free(selection);
	return verdict;
}

static void test_expressions_choose(void **state)
{
	static const struct {
		struct choice choices[3];
		size_t nr;
		enum verdict verdict;
	} cases[] = {
		{ { { SELECT_FUNCTION, "^main$" } }, 1, WANTED },
		{ { { SELECT_FUNCTION, "^mai$" } }, 1, NOT_WANTED },
		{ { { SELECT_FUNCTION, "x" }, { SELECT_FUNCTION, "main" } }, 2, WANTED },
		{ { { SELECT_FUNCTION, "main" }, { SELECT_FILE, "main" } }, 2, WANTED },
		{ { { SELECT_FUNCTION, "main" }, { SELECT_FILE, "nope" } }, 2, NOT_WANTED },
		{ { { SELECT_FILE, "^shelf.cc$" } }, 1, WANTED },
		{ { { SELECT_FILE, "^/src/s" } }, 1, WANTED },
		{ { { SELECT_MODULE, "^app$" }, { SELECT_MODULE, "!libx" } }, 2, NOT_WANTED },
		{ { { SELECT_MODULE, "^app$" }, { SELECT_MODULE, "!liby" } }, 2, WANTED },
		{ { { SELECT_FUNCTION, "!^r" } }, 1, NOT_WANTED },
		{ { { SELECT_FUNCTION, "!^q" } }, 1, WANTED },
		{ { { SELECT_FUNCTION, "a{1,3}(b|i)" } }, 1, WANTED },
		{ { { SELECT_FUNCTION, "^[]m[:alpha:]+](a+b+)?[a-z]+[a-z]+[n]+$" } }, 1, WANTED },
		{ { { SELECT_FUNCTION, "^(m+(a+i+)+)+(n+|x+)+$" } }, 1, WANTED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (judge(cases[i].choices, cases[i].nr) != cases[i].verdict)
			fail_msg("case %zu", i);
	assert_int_equal(selection__judge(NULL, stack, NR, NULL).verdict, WANTED);
}

static void test_bad_expressions_are_refused(void **state)
{
	static const char *const cases[] = { "(",
					     "",
					     "!",
					     "a{1000}{3}",
					     "[",
					     "(a)\\1",
					     "a++++++++++++++++++++++++",
					     "((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)",
					     "((a{99}){99}){99}",
					     "a{2,999999999999999999999}" };
	struct selection *selection = selection__new();
	const char *reason;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		reason = NULL;
		assert_int_not_equal(selection__add(selection, SELECT_FILE, cases[i], &reason), 0);
		assert_non_null(reason);
	}
	selection__free(selection);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_globs_match_whole_texts),
		cmocka_unit_test(test_globs_are_not_a_bomb),
		cmocka_unit_test(test_names_lose_their_parameters),
		cmocka_unit_test(test_mangled_patterns_say_demangled_names),
		cmocka_unit_test(test_rules_of_the_sanitizer),
		cmocka_unit_test(test_rules_of_valgrind),
		cmocka_unit_test(test_operators_are_allocators),
		cmocka_unit_test(test_the_c_library_has_aliases),
		cmocka_unit_test(test_bad_rules_are_refused_with_their_line),
		cmocka_unit_test(test_rules_are_bounded),
		cmocka_unit_test(test_expressions_choose),
		cmocka_unit_test(test_bad_expressions_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
