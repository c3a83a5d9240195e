// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "symbol/demangle.h"

static void check(const char *mangled, const char *expected)
{
	char *name = demangle__name(mangled);

	assert_string_equal(name, expected);
	free(name);
}

static void plain_names_stay(void **state)
{
	check("malloc", "malloc");
	check("", "");
	check("_Z", "_Z");
	check("_R", "_R");
	check("_Reduce", "_Reduce");
	check("parse.part.0", "parse.part.0");
}

static void versions_are_cut(void **state)
{
	check("malloc@@GLIBC_2.2.5", "malloc");
	check("memcpy@GLIBC_2.2.5", "memcpy");
	check("_ZNSt6vectorIiSaIiEE7reserveEm@@GLIBCXX_3.4",
	      "std::vector<int, std::allocator<int> >::reserve(unsigned long)");
	check("@odd", "@odd");
}

static void cplusplus_names(void **state)
{
	check("_Znwm", "operator new(unsigned long)");
	check("_ZN3foo3barEi", "foo::bar(int)");
	check("_ZN3FooC4Ev", "Foo::Foo()");
	check("_ZN12_GLOBAL__N_15innerEv", "(anonymous namespace)::inner()");
	check("_ZN3foo3barEi.part.0", "foo::bar(int)");
	check("_ZN3foo3barEi.isra.0.cold", "foo::bar(int)");
	check("_ZZ4mainENKUlvE_clEv", "main::{lambda()#1}::operator()() const");
}

static void rust_names(void **state)
{
	check("_ZN4core3fmt9Formatter9write_str17h0123456789abcdefE",
	      "core::fmt::Formatter::write_str");
	check("_ZN72_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..iter..Extend$LT$T$GT$$GT$"
	      "6extend17hfedcba9876543210E",
	      "<alloc::vec::Vec<T> as core::iter::Extend<T>>::extend");
	check("_RNvC7mycrate3foo", "mycrate::foo");
	check("_RNvNtCs1234_7mycrate3sub4leak", "mycrate::sub::leak");
	check("_RINvNtC3std3mem8align_ofjE", "std::mem::align_of::<usize>");
}

static void broken_names_stay(void **state)
{
	check("_ZN3foo", "_ZN3foo");
	check("_ZN99999999999999999999foo", "_ZN99999999999999999999foo");
	check("_RNvC7mycr", "_RNvC7mycr");
	check("_ZZZZZZZZZZZZZZZZ", "_ZZZZZZZZZZZZZZZZ");
}

/* Each S_-like back reference doubles the text: 2^60 characters if it were unfolded. */
static void bombs_do_not_go_off(void **state)
{
	uint64_t begin = clock__monotonic_ns();
	char bomb[2048] = "_Z1fSt4pairIiiE";
	size_t len = strlen(bomb);
	char *name;

	for (int i = 0; i < 60; i++) {
		const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
		char last[8];

		if (i < 36)
			snprintf(last, sizeof(last), "S%c_", digits[i]);
		else
			snprintf(last, sizeof(last), "S%c%c_", digits[(i - 36) / 36 + 1],
				 digits[(i - 36) % 36]);
		len += (size_t)snprintf(bomb + len, sizeof(bomb) - len, "S_I%s%sE", last, last);
	}
	name = demangle__name(bomb);
	assert_true(strlen(name) <= 16000);
	free(name);
	assert_true(clock__monotonic_ns() - begin < 5 * NSEC_PER_SEC);
}

static void long_and_deep_names_are_left_alone(void **state)
{
	char *name = xmalloc(200000), *result;

	memset(name, 'P', 200000);
	memcpy(name, "_Z1f", 4);
	name[199999] = '\0';
	result = demangle__name(name);
	assert_string_equal(result, name);
	free(result);
	strcpy(name + 4000, "i");
	result = demangle__name(name);
	free(result);
	free(name);
}

static void random_names_do_not_crash(void **state)
{
	static const char alphabet[] = "_ZRNvCSTEIKPRst0123456789hijLXJDpFl";
	char name[200];

	srand(1);
	for (int i = 0; i < 20000; i++) {
		size_t len = 2 + (size_t)rand() % 190;

		name[0] = '_';
		name[1] = i % 2 ? 'Z' : 'R';
		for (size_t j = 2; j < len; j++)
			name[j] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
		name[len] = '\0';
		free(demangle__name(name));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_names_stay),
		cmocka_unit_test(versions_are_cut),
		cmocka_unit_test(cplusplus_names),
		cmocka_unit_test(rust_names),
		cmocka_unit_test(broken_names_stay),
		cmocka_unit_test(bombs_do_not_go_off),
		cmocka_unit_test(long_and_deep_names_are_left_alone),
		cmocka_unit_test(random_names_do_not_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
