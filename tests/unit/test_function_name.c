// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "heap/functions.h"
#include "report/function_name.h"
#include "wire.h"

static void check(const char *symbol, const char *want)
{
	struct functions *functions = functions__new();
	char *name;

	assert_int_equal(
		functions__add(functions, WIRE_FUNCTION_USER, "pool", 4, symbol, strlen(symbol)),
		0);
	name = function_name__make(functions, WIRE_FUNCTION_USER);
	assert_string_equal(name, want);
	free(name);
	functions__free(functions);
}

static void operators_without_arguments(void **state)
{
	check("_Znwm", "operator new");
	check("_Znam", "operator new[]");
	check("_ZnwmSt11align_val_tRKSt9nothrow_t", "operator new");
	check("_ZdlPv", "operator delete");
	check("_ZdlPvm", "operator delete");
	check("_ZdaPvSt11align_val_t", "operator delete[]");
	/* On a machine of 32 bits. */
	check("_Znwj", "operator new");
}

static void others_as_they_are(void **state)
{
	check("malloc", "malloc");
	check("tc_new", "tc_new");
	check("_ZN4pool3getEi", "pool::get(int)");
	check("_ZN4poolnwEm", "pool::operator new(unsigned long)");
	check("_Znonsense", "_Znonsense");
	check("", "");
}

static void numbers(void **state)
{
	struct functions *functions = functions__new();
	char *name = function_name__make(functions, 1);

	assert_string_equal(name, "malloc");
	free(name);
	assert_null(function_name__make(functions, 0));
	assert_null(function_name__make(functions, WIRE_FUNCTION_USER));
	functions__free(functions);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operators_without_arguments),
		cmocka_unit_test(others_as_they_are),
		cmocka_unit_test(numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
