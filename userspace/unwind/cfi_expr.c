// SPDX-License-Identifier: BSD-2-Clause
/*
 * Expressions of call frame information, by form. Compilers, assemblers and linkers write few; what
 * is met is reg + offset, *(reg + offset) + offset (a stack that was realigned: gcc; OpenSSL's
 * assembly) and the linker's for lazy PLT entries. Everything else is left to userspace.
 */
#include <dwarf.h>

#include "base/util.h"
#include "unwind/cfi_internal.h"

/*
 * binutils, elf_x86_64_eh_frame_lazy_plt in bfd/elf64-x86-64.c: an entry's push comes before its
 * byte 11. Entries for indirect-branch tracking have other numbers, and other layouts.
 */
static const uint8_t lazy_plt[] = {
	DW_OP_breg7, 8,	       DW_OP_breg16, 0,		DW_OP_lit15, DW_OP_and,
	DW_OP_lit11, DW_OP_ge, DW_OP_lit3,   DW_OP_shl, DW_OP_plus,
};

/* base + offset, or, dereferenced, *(base + offset) + extra. */
struct form {
	uint8_t base; /* DW_OP_breg* */
	bool dereferenced;
	int64_t offset, extra;
};

static bool add(struct form *form, int64_t constant)
{
	int64_t *sum = form->dereferenced ? &form->extra : &form->offset;

	return !__builtin_add_overflow(*sum, constant, sum);
}

/* After "base offset": the dereference and the sums. */
static bool read_rest(struct cfi_reader *reader, struct form *form)
{
	while (cfi_reader__left(reader)) {
		uint8_t op = cfi_reader__u8(reader);
		int64_t constant;

		if (op == DW_OP_nop)
			continue;
		if (op == DW_OP_deref) {
			if (form->dereferenced)
				return false;
			form->dereferenced = true;
			continue;
		}
		if (op == DW_OP_plus_uconst) {
			constant = (int64_t)cfi_reader__uleb(reader);
		} else {
			if (op >= DW_OP_lit0 && op <= DW_OP_lit31)
				constant = op - DW_OP_lit0;
			else if (op == DW_OP_const1u)
				constant = cfi_reader__u8(reader);
			else if (op == DW_OP_const1s)
				constant = (int8_t)cfi_reader__u8(reader);
			else if (op == DW_OP_consts)
				constant = cfi_reader__sleb(reader);
			else
				return false;
			if (cfi_reader__u8(reader) != DW_OP_plus)
				return false;
		}
		if (!add(form, constant))
			return false;
	}
	return !reader->failed;
}

static bool read_form(struct cfi_reader *reader, struct form *form)
{
	*form = (struct form){ .base = cfi_reader__u8(reader) };
	if (form->base != DW_OP_breg6 && form->base != DW_OP_breg7)
		return false;
	form->offset = cfi_reader__sleb(reader);
	return read_rest(reader, form);
}

struct cfi_cfa cfi_expr__cfa(struct cfi_reader expression)
{
	struct cfi_cfa cfa = { .how = CFA_EXPRESSION, .kind = UNWIND_CFA_NONE };
	struct form form;

	if (cfi_reader__left(&expression) == sizeof(lazy_plt) &&
	    !memcmp(expression.at, lazy_plt, sizeof(lazy_plt))) {
		cfa.kind = UNWIND_CFA_PLT;
		return cfa;
	}
	if (!read_form(&expression, &form))
		return cfa;
	if (form.base == DW_OP_breg7)
		cfa.kind = form.dereferenced ? UNWIND_CFA_RSP_DEREF : UNWIND_CFA_RSP;
	else
		cfa.kind = form.dereferenced ? UNWIND_CFA_RBP_DEREF : UNWIND_CFA_RBP;
	cfa.offset = form.offset;
	cfa.extra = form.extra;
	return cfa;
}

struct cfi_register cfi_expr__register(struct cfi_reader expression)
{
	struct cfi_register reg = { .how = REG_OTHER };
	struct form form;

	if (!read_form(&expression, &form) || form.dereferenced)
		return reg;
	reg.how = form.base == DW_OP_breg7 ? REG_AT_RSP : REG_AT_RBP;
	reg.offset = form.offset;
	return reg;
}
