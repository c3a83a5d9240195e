// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/util.h"
#include "symbol/modmap.h"

/* The address space of the newest map. */
static struct space *space;

static struct modmap *new_modmap(void)
{
	space__free(space);
	space = space__new();
	return modmap__new();
}

static const struct location *locate(struct modmap *map, uint64_t address, uint64_t time_ns)
{
	return modmap__location(map, modmap__locate(map, space, address, time_ns));
}

static struct modmap *new_map(uint32_t nr_modules)
{
	struct modmap *map = new_modmap();

	for (uint32_t i = 0; i < nr_modules; i++)
		assert_int_equal(modmap__add_module(map, "/bin/x", NULL, 0, 0, -1), i);
	return map;
}

static void modules_are_kept(void **state)
{
	const uint8_t build_id[] = { 1, 2, 3 };
	struct modmap *map = new_modmap();
	int fd = open("/dev/null", O_RDONLY);

	assert_int_equal(modmap__add_module(map, "/bin/a", build_id, 3, 0, -1), 0);
	assert_int_equal(modmap__add_module(map, "[vdso]", NULL, 0, 0, fd), 1);
	assert_int_equal(modmap__nr_modules(map), 2);
	assert_string_equal(modmap__module(map, 0)->path, "/bin/a");
	assert_int_equal(modmap__module(map, 0)->build_id_len, 3);
	assert_memory_equal(modmap__module(map, 0)->build_id, build_id, 3);
	assert_int_equal(modmap__module(map, 1)->fd, fd);
	assert_null(modmap__module(map, 2));
	assert_null(modmap__module(map, MODMAP_NO_MODULE));
	modmap__free(map);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	modmap__free(NULL);
}

static void address_becomes_link_time_address(void **state)
{
	struct modmap *map = new_map(1);

	space__add(space, 10, 0x7f0000001000, 0x7f0000003000, 0x400, 0);
	assert_int_equal(locate(map, 0x7f0000001010, 20)->vaddr, 0x410);
	assert_int_equal(locate(map, 0x7f0000001010, 20)->module, 0);
	/* A call may be the last instruction of a mapping: its return address is outside. */
	assert_int_equal(locate(map, 0x7f0000003000, 20)->vaddr, 0x2400);
	assert_int_equal(locate(map, 0x7f0000003000, 20)->module, 0);
	assert_int_equal(locate(map, 0x7f0000001000, 20)->module, MODMAP_NO_MODULE);
	assert_int_equal(locate(map, 0x7f0000001000, 20)->vaddr, 0x7f0000001000);
	assert_int_equal(locate(map, 0, 20)->module, MODMAP_NO_MODULE);
	assert_int_equal(locate(map, UINT64_MAX, 20)->module, MODMAP_NO_MODULE);
	modmap__free(map);
}

static void senseless_mappings_are_ignored(void **state)
{
	struct modmap *map = new_map(1);

	space__add(space, 0, 0x1000, 0x1000, 0, 0);
	space__add(space, 0, 0x2000, 0x1000, 0, 0);
	assert_int_equal(locate(map, 0x1800, 5)->module, MODMAP_NO_MODULE);
	modmap__free(map);
}

static void newer_mapping_hides_older_from_its_time_on(void **state)
{
	struct modmap *map = new_map(3);

	space__add(space, 10, 0x1000, 0x5000, 0, 0);
	space__add(space, 20, 0x2000, 0x3000, 0, 1);
	space__add(space, 30, 0x1000, 0x5000, 0, 2);
	assert_int_equal(locate(map, 0x2800, 15)->module, 0);
	assert_int_equal(locate(map, 0x2800, 20)->module, 1);
	assert_int_equal(locate(map, 0x4800, 25)->module, 0);
	assert_int_equal(locate(map, 0x2800, 35)->module, 2);
	/* Nothing yet: the first that comes. */
	assert_int_equal(locate(map, 0x2800, 5)->module, 0);
	modmap__free(map);
}

static void order_decides_between_equal_times(void **state)
{
	struct modmap *map = new_map(2);

	space__add(space, 10, 0x1000, 0x2000, 0, 0);
	space__add(space, 10, 0x1000, 0x2000, 0, 1);
	assert_int_equal(locate(map, 0x1800, 10)->module, 1);
	assert_int_equal(locate(map, 0x1800, 9)->module, 0);
	modmap__free(map);
}

static void repeated_mapping_counts_when_something_was_between(void **state)
{
	struct modmap *map = new_map(2);

	space__add(space, 10, 0x1000, 0x2000, 0, 0);
	space__add(space, 20, 0x1000, 0x2000, 0, 0);
	space__add(space, 30, 0x1800, 0x2800, 0, 1);
	space__add(space, 40, 0x1000, 0x2000, 0, 0);
	assert_int_equal(locate(map, 0x1900, 25)->module, 0);
	assert_int_equal(locate(map, 0x1900, 35)->module, 1);
	assert_int_equal(locate(map, 0x1900, 45)->module, 0);
	assert_int_equal(locate(map, 0x2100, 45)->module, 1);
	modmap__free(map);
}

static void locations_are_interned(void **state)
{
	struct modmap *map = new_map(2);
	uint32_t a, b;

	space__add(space, 10, 0x1000, 0x2000, 0, 0);
	space__add(space, 20, 0x1000, 0x2000, 0, 1);
	a = modmap__locate(map, space, 0x1234, 10);
	b = modmap__locate(map, space, 0x1234, 20);
	assert_int_equal(a, 0);
	assert_int_equal(b, 1);
	assert_int_equal(modmap__locate(map, space, 0x1234, 11), a);
	assert_int_equal(modmap__locate(map, space, 0x1234, 99), b);
	assert_int_equal(modmap__nr_locations(map), 2);
	assert_null(modmap__location(map, 2));
	modmap__free(map);
}

#define NR_RANDOM 400

struct plain {
	uint64_t time_ns, start, end;
};

/* The definition, spelled out without any index. */
static uint32_t expected_module(const struct plain *all, uint32_t nr, uint64_t address,
				uint64_t time_ns)
{
	uint32_t past = MODMAP_NO_MODULE, future = MODMAP_NO_MODULE;

	for (uint32_t i = 0; i < nr; i++) {
		if (address - 1 < all[i].start || address - 1 >= all[i].end)
			continue;
		if (all[i].time_ns <= time_ns &&
		    (past == MODMAP_NO_MODULE || all[i].time_ns >= all[past].time_ns))
			past = i;
		if (all[i].time_ns > time_ns &&
		    (future == MODMAP_NO_MODULE || all[i].time_ns < all[future].time_ns))
			future = i;
	}
	return past != MODMAP_NO_MODULE ? past : future;
}

static void random_mappings_agree_with_the_definition(void **state)
{
	struct modmap *map = new_map(NR_RANDOM);
	struct plain all[NR_RANDOM];

	srand(1);
	for (uint32_t i = 0; i < NR_RANDOM; i++) {
		all[i].time_ns = (uint64_t)rand() % 200;
		all[i].start = 0x1000 + (uint64_t)rand() % 5000;
		all[i].end = all[i].start + 1 + (uint64_t)rand() % (i % 10 ? 50 : 2000);
		space__add(space, all[i].time_ns, all[i].start, all[i].end, 0, i);
		for (int j = 0; j < 100; j++) {
			uint64_t address = 0x1000 + (uint64_t)rand() % 7000;
			uint64_t time_ns = (uint64_t)rand() % 210;

			assert_int_equal(locate(map, address, time_ns)->module,
					 expected_module(all, i + 1, address, time_ns));
		}
	}
	modmap__free(map);
}

static void many_mappings_are_searched_fast(void **state)
{
	const uint32_t nr = 5000;
	struct modmap *map = new_map(nr);
	uint64_t begin = clock__monotonic_ns();

	for (uint32_t i = 0; i < nr; i++)
		space__add(space, i, i * 0x10000ull, i * 0x10000ull + 0x8000, 0, i);
	/* A plugin that comes and goes. */
	for (uint32_t i = 0; i < nr; i++)
		space__add(space, nr + i, 0x90000000, 0x90008000, 0, 7);
	srand(1);
	for (uint32_t i = 0; i < 1000000; i++) {
		uint32_t module = (uint32_t)rand() % nr;

		assert_int_equal(locate(map, module * 0x10000ull + 1 + i % 64, nr)->module, module);
		assert_int_equal(locate(map, 0x90000001 + i % 64, 2 * nr)->module, 7);
	}
	assert_true(clock__monotonic_ns() - begin < 5 * NSEC_PER_SEC);
	modmap__free(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modules_are_kept),
		cmocka_unit_test(address_becomes_link_time_address),
		cmocka_unit_test(senseless_mappings_are_ignored),
		cmocka_unit_test(newer_mapping_hides_older_from_its_time_on),
		cmocka_unit_test(order_decides_between_equal_times),
		cmocka_unit_test(repeated_mapping_counts_when_something_was_between),
		cmocka_unit_test(locations_are_interned),
		cmocka_unit_test(random_mappings_agree_with_the_definition),
		cmocka_unit_test(many_mappings_are_searched_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
