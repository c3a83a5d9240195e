// SPDX-License-Identifier: BSD-2-Clause
/*
 * The row compiler against elfutils' evaluator of call frame information. At many addresses of real
 * files both rules are carried out on made-up registers and memory: the caller's pc, rsp and rbp
 * must be equal, or ours must have no rule. Files may be given as arguments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <alloca.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/util.h"
#include "unwind/cfi.h"

enum { RBP = 6, RSP = 7, RA = 16 };

/* A machine state: what the registers are; any memory has contents. */
struct machine {
	uint64_t registers[17];
	uint64_t cfa;
};

struct outcome {
	uint64_t cfa, pc, rsp, rbp;
	bool rbp_known, outermost;
};

static uint64_t memory_at(uint64_t address)
{
	return hash__u64(address);
}

static bool apply_operator(uint64_t *stack, size_t *nr, uint8_t op)
{
	uint64_t right;

	if (*nr < 2)
		return false;
	right = stack[--*nr];
	switch (op) {
	case DW_OP_plus:
		stack[*nr - 1] += right;
		return true;
	case DW_OP_minus:
		stack[*nr - 1] -= right;
		return true;
	case DW_OP_and:
		stack[*nr - 1] &= right;
		return true;
	case DW_OP_ge:
		stack[*nr - 1] = (int64_t)stack[*nr - 1] >= (int64_t)right;
		return true;
	case DW_OP_shl:
		stack[*nr - 1] <<= right;
		return true;
	}
	return false;
}

/* elfutils' operations: the value. False: an operation this test does not know. */
static bool evaluate(const struct machine *machine, const Dwarf_Op *ops, size_t nr_ops,
		     uint64_t *value, bool *is_value)
{
	uint64_t stack[16];
	size_t nr = 0;

	*is_value = false;
	for (size_t i = 0; i < nr_ops; i++) {
		uint8_t op = ops[i].atom;

		if (nr == ARRAY_SIZE(stack))
			return false;
		if (op >= DW_OP_breg0 && op <= DW_OP_breg16)
			stack[nr++] = machine->registers[op - DW_OP_breg0] + ops[i].number;
		else if (op == DW_OP_bregx && ops[i].number <= 16)
			stack[nr++] = machine->registers[ops[i].number] + ops[i].number2;
		else if (op >= DW_OP_lit0 && op <= DW_OP_lit31)
			stack[nr++] = op - DW_OP_lit0;
		else if (op >= DW_OP_const1u && op <= DW_OP_consts)
			stack[nr++] = ops[i].number;
		else if (op == DW_OP_call_frame_cfa)
			stack[nr++] = machine->cfa;
		else if (op == DW_OP_stack_value)
			*is_value = true;
		else if (op == DW_OP_plus_uconst && nr)
			stack[nr - 1] += ops[i].number;
		else if (op == DW_OP_deref && nr)
			stack[nr - 1] = memory_at(stack[nr - 1]);
		else if (op != DW_OP_nop && !apply_operator(stack, &nr, op))
			return false;
	}
	*value = nr ? stack[nr - 1] : 0;
	return nr;
}

enum known { KNOWN, UNDEFINED, UNKNOWN };

static enum known oracle_register(Dwarf_Frame *frame, const struct machine *machine, int number,
				  uint64_t *value)
{
	Dwarf_Op memory[3], *ops;
	bool is_value;
	size_t nr;

	if (dwarf_frame_register(frame, number, memory, &ops, &nr))
		return UNKNOWN;
	if (!nr && ops)
		return UNDEFINED;
	if (!nr) {
		*value = machine->registers[number];
		return KNOWN;
	}
	if (nr == 1 && ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg16) {
		*value = machine->registers[ops[0].atom - DW_OP_reg0];
		return KNOWN;
	}
	if (!evaluate(machine, ops, nr, value, &is_value))
		return UNKNOWN;
	if (!is_value)
		*value = memory_at(*value);
	return KNOWN;
}

/* False: elfutils, or this test, does not know. */
static bool oracle(Dwarf_Frame *frame, struct machine *machine, struct outcome *outcome)
{
	enum known pc, rbp;
	bool is_value;
	Dwarf_Op *ops;
	size_t nr;

	*outcome = (struct outcome){ 0 };
	if (oracle_register(frame, machine, RA, &outcome->pc) == UNDEFINED) {
		outcome->outermost = true;
		return true;
	}
	if (dwarf_frame_cfa(frame, &ops, &nr) ||
	    !evaluate(machine, ops, nr, &machine->cfa, &is_value))
		return false;
	outcome->cfa = machine->cfa;
	pc = oracle_register(frame, machine, RA, &outcome->pc);
	rbp = oracle_register(frame, machine, RBP, &outcome->rbp);
	outcome->rbp_known = rbp == KNOWN;
	return pc == KNOWN && oracle_register(frame, machine, RSP, &outcome->rsp) == KNOWN;
}

/* What a walker does with a rule. */
static void carry_out(const struct unwind_rule *rule, const struct machine *machine, uint64_t pc,
		      struct outcome *outcome)
{
	uint64_t rsp = machine->registers[RSP], rbp = machine->registers[RBP];
	uint64_t offset = (uint64_t)(int64_t)rule->cfa_offset;
	uint64_t extra = (uint64_t)(int64_t)rule->cfa_extra;
	uint64_t saved = (uint64_t)(int64_t)rule->rbp_offset;

	*outcome = (struct outcome){ .rbp_known = rule->rbp != UNWIND_RBP_LOST, .rbp = rbp };
	switch (rule->cfa) {
	case UNWIND_CFA_RSP:
		outcome->cfa = rsp + offset;
		break;
	case UNWIND_CFA_RBP:
		outcome->cfa = rbp + offset;
		break;
	case UNWIND_CFA_RSP_DEREF:
		outcome->cfa = memory_at(rsp + offset) + extra;
		break;
	case UNWIND_CFA_RBP_DEREF:
		outcome->cfa = memory_at(rbp + offset) + extra;
		break;
	case UNWIND_CFA_PLT:
		outcome->cfa = rsp + 8 + ((pc & 15) >= 11 ? 8 : 0);
		break;
	case UNWIND_CFA_SIGNAL:
		outcome->cfa = outcome->rsp = memory_at(rsp + UNWIND_SIGNAL_RSP);
		outcome->pc = memory_at(rsp + UNWIND_SIGNAL_RIP);
		outcome->rbp = memory_at(rsp + UNWIND_SIGNAL_RBP);
		return;
	case UNWIND_CFA_END:
		*outcome = (struct outcome){ .outermost = true };
		return;
	default:
		fail_msg("a rule of kind %u", rule->cfa);
	}
	outcome->pc = memory_at(outcome->cfa - 8);
	outcome->rsp = outcome->cfa;
	if (rule->rbp == UNWIND_RBP_SAVED)
		outcome->rbp = memory_at(outcome->cfa + saved);
	else if (rule->rbp == UNWIND_RBP_AT_RBP)
		outcome->rbp = memory_at(rbp + saved);
}

struct comparison {
	const char *path;
	struct unwind_table *table;
	Dwarf_CFI *cfi[2];
	size_t nr_compared, nr_none, nr_lost, nr_signal, nr_plt, nr_end, nr_deref;
};

static void count(struct comparison *comparison, const struct unwind_rule *rule)
{
	comparison->nr_signal += rule->cfa == UNWIND_CFA_SIGNAL;
	comparison->nr_plt += rule->cfa == UNWIND_CFA_PLT;
	comparison->nr_end += rule->cfa == UNWIND_CFA_END;
	comparison->nr_deref +=
		rule->cfa == UNWIND_CFA_RSP_DEREF || rule->cfa == UNWIND_CFA_RBP_DEREF;
	comparison->nr_lost += rule->cfa != UNWIND_CFA_END && rule->rbp == UNWIND_RBP_LOST;
}

static void compare_at(struct comparison *comparison, uint64_t pc)
{
	const struct unwind_rule *rule = unwind_table__find(comparison->table, pc);
	struct outcome expected, got;
	struct machine machine;
	Dwarf_Frame *frame = NULL;
	bool is_signal = false;

	for (size_t i = 0; !frame && i < ARRAY_SIZE(comparison->cfi); i++) {
		if (comparison->cfi[i] && dwarf_cfi_addrframe(comparison->cfi[i], pc, &frame))
			frame = NULL;
	}
	if (!frame) {
		/* The loader's entry is the end without any information to say so. */
		assert_true(!rule || rule->cfa == UNWIND_CFA_NONE ||
			    rule->cfa == UNWIND_CFA_END);
		return;
	}
	comparison->nr_compared++;
	assert_non_null(rule);
	if (rule->cfa == UNWIND_CFA_NONE) {
		/* "Does not fit" where there is information. */
		assert_int_equal(rule->rbp, UNWIND_RBP_LOST);
		comparison->nr_none++;
		free(frame);
		return;
	}
	count(comparison, rule);
	for (unsigned i = 0; i < ARRAY_SIZE(machine.registers); i++)
		machine.registers[i] = hash__u64(pc ^ (uint64_t)i << 56);
	machine.registers[RA] = pc;
	carry_out(rule, &machine, pc, &got);
	assert_true(oracle(frame, &machine, &expected));
	dwarf_frame_info(frame, NULL, NULL, &is_signal);
	if (got.cfa != expected.cfa || got.pc != expected.pc || got.rsp != expected.rsp ||
	    (got.rbp_known && (!expected.rbp_known || got.rbp != expected.rbp)) ||
	    got.outermost != expected.outermost ||
	    (!got.outermost && is_signal != (rule->cfa == UNWIND_CFA_SIGNAL)))
		fail_msg("%s: another rule at 0x%llx: kind %u %+d %+d, rbp %u %+d",
			 comparison->path, (unsigned long long)pc, rule->cfa, rule->cfa_offset,
			 rule->cfa_extra, rule->rbp, rule->rbp_offset);
	free(frame);
}

/* Both ends of each row, random addresses in between, and some anywhere. */
static void compare_everywhere(struct comparison *comparison)
{
	const struct unwind_table *table = comparison->table;
	uint64_t span = table->nr_rows ? table->rows[table->nr_rows - 1].pc : 0;
	unsigned seed = 7;

	for (size_t i = 0; i < table->nr_rows; i++) {
		uint64_t start = table->base + table->rows[i].pc, len;

		compare_at(comparison, start);
		if (i + 1 == table->nr_rows)
			break;
		len = table->rows[i + 1].pc - table->rows[i].pc;
		compare_at(comparison, start + len - 1);
		compare_at(comparison, start + (uint64_t)rand_r(&seed) % len);
	}
	for (size_t i = 0; i < 5000; i++)
		compare_at(comparison, table->base + (uint64_t)rand_r(&seed) % (span + 16));
}

/* The share of the code with unwind information where it does not fit in a rule, in per cent. */
static double share_unfit(const struct unwind_table *table)
{
	double bytes = 0, unfit = 0;

	for (size_t i = 0; i + 1 < table->nr_rows; i++) {
		const struct unwind_rule *rule = &table->rules[table->rows[i].rule];
		double len = table->rows[i + 1].pc - table->rows[i].pc;

		if (rule->cfa != UNWIND_CFA_NONE || rule->rbp == UNWIND_RBP_LOST)
			bytes += len;
		if (rule->cfa == UNWIND_CFA_NONE && rule->rbp == UNWIND_RBP_LOST)
			unfit += len;
	}
	return bytes > 0 ? 100 * unfit / bytes : 0;
}

/* Addresses of functions as elfutils meets them, whether or not there are rows. */
static void compare_functions(struct comparison *comparison, Elf *elf)
{
	const unsigned char *ident = (const unsigned char *)elf_getident(elf, NULL);
	Dwarf_Off offset = 0, next;
	Elf_Data *data = NULL;
	Elf_Scn *scn = NULL;
	GElf_Shdr header;
	Dwarf_CFI_Entry entry;
	size_t names;

	elf_getshdrstrndx(elf, &names);
	while (!data && (scn = elf_nextscn(elf, scn))) {
		gelf_getshdr(scn, &header);
		if (!strcmp(elf_strptr(elf, names, header.sh_name), ".eh_frame"))
			data = elf_getdata(scn, NULL);
	}
	for (; data && !dwarf_next_cfi(ident, data, true, offset, &next, &entry); offset = next) {
		uint64_t at =
			header.sh_addr + (uint64_t)(entry.fde.start - (const uint8_t *)data->d_buf);
		int32_t values[2];

		/* pc-relative, four bytes: what every linker here writes. */
		if (dwarf_cfi_cie_p(&entry) || entry.fde.end - entry.fde.start < 8)
			continue;
		memcpy(values, entry.fde.start, sizeof(values));
		compare_at(comparison, at + (uint64_t)(int64_t)values[0]);
		compare_at(comparison, at + (uint64_t)(int64_t)values[0] + (uint32_t)values[1] - 1);
	}
}

/* At most limit per cent of the code may be without a rule. */
static void compare_file(const char *path, double limit)
{
	struct comparison comparison = { .path = path };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t start = clock__monotonic_ns();
	const char *problem;
	Dwarf *dwarf;
	Elf *elf;

	assert_true(fd >= 0);
	comparison.table = cfi__compile(fd, &problem);
	start = clock__monotonic_ns() - start;
	assert_non_null(comparison.table);
	assert_null(problem);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
	comparison.cfi[0] = dwarf_getcfi_elf(elf);
	comparison.cfi[1] = dwarf ? dwarf_getcfi(dwarf) : NULL;
	assert_non_null(comparison.cfi[0]);
	compare_everywhere(&comparison);
	compare_functions(&comparison, elf);
	print_message(
		"%s: %zu rows, %zu rules in %.1f ms; no rule for %.3f %% of the code; at %zu "
		"addresses: %zu none, %zu without rbp, %zu plt, %zu signal, %zu end, %zu deref\n",
		path, comparison.table->nr_rows, comparison.table->nr_rules, (double)start / 1e6,
		share_unfit(comparison.table), comparison.nr_compared, comparison.nr_none,
		comparison.nr_lost, comparison.nr_plt, comparison.nr_signal, comparison.nr_end,
		comparison.nr_deref);
	assert_true(share_unfit(comparison.table) < limit);
	unwind_table__free(comparison.table);
	dwarf_cfi_end(comparison.cfi[0]);
	dwarf_end(dwarf);
	elf_end(elf);
	close(fd);
}

/* Frames that are unusual, in the test's own binary. */
static __attribute__((noipa)) unsigned consume(const volatile char *bytes, size_t len)
{
	unsigned sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += (unsigned char)bytes[i];
	return sum;
}

static __attribute__((noipa)) unsigned with_alloca(size_t len)
{
	char *bytes = alloca(len);

	memset(bytes, 1, len);
	return consume(bytes, len);
}

static __attribute__((noipa)) unsigned with_big_frame(size_t len)
{
	char bytes[40 << 10];

	memset(bytes, 2, len);
	return consume(bytes, len);
}

static __attribute__((noipa)) unsigned with_aligned_frame(size_t len)
{
	_Alignas(64) char bytes[256];
	char *more = alloca(len);

	memset(more, 3, len);
	memset(bytes, 3, sizeof(bytes));
	return consume(bytes, sizeof(bytes)) + consume(more, len);
}

static void own_binary_agrees(void **state)
{
	assert_int_equal(with_alloca(100), 100);
	assert_int_equal(with_big_frame(100), 200);
	assert_int_equal(with_aligned_frame(2), 3 * 258);
	compare_file("/proc/self/exe", 1);
}

static void libraries_agree(void **state)
{
	/* The dynamic linker's resolvers have their CFA in rbx, OpenSSL's assembly in others. */
	static const struct {
		const char *pattern;
		double limit;
	} files[] = {
		{ "/lib*/*/libc.so.6", 0.1 },	      { "/lib64/libc.so.6", 0.1 },
		{ "/lib64/ld-linux-x86-64.so.2", 3 }, { "/usr/lib*/*/libstdc++.so.6", 0.1 },
		{ "/usr/lib*/*/libcrypto.so.3", 3 },  { "/usr/lib*/*/libgcc_s.so.1", 1 },
		{ "/usr/bin/python3", 0.1 },	      { "/usr/bin/make", 0.1 },
	};
	size_t nr = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		glob_t found;

		if (glob(files[i].pattern, 0, NULL, &found))
			continue;
		for (size_t k = 0; k < found.gl_pathc; k++)
			compare_file(found.gl_pathv[k], files[i].limit);
		nr += found.gl_pathc;
		globfree(&found);
	}
	if (!nr)
		skip();
}

static void signal_frame_and_end_are_known(void **state)
{
	struct unwind_table *table;
	size_t nr_signal = 0, nr_end = 0;
	int fd = open("/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		skip();
	table = cfi__compile(fd, NULL);
	assert_non_null(table);
	for (size_t i = 0; i < table->nr_rows; i++) {
		nr_signal += table->rules[table->rows[i].rule].cfa == UNWIND_CFA_SIGNAL;
		nr_end += table->rules[table->rows[i].rule].cfa == UNWIND_CFA_END;
	}
	assert_int_equal(nr_signal, 1);
	assert_true(nr_end >= 1);
	unwind_table__free(table);
	close(fd);
}

static void vdso_image_is_compiled(void **state)
{
	const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;
	struct comparison comparison = { .path = "[vdso]" };
	size_t len;
	Elf *elf;

	if (!image)
		skip();
	len = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
	comparison.table = cfi__compile_image(image, len, NULL);
	assert_non_null(comparison.table);
	assert_true(comparison.table->nr_rows > 2);
	elf_version(EV_CURRENT);
	elf = elf_memory((char *)(uintptr_t)image, len);
	comparison.cfi[0] = dwarf_getcfi_elf(elf);
	compare_everywhere(&comparison);
	assert_true(share_unfit(comparison.table) < 1);
	unwind_table__free(comparison.table);
	dwarf_cfi_end(comparison.cfi[0]);
	elf_end(elf);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_binary_agrees),
		cmocka_unit_test(libraries_agree),
		cmocka_unit_test(signal_frame_and_end_are_known),
		cmocka_unit_test(vdso_image_is_compiled),
	};

#ifndef __x86_64__
	print_message("1..0 # SKIP rows are made for x86-64 only\n");
	return 77;
#endif
	for (int i = 1; i < argc; i++)
		compare_file(argv[i], 3);
	return argc > 1 ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
