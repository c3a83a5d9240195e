// SPDX-License-Identifier: BSD-2-Clause
/* heaptap fail: verdicts, rules for the library, and the reader of JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_read.h"
#include "base/util.h"
#include "fail/driver.h"
#include "fail/plan.h"
#include "fail/tracees.h"
#include "fail/verdict.h"

/* ---- verdicts -------------------------------------------------------------------------------- */

#define EXIT(status) ((status) << 8)

static void test_verdicts(void **state)
{
	static const struct {
		struct fail_outcome outcome;
		enum fail_verdict verdict;
	} rows[] = {
		{ { .output_hash = 1, .errors_hash = 2 }, FAIL_SURVIVED },
		{ { .output_hash = 1, .errors_hash = 3 }, FAIL_SURVIVED },
		{ { .output_hash = 9, .errors_hash = 3 }, FAIL_CLEAN },
		{ { .output_hash = 9, .errors_hash = 2 }, FAIL_SILENT },
		{ { .output_hash = 1, .errors_hash = 2, .leaked_blocks = 1 }, FAIL_LEAK },
		{ { .output_hash = 9, .errors_hash = 3, .leaked_blocks = 1 }, FAIL_LEAK },
		{ { .status = EXIT(1), .leaked_blocks = 1 }, FAIL_CLEAN },
		{ { .status = EXIT(1), .output_hash = 9, .errors_hash = 2 }, FAIL_CLEAN },
		{ { .status = SIGABRT, .signal = SIGABRT }, FAIL_ABORT },
		{ { .status = SIGSEGV, .signal = SIGSEGV }, FAIL_CRASH },
		/* A child of it has crashed. */
		{ { .signal = SIGBUS, .output_hash = 1, .errors_hash = 2 }, FAIL_CRASH },
		{ { .status = SIGKILL, .timed_out = true }, FAIL_HANG },
		{ { .status = SIGABRT, .signal = SIGABRT, .sanitizer = true }, FAIL_SANITIZER },
		{ { .status = SIGABRT, .signal = SIGABRT, .corruption = true }, FAIL_CRASH },
		/* Something else has printed it. */
		{ { .status = EXIT(1), .corruption = true }, FAIL_CLEAN },
	};
	struct fail_baseline baseline = { .outcome = { .output_hash = 1, .errors_hash = 2 } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(fail_verdict__of(&rows[i].outcome, &baseline), rows[i].verdict);
	/* Where output differs anyway, nothing is made of it. */
	baseline.output_varies = true;
	assert_int_equal(fail_verdict__of(&rows[3].outcome, &baseline), FAIL_SURVIVED);
	/* An error that undisturbed runs end with, and one that is gone. */
	baseline = (struct fail_baseline){ .outcome = { .status = EXIT(1) } };
	assert_int_equal(fail_verdict__of(&baseline.outcome, &baseline), FAIL_SURVIVED);
	assert_int_equal(fail_verdict__of(&(struct fail_outcome){ 0 }, &baseline), FAIL_SILENT);
}

static void test_ends_by_signals(void **state)
{
	static const struct {
		int signal;
		enum fail_verdict verdict;
	} rows[] = {
		{ SIGSEGV, FAIL_CRASH }, { SIGBUS, FAIL_CRASH },  { SIGILL, FAIL_CRASH },
		{ SIGFPE, FAIL_CRASH },	 { SIGSYS, FAIL_CRASH },  { SIGTRAP, FAIL_CRASH },
		{ SIGABRT, FAIL_ABORT }, { SIGKILL, FAIL_HANG },  { SIGALRM, FAIL_HANG },
		{ SIGXCPU, FAIL_HANG },	 { SIGXFSZ, FAIL_HANG },  { SIGPIPE, FAIL_CLEAN },
		{ SIGTERM, FAIL_CLEAN }, { SIGHUP, FAIL_CLEAN },  { SIGINT, FAIL_CLEAN },
		{ SIGQUIT, FAIL_CLEAN }, { SIGUSR1, FAIL_CLEAN }, { 64, FAIL_CLEAN },
	};
	const struct fail_baseline baseline = { .outcome = { .output_hash = 1 } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fail_outcome outcome = { .status = (uint32_t)rows[i].signal,
						.signal = rows[i].signal,
						.output_hash = 1,
						.leaked_blocks = 1 };

		assert_int_equal(fail_verdict__of(&outcome, &baseline), rows[i].verdict);
		assert_int_equal(fail_verdict__is_error_signal(rows[i].signal),
				 rows[i].verdict == FAIL_CRASH || rows[i].verdict == FAIL_ABORT);
	}
	assert_false(fail_verdict__is_error_signal(0));
}

/* Of several processes one signal counts, in whatever order they end; the first of a row is main.
 */
static void test_whose_signal_counts(void **state)
{
	static const struct {
		int main, child, other, counts;
		pid_t whose;
	} rows[] = {
		{ 0, 0, 0, 0, 0 },
		{ SIGPIPE, 0, 0, SIGPIPE, 100 },
		{ 0, SIGPIPE, SIGKILL, 0, 0 },
		{ 0, SIGTERM, SIGBUS, SIGBUS, 102 },
		{ SIGPIPE, SIGTERM, SIGSEGV, SIGSEGV, 102 },
		{ SIGPIPE, SIGSEGV, SIGSEGV, SIGSEGV, 101 },
		{ SIGABRT, SIGSEGV, SIGPIPE, SIGABRT, 100 },
		{ SIGSEGV, SIGABRT, SIGABRT, SIGSEGV, 100 },
		{ SIGKILL, SIGPIPE, 0, SIGKILL, 100 },
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		struct tracees tracees = { .main = 100 };
		size_t row = i / 2;

		if (i % 2)
			tracees__take(&tracees, 100, rows[row].main);
		tracees__take(&tracees, 101, rows[row].child);
		tracees__take(&tracees, 102, rows[row].other);
		if (!(i % 2))
			tracees__take(&tracees, 100, rows[row].main);
		assert_int_equal(tracees.signal, rows[row].counts);
		assert_int_equal(tracees.status, rows[row].main);
		assert_int_equal(tracees.signalled, rows[row].whose);
		assert_true(tracees.has_ended);
		tracees__clear(&tracees);
	}
}

static void test_verdicts_by_a_client(void **state)
{
	const struct fail_baseline baseline = { .outcome = { .status = SIGTERM,
							     .output_hash = 1 } };
	struct fail_outcome outcome = baseline.outcome;

	assert_int_equal(fail_verdict__of(&outcome, &baseline), FAIL_SURVIVED);
	outcome.client_status = EXIT(1);
	assert_int_equal(fail_verdict__of(&outcome, &baseline), FAIL_CLEAN);
	outcome.client_status = FAIL_NO_CLIENT;
	assert_int_equal(fail_verdict__of(&outcome, &baseline), FAIL_CLEAN);
	outcome.leaked_blocks = 1;
	assert_int_equal(fail_verdict__of(&outcome, &baseline), FAIL_LEAK);
	outcome = baseline.outcome;
	outcome.output_hash = 2;
	assert_int_equal(fail_verdict__of(&outcome, &baseline), FAIL_SILENT);
	outcome.signal = SIGSEGV;
	assert_int_equal(fail_verdict__of(&outcome, &baseline), FAIL_CRASH);
}

static void test_names_of_verdicts(void **state)
{
	for (int i = 0; i < FAIL_NR_VERDICTS; i++)
		assert_int_equal(fail_verdict__by_name(fail_verdict__name((enum fail_verdict)i)),
				 i);
	assert_int_equal(fail_verdict__by_name(NULL), FAIL_UNTRIED);
	assert_int_equal(fail_verdict__by_name("fine"), FAIL_UNTRIED);
	assert_true(fail_verdict__is_fault(FAIL_CRASH, false));
	assert_false(fail_verdict__is_fault(FAIL_ABORT, false));
	assert_true(fail_verdict__is_fault(FAIL_ABORT, true));
	assert_false(fail_verdict__is_fault(FAIL_CLEAN, true));
}

static void test_reports_of_sanitizers(void **state)
{
	static const char asan[] = "==1==ERROR: AddressSanitizer: SEGV on unknown address";
	static const char ubsan[] = "x.c:3:4: runtime error: load of null pointer";
	static const char tsan[] = "==1==ERROR: ThreadSanitizer: SEGV on unknown address 0x0";
	static const char nothing[] = "error: out of memory";

	assert_true(fail_verdict__has_report(asan, strlen(asan)));
	assert_true(fail_verdict__has_report(tsan, strlen(tsan)));
	assert_true(fail_verdict__has_report(ubsan, strlen(ubsan)));
	assert_false(fail_verdict__has_report(nothing, strlen(nothing)));
	assert_false(fail_verdict__has_report("", 0));
}

static void test_reports_of_damage(void **state)
{
	static const char freed_twice[] = "x\nfree(): double free detected in tcache 2\n";
	static const char stack[] = "*** stack smashing detected ***: terminated\n";
	static const char nothing[] = "malloc(): out of memory\n";

	assert_true(fail_verdict__has_corruption(freed_twice, strlen(freed_twice)));
	assert_true(fail_verdict__has_corruption(stack, strlen(stack)));
	assert_false(fail_verdict__has_corruption(stack, 10));
	assert_false(fail_verdict__has_corruption(nothing, strlen(nothing)));
	assert_false(fail_verdict__has_corruption("", 0));
}

/* ---- rules ----------------------------------------------------------------------------------- */

static void test_rules(void **state)
{
	static const struct {
		struct fail_wishes wishes;
		const char *rules; /* NULL: refused */
	} rows[] = {
		{ { 0 }, "path,count=1" },
		{ { .many = true }, "path" },
		{ { .count = 3 }, "path,count=3" },
		{ { .persistent = true }, "path,persistent" },
		{ { .nth = 17 }, "nth=17" },
		{ { .rate = "0.5%", .seed = 7 }, "rate=0.5000%,seed=7" },
		{ { .rate = "100%" }, "rate=100.0000%,seed=0" },
		{ { .rate = "0.00005%" }, NULL },
		{ { .sizes = ">=8388608G" }, "path,count=1,size>4398046511103" },
		{ { .sizes = "<=8388608G" }, "path,count=1" },
		{ { .sizes = "=100" }, "path,count=1,size=100" },
		{ { .sizes = "100" }, "path,count=1,size=100" },
		{ { .sizes = ">1M" }, "path,count=1,size>1048576" },
		{ { .sizes = ">=1K" }, "path,count=1,size>1023" },
		{ { .sizes = "<=4K" }, "path,count=1,size<4097" },
		{ { .sizes = "<1" }, "path,count=1,size=0" },
		{ { .sizes = "1K-2K" }, "path,count=1,size>1023,size<2049" },
		{ { .only = "libfoo.so" }, "path,count=1,module=libfoo.so" },
		{ { .only = "prog", .program = "prog" }, "path,count=1,module=prog" },
		{ { .only = "parse", .program = "prog" }, "path,count=1,function=parse" },
		{ { .sizes = "" }, NULL },
		{ { .sizes = "<0" }, NULL },
		{ { .sizes = "2K-1K" }, NULL },
		{ { .sizes = ">1M-2M" }, NULL },
		{ { .sizes = "-" }, NULL },
		{ { .rate = "5" }, NULL },
		{ { .rate = "0%" }, NULL },
		{ { .rate = "101%" }, NULL },
		{ { .rate = "1%,path" }, NULL },
		{ { .seed = 1 }, NULL },
		{ { .nth = 1ull << 32 }, NULL },
		{ { .only = "a,persistent" }, NULL },
		{ { .many = true, .count = 2 }, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *why, *rules = fail_plan__rules(&rows[i].wishes, &why);

		if (rows[i].rules)
			assert_string_equal(rules, rows[i].rules);
		else
			assert_null(rules);
		assert_int_equal(!rules, !!why);
		free(rules);
		free(why);
	}
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void test_json_is_read(void **state)
{
	static const char text[] = " { \"a\\u0062\" : [1, -2.5e3 ,true,null, \"x\\n\\\"\\u00e9"
				   "\\ud83d\\ude00\\ud800\\u0000\"],\"n\":18446744073709551615,"
				   "\"o\":{\"e\":{},\"f\":[]}} ";
	static const char *const elements[] = { "1", "-2.5e3", "true", "null",
						"x\n\"\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf"
						"\xbd" };
	const struct json_value *root, *at;
	struct json_doc doc;
	size_t nr = 0;

	assert_int_equal(json_read__parse(&doc, text, strlen(text)), 0);
	root = json_read__root(&doc);
	at = json_read__first(&doc, json_read__member(&doc, root, "ab"));
	for (; at; at = json_read__next(&doc, at))
		assert_string_equal(at->text, elements[nr++]);
	assert_int_equal(nr, ARRAY_SIZE(elements));
	assert_true(json_read__u64(&doc, root, "n", 0) == UINT64_MAX);
	assert_int_equal(json_read__u64(&doc, root, "ab", 5), 5);
	assert_null(json_read__text(&doc, root, "n"));
	at = json_read__member(&doc, root, "o");
	assert_int_equal(json_read__member(&doc, at, "e")->type, JSON_OBJECT);
	assert_null(json_read__first(&doc, json_read__member(&doc, at, "f")));
	assert_null(json_read__member(&doc, root, "nothing"));
	json_read__clear(&doc);
}

static void test_what_is_no_json(void **state)
{
	static const char *const texts[] = {
		"",   "{",     "[1,]",	 "{\"a\":1,}", "\"\\u12\"",
		"01", "[1] 2", "\"\n\"", "{1:2}",      "[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]"
	};
	struct json_doc doc;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(json_read__parse(&doc, texts[i], strlen(texts[i])), -EBADMSG);
		assert_null(json_read__root(&doc));
	}
	assert_int_equal(json_read__parse(&doc, "\"a\0\"", 4), -EBADMSG);
	assert_int_equal(json_read__parse(&doc, "7", 1), 0);
	assert_string_equal(json_read__root(&doc)->text, "7");
	json_read__clear(&doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_ends_by_signals),
		cmocka_unit_test(test_whose_signal_counts),
		cmocka_unit_test(test_verdicts_by_a_client),
		cmocka_unit_test(test_names_of_verdicts),
		cmocka_unit_test(test_reports_of_sanitizers),
		cmocka_unit_test(test_reports_of_damage),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_json_is_read),
		cmocka_unit_test(test_what_is_no_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
