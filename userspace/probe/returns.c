// SPDX-License-Identifier: BSD-2-Clause
/*
 * Work is bounded: code that never ends is given up on. An indirect jump ends a path, except
 * through a slot to a function of the same file: another file's has probes of its own if it
 * allocates.
 */
#include "probe/returns.h"

#include <capstone/capstone.h>
#include <stdbool.h>

#include "base/util.h"
#include "symbol/elf.h"
#include "symbol/elf_dynamic.h"

#define MAX_STARTS	 256
#define MAX_INSTRUCTIONS 8192
#define WINDOW_BYTES	 256
#define MAX_INSTRUCTION	 15

struct follow {
	csh handle;
	struct elf_file *elf;
	uint64_t starts[MAX_STARTS]; /* of straight lines, each once */
	uint64_t ends[MAX_STARTS];   /* where the line from there was left */
	size_t nr_starts;
	size_t nr_instructions;
	uint64_t *out;
	size_t nr, max;
};

static void add_start(struct follow *follow, uint64_t vaddr)
{
	for (size_t i = 0; i < follow->nr_starts; i++) {
		if (vaddr == follow->starts[i] ||
		    (vaddr > follow->starts[i] && vaddr < follow->ends[i]))
			return;
	}
	if (follow->nr_starts < MAX_STARTS)
		follow->starts[follow->nr_starts++] = vaddr;
}

/* Exported functions are called through a slot, also by their own file. */
static void add_slot(struct follow *follow, uint64_t slot)
{
	uint64_t vaddr;

	if (elf_dynamic__resolve(follow->elf, slot, &vaddr))
		add_start(follow, vaddr);
}

static void add_return(struct follow *follow, uint64_t vaddr)
{
	for (size_t i = 0; i < follow->nr; i++) {
		if (follow->out[i] == vaddr)
			return;
	}
	if (follow->nr < follow->max)
		follow->out[follow->nr++] = vaddr;
}

/* False where the line ends. */
static bool step(struct follow *follow, const cs_insn *insn)
{
	const cs_x86 *x86 = &insn->detail->x86;
	bool jumps = cs_insn_group(follow->handle, insn, CS_GRP_JUMP);

	if (cs_insn_group(follow->handle, insn, CS_GRP_RET)) {
		add_return(follow, insn->address);
		return false;
	}
	if (jumps && x86->op_count == 1 && x86->operands[0].type == X86_OP_IMM)
		add_start(follow, (uint64_t)x86->operands[0].imm);
	else if (jumps && x86->op_count == 1 && x86->operands[0].type == X86_OP_MEM &&
		 x86->operands[0].mem.base == X86_REG_RIP)
		add_slot(follow, insn->address + insn->size + (uint64_t)x86->operands[0].mem.disp);
	return insn->id != X86_INS_JMP && insn->id != X86_INS_UD2 && insn->id != X86_INS_INT3 &&
	       insn->id != X86_INS_HLT;
}

static void follow_line(struct follow *follow, size_t start, cs_insn *insn)
{
	uint64_t vaddr = follow->starts[start];
	bool more = true;

	while (more) {
		uint8_t code[WINDOW_BYTES];
		const uint8_t *at = code;
		ssize_t len = elf__read(follow->elf, vaddr, code, sizeof(code));
		size_t left = len > 0 ? (size_t)len : 0;
		bool whole = left == sizeof(code);

		if (!left)
			break;
		while (more && left && (!whole || left >= MAX_INSTRUCTION)) {
			more = follow->nr_instructions++ < MAX_INSTRUCTIONS &&
			       cs_disasm_iter(follow->handle, &at, &left, &vaddr, insn) &&
			       step(follow, insn);
		}
		more = more && whole;
	}
	follow->ends[start] = vaddr;
}

size_t returns__find(struct elf_file *elf, uint64_t vaddr, uint64_t *out, size_t max)
{
	struct follow follow = { .elf = elf, .out = out, .max = max };
	cs_insn *insn;

	if (cs_open(CS_ARCH_X86, CS_MODE_64, &follow.handle))
		return 0;
	cs_option(follow.handle, CS_OPT_DETAIL, CS_OPT_ON);
	insn = cs_malloc(follow.handle);
	add_start(&follow, vaddr);
	for (size_t i = 0; insn && i < follow.nr_starts; i++)
		follow_line(&follow, i, insn);
	if (insn)
		cs_free(insn, 1);
	cs_close(&follow.handle);
	return follow.nr;
}
