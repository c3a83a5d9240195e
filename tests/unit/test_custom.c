// SPDX-License-Identifier: BSD-2-Clause
/* The descriptors of --allocator: what they mean, and what is said of bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "probe/custom.h"
#include "wire.h"

static struct custom_list list;
static FILE *said_file;
static int saved_stderr;

static void catch_stderr(void)
{
	said_file = tmpfile();
	saved_stderr = dup(STDERR_FILENO);
	dup2(fileno(said_file), STDERR_FILENO);
}

/* What was said since, up to a length; good until the next call. */
static const char *caught(void)
{
	static char text[4096];
	size_t len;

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	rewind(said_file);
	len = fread(text, 1, sizeof(text) - 1, said_file);
	text[len] = '\0';
	fclose(said_file);
	return text;
}

static int clear(void **state)
{
	custom__clear(&list);
	return 0;
}

static void expect(size_t index, const char *symbol, unsigned size, unsigned count, unsigned ptr,
		   unsigned out)
{
	const struct alloc_fn *fn =
		custom__by_number(&list, (uint16_t)(WIRE_FUNCTION_USER + index));

	assert_non_null(fn);
	assert_string_equal(fn->symbol, symbol);
	assert_int_equal(fn->size, size);
	assert_int_equal(fn->count, count);
	assert_int_equal(fn->ptr, ptr);
	assert_int_equal(fn->out, out);
	assert_int_equal(alloc_fn__returns(fn), size != 0);
}

static void standard_arguments(void **state)
{
	assert_int_equal(custom__parse(&list,
				       " malloc=a calloc=b  realloc=c\treallocarray=d memalign=e "
				       "aligned=f posix_memalign=g\nfree=h ",
				       "--allocator"),
			 0);
	assert_int_equal(list.nr, 8);
	expect(0, "a", 1, 0, 0, 0);
	expect(1, "b", 2, 1, 0, 0);
	expect(2, "c", 2, 0, 1, 0);
	expect(3, "d", 3, 2, 1, 0);
	expect(4, "e", 2, 0, 0, 0);
	expect(5, "f", 2, 0, 0, 0);
	expect(6, "g", 3, 0, 0, 1);
	expect(7, "h", 0, 0, 1, 0);
	assert_string_equal(list.items[0].fn.family, "user");
	assert_null(custom__by_number(&list, WIRE_FUNCTION_USER + 8));
	assert_null(custom__by_number(&list, 1));
}

static void given_arguments(void **state)
{
	assert_int_equal(custom__parse(&list, "malloc=a(size=2) free=b(ptr=2,size=3,align=6)", "x"),
			 0);
	assert_int_equal(custom__parse(&list,
				       "posix_memalign=c(out=2,size=1,family=cu) "
				       "free=d(family=arena)",
				       "x"),
			 0);
	expect(0, "a", 2, 0, 0, 0);
	expect(1, "b", 0, 0, 2, 0);
	expect(2, "c", 1, 0, 0, 2);
	expect(3, "d", 0, 0, 1, 0);
	assert_string_equal(list.items[2].fn.family, "cu");
	assert_string_equal(list.items[3].fn.family, "arena");
}

static void places(void **state)
{
	assert_int_equal(custom__parse(&list,
				       "malloc=0x401Af0 free=0xffffffffffffffff@libx.so.1(ptr=1) "
				       "malloc=_ZN4pool3getEm@libx.so.1",
				       "x"),
			 0);
	assert_true(list.items[0].by_address);
	assert_int_equal(list.items[0].vaddr, 0x401af0);
	assert_null(list.items[0].module);
	assert_string_equal(list.items[0].fn.symbol, "0x401Af0");
	assert_string_equal(list.items[1].module, "libx.so.1");
	assert_int_equal(list.items[1].vaddr, UINT64_MAX);
	assert_false(list.items[2].by_address);
	assert_string_equal(list.items[2].module, "libx.so.1");
}

static void bad_ones_are_explained(void **state)
{
	static const struct {
		const char *text, *said;
	} bad[] = {
		{ "", "names no function" },
		{ "  ", "names no function" },
		{ "my_alloc", "a role is missing" },
		{ "mallocs=x", "a role is missing" },
		{ "malloc", "'=' and the function's name" },
		{ "malloc=", "name or address is missing" },
		{ "malloc=(size=1)", "name or address is missing" },
		{ "malloc=401000", "0x and hexadecimal" },
		{ "malloc=0x", "0x and hexadecimal" },
		{ "malloc=0x10000000000000000", "0x and hexadecimal" },
		{ "malloc=0x12zz", "0x and hexadecimal" },
		{ "malloc=x@", "name of a file" },
		{ "malloc=x@/usr/lib/x.so", "name of a file" },
		{ "malloc=x@y@z", "'(' is wanted" },
		{ "malloc=x)", "'(' is wanted" },
		{ "malloc=x(", "ARG=POSITION" },
		{ "malloc=x()", "ARG=POSITION" },
		{ "malloc=x(size)", "ARG=POSITION" },
		{ "malloc=x(size=)", "from 1 to 6" },
		{ "malloc=x(size=0)", "from 1 to 6" },
		{ "malloc=x(size=7)", "from 1 to 6" },
		{ "malloc=x(size=11)", "from 1 to 6" },
		{ "malloc=x(size=1", "')' is missing" },
		{ "malloc=x(size=1,)", "ARG=POSITION" },
		{ "malloc=x(size=1)free=y", "should have ended" },
		{ "malloc=x(ptr=1)", "no use for such" },
		{ "malloc=x(length=1)", "size, count, ptr, out or align" },
		{ "malloc=x(family=)", "the family is missing" },
		{ "calloc=x(size=1)", "calloc needs count and size" },
		{ "realloc=x(ptr=1)", "realloc needs ptr and size" },
		{ "free=x(ptr=1) malloc=x(", "'malloc=x('" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *said;

		catch_stderr();
		assert_int_equal(custom__parse(&list, bad[i].text, "--allocator"), -EINVAL);
		said = caught();
		if (!strstr(said, bad[i].said) || !strstr(said, "--allocator"))
			fail_msg("of '%s' it says: %s", bad[i].text, said);
		custom__clear(&list);
	}
}

/* Whatever comes: 0 or -EINVAL, and no more than can be numbered. */
static void hostile_text(void **state)
{
	static const char alphabet[] = "malloc=free(size1,ptr0x@) \n\xff";
	char *text = xcalloc(1, 100001);
	unsigned seed = 1;

	catch_stderr();
	memset(text, 'a', 100000);
	assert_int_equal(custom__parse(&list, text, "x"), -EINVAL);
	memcpy(text, "free=", 5);
	assert_int_equal(custom__parse(&list, text, "x"), -EINVAL);
	for (int round = 0; round < 2000; round++) {
		size_t len = (size_t)(seed % 200);

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1103515245 + 12345;
			text[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		text[len] = '\0';
		seed++;
		custom__parse(&list, text, "x");
	}
	custom__clear(&list);
	for (int i = 0; i < 1024; i++)
		assert_int_equal(custom__parse(&list, "free=f", "x"), 0);
	assert_int_equal(custom__parse(&list, "free=f", "x"), -EINVAL);
	assert_int_equal(list.nr, 1024);
	caught();
	free(text);
}

static void write_file(char *path, const char *text, size_t len)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
}

static void files(void **state)
{
	static const char good[] = "# a slab\n\nmalloc=slab_get(size=2) # the cache comes first\n"
				   "  free=slab_put(ptr=2)\n#free=no\nfree=last";
	static const char bad[] = "free=x\n\nmalloc=\n";
	char path[] = "/tmp/heaptap-custom-XXXXXX", other[] = "/tmp/heaptap-custom-XXXXXX";
	const char *said;

	write_file(path, good, sizeof(good) - 1);
	assert_int_equal(custom__parse_file(&list, path), 0);
	assert_int_equal(list.nr, 3);
	expect(0, "slab_get", 2, 0, 0, 0);
	expect(1, "slab_put", 0, 0, 2, 0);
	expect(2, "last", 0, 0, 1, 0);
	unlink(path);
	write_file(other, bad, sizeof(bad) - 1);
	catch_stderr();
	assert_int_equal(custom__parse_file(&list, other), -EINVAL);
	unlink(other);
	assert_int_equal(custom__parse_file(&list, other), -ENOENT);
	said = caught();
	assert_non_null(strstr(said, "line 3: 'malloc='"));
	assert_non_null(strstr(said, "cannot be read"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(standard_arguments, clear),
		cmocka_unit_test_teardown(given_arguments, clear),
		cmocka_unit_test_teardown(places, clear),
		cmocka_unit_test_teardown(bad_ones_are_explained, clear),
		cmocka_unit_test_teardown(hostile_text, clear),
		cmocka_unit_test_teardown(files, clear),
	};

	return cmocka_run_group_tests_name("custom", tests, NULL, NULL);
}
