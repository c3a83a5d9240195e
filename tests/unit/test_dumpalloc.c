// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "dump_fixture.h"
#include "report/model.h"
#include "trace/dumpalloc.h"
#include "trace/record.h"
#include "wire.h"

#define NOW_NS 1800000000000000000ull
#define SECOND NSEC_PER_SEC

/* What came out, one record behind the other. */
struct records {
	uint64_t words[1 << 16];
	size_t used; /* bytes */
	int err;
	const char *reason;
};

static void drain(struct dumpalloc *dump, struct records *out)
{
	const struct wire_head *record;

	while ((out->err = dumpalloc__next(dump, &record)) > 0) {
		assert_int_equal((uintptr_t)record % 8, 0);
		assert_true(record__valid(record, record->size));
		assert_true(out->used + record->size <= sizeof(out->words));
		memcpy((char *)out->words + out->used, record, record->size);
		out->used += record->size;
	}
}

/* Decodes len bytes, handed over in pieces. */
static void decode(const void *data, size_t len, size_t piece, bool stopped, struct records *out)
{
	struct dumpalloc *dump = dumpalloc__new(NOW_NS);

	out->used = 0;
	out->err = 0;
	for (size_t at = 0; at < len && !out->err; at += piece) {
		/* A copy of its own: what lies behind it is not to be read. */
		size_t now = min(piece, len - at);
		uint8_t *bytes = xmalloc(now);

		memcpy(bytes, (const uint8_t *)data + at, now);
		dumpalloc__feed(dump, bytes, now);
		drain(dump, out);
		free(bytes);
	}
	dumpalloc__feed(dump, "", 0);
	dumpalloc__end(dump, stopped);
	drain(dump, out);
	assert_int_equal(!!out->err, !!dumpalloc__reason(dump));
	out->reason = dumpalloc__reason(dump);
	dumpalloc__free(dump);
}

/* The n-th record of a type, from 0; NULL: there are fewer. */
static const void *find(const struct records *out, uint16_t type, unsigned n)
{
	for (size_t at = 0; at < out->used;) {
		const struct wire_head *head = (const void *)((const char *)out->words + at);

		if (head->type == type && !n--)
			return head;
		at += head->size;
	}
	return NULL;
}

static unsigned count(const struct records *out, uint16_t type)
{
	unsigned nr = 0;

	while (find(out, type, nr))
		nr++;
	return nr;
}

/* One of each; where a record ends, when ends is not NULL. */
static size_t make_story(struct dump_stream *stream, bool big, size_t *ends)
{
	size_t nr = 0, unused[16];

	ends = ends ? ends : unused;
	stream->big = big;
	stream->used = 0;
	dump_header(stream, 100, 1234, "/bin/app");
	ends[nr++] = stream->used;
	dump_object(stream, 100, 0x10000, "/bin/app");
	ends[nr++] = stream->used;
	dump_object(stream, 100, 0x77000000, "/lib/libc.so.0");
	ends[nr++] = stream->used;
	dump_alloc(stream, 101, 0x5000, 40, 0x10444, 0x77001234);
	ends[nr++] = stream->used;
	dump_alloc_begin(stream, 102, 0x6000, 60);
	dump_frame(stream, 0x10555);
	dump_frame(stream, 1);
	dump_python(stream, "work", "/srv/app.py", 17);
	dump_python(stream, "main", "/srv/app.py", 99);
	dump_python_end(stream);
	dump_frame(stream, 0);
	ends[nr++] = stream->used;
	dump_free(stream, 103, 0x5000);
	ends[nr++] = stream->used;
	dump_alloc(stream, 104, 0, 0x70000000, 0x10444, 0x77001234);
	ends[nr++] = stream->used;
	return nr;
}

static void check_text(const void *text, size_t len, const char *wanted)
{
	assert_int_equal(len, strlen(wanted));
	assert_memory_equal(text, wanted, len);
}

static void check_who_and_where(const struct records *out)
{
	const struct wire_target *target = find(out, WIRE_TARGET, 0);
	const struct wire_module *module = find(out, WIRE_MODULE, 1);
	const struct wire_mapping *mapping = find(out, WIRE_MAPPING, 0);

	assert_int_equal(target->head.pid, 1234);
	assert_int_equal(target->started_ns, NOW_NS);
	assert_int_equal(target->attached_ns, 100 * SECOND);
	assert_int_equal(target->flags, 0);
	check_text(target + 1, target->exe_len, "/bin/app");
	check_text((const char *)(target + 1) + 8, target->cmdline_len, "/bin/app");
	assert_int_equal(module->id, 1);
	check_text(module + 1, module->path_len, "/lib/libc.so.0");
	assert_int_equal(mapping->start, 0x10000);
	assert_int_equal(mapping->vaddr, 0);
	assert_int_equal(mapping->module, 0);
	mapping = find(out, WIRE_MAPPING, 1);
	assert_int_equal(mapping->start, 0x77000000);
	assert_int_equal(mapping->time_ns, 100 * SECOND);
	assert_int_equal(mapping->module, 1);
}

static void check_events(const struct records *out)
{
	const struct wire_stack *stack = find(out, WIRE_STACK, 0);
	const struct wire_alloc *alloc = find(out, WIRE_ALLOC, 0);
	const struct wire_free *release = find(out, WIRE_FREE, 0);

	assert_int_equal(alloc->time_ns, 101 * SECOND);
	assert_int_equal(alloc->addr, 0x5000);
	assert_int_equal(alloc->bytes, 40);
	assert_int_equal(alloc->tid, 1234);
	assert_int_equal(alloc->stack, stack->id);
	assert_int_equal(stack->nr_frames, 2);
	assert_int_equal(stack->frames[0], 0x10444);
	assert_int_equal(stack->frames[1], 0x77001234);
	assert_int_equal(stack->flags, 0);
	assert_int_equal(release->time_ns, 103 * SECOND);
	assert_int_equal(release->addr, 0x5000);
	/* It failed; its stack was there before. */
	alloc = find(out, WIRE_ALLOC, 2);
	assert_int_equal(alloc->addr, 0);
	assert_int_equal(alloc->bytes, 0x70000000);
	assert_int_equal(alloc->stack, stack->id);
	assert_int_equal(count(out, WIRE_STACK), 2);
}

static void check_python(const struct records *out)
{
	const struct wire_stack *stack = find(out, WIRE_STACK, 1);
	const struct wire_module *module = find(out, WIRE_MODULE, 2);
	const struct wire_mapping *mapping = find(out, WIRE_MAPPING, 2);
	const struct wire_string *string = find(out, WIRE_STRING, 1);

	check_text(module + 1, module->path_len, "[python]");
	check_text(string + 1, string->len, "/srv/app.py");
	assert_int_equal(count(out, WIRE_STRING), 3); /* the file once */
	assert_int_equal(stack->nr_frames, 3);
	for (unsigned i = 0; i < 2; i++) {
		const struct wire_symbol *symbol = find(out, WIRE_SYMBOL, i);

		assert_int_equal(symbol->module, module->id);
		assert_int_equal(stack->frames[1 + i] - mapping->start + mapping->vaddr,
				 symbol->vaddr);
		assert_true(stack->frames[1 + i] > mapping->start);
		assert_true(stack->frames[1 + i] <= mapping->end);
		assert_int_equal(symbol->frames[0].function, i ? 3 : 1);
		assert_int_equal(symbol->frames[0].file, 2);
		assert_int_equal(symbol->frames[0].line, i ? 99 : 17);
	}
}

static void test_all_records_in_both_orders(void **state)
{
	static struct dump_stream stream;
	static struct records out, other;
	const struct wire_end *end;

	for (int big = 0; big < 2; big++) {
		make_story(&stream, big, NULL);
		decode(stream.data, stream.used, stream.used, false, &out);
		assert_int_equal(out.err, 0);
		check_who_and_where(&out);
		check_events(&out);
		check_python(&out);
		end = find(&out, WIRE_END, 0);
		assert_int_equal(end->head.pid, 1234);
		assert_int_equal(end->time_ns, 104 * SECOND);
		assert_int_equal(end->reason, WIRE_END_STOPPED);
		end = find(&out, WIRE_END, 1);
		assert_int_equal(end->head.pid, 0);
		/* The same records whatever the pieces and the order. */
		for (size_t piece = 1; piece < 23; piece++) {
			decode(stream.data, stream.used, piece, false, &other);
			assert_int_equal(other.used, out.used);
			assert_memory_equal(other.words, out.words, out.used);
		}
	}
}

/* Everything before the cut, and only the cuts between records are ends. */
static void test_cut_at_every_byte(void **state)
{
	static struct dump_stream stream;
	static struct records whole, out;
	size_t ends[16], nr, at;

	for (int big = 0; big < 2; big++) {
		nr = make_story(&stream, big, ends);
		decode(stream.data, stream.used, stream.used, false, &whole);
		for (size_t len = 0, passed = 0; len <= stream.used; len++) {
			bool between = passed < nr && ends[passed] == len;

			passed += between;
			decode(stream.data, len, stream.used, false, &out);
			assert_int_equal(out.err, between ? 0 : -EBADMSG);
			/* Without the two ENDs. */
			at = out.used - (between ? 2 * sizeof(struct wire_end) : 0);
			assert_memory_equal(out.words, whole.words, at);
			assert_int_equal(count(&out, WIRE_ALLOC),
					 (passed > 3) + (passed > 4) + (passed > 6));
			assert_int_equal(count(&out, WIRE_FREE), passed > 5);
			/* Stopped by us, it has an end wherever that was. */
			decode(stream.data, len, stream.used, true, &out);
			assert_int_equal(out.err, passed ? 0 : -EBADMSG);
			assert_int_equal(count(&out, WIRE_END), passed ? 2 : 0);
		}
	}
}

static void test_reasons(void **state)
{
	static struct dump_stream stream;
	static struct records out;

	decode("", 0, 1, false, &out);
	assert_string_equal(out.reason, "is empty");
	make_story(&stream, false, NULL);
	decode(stream.data, 22, 22, false, &out);
	assert_string_equal(out.reason, "ends in the middle of its header");
	decode(stream.data, stream.used - 1, stream.used, false, &out);
	assert_string_equal(out.reason, "ends in the middle of a record");
	dump_number(&stream, 4, 4);
	decode(stream.data, stream.used, stream.used, false, &out);
	assert_string_equal(out.reason, "is damaged: a record has an unknown type");
	assert_int_equal(count(&out, WIRE_ALLOC), 3);
	decode("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, 27, false, &out);
	assert_string_equal(out.reason, "is no stream of libdumpalloc");
}

/* As x86-64 sends it: the outermost frame is a 0. */
static void test_second_terminator(void **state)
{
	static struct dump_stream stream;
	static struct records out;

	for (int big = 0; big < 2; big++) {
		stream.big = big;
		stream.used = 0;
		dump_header(&stream, 100, 7, "x");
		for (unsigned i = 0; i < 3; i++) {
			dump_alloc(&stream, 101, 0x5000 + 0x100 * i, 10, 0x1000, 0x2000);
			dump_frame(&stream, 0);
		}
		dump_free(&stream, 101, 0x5000);
		decode(stream.data, stream.used, 3, false, &out);
		assert_int_equal(out.err, 0);
		assert_int_equal(count(&out, WIRE_ALLOC), 3);
		assert_int_equal(count(&out, WIRE_STACK), 1);
		assert_int_equal(count(&out, WIRE_FREE), 1);
		/* One, not two; and not behind anything else. */
		dump_frame(&stream, 0);
		decode(stream.data, stream.used, 3, false, &out);
		assert_int_equal(out.err, -EBADMSG);
		assert_int_equal(count(&out, WIRE_FREE), 1);
	}
}

/* The 0 of x86-64 in front of Python's frames looks like the end of the stack. */
static void test_python_behind_a_second_terminator(void **state)
{
	static struct dump_stream stream;
	static struct records out;
	const struct wire_stack *stack;

	for (int big = 0; big < 2; big++) {
		stream.big = big;
		stream.used = 0;
		dump_header(&stream, 100, 7, "x");
		for (unsigned i = 0; i < 2; i++) {
			dump_alloc(&stream, 101, 0x5000 + 0x100 * i, 10, 0x1000, 0x2000);
			dump_frame(&stream, 1);
			dump_python(&stream, "f", "x.py", 3);
			dump_python_end(&stream);
			dump_frame(&stream, 0);
		}
		dump_free(&stream, 101, 0x5000);
		decode(stream.data, stream.used, stream.used, false, &out);
		assert_int_equal(out.err, 0);
		assert_int_equal(count(&out, WIRE_ALLOC), 2);
		assert_int_equal(count(&out, WIRE_STACK), 1);
		stack = find(&out, WIRE_STACK, 0);
		assert_int_equal(stack->nr_frames, 3);
	}
}

static void test_deep_stacks_are_cut_and_marked(void **state)
{
	static struct dump_stream stream;
	static struct records out;
	const struct wire_stack *stack;

	stream.used = 0;
	dump_header(&stream, 100, 7, "x");
	for (unsigned depth = 126; depth < 130; depth++) {
		dump_alloc_begin(&stream, 100, 0x5000 + depth * 64, 1);
		for (unsigned i = 0; i < depth; i++)
			dump_frame(&stream, 0x1000 + i);
		dump_frame(&stream, 0);
	}
	decode(stream.data, stream.used, 1000, false, &out);
	assert_int_equal(out.err, 0);
	for (unsigned i = 0; i < 3; i++) {
		stack = find(&out, WIRE_STACK, i);
		assert_int_equal(stack->nr_frames, i ? 127 : 126);
		assert_int_equal(stack->flags, i == 2 ? WIRE_STACK_CUT : 0);
	}
	assert_int_equal(count(&out, WIRE_STACK), 3); /* 128 and 129 are alike */
	assert_int_equal(count(&out, WIRE_ALLOC), 4);
}

/* A stack may mean something else once an object has come. */
static void test_stacks_are_told_anew_after_an_object(void **state)
{
	static struct dump_stream stream;
	static struct records out;
	const struct wire_alloc *alloc;

	stream.used = 0;
	dump_header(&stream, 100, 7, "x");
	dump_alloc(&stream, 100, 0x5000, 1, 0x2000, 0x3000);
	dump_alloc(&stream, 100, 0x6000, 1, 0x2000, 0x3000);
	dump_object(&stream, 100, 0x1000, "/lib/new.so");
	dump_alloc(&stream, 100, 0x7000, 1, 0x2000, 0x3000);
	decode(stream.data, stream.used, stream.used, false, &out);
	assert_int_equal(count(&out, WIRE_STACK), 2);
	for (unsigned i = 0; i < 3; i++) {
		alloc = find(&out, WIRE_ALLOC, i);
		assert_int_equal(alloc->stack, i == 2 ? 2 : 1);
	}
}

static void test_objects_end_where_the_next_begins(void **state)
{
	static const struct {
		uint64_t bias, end;
		const char *path, *shown;
	} rows[] = {
		{ 0, 2ull << 30, "??", "./x" }, /* the main program has no name */
		{ 0x70000000, 0xf0000000, "/lib/a", "/lib/a" },
		{ 0x60000000, 0x70000000, "/lib/b", "/lib/b" },
		{ 0x68000000, 0x70000000, "/lib/c", "/lib/c" },
		{ 0x68000000, 0x70000000, "/lib/d", "/lib/d" }, /* in the place of the last */
		{ 0x50000000, 0x60000000, "/home/me/linux-vdso.so.1", "[vdso]" },
		{ 0xffffffffb7e00000, UINT64_MAX, "??", "[unknown]" }, /* sign-extended */
	};
	static struct dump_stream stream;
	static struct records out;

	stream.used = 0;
	dump_header(&stream, 100, 7, "./x");
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		dump_object(&stream, 100, rows[i].bias, rows[i].path);
	decode(stream.data, stream.used, stream.used, false, &out);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct wire_mapping *mapping = find(&out, WIRE_MAPPING, i);
		const struct wire_module *module = find(&out, WIRE_MODULE, i);

		assert_int_equal(mapping->start, rows[i].bias);
		assert_int_equal(mapping->end, rows[i].end);
		assert_int_equal(mapping->vaddr, 0);
		assert_int_equal(mapping->module, i);
		check_text(module + 1, module->path_len, rows[i].shown);
	}
}

/* A position-independent program has no path, but for what the vDSO's tells. */
static void test_the_path_of_the_main_program(void **state)
{
	static const struct {
		const char *argv, *next, *shown;
	} rows[] = {
		{ "./x", "/home/me/linux-vdso.so.1", "/home/me/x" },
		{ "bin/x", "/linux-gate.so.1", "/bin/x" },
		{ "../x", "/home/me/linux-vdso.so.1", "/home/me/../x" },
		{ "/bin/x", "/home/me/linux-vdso.so.1", "/bin/x" },
		{ "x", "/home/me/linux-vdso.so.1", "x" }, /* found by PATH */
		{ "./x", "/lib/libc.so.6", "./x" },
		{ "./x", NULL, "./x" },
		{ "", "/lib/libc.so.6", "[unknown]" },
	};
	static struct dump_stream stream;
	static struct records out;
	const struct wire_mapping *mapping;
	const struct wire_module *module;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		stream.used = 0;
		dump_header(&stream, 100, 7, rows[i].argv);
		dump_object(&stream, 100, 0x1000, "??");
		if (rows[i].next)
			dump_object(&stream, 100, 0x700000, rows[i].next);
		dump_alloc(&stream, 101, 0x5000, 1, 0x2000, 0x3000);
		decode(stream.data, stream.used, stream.used, false, &out);
		module = find(&out, WIRE_MODULE, 0);
		mapping = find(&out, WIRE_MAPPING, 0);
		check_text(module + 1, module->path_len, rows[i].shown);
		assert_int_equal(mapping->start, 0x1000);
		assert_int_equal(count(&out, WIRE_MAPPING), rows[i].next ? 2 : 1);
	}
}

/* Which order a header is of, and what is no header. */
static void test_beginnings(void **state)
{
	static const struct {
		uint64_t time_s;
		uint32_t pid, len;
		bool begins;
	} rows[] = {
		{ 100, 1, 0, true },	       { 0, 4194304, 511, true },
		{ UINT32_MAX, 0x1200, 1, true }, { 100, 0, 4, false },
		{ 100, 4194305, 4, false },    { 100, 1, 512, false },
		{ 1ull << 32, 1, 4, false },   { 100, 1, UINT32_MAX, false },
	};
	static struct dump_stream stream;

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		stream.big = i % 2;
		stream.used = 0;
		dump_number(&stream, 0, 4);
		dump_number(&stream, rows[i / 2].time_s, 8);
		dump_number(&stream, rows[i / 2].pid, 4);
		dump_number(&stream, rows[i / 2].len, 4);
		assert_int_equal(dumpalloc__begins(stream.data, 20), rows[i / 2].begins);
		assert_false(dumpalloc__begins(stream.data, 19));
		stream.data[0] = stream.data[3] = 1;
		assert_false(dumpalloc__begins(stream.data, 20));
	}
}

/* Whatever length is claimed: no more is kept than a name may have. */
static void test_giant_lengths(void **state)
{
	static const uint32_t lengths[] = { 16385, 0x7fffffff, 0x80000000, UINT32_MAX };
	static struct dump_stream stream;
	static struct records out;

	for (unsigned i = 0; i < 3 * ARRAY_SIZE(lengths); i++) {
		stream.used = 0;
		dump_header(&stream, 100, 7, "x");
		dump_alloc(&stream, 100, 0x5000, 1, 0x2000, 0x3000);
		if (i % 3 == 0) {
			dump_number(&stream, 3, 4);
			dump_number(&stream, 100, 8);
			dump_number(&stream, 0x1000, 8);
		} else {
			dump_alloc_begin(&stream, 100, 0x6000, 1);
			dump_frame(&stream, 1);
			if (i % 3 == 2)
				dump_text(&stream, "f");
		}
		dump_number(&stream, lengths[i / 3], 4);
		memset(stream.data + stream.used, 'x', 100000);
		decode(stream.data, stream.used + 100000, 4096, false, &out);
		assert_int_equal(out.err, -EBADMSG);
		assert_string_equal(out.reason, "is damaged: a name has an impossible length");
		assert_int_equal(count(&out, WIRE_ALLOC), 1);
	}
}

/* Texts of the greatest length, and such with a NUL in them. */
static void test_long_and_odd_texts(void **state)
{
	static struct dump_stream stream;
	static struct records out;
	static char longest[WIRE_MAX_STRING + 1];
	const struct wire_module *module;
	const struct wire_string *string;

	memset(longest, 'y', WIRE_MAX_STRING);
	stream.used = 0;
	dump_header(&stream, 100, 7, "x");
	dump_object(&stream, 100, 0x1000, longest);
	dump_alloc_begin(&stream, 100, 0x6000, 1);
	dump_frame(&stream, 1);
	dump_python(&stream, longest, longest + 1, 1);
	dump_python(&stream, "a\1b", "", 0);
	stream.data[stream.used - 10] = '\0'; /* the \1 */
	dump_python_end(&stream);
	dump_frame(&stream, 0);
	decode(stream.data, stream.used, 4096, false, &out);
	assert_int_equal(out.err, 0);
	module = find(&out, WIRE_MODULE, 0);
	assert_int_equal(module->path_len, WIRE_MAX_STRING);
	string = find(&out, WIRE_STRING, 2);
	check_text(string + 1, string->len, "a");
	assert_int_equal(count(&out, WIRE_STRING), 3);
}

/* More objects than are believed: an end, not a pile. */
static void test_endless_objects(void **state)
{
	static struct dump_stream stream;
	struct dumpalloc *dump = dumpalloc__new(NOW_NS);
	const struct wire_head *record;
	char path[32];
	int err = 0;
	unsigned nr;

	stream.used = 0;
	dump_header(&stream, 100, 7, "x");
	for (nr = 0; err >= 0 && nr < 100000; nr++) {
		snprintf(path, sizeof(path), "/lib/%u", nr);
		dump_object(&stream, 100, nr * 0x1000ull, path);
		dumpalloc__feed(dump, stream.data, stream.used);
		while ((err = dumpalloc__next(dump, &record)) > 0)
			;
		stream.used = 0;
	}
	assert_int_equal(err, -EBADMSG);
	assert_in_range(nr, 10000, 20000);
	dumpalloc__free(dump);
}

/* Each bit of a stream changed: what comes out is always valid, and taken by a model. */
static void test_every_bit_flipped(void **state)
{
	static struct dump_stream stream;
	static struct records out;
	const struct sym_options options = { .sysroot = "/nowhere" };

	make_story(&stream, false, NULL);
	for (size_t bit = 0; bit < 8 * stream.used; bit++) {
		struct model *model = model__new(&options);

		stream.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		decode(stream.data, stream.used, 17, false, &out);
		stream.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		for (size_t at = 0; at < out.used;) {
			const struct wire_head *head =
				(const void *)((const char *)out.words + at);

			assert_int_equal(model__apply(model, head), 0);
			at += head->size;
		}
		model__free(model);
	}
}

static void test_in_a_model(void **state)
{
	static struct dump_stream stream;
	static struct records out;
	const struct sym_options options = { .sysroot = "/nowhere" };
	struct model *model = model__new(&options);
	const struct heap_totals *totals;

	make_story(&stream, true, NULL);
	dump_free(&stream, 104, 0xdead00);
	decode(stream.data, stream.used, 100, false, &out);
	for (size_t at = 0; at < out.used;) {
		const struct wire_head *head = (const void *)((const char *)out.words + at);

		assert_int_equal(model__apply(model, head), 0);
		at += head->size;
	}
	totals = process__totals(model__first(model));
	assert_int_equal(totals->allocations, 2);
	assert_int_equal(totals->failed_allocations, 1);
	assert_int_equal(totals->frees, 1);
	assert_int_equal(totals->unknown_frees, 1);
	assert_int_equal(totals->live_bytes, 60);
	assert_int_equal(totals->peak_bytes, 100);
	assert_int_equal(model__first(model)->pid, 1234);
	model__free(model);
}

static void test_anchor(void **state)
{
	static struct dump_stream stream;
	struct dumpalloc *dump = dumpalloc__new(NOW_NS);
	const struct wire_head *record;
	uint64_t monotonic_ns, realtime_ns;

	assert_false(dumpalloc__anchor(dump, &monotonic_ns, &realtime_ns));
	make_story(&stream, true, NULL);
	dumpalloc__feed(dump, stream.data, stream.used);
	assert_int_equal(dumpalloc__next(dump, &record), 1);
	assert_int_equal(record->type, WIRE_TARGET);
	assert_true(dumpalloc__anchor(dump, &monotonic_ns, &realtime_ns));
	assert_int_equal(monotonic_ns, 100 * SECOND);
	assert_int_equal(realtime_ns, NOW_NS);
	dumpalloc__free(dump);
	dumpalloc__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_records_in_both_orders),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_second_terminator),
		cmocka_unit_test(test_python_behind_a_second_terminator),
		cmocka_unit_test(test_deep_stacks_are_cut_and_marked),
		cmocka_unit_test(test_stacks_are_told_anew_after_an_object),
		cmocka_unit_test(test_objects_end_where_the_next_begins),
		cmocka_unit_test(test_the_path_of_the_main_program),
		cmocka_unit_test(test_beginnings),
		cmocka_unit_test(test_giant_lengths),
		cmocka_unit_test(test_long_and_odd_texts),
		cmocka_unit_test(test_endless_objects),
		cmocka_unit_test(test_every_bit_flipped),
		cmocka_unit_test(test_in_a_model),
		cmocka_unit_test(test_anchor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
