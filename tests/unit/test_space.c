// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/util.h"
#include "symbol/space.h"

static struct modmap *map;

static const struct location *locate(const struct space *space, uint64_t address, uint64_t time_ns)
{
	return modmap__location(map, space__locate(space, address, time_ns));
}

static struct space *new_space(uint32_t nr_modules)
{
	map = modmap__new();
	for (uint32_t i = 0; i < nr_modules; i++)
		assert_int_equal(modmap__add_module(map, "/bin/x", NULL, 0, 0, -1), i);
	return space__new(map);
}

static void done(struct space *space)
{
	space__free(space);
	modmap__free(map);
}

static void address_becomes_link_time_address(void **state)
{
	struct space *space = new_space(1);

	space__add_mapping(space, 10, 0x7f0000001000, 0x7f0000003000, 0x400, 0);
	assert_int_equal(locate(space, 0x7f0000001010, 20)->vaddr, 0x410);
	assert_int_equal(locate(space, 0x7f0000001010, 20)->module, 0);
	/* A call may be the last instruction of a mapping: its return address is outside. */
	assert_int_equal(locate(space, 0x7f0000003000, 20)->vaddr, 0x2400);
	assert_int_equal(locate(space, 0x7f0000003000, 20)->module, 0);
	assert_int_equal(locate(space, 0x7f0000001000, 20)->module, MODMAP_NO_MODULE);
	assert_int_equal(locate(space, 0x7f0000001000, 20)->vaddr, 0x7f0000001000);
	assert_int_equal(locate(space, 0, 20)->module, MODMAP_NO_MODULE);
	assert_int_equal(locate(space, UINT64_MAX, 20)->module, MODMAP_NO_MODULE);
	done(space);
}

static void senseless_mappings_are_ignored(void **state)
{
	struct space *space = new_space(1);

	space__add_mapping(space, 0, 0x1000, 0x2000, 0, 1);
	space__add_mapping(space, 0, 0x1000, 0x1000, 0, 0);
	space__add_mapping(space, 0, 0x2000, 0x1000, 0, 0);
	space__add_mapping(space, 0, 0x1000, 0x2000, 0, MODMAP_NO_MODULE);
	assert_int_equal(locate(space, 0x1800, 5)->module, MODMAP_NO_MODULE);
	done(space);
}

static void newer_mapping_hides_older_from_its_time_on(void **state)
{
	struct space *space = new_space(3);

	space__add_mapping(space, 10, 0x1000, 0x5000, 0, 0);
	space__add_mapping(space, 20, 0x2000, 0x3000, 0, 1);
	space__add_mapping(space, 30, 0x1000, 0x5000, 0, 2);
	assert_int_equal(locate(space, 0x2800, 15)->module, 0);
	assert_int_equal(locate(space, 0x2800, 20)->module, 1);
	assert_int_equal(locate(space, 0x4800, 25)->module, 0);
	assert_int_equal(locate(space, 0x2800, 35)->module, 2);
	/* Nothing yet: the first that comes. */
	assert_int_equal(locate(space, 0x2800, 5)->module, 0);
	done(space);
}

static void order_decides_between_equal_times(void **state)
{
	struct space *space = new_space(2);

	space__add_mapping(space, 10, 0x1000, 0x2000, 0, 0);
	space__add_mapping(space, 10, 0x1000, 0x2000, 0, 1);
	assert_int_equal(locate(space, 0x1800, 10)->module, 1);
	assert_int_equal(locate(space, 0x1800, 9)->module, 0);
	done(space);
}

static void repeated_mapping_counts_when_something_was_between(void **state)
{
	struct space *space = new_space(2);

	space__add_mapping(space, 10, 0x1000, 0x2000, 0, 0);
	space__add_mapping(space, 20, 0x1000, 0x2000, 0, 0);
	space__add_mapping(space, 30, 0x1800, 0x2800, 0, 1);
	space__add_mapping(space, 40, 0x1000, 0x2000, 0, 0);
	assert_int_equal(locate(space, 0x1900, 25)->module, 0);
	assert_int_equal(locate(space, 0x1900, 35)->module, 1);
	assert_int_equal(locate(space, 0x1900, 45)->module, 0);
	assert_int_equal(locate(space, 0x2100, 45)->module, 1);
	done(space);
}

static void locations_mean_the_same_in_every_process(void **state)
{
	struct space *space = new_space(2), *other = space__new(map);

	space__add_mapping(space, 10, 0x1000, 0x2000, 0, 0);
	space__add_mapping(other, 10, 0x7000, 0x8000, 0, 0);
	assert_int_equal(space__locate(space, 0x1234, 10), 0);
	assert_int_equal(space__locate(other, 0x7234, 10), 0);
	assert_int_equal(space__address(space, modmap__location(map, 0), 10), 0x1234);
	assert_int_equal(space__address(other, modmap__location(map, 0), 10), 0x7234);
	assert_int_equal(modmap__nr_locations(map), 1);
	space__free(other);
	done(space);
	space__free(NULL);
}

static void child_has_its_parents_mappings_and_then_its_own(void **state)
{
	struct space *parent = new_space(3), *child, *grandchild;

	space__add_mapping(parent, 10, 0x1000, 0x2000, 0, 0);
	child = space__copy(parent);
	grandchild = space__copy(child);
	assert_int_equal(space__nr_mappings(child), 1);
	space__add_mapping(child, 20, 0x1000, 0x2000, 0, 1);
	space__add_mapping(parent, 30, 0x1000, 0x2000, 0, 2);
	assert_int_equal(locate(parent, 0x1800, 40)->module, 2);
	assert_int_equal(locate(child, 0x1800, 40)->module, 1);
	assert_int_equal(locate(grandchild, 0x1800, 40)->module, 0);
	assert_int_equal(locate(child, 0x1800, 15)->module, 0);
	assert_int_equal(space__nr_mappings(parent), 2);
	assert_int_equal(space__nr_mappings(grandchild), 1);
	assert_int_equal(space__module(child, 1), 1);
	/* What is there already separates nobody. */
	space__add_mapping(grandchild, 40, 0x1000, 0x2000, 0, 0);
	space__free(child);
	assert_int_equal(locate(grandchild, 0x1800, 40)->module, 0);
	space__free(grandchild);
	done(parent);
}

static void address_is_the_one_of_its_time(void **state)
{
	struct space *space = new_space(2);
	struct location location = { .vaddr = 0x1600, .module = 0 };

	assert_int_equal(space__address(space, &location, 5), 0x1600);
	space__add_mapping(space, 10, 0x10000, 0x11000, 0x1000, 0);
	space__add_mapping(space, 20, 0x20000, 0x21000, 0x1000, 0);
	space__add_mapping(space, 20, 0x30000, 0x31000, 0x2000, 0);
	assert_int_equal(space__address(space, &location, 5), 0x10600);
	assert_int_equal(space__address(space, &location, 15), 0x10600);
	assert_int_equal(space__address(space, &location, 25), 0x20600);
	/* Behind the last byte: as it was located. */
	location.vaddr = 0x2000;
	assert_int_equal(space__address(space, &location, 25), 0x21000);
	location.module = 1;
	assert_int_equal(space__address(space, &location, 25), 0x2000);
	location.module = MODMAP_NO_MODULE;
	assert_int_equal(space__address(space, &location, 25), 0x2000);
	done(space);
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
	struct space *space = new_space(NR_RANDOM);
	struct plain all[NR_RANDOM];

	srand(1);
	for (uint32_t i = 0; i < NR_RANDOM; i++) {
		all[i].time_ns = (uint64_t)rand() % 200;
		all[i].start = 0x1000 + (uint64_t)rand() % 5000;
		all[i].end = all[i].start + 1 + (uint64_t)rand() % (i % 10 ? 50 : 2000);
		space__add_mapping(space, all[i].time_ns, all[i].start, all[i].end, 0, i);
		for (int j = 0; j < 100; j++) {
			uint64_t address = 0x1000 + (uint64_t)rand() % 7000;
			uint64_t time_ns = (uint64_t)rand() % 210;

			assert_int_equal(locate(space, address, time_ns)->module,
					 expected_module(all, i + 1, address, time_ns));
		}
	}
	done(space);
}

static void many_mappings_are_searched_fast(void **state)
{
	const uint32_t nr = 5000;
	struct space *space = new_space(nr);
	uint64_t begin = clock__monotonic_ns();

	for (uint32_t i = 0; i < nr; i++)
		space__add_mapping(space, i, i * 0x10000ull, i * 0x10000ull + 0x8000, 0, i);
	/* A plugin that comes and goes. */
	for (uint32_t i = 0; i < nr; i++)
		space__add_mapping(space, nr + i, 0x90000000, 0x90008000, 0, 7);
	srand(1);
	for (uint32_t i = 0; i < 1000000; i++) {
		uint32_t module = (uint32_t)rand() % nr;

		assert_int_equal(locate(space, module * 0x10000ull + 1 + i % 64, nr)->module,
				 module);
		assert_int_equal(locate(space, 0x90000001 + i % 64, 2 * nr)->module, 7);
	}
	assert_true(clock__monotonic_ns() - begin < 5 * NSEC_PER_SEC);
	done(space);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_becomes_link_time_address),
		cmocka_unit_test(senseless_mappings_are_ignored),
		cmocka_unit_test(newer_mapping_hides_older_from_its_time_on),
		cmocka_unit_test(order_decides_between_equal_times),
		cmocka_unit_test(repeated_mapping_counts_when_something_was_between),
		cmocka_unit_test(locations_mean_the_same_in_every_process),
		cmocka_unit_test(child_has_its_parents_mappings_and_then_its_own),
		cmocka_unit_test(address_is_the_one_of_its_time),
		cmocka_unit_test(random_mappings_agree_with_the_definition),
		cmocka_unit_test(many_mappings_are_searched_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
