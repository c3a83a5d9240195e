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

/* Functions as V8's compiler writes them: no unwind information. Never called. */
__asm__(".text\n"
	".macro builtin name, before\n"
	"	.type \\name, @function\n"
	"	.globl \\name\n"
	"\\name:\n"
	"	.skip \\before, 0x90\n"
	"	push %rbp\n"
	"	mov %rsp, %rbp\n"
	"	call abort\n"
	"	.size \\name, . - \\name\n"
	"	ud2\n"
	".endm\n"
	"	builtin Builtins_Framed 3\n"
	"	builtin Builtins_RecordWriteSaveFP 0\n"
	"	builtin Builtins_DeoptimizationEntry_Eager 0\n"
	"	builtin NotBuiltins_ 0\n"
	"	.type Builtins_Frameless, @function\n"
	"	.globl Builtins_Frameless\n"
	"Builtins_Frameless:\n"
	"	call abort\n"
	"	.size Builtins_Frameless, . - Builtins_Frameless\n"
	"	ud2\n");

extern const char Builtins_Framed[], Builtins_RecordWriteSaveFP[],
	Builtins_DeoptimizationEntry_Eager[], NotBuiltins_[], Builtins_Frameless[];

/* So do C's functions that happen to be called so; they have unwind information. */
__attribute__((noipa)) int Builtins_in_c(int value);
int Builtins_in_c(int value)
{
	return value + 1;
}

static int find_bias(struct dl_phdr_info *info, size_t size, void *data)
{
	*(uint64_t *)data = info->dlpi_addr;
	return 1; /* the program comes first */
}

static const struct unwind_rule *rule_at(const struct unwind_table *table, const void *function,
					 uint64_t offset)
{
	static const struct unwind_rule none;
	const struct unwind_rule *rule;
	uint64_t bias = 0;

	dl_iterate_phdr(find_bias, &bias);
	rule = unwind_table__find(table, (uint64_t)(uintptr_t)function + offset - bias);
	return rule ? rule : &none;
}

static void builtins_are_walked_by_frame_pointer(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct unwind_table *table = cfi__compile(fd, NULL);
	const struct unwind_rule *rule;

	assert_non_null(table);
	rule = rule_at(table, Builtins_Framed, 3 + 4);
	assert_int_equal(rule->cfa, UNWIND_CFA_RBP);
	assert_int_equal(rule->cfa_offset, 16);
	assert_int_equal(rule->rbp, UNWIND_RBP_SAVED);
	assert_int_equal(rule->rbp_offset, -16);
	assert_int_equal(rule_at(table, Builtins_Framed, 3 + 4 + 4)->cfa, UNWIND_CFA_RBP);
	assert_int_equal(rule_at(table, Builtins_Framed, 3 + 4 + 5)->cfa, UNWIND_CFA_NONE);
	unwind_table__free(table);
	close(fd);
}

static void what_may_lack_a_frame_has_no_rule(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct unwind_table *table = cfi__compile(fd, NULL);

	assert_non_null(table);
	assert_int_equal(rule_at(table, Builtins_Framed, 0)->cfa, UNWIND_CFA_NONE);
	assert_int_equal(rule_at(table, Builtins_Framed, 3)->cfa, UNWIND_CFA_NONE);
	assert_int_equal(rule_at(table, Builtins_RecordWriteSaveFP, 4)->cfa, UNWIND_CFA_NONE);
	assert_int_equal(rule_at(table, Builtins_DeoptimizationEntry_Eager, 4)->cfa,
			 UNWIND_CFA_NONE);
	assert_int_equal(rule_at(table, NotBuiltins_, 4)->cfa, UNWIND_CFA_NONE);
	assert_int_equal(rule_at(table, Builtins_Frameless, 4)->cfa, UNWIND_CFA_NONE);
	assert_int_equal(rule_at(table, (const void *)Builtins_in_c, 0)->cfa, UNWIND_CFA_RSP);
	unwind_table__free(table);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(builtins_are_walked_by_frame_pointer),
		cmocka_unit_test(what_may_lack_a_frame_has_no_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
