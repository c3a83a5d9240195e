// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/keyset.h"
#include "base/util.h"
#include "report/call_graph.h"

static struct module app = { .path = (char *)"/bin/app" }, lib = { .path = (char *)"/lib/app" };

/* A stack of functions named by letters, the outermost first, in a file each. */
static void add(struct call_graph *graph, const char *letters, uint64_t bytes)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f" };
	struct frame frames[32] = { 0 };
	uint32_t nr = (uint32_t)strlen(letters);

	for (uint32_t i = 0; i < nr; i++)
		frames[nr - 1 - i] = (struct frame){ .function = names[letters[i] - 'a'],
						     .file = names[letters[i] - 'a'],
						     .line = (uint32_t)(letters[i] - 'a') + 10,
						     .module = &app };
	call_graph__add(graph, frames, nr, (struct amount){ bytes, 1 });
}

static uint32_t number_of(struct call_graph *graph, const char *name)
{
	size_t nr_lines, nr;
	const struct call_function *functions;

	call_graph__lines(graph, &nr_lines);
	functions = call_graph__functions(graph, &nr);
	for (uint32_t i = 0; i < nr; i++)
		if (!strcmp(functions[i].name, name))
			return i;
	return UINT32_MAX;
}

/* As readers of the format take it: the calls to a function, or what it and its calls cost. */
static uint64_t inclusive(struct call_graph *graph, const char *name)
{
	uint32_t function = number_of(graph, name);
	uint64_t called = 0, costs = 0;
	const struct call_line *lines;
	bool is_called = false;
	size_t nr;

	lines = call_graph__lines(graph, &nr);
	for (size_t i = 0; i < nr; i++) {
		if (lines[i].callee == function) {
			called += lines[i].cost.bytes;
			is_called = true;
		}
		if (lines[i].function == function)
			costs += lines[i].cost.bytes;
	}
	return is_called ? called : costs;
}

static const struct call_line *find(struct call_graph *graph, const char *caller,
				    const char *callee)
{
	uint32_t from = number_of(graph, caller);
	uint32_t to = callee ? number_of(graph, callee) : CALL_SELF;
	size_t nr;
	const struct call_line *lines = call_graph__lines(graph, &nr);

	for (size_t i = 0; i < nr; i++)
		if (lines[i].function == from && lines[i].callee == to)
			return &lines[i];
	return NULL;
}

static void calls_and_selves(void **state)
{
	struct call_graph *graph = call_graph__new();

	add(graph, "abc", 100);
	add(graph, "ac", 10);
	add(graph, "abc", 1);
	assert_int_equal(call_graph__sum(graph).bytes, 111);
	assert_int_equal(call_graph__sum(graph).blocks, 3);
	assert_int_equal(inclusive(graph, "a"), 111);
	assert_int_equal(inclusive(graph, "b"), 101);
	assert_int_equal(inclusive(graph, "c"), 111);
	assert_int_equal(find(graph, "b", "c")->nr_calls, 2);
	assert_int_equal(find(graph, "b", "c")->line, 11);
	assert_int_equal(find(graph, "c", NULL)->cost.bytes, 111);
	assert_null(find(graph, "a", NULL));
	assert_int_equal(number_of(graph, "(outermost)"), UINT32_MAX);
	call_graph__free(graph);
}

static void recursion_is_charged_once(void **state)
{
	struct call_graph *graph = call_graph__new();

	add(graph, "abab", 100);
	add(graph, "abbb", 10);
	assert_int_equal(inclusive(graph, "a"), 110);
	assert_int_equal(inclusive(graph, "b"), 110);
	/* Readers see the cycle all the same. */
	assert_int_equal(find(graph, "b", "a")->cost.bytes, 0);
	assert_int_equal(find(graph, "b", "a")->nr_calls, 1);
	assert_int_equal(find(graph, "b", "b")->nr_calls, 2);
	call_graph__free(graph);
}

static void outermost_and_called(void **state)
{
	struct call_graph *graph = call_graph__new();

	add(graph, "ab", 100);
	add(graph, "b", 10);
	add(graph, "cc", 1);
	assert_int_equal(inclusive(graph, "b"), 110);
	assert_int_equal(inclusive(graph, "c"), 1);
	assert_int_equal(find(graph, "(outermost)", "b")->cost.bytes, 10);
	assert_int_equal(inclusive(graph, "(outermost)"), 11);
	call_graph__free(graph);
}

/* Against sets: a function's inclusive cost is that of all stacks it occurs in. */
static void any_stacks(void **state)
{
	srandom(1);
	for (unsigned round = 0; round < 200; round++) {
		struct call_graph *graph = call_graph__new();
		uint64_t want[6] = { 0 }, sum = 0;
		char letters[8], name[2] = "";

		for (unsigned i = 0; i < 30; i++) {
			unsigned nr = 1 + (unsigned)random() % 7, seen = 0;
			uint64_t bytes = (uint64_t)random() % 1000;

			for (unsigned k = 0; k < nr; k++) {
				unsigned letter = (unsigned)random() % 6;

				letters[k] = (char)('a' + letter);
				want[letter] += seen & 1u << letter ? 0 : bytes;
				seen |= 1u << letter;
			}
			letters[nr] = '\0';
			add(graph, letters, bytes);
			sum += bytes;
		}
		for (unsigned letter = 0; letter < 6; letter++) {
			name[0] = (char)('a' + letter);
			assert_int_equal(inclusive(graph, name), want[letter]);
		}
		assert_int_equal(call_graph__sum(graph).bytes, sum);
		call_graph__free(graph);
	}
}

static void add_one(struct call_graph *graph, const char *function, const char *file,
		    struct module *module)
{
	struct frame frame = { .function = function,
			       .file = file,
			       .module = module,
			       .offset = 0x12,
			       .address = 0x3456 };

	call_graph__add(graph, &frame, 1, (struct amount){ 1, 1 });
}

static void names_are_unique_and_clean(void **state)
{
	struct call_graph *graph = call_graph__new();

	add_one(graph, "f", "f.c", &app);
	add_one(graph, "f", "g.c", &app);
	add_one(graph, "f", "f.c", &lib);	   /* another module */
	add_one(graph, strdupa("f"), "f.c", &app); /* the first one, from elsewhere */
	add_one(graph, "f", "f.c", NULL);
	add_one(graph, NULL, NULL, &app);
	add_one(graph, NULL, NULL, NULL);
	add_one(graph, "\n ", "  ", &app);
	add_one(graph, "  ", "\x1b[31m", &app);
	call_graph__add(graph, NULL, 0, (struct amount){ 1, 1 });

	assert_int_equal(inclusive(graph, "f"), 2);
	assert_int_equal(inclusive(graph, "f [app]"), 1);
	assert_int_equal(inclusive(graph, "f [???]"), 1);
	assert_int_equal(inclusive(graph, "app+0x12"), 1);
	assert_int_equal(inclusive(graph, "0x3456"), 1);
	assert_int_equal(inclusive(graph, "? "), 1);
	assert_int_equal(inclusive(graph, "???"), 1);
	call_graph__free(graph);
}

/* Modules of one name: then the number decides. */
static void many_of_one_name(void **state)
{
	struct call_graph *graph = call_graph__new();
	static struct module modules[50];
	const struct call_function *functions;
	size_t nr, nr_lines;

	for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
		modules[i].path = (char *)"/x/lib.so";
		add_one(graph, "f", "f.c", &modules[i]);
	}
	call_graph__lines(graph, &nr_lines);
	functions = call_graph__functions(graph, &nr);
	assert_int_equal(nr, ARRAY_SIZE(modules));
	for (size_t i = 0; i < nr; i++)
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(functions[i].name, functions[k].name);
	call_graph__free(graph);
}

static void keys(void **state)
{
	struct keyset set = { .key_size = 12 };
	uint32_t key[3] = { 0 };

	for (uint32_t i = 0; i < 1000; i++) {
		key[1] = i;
		assert_int_equal(keyset__add(&set, key), i);
	}
	key[1] = 77;
	assert_int_equal(keyset__add(&set, key), 77);
	assert_memory_equal(keyset__key(&set, 77), key, sizeof(key));
	assert_int_equal(set.nr, 1000);
	keyset__clear(&set);
	assert_int_equal(keyset__add(&set, key), 0);
	keyset__clear(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_and_selves),
		cmocka_unit_test(recursion_is_charged_once),
		cmocka_unit_test(outermost_and_called),
		cmocka_unit_test(any_stacks),
		cmocka_unit_test(names_are_unique_and_clean),
		cmocka_unit_test(many_of_one_name),
		cmocka_unit_test(keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
