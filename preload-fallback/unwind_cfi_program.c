// SPDX-License-Identifier: BSD-2-Clause
/*
 * Carries out call frame instructions (DWARF 5 6.4.2, opcodes 7.24, GNU's and arm64's from their
 * ABIs). Only the CFA, the stack pointer, the frame pointer and the return address are followed.
 * Every instruction costs what its bytes cost.
 */
#include "unwind_cfi.h"

/* Compilers need one; hand-written assembly has been seen with three. */
#define MAX_REMEMBERED 8

/* DWARF's numbers of the registers that are followed. */
#if defined(__x86_64__)
enum { NUMBER_FP = 6, NUMBER_SP = 7, NUMBER_RA = 16 };
#elif defined(__aarch64__)
enum { NUMBER_FP = 29, NUMBER_SP = 31, NUMBER_RA = 30 };
#endif

enum {
	OP_NOP,
	OP_SET_LOC,
	OP_ADVANCE_LOC1,
	OP_ADVANCE_LOC2,
	OP_ADVANCE_LOC4,
	OP_OFFSET_EXTENDED,
	OP_RESTORE_EXTENDED,
	OP_UNDEFINED,
	OP_SAME_VALUE,
	OP_REGISTER,
	OP_REMEMBER_STATE,
	OP_RESTORE_STATE,
	OP_DEF_CFA,
	OP_DEF_CFA_REGISTER,
	OP_DEF_CFA_OFFSET,
	OP_DEF_CFA_EXPRESSION,
	OP_EXPRESSION,
	OP_OFFSET_EXTENDED_SF,
	OP_DEF_CFA_SF,
	OP_DEF_CFA_OFFSET_SF,
	OP_VAL_OFFSET,
	OP_VAL_OFFSET_SF,
	OP_VAL_EXPRESSION,
	OP_AARCH64_NEGATE_RA_STATE_WITH_PC = 0x2c,
	OP_AARCH64_NEGATE_RA_STATE = 0x2d,
	OP_GNU_ARGS_SIZE = 0x2e,
	OP_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
	/* With an operand in the lower six bits. */
	OP_ADVANCE_LOC = 0x40,
	OP_OFFSET = 0x80,
	OP_RESTORE = 0xc0,
};

/* Where a register of the caller is. */
struct saved {
	enum { UNSET, UNDEFINED, SAME, AT_CFA, IS_CFA, AT_FP, AT_SP, OTHER } how;
	int64_t offset;
};

enum { FP, SP, RA, NR_SAVED };

struct state {
	unsigned cfa; /* ROW_*; ROW_GAP: none of those */
	int64_t cfa_offset, cfa_extra;
	uint64_t cfa_register; /* of ROW_SP, ROW_FP, and what became ROW_GAP because of it */
	struct saved saved[NR_SAVED];
};

struct run {
	const struct unwind_cfi_entry *entry;
	struct unwind_reader reader;
	uintptr_t location, address;
	struct state state, initial;
	struct state remembered[MAX_REMEMBERED];
	unsigned nr_remembered;
	bool is_initial; /* the CIE's: no location, nothing to restore */
};

/* The forms of expressions that are met: base + offset, or *(base + offset) + extra. */
struct form {
	bool is_fp, dereferenced;
	int64_t offset, extra;
};

enum {
	DW_OP_DEREF = 0x06,
	DW_OP_CONST1U = 0x08,
	DW_OP_CONST1S = 0x09,
	DW_OP_CONSTS = 0x11,
	DW_OP_PLUS = 0x22,
	DW_OP_PLUS_UCONST = 0x23,
	DW_OP_LIT0 = 0x30,
	DW_OP_LIT31 = 0x4f,
	DW_OP_BREG0 = 0x70,
	DW_OP_BREG31 = 0x8f,
};

/*
 * What the linker writes of lazy PLT entries: rsp + 8 + ((rip & 15) >= 11) << 3, as breg7 8, breg16
 * 0, lit15, and, lit11, ge, lit3, shl, plus.
 */
static const uint8_t lazy_plt[] = { 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22 };

static bool read_constant(struct unwind_reader *reader, uint8_t op, int64_t *constant)
{
	if (op == DW_OP_PLUS_UCONST) {
		*constant = (int64_t)unwind_reader__uleb(reader);
		return true;
	}
	if (op >= DW_OP_LIT0 && op <= DW_OP_LIT31)
		*constant = op - DW_OP_LIT0;
	else if (op == DW_OP_CONST1U)
		*constant = unwind_reader__u8(reader);
	else if (op == DW_OP_CONST1S)
		*constant = (int8_t)unwind_reader__u8(reader);
	else if (op == DW_OP_CONSTS)
		*constant = unwind_reader__sleb(reader);
	else
		return false;
	return unwind_reader__u8(reader) == DW_OP_PLUS;
}

static bool read_form(struct unwind_reader *reader, struct form *form)
{
	uint8_t op = unwind_reader__u8(reader);

	*form = (struct form){ .is_fp = op == DW_OP_BREG0 + NUMBER_FP };
	if (!form->is_fp && op != DW_OP_BREG0 + NUMBER_SP)
		return false;
	form->offset = unwind_reader__sleb(reader);
	while (unwind_reader__left(reader)) {
		int64_t constant, *sum = form->dereferenced ? &form->extra : &form->offset;

		op = unwind_reader__u8(reader);
		if (op == DW_OP_DEREF) {
			if (form->dereferenced)
				return false;
			form->dereferenced = true;
			continue;
		}
		if (!read_constant(reader, op, &constant) ||
		    __builtin_add_overflow(*sum, constant, sum))
			return false;
	}
	return !reader->failed;
}

static void set_cfa_expression(struct state *state, struct unwind_reader expression)
{
	struct form form;

	state->cfa_register = UINT64_MAX;
	state->cfa = ROW_GAP;
	if (unwind_reader__left(&expression) == sizeof(lazy_plt) &&
	    !memcmp(expression.at, lazy_plt, sizeof(lazy_plt))) {
		state->cfa = ROW_PLT;
		return;
	}
	if (!read_form(&expression, &form))
		return;
	if (form.dereferenced)
		state->cfa = form.is_fp ? ROW_FP_DEREF : ROW_SP_DEREF;
	else
		state->cfa = form.is_fp ? ROW_FP : ROW_SP;
	state->cfa_offset = form.offset;
	state->cfa_extra = form.extra;
}

static struct saved *find_saved(struct state *state, uint64_t number)
{
	switch (number) {
	case NUMBER_FP:
		return &state->saved[FP];
	case NUMBER_SP:
		return &state->saved[SP];
	case NUMBER_RA:
		return &state->saved[RA];
	}
	return NULL;
}

static bool set(struct run *run, uint64_t number, int how, int64_t offset)
{
	struct saved *saved = find_saved(&run->state, number);

	if (saved)
		*saved = (struct saved){ .how = how, .offset = offset };
	return true;
}

static bool set_scaled(struct run *run, uint64_t number, int how, int64_t factor)
{
	int64_t offset;

	return !__builtin_mul_overflow(factor, run->entry->data_align, &offset) &&
	       set(run, number, how, offset);
}

static bool set_expression(struct run *run, uint64_t number)
{
	uint64_t len = unwind_reader__uleb(&run->reader);
	struct unwind_reader expression = unwind_reader__part(&run->reader, len);
	struct form form;

	if (!read_form(&expression, &form) || form.dereferenced)
		return set(run, number, OTHER, 0);
	return set(run, number, form.is_fp ? AT_FP : AT_SP, form.offset);
}

static bool restore(struct run *run, uint64_t number)
{
	struct saved *saved = find_saved(&run->state, number);

	if (run->is_initial)
		return false;
	if (saved)
		*saved = run->initial.saved[saved - run->state.saved];
	return true;
}

static bool set_cfa(struct run *run, uint64_t number, int64_t offset)
{
	struct state *state = &run->state;

	state->cfa = number == NUMBER_SP ? ROW_SP : number == NUMBER_FP ? ROW_FP : ROW_GAP;
	state->cfa_register = number;
	state->cfa_offset = offset;
	state->cfa_extra = 0;
	return true;
}

static bool set_cfa_scaled(struct run *run, uint64_t number, int64_t factor)
{
	int64_t offset;

	return !__builtin_mul_overflow(factor, run->entry->data_align, &offset) &&
	       set_cfa(run, number, offset);
}

/* The instructions that change half of a CFA. After an expression there is no other half: some
 * assembly does it all the same, and unwinders do not agree on the meaning. */
static bool change_cfa(struct run *run, uint8_t op)
{
	struct unwind_reader *reader = &run->reader;
	struct state *state = &run->state;
	uint64_t operand = unwind_reader__leb(reader, op == OP_DEF_CFA_OFFSET_SF);

	if (state->cfa_register == UINT64_MAX) {
		state->cfa = ROW_GAP;
		return true;
	}
	if (op == OP_DEF_CFA_REGISTER)
		return set_cfa(run, operand, state->cfa_offset);
	if (op == OP_DEF_CFA_OFFSET)
		return set_cfa(run, state->cfa_register, (int64_t)operand);
	return set_cfa_scaled(run, state->cfa_register, (int64_t)operand);
}

static bool define_cfa(struct run *run, uint8_t op)
{
	struct unwind_reader *reader = &run->reader;
	uint64_t number;

	switch (op) {
	case OP_DEF_CFA:
		number = unwind_reader__uleb(reader);
		return set_cfa(run, number, (int64_t)unwind_reader__uleb(reader));
	case OP_DEF_CFA_SF:
		number = unwind_reader__uleb(reader);
		return set_cfa_scaled(run, number, unwind_reader__sleb(reader));
	case OP_DEF_CFA_EXPRESSION:
		number = unwind_reader__uleb(reader);
		set_cfa_expression(&run->state, unwind_reader__part(reader, number));
		return true;
	}
	return change_cfa(run, op);
}

/* The instructions that begin with a register's number. */
static bool define_register(struct run *run, uint8_t op)
{
	struct unwind_reader *reader = &run->reader;
	uint64_t number = unwind_reader__uleb(reader);

	switch (op) {
	case OP_OFFSET_EXTENDED:
		return set_scaled(run, number, AT_CFA, (int64_t)unwind_reader__uleb(reader));
	case OP_OFFSET_EXTENDED_SF:
		return set_scaled(run, number, AT_CFA, unwind_reader__sleb(reader));
	case OP_GNU_NEGATIVE_OFFSET_EXTENDED:
		return set_scaled(run, number, AT_CFA, (int64_t)(0 - unwind_reader__uleb(reader)));
	case OP_VAL_OFFSET:
		return set_scaled(run, number, IS_CFA, (int64_t)unwind_reader__uleb(reader));
	case OP_VAL_OFFSET_SF:
		return set_scaled(run, number, IS_CFA, unwind_reader__sleb(reader));
	case OP_RESTORE_EXTENDED:
		return restore(run, number);
	case OP_UNDEFINED:
		return set(run, number, UNDEFINED, 0);
	case OP_SAME_VALUE:
		return set(run, number, SAME, 0);
	case OP_REGISTER:
		unwind_reader__uleb(reader);
		return set(run, number, OTHER, 0);
	case OP_EXPRESSION:
		return set_expression(run, number);
	case OP_VAL_EXPRESSION:
		unwind_reader__skip(reader, unwind_reader__uleb(reader));
		return set(run, number, OTHER, 0);
	}
	return false;
}

/* Compilers expect the CFA back too, which the standard leaves open. */
static bool remember_or_restore(struct run *run, uint8_t op)
{
	if (op == OP_REMEMBER_STATE) {
		if (run->nr_remembered == MAX_REMEMBERED)
			return false;
		run->remembered[run->nr_remembered++] = run->state;
		return true;
	}
	if (!run->nr_remembered)
		return false;
	run->state = run->remembered[--run->nr_remembered];
	return true;
}

/* *delta: code to go on, for those that move; else left. */
static bool step_rare(struct run *run, uint8_t op, uint64_t *delta)
{
	switch (op) {
	case OP_NOP:
	case OP_AARCH64_NEGATE_RA_STATE: /* whether signed or not: signatures are taken off */
	case OP_AARCH64_NEGATE_RA_STATE_WITH_PC:
		return true;
	case OP_GNU_ARGS_SIZE:
		unwind_reader__uleb(&run->reader);
		return true;
	case OP_ADVANCE_LOC1:
		*delta = unwind_reader__fixed(&run->reader, 1);
		return true;
	case OP_ADVANCE_LOC2:
		*delta = unwind_reader__fixed(&run->reader, 2);
		return true;
	case OP_ADVANCE_LOC4:
		*delta = unwind_reader__fixed(&run->reader, 4);
		return true;
	case OP_REMEMBER_STATE:
	case OP_RESTORE_STATE:
		return remember_or_restore(run, op);
	case OP_DEF_CFA:
	case OP_DEF_CFA_SF:
	case OP_DEF_CFA_REGISTER:
	case OP_DEF_CFA_OFFSET:
	case OP_DEF_CFA_OFFSET_SF:
	case OP_DEF_CFA_EXPRESSION:
		return define_cfa(run, op);
	}
	return define_register(run, op);
}

static bool step(struct run *run, uint64_t *delta)
{
	uint8_t op = unwind_reader__u8(&run->reader), operand = op & 0x3f;

	switch (op & 0xc0) {
	case OP_ADVANCE_LOC:
		*delta = operand;
		return true;
	case OP_OFFSET:
		return set_scaled(run, operand, AT_CFA, (int64_t)unwind_reader__uleb(&run->reader));
	case OP_RESTORE:
		return restore(run, operand);
	}
	return step_rare(run, op, delta);
}

/* Until the location is past the address, or the instructions end. */
static bool carry_out(struct run *run)
{
	while (unwind_reader__left(&run->reader)) {
		uint64_t delta = 0;

		if (!step(run, &delta) || run->reader.failed)
			return false;
		if (!delta)
			continue;
		if (run->is_initial ||
		    __builtin_mul_overflow(delta, run->entry->code_align, &delta))
			return false;
		if (delta > run->address - run->location)
			return true;
		run->location += delta;
	}
	return !run->reader.failed;
}

/* rule has its CFA already. */
static void make_fp(const struct saved *saved, struct unwind_rule *rule)
{
	int64_t offset = saved->offset;

	rule->fp = ROW_FP_LOST;
	if (saved->how == UNSET || saved->how == SAME)
		rule->fp = ROW_FP_SAME;
	else if (saved->how == AT_CFA)
		rule->fp = ROW_FP_SAVED;
	else if (saved->how == AT_FP)
		rule->fp = ROW_FP_AT_FP;
	else if (saved->how == AT_SP && rule->kind == ROW_SP &&
		 !__builtin_sub_overflow(offset, rule->cfa_offset, &offset))
		rule->fp = ROW_FP_SAVED;
	if (rule->fp == ROW_FP_SAVED || rule->fp == ROW_FP_AT_FP)
		rule->fp_offset = offset;
}

static bool make_ra(const struct state *state, struct unwind_rule *rule)
{
	const struct saved *ra = &state->saved[RA];

	rule->ra_offset = ra->offset;
#ifdef __aarch64__
	if (ra->how == UNSET || ra->how == SAME) {
		rule->is_ra_in_lr = true;
		rule->ra_offset = 0;
		return true;
	}
#endif
	if (ra->how != AT_CFA)
		return false;
	/* Of these the row has no room for both. */
	if (rule->kind == ROW_SP_DEREF || rule->kind == ROW_FP_DEREF) {
		rule->ra_offset = state->cfa_extra;
		return ra->offset == -8;
	}
	return rule->kind != ROW_PLT || ra->offset == -8;
}

static bool make_rule(const struct state *state, struct unwind_rule *rule)
{
	const struct saved *sp = &state->saved[SP];

	*rule = (struct unwind_rule){ .kind = state->cfa, .cfa_offset = state->cfa_offset };
	if (state->saved[RA].how == UNDEFINED) {
		*rule = (struct unwind_rule){ .kind = ROW_END };
		return true;
	}
	/* The caller's sp is the CFA, by the ABIs and unless somebody says otherwise. */
	if (state->cfa == ROW_GAP || (sp->how != UNSET && (sp->how != IS_CFA || sp->offset)))
		return false;
	make_fp(&state->saved[FP], rule);
	return make_ra(state, rule);
}

bool unwind_cfi__run(const struct unwind_cfi_entry *entry, uintptr_t address,
		     struct unwind_rule *rule)
{
	struct run run;

	run.entry = entry;
	run.reader = entry->initial;
	run.state = (struct state){ .cfa = ROW_GAP, .cfa_register = UINT64_MAX };
	run.nr_remembered = 0;
	run.is_initial = true;
	if (!carry_out(&run))
		return false;
	run.initial = run.state;
	run.reader = entry->program;
	run.nr_remembered = 0;
	run.is_initial = false;
	run.location = entry->start;
	run.address = address;
	return carry_out(&run) && make_rule(&run.state, rule);
}
