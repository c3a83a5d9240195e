// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "symbol/modmap.h"

static void modules_are_kept(void **state)
{
	const uint8_t build_id[] = { 1, 2, 3 };
	struct modmap *map = modmap__new();
	int fd = open("/dev/null", O_RDONLY);

	assert_int_equal(modmap__add_module(map, "/bin/a", build_id, 3, 5, -1), 0);
	assert_int_equal(modmap__add_module(map, "[vdso]", NULL, 0, 0, fd), 1);
	assert_int_equal(modmap__nr_modules(map), 2);
	assert_string_equal(modmap__module(map, 0)->path, "/bin/a");
	assert_int_equal(modmap__module(map, 0)->flags, 5);
	assert_int_equal(modmap__module(map, 0)->build_id_len, 3);
	assert_memory_equal(modmap__module(map, 0)->build_id, build_id, 3);
	assert_int_equal(modmap__module(map, 1)->fd, fd);
	assert_null(modmap__module(map, 2));
	assert_null(modmap__module(map, MODMAP_NO_MODULE));
	modmap__free(map);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	modmap__free(NULL);
}

static void locations_are_interned(void **state)
{
	struct modmap *map = modmap__new();

	assert_int_equal(modmap__intern(map, 0, 0x1234), 0);
	assert_int_equal(modmap__intern(map, 1, 0x1234), 1);
	assert_int_equal(modmap__intern(map, 0, 0x1235), 2);
	assert_int_equal(modmap__intern(map, MODMAP_NO_MODULE, 0x1234), 3);
	assert_int_equal(modmap__intern(map, 0, 0x1234), 0);
	assert_int_equal(modmap__nr_locations(map), 4);
	assert_int_equal(modmap__location(map, 1)->module, 1);
	assert_int_equal(modmap__location(map, 2)->vaddr, 0x1235);
	assert_null(modmap__location(map, 4));
	modmap__free(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modules_are_kept),
		cmocka_unit_test(locations_are_interned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
