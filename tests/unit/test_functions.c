// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "heap/functions.h"
#include "wire.h"

static void check_function(const struct functions *functions, uint16_t number, const char *family,
			   const char *symbol)
{
	const struct function *function = functions__find(functions, number);

	assert_non_null(function);
	assert_string_equal(function->family, family);
	assert_string_equal(function->symbol, symbol);
}

static int add(struct functions *functions, uint16_t number, const char *family, const char *symbol)
{
	return functions__add(functions, number, family, strlen(family), symbol, strlen(symbol));
}

static void table_is_known(void **state)
{
	struct functions *functions = functions__new();

	check_function(functions, 1, "glibc", "malloc");
	check_function(functions, 10, "glibc", "pvalloc");
	assert_true(functions__find(functions, 1)->of_libc);
	assert_ptr_equal(functions__find(functions, 1)->family,
			 functions__find(functions, 2)->family);
	assert_null(functions__find(functions, 0));
	assert_null(functions__find(functions, 1000));
	functions__free(functions);
	functions__free(NULL);
}

static void user_names_functions(void **state)
{
	struct functions *functions = functions__new();
	char family[] = "pool", symbol[] = "pool_get!";

	assert_int_equal(functions__add(functions, 1024, family, 4, symbol, 8), 0);
	memset(family, 'x', 4);
	memset(symbol, 'x', 8);
	assert_int_equal(add(functions, 1025, "cxx", "_Znwm"), 0);
	assert_int_equal(add(functions, 65535, "glibc", "wrapper"), 0);
	check_function(functions, 1024, "pool", "pool_get");
	check_function(functions, 1025, "c++", "_Znwm");
	assert_false(functions__find(functions, 1024)->of_libc);
	assert_ptr_equal(functions__find(functions, 65535)->family,
			 functions__find(functions, 1)->family);
	/* Told twice (a recording put together of two): the first stays. */
	assert_int_equal(add(functions, 1024, "other", "other"), 0);
	check_function(functions, 1024, "pool", "pool_get");
	functions__free(functions);
}

static void senseless_ones_are_refused(void **state)
{
	struct functions *functions = functions__new();

	assert_int_equal(add(functions, 1, "evil", "malloc"), -EBADMSG);
	assert_int_equal(add(functions, WIRE_FUNCTION_USER - 1, "evil", "malloc"), -EBADMSG);
	check_function(functions, 1, "glibc", "malloc");
	for (unsigned i = 0; i < FUNCTIONS_MAX_USER; i++)
		assert_int_equal(add(functions, (uint16_t)(WIRE_FUNCTION_USER + i), "", ""), 0);
	assert_int_equal(add(functions, 60000, "", ""), -E2BIG);
	assert_null(functions__find(functions, 60000));
	functions__free(functions);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_known),
		cmocka_unit_test(user_names_functions),
		cmocka_unit_test(senseless_ones_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
