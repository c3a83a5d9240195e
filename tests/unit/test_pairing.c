// SPDX-License-Identifier: BSD-2-Clause
/* Rows of allocations and frees: which are left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "cmd/pairing.h"

#define HEADER "time_ns,pid,event,address,stack\n"

static struct pairing_counts counts;

/* What is left of text; the caller frees it. */
static char *pair(const char *text, bool through_pipe)
{
	char *left = NULL;
	size_t size;
	FILE *out = open_memstream(&left, &size), *in = tmpfile();
	int ends[2], fd = fileno(in);

	if (through_pipe) {
		assert_int_equal(pipe(ends), 0);
		assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
		close(ends[1]);
		fd = ends[0];
	} else {
		assert_int_equal(write(fd, text, strlen(text)), strlen(text));
		lseek(fd, 0, SEEK_SET);
	}
	assert_int_equal(pairing__run(fd, out, &counts), 0);
	if (through_pipe)
		close(fd);
	fclose(in);
	fclose(out);
	return left;
}

static void leaves(const char *text, const char *wanted, uint64_t unmatched, uint64_t malformed)
{
	for (int through_pipe = 0; through_pipe < 2; through_pipe++) {
		char *left = pair(text, through_pipe);

		assert_string_equal(left, wanted);
		assert_int_equal(counts.unmatched, unmatched);
		assert_int_equal(counts.malformed, malformed);
		free(left);
	}
}

#define STACK "\"[{\\\"f\\\":\\\"main\\\" }]\""

static void the_rows_of_malloc_trace(void **state)
{
	leaves("\"malloc\";1;100;8;5;" STACK "\n"
	       "\"calloc\";2;200;8;5;" STACK "\n"
	       "\"realloc\";1;300;8;5;" STACK "\n"
	       "\"free\";2;100;0;6;" STACK "\n"
	       "\"freerealloc\";2;200;0;6;\"[]\"\n"
	       "\"free\";2;900;0;6;\"[]\"\n"
	       "\"malloc\";1;100;16;7;\"[]\"\n",
	       "\"realloc\";1;300;8;5;" STACK "\n"
	       "\"malloc\";1;100;16;7;\"[]\"\n",
	       1, 0);
}

/* The address was given out again, and the free in between never written. */
static void the_newest_row_of_an_address_counts(void **state)
{
	leaves("\"malloc\";1;100;8;5;\"[]\"\n"
	       "\"malloc\";1;200;8;5;\"[]\"\n"
	       "\"malloc\";1;100;9;6;\"[]\"\n",
	       "\"malloc\";1;200;8;5;\"[]\"\n"
	       "\"malloc\";1;100;9;6;\"[]\"\n",
	       0, 0);
}

static void processes_have_their_own_addresses(void **state)
{
	leaves(HEADER "1,10,alloc,100,[]\n"
		      "1,11,alloc,100,\"[{\"\"f\"\":\"\"a,b\"\"}]\"\n"
		      "1,12,alloc,100,[]\n"
		      "2,10,free,100,[]\n"
		      "2,10,unknown_free,100,[]\n"
		      "2,10,failed,0,[]\n" HEADER "3,12,exec,0,[]\n"
		      "3,12,alloc,300,[]\n",
	       HEADER "1,11,alloc,100,\"[{\"\"f\"\":\"\"a,b\"\"}]\"\n"
		      "3,12,alloc,300,[]\n",
	       1, 0);
}

static void a_pid_comes_again(void **state)
{
	leaves(HEADER "1,10,alloc,100,[]\n"
		      "1,10,alloc,200,[]\n"
		      "2,10,end,0,[]\n"
		      "3,10,alloc,100,[]\n"
		      "3,10,alloc,300,[]\n"
		      "4,10,free,100,[]\n"
		      "4,10,free,200,[]\n",
	       HEADER "1,10,alloc,100,[]\n"
		      "1,10,alloc,200,[]\n"
		      "3,10,alloc,300,[]\n",
	       1, 0);
}

static void malformed_rows_are_left_out(void **state)
{
	leaves("\"malloc\";1;100;8;5;\"[]\"\n"
	       "nonsense\n"
	       "\"malloc\";1;200;8;5;\"[{\\\"f\\\":}]\"\n"
	       "\"malloc\";1;300;8;5;\"[]\n"
	       "\"malloc\";1;x;8;5;\"[]\"\n"
	       "\"malloc\";1;400;8;5;\"[]\";7\n"
	       "\n"
	       "\"malloc\";1;0;8;5;\"[]\"\n"
	       "\"malloc\";1;500;8;5;\"[]\"",
	       "\"malloc\";1;100;8;5;\"[]\"\n"
	       "\"malloc\";1;500;8;5;\"[]\"\n",
	       0, 5);
	assert_int_equal(counts.rows, 8);
	assert_int_equal(counts.kept, 2);
}

/* What is not known for sure is not left: somebody else has the address now. */
static void a_malformed_row_ends_what_was_at_its_address(void **state)
{
	leaves("\"malloc\";1;100;8;5;\"[]\"\n"
	       "\"malloc\";1;100;8;5;\"[\n",
	       "", 0, 1);
}

static void nothing_comes_of_nothing(void **state)
{
	leaves("", "", 0, 0);
	leaves(HEADER, HEADER, 0, 0);
}

/* Slots are used again: memory is of the live ones. */
static void many_rows(void **state)
{
	char *text = xmalloc(4 << 20), *at = text, *left;
	FILE *in = tmpfile(), *out;
	size_t size;

	for (unsigned i = 0; i < 20000; i++) {
		at += sprintf(at, "\"malloc\";1;%u;8;5;\"[]\"\n", i + 1);
		if (i % 1000)
			at += sprintf(at, "\"free\";1;%u;0;5;\"[]\"\n", i + 1);
	}
	assert_int_equal(fwrite(text, 1, (size_t)(at - text), in), at - text);
	fflush(in);
	lseek(fileno(in), 0, SEEK_SET);
	out = open_memstream(&left, &size);
	assert_int_equal(pairing__run(fileno(in), out, &counts), 0);
	fclose(out);
	fclose(in);
	assert_int_equal(counts.kept, 20);
	assert_int_equal(counts.rows, 20000 + 19980);
	at = left;
	for (unsigned i = 0; i < 20000; i += 1000) {
		char wanted[64];
		int len = sprintf(wanted, "\"malloc\";1;%u;8;5;\"[]\"\n", i + 1);

		assert_memory_equal(at, wanted, len);
		at += len;
	}
	free(left);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rows_of_malloc_trace),
		cmocka_unit_test(the_newest_row_of_an_address_counts),
		cmocka_unit_test(processes_have_their_own_addresses),
		cmocka_unit_test(a_pid_comes_again),
		cmocka_unit_test(malformed_rows_are_left_out),
		cmocka_unit_test(a_malformed_row_ends_what_was_at_its_address),
		cmocka_unit_test(nothing_comes_of_nothing),
		cmocka_unit_test(many_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
