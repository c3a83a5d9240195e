// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <link.h>
#include <unistd.h>

#include "unwind/cfi.h"

/*
 * V8's builtins without their names, and one of its exported functions. The numbered ones are what
 * comes first in V8's list; the entries are two of them. All begin at multiples of 64, behind int3.
 */
__asm__(".text\n"
	".macro entry\n"
	"	.balign 64, 0xcc\n"
	"	sub $0x80, %rsp\n"
	"	movsd %xmm0, (%rsp)\n"
	"	call abort\n"
	"	push %rbp\n"
	"	mov %rsp, %rbp\n"
	"	int3\n"
	".endm\n"
	".macro framed name\n"
	"	.balign 64, 0xcc\n"
	"	.globl \\name\n"
	"\\name:\n"
	"	nop\n"
	"	push %rbp\n"
	"	mov %rsp, %rbp\n"
	"	call abort\n"
	"	int3\n"
	".endm\n"
	"	.globl first_entry\n"
	"	.balign 64\n"
	"first_entry:\n"
	"	entry\n"
	"	entry\n"
	".irp i, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12\n"
	"	framed skipped_\\i\n"
	".endr\n"
	"	framed found\n"
	"	.balign 64, 0xcc\n"
	"	.globl frameless\n"
	"frameless:\n"
	"	call found\n"
	"	int3\n"
	"	framed long_one\n"
	/* Its own int3 stands where padding would. */
	"	.skip 64 - 10 - 1 - 6, 0x90\n"
	"	call found\n"
	"	int3\n"
	"	.globl middle\n"
	"middle:\n"
	"	call found\n"
	"	ret\n"
	"	int3\n"
	"	.balign 64, 0xcc\n");

extern const char first_entry[], skipped_3[], skipped_12[], found[], frameless[], long_one[],
	middle[];

/* What has unwind information ends them. */
__attribute__((noipa)) int _ZN2v88internal4testEv(void);
int _ZN2v88internal4testEv(void)
{
	return 1;
}

static int find_bias(struct dl_phdr_info *info, size_t size, void *data)
{
	*(uint64_t *)data = info->dlpi_addr;
	return 1; /* the program comes first */
}

static uint8_t cfa_at(const struct unwind_table *table, const char *code)
{
	const struct unwind_rule *rule;
	uint64_t bias = 0;

	dl_iterate_phdr(find_bias, &bias);
	rule = unwind_table__find(table, (uint64_t)(uintptr_t)code - bias);
	return rule ? rule->cfa : UNWIND_CFA_NONE;
}

static void builtins_are_found_without_names(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct unwind_table *table = cfi__compile(fd, NULL);

	assert_non_null(table);
	assert_int_equal(cfa_at(table, found), UNWIND_CFA_NONE);
	assert_int_equal(cfa_at(table, found + 5), UNWIND_CFA_RBP);
	assert_int_equal(cfa_at(table, frameless + 4), UNWIND_CFA_NONE);
	assert_int_equal((uintptr_t)middle % 64, 0);
	assert_int_equal(cfa_at(table, long_one), UNWIND_CFA_NONE);
	assert_int_equal(cfa_at(table, long_one + 5), UNWIND_CFA_RBP);
	assert_int_equal(cfa_at(table, middle + 4), UNWIND_CFA_RBP);
	unwind_table__free(table);
	close(fd);
}

static void the_first_ones_have_no_rule(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct unwind_table *table = cfi__compile(fd, NULL);

	assert_non_null(table);
	for (const char *at = first_entry; at < found; at++)
		assert_int_equal(cfa_at(table, at), UNWIND_CFA_NONE);
	assert_true(&skipped_3[0] > &first_entry[0] && &skipped_12[0] < &found[0]);
	unwind_table__free(table);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(builtins_are_found_without_names),
		cmocka_unit_test(the_first_ones_have_no_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
