// SPDX-License-Identifier: BSD-2-Clause
/*
 * Carries out call frame instructions (DWARF 5 §6.4.2, opcodes §7.24, GNU's from the LSB). Only the
 * CFA, rbp, rsp and the return address are followed (psABI's numbers 6, 7 and 16). Every
 * instruction costs what its bytes cost; a function's rows are believed only when all of them could
 * be read.
 */
#include <dwarf.h>
#include <errno.h>

#include "base/util.h"
#include "unwind/cfi_internal.h"

/* Compilers need one; hand-written assembly has been seen with three. */
#define MAX_REMEMBERED 32

/* Not in every dwarf.h. */
#define OP_MIPS_ADVANCE_LOC8		0x1d
#define OP_GNU_NEGATIVE_OFFSET_EXTENDED 0x2f

struct run {
	struct cfi_compiler *compiler;
	const struct cfi_cie *cie;
	struct cfi_reader reader;
	struct cfi_state state;
	struct cfi_state remembered[MAX_REMEMBERED];
	unsigned nr_remembered;
	uint64_t location, end;
	bool is_initial; /* a CIE's: no location, nothing to restore */
};

static struct cfi_register *find_register(struct cfi_state *state, uint64_t number)
{
	switch (number) {
	case 6:
		return &state->registers[CFI_RBP];
	case 7:
		return &state->registers[CFI_RSP];
	case 16:
		return &state->registers[CFI_RA];
	}
	return NULL;
}

static int set(struct run *run, uint64_t number, int how, int64_t offset)
{
	struct cfi_register *reg = find_register(&run->state, number);

	if (reg)
		*reg = (struct cfi_register){ .how = how, .offset = offset };
	return 0;
}

static int set_scaled(struct run *run, uint64_t number, int how, int64_t factor)
{
	int64_t offset;

	if (__builtin_mul_overflow(factor, run->cie->data_align, &offset))
		return -EINVAL;
	return set(run, number, how, offset);
}

static int restore(struct run *run, uint64_t number)
{
	struct cfi_register *reg = find_register(&run->state, number);

	if (run->is_initial)
		return -EINVAL;
	if (reg)
		*reg = run->cie->initial.registers[reg - run->state.registers];
	return 0;
}

/* A signal frame as Linux writes it and libc describes it: the caller's registers by address. */
static bool is_signal_frame(const struct cfi_state *state)
{
	const struct cfi_register *rbp = &state->registers[CFI_RBP];
	const struct cfi_register *ra = &state->registers[CFI_RA];

	return state->cfa.how == CFA_EXPRESSION && state->cfa.kind == UNWIND_CFA_RSP_DEREF &&
	       state->cfa.offset == UNWIND_SIGNAL_RSP && !state->cfa.extra &&
	       rbp->how == REG_AT_RSP && rbp->offset == UNWIND_SIGNAL_RBP &&
	       ra->how == REG_AT_RSP && ra->offset == UNWIND_SIGNAL_RIP;
}

/* The CFA's part of a rule; false: there is no such rule. */
static bool make_cfa(const struct cfi_cfa *cfa, struct unwind_rule *rule)
{
	if (cfa->how == CFA_EXPRESSION)
		rule->cfa = cfa->kind;
	else if (cfa->how == CFA_REGISTER && cfa->number == 7)
		rule->cfa = UNWIND_CFA_RSP;
	else if (cfa->how == CFA_REGISTER && cfa->number == 6)
		rule->cfa = UNWIND_CFA_RBP;
	if (cfa->offset != (int32_t)cfa->offset || cfa->extra != (int32_t)cfa->extra)
		return false;
	rule->cfa_offset = (int32_t)cfa->offset;
	rule->cfa_extra = (int32_t)cfa->extra;
	return rule->cfa != UNWIND_CFA_NONE;
}

/* rule has its CFA already. */
static void make_rbp(const struct cfi_register *reg, struct unwind_rule *rule)
{
	int64_t offset = reg->offset;

	rule->rbp = UNWIND_RBP_LOST;
	if (reg->how == REG_SAME || reg->how == REG_UNSET)
		rule->rbp = UNWIND_RBP_SAME;
	else if (reg->how == REG_AT_CFA)
		rule->rbp = UNWIND_RBP_SAVED;
	else if (reg->how == REG_AT_RBP)
		rule->rbp = UNWIND_RBP_AT_RBP;
	else if (reg->how == REG_AT_RSP && rule->cfa == UNWIND_CFA_RSP &&
		 !__builtin_sub_overflow(offset, rule->cfa_offset, &offset))
		rule->rbp = UNWIND_RBP_SAVED;
	if (offset != (int16_t)offset)
		rule->rbp = UNWIND_RBP_LOST;
	else if (rule->rbp == UNWIND_RBP_SAVED || rule->rbp == UNWIND_RBP_AT_RBP)
		rule->rbp_offset = (int16_t)offset;
}

/* What the tables can say of a state. */
static struct unwind_rule make_rule(const struct cfi_state *state, bool is_signal)
{
	const struct cfi_register *ra = &state->registers[CFI_RA];
	const struct cfi_register *rsp = &state->registers[CFI_RSP];
	struct unwind_rule rule = { .cfa = UNWIND_CFA_NONE };

	if (ra->how == REG_UNDEFINED)
		return (struct unwind_rule){ .cfa = UNWIND_CFA_END };
	/* Its caller's pc is an instruction that was interrupted: no other kind of frame will do.
	 */
	if (is_signal)
		return is_signal_frame(state) ? (struct unwind_rule){ .cfa = UNWIND_CFA_SIGNAL }
					      : CFI_UNFIT;
	if (ra->how != REG_AT_CFA || ra->offset != -8)
		return CFI_UNFIT;
	/* The caller's rsp is the CFA, by the psABI and unless somebody says otherwise. */
	if (rsp->how != REG_UNSET && (rsp->how != REG_IS_CFA || rsp->offset))
		return CFI_UNFIT;
	if (!make_cfa(&state->cfa, &rule))
		return CFI_UNFIT;
	make_rbp(&state->registers[CFI_RBP], &rule);
	return rule;
}

static void add_piece(struct run *run, uint64_t end)
{
	struct cfi_compiler *compiler = run->compiler;

	compiler->pieces = array__grow(compiler->pieces, compiler->nr_pieces,
				       &compiler->pieces_capacity, sizeof(*compiler->pieces));
	compiler->pieces[compiler->nr_pieces++] = (struct cfi_piece){
		.start = run->location,
		.end = end,
		.rule = make_rule(&run->state, run->cie->is_signal),
	};
}

static int move_to(struct run *run, uint64_t location)
{
	if (run->is_initial || run->reader.failed || location < run->location)
		return -EINVAL;
	if (location > run->location)
		add_piece(run, min(location, run->end));
	run->location = location;
	return 0;
}

static int advance(struct run *run, uint64_t delta)
{
	uint64_t location;

	if (__builtin_mul_overflow(delta, run->cie->code_align, &delta) ||
	    __builtin_add_overflow(run->location, delta, &location))
		return -EINVAL;
	return move_to(run, location);
}

static int set_location(struct run *run)
{
	return move_to(run, cfi_parse__pointer(run->compiler->section, &run->reader,
					       run->cie->pointer_encoding, 0));
}

static struct cfi_reader read_block(struct cfi_reader *reader)
{
	uint64_t len = cfi_reader__uleb(reader);
	const uint8_t *bytes = cfi_reader__bytes(reader, len);

	/* Bytes that are not there: an expression that is none, of a reader that has failed. */
	if (!bytes)
		return (struct cfi_reader){ .at = reader->end, .end = reader->end };
	return (struct cfi_reader){ .at = bytes, .end = reader->at };
}

static int set_cfa(struct run *run, uint64_t number, int64_t offset)
{
	run->state.cfa =
		(struct cfi_cfa){ .how = CFA_REGISTER, .number = number, .offset = offset };
	return 0;
}

static int set_cfa_scaled(struct run *run, uint64_t number, int64_t factor)
{
	int64_t offset;

	if (__builtin_mul_overflow(factor, run->cie->data_align, &offset))
		return -EINVAL;
	return set_cfa(run, number, offset);
}

/* The instructions that change half of a register's rule. */
static int change_cfa(struct run *run, uint8_t op)
{
	struct cfi_reader *reader = &run->reader;
	struct cfi_cfa cfa = run->state.cfa;
	uint64_t operand = op == DW_CFA_def_cfa_offset_sf ? (uint64_t)cfi_reader__sleb(reader)
							  : cfi_reader__uleb(reader);

	/* After an expression there is no other half. libgcrypt's assembly does it all the same;
	 * unwinders do not agree on the meaning. */
	if (cfa.how != CFA_REGISTER) {
		run->state.cfa = (struct cfi_cfa){ .how = CFA_UNSET };
		return 0;
	}
	if (op == DW_CFA_def_cfa_register)
		return set_cfa(run, operand, cfa.offset);
	if (op == DW_CFA_def_cfa_offset)
		return set_cfa(run, cfa.number, (int64_t)operand);
	return set_cfa_scaled(run, cfa.number, (int64_t)operand);
}

static int define_cfa(struct run *run, uint8_t op)
{
	struct cfi_reader *reader = &run->reader;
	uint64_t number;

	switch (op) {
	case DW_CFA_def_cfa:
		number = cfi_reader__uleb(reader);
		return set_cfa(run, number, (int64_t)cfi_reader__uleb(reader));
	case DW_CFA_def_cfa_sf:
		number = cfi_reader__uleb(reader);
		return set_cfa_scaled(run, number, cfi_reader__sleb(reader));
	case DW_CFA_def_cfa_expression:
		run->state.cfa = cfi_expr__cfa(read_block(reader));
		return 0;
	}
	return change_cfa(run, op);
}

/* The instructions that begin with a register's number. */
static int define_register(struct run *run, uint8_t op)
{
	struct cfi_reader *reader = &run->reader;
	uint64_t number = cfi_reader__uleb(reader);
	struct cfi_register reg;

	switch (op) {
	case DW_CFA_offset_extended:
		return set_scaled(run, number, REG_AT_CFA, (int64_t)cfi_reader__uleb(reader));
	case DW_CFA_offset_extended_sf:
		return set_scaled(run, number, REG_AT_CFA, cfi_reader__sleb(reader));
	case OP_GNU_NEGATIVE_OFFSET_EXTENDED:
		return set_scaled(run, number, REG_AT_CFA, (int64_t)(0 - cfi_reader__uleb(reader)));
	case DW_CFA_val_offset:
		return set_scaled(run, number, REG_IS_CFA, (int64_t)cfi_reader__uleb(reader));
	case DW_CFA_val_offset_sf:
		return set_scaled(run, number, REG_IS_CFA, cfi_reader__sleb(reader));
	case DW_CFA_restore_extended:
		return restore(run, number);
	case DW_CFA_undefined:
		return set(run, number, REG_UNDEFINED, 0);
	case DW_CFA_same_value:
		return set(run, number, REG_SAME, 0);
	case DW_CFA_register:
		cfi_reader__uleb(reader);
		return set(run, number, REG_OTHER, 0);
	case DW_CFA_expression:
		reg = cfi_expr__register(read_block(reader));
		return set(run, number, reg.how, reg.offset);
	case DW_CFA_val_expression:
		read_block(reader);
		return set(run, number, REG_OTHER, 0);
	}
	return -EINVAL;
}

static int remember(struct run *run)
{
	if (run->nr_remembered == MAX_REMEMBERED)
		return -EINVAL;
	run->remembered[run->nr_remembered++] = run->state;
	return 0;
}

/* Compilers expect the CFA back too, which the standard leaves open. */
static int recall(struct run *run)
{
	if (!run->nr_remembered)
		return -EINVAL;
	run->state = run->remembered[--run->nr_remembered];
	return 0;
}

static int step(struct run *run)
{
	struct cfi_reader *reader = &run->reader;
	uint8_t op = cfi_reader__u8(reader);

	switch (op & 0xc0) {
	case DW_CFA_advance_loc:
		return advance(run, op & 0x3f);
	case DW_CFA_offset:
		return set_scaled(run, op & 0x3f, REG_AT_CFA, (int64_t)cfi_reader__uleb(reader));
	case DW_CFA_restore:
		return restore(run, op & 0x3f);
	}
	switch (op) {
	case DW_CFA_nop:
		return 0;
	case DW_CFA_set_loc:
		return set_location(run);
	case DW_CFA_advance_loc1:
		return advance(run, cfi_reader__u8(reader));
	case DW_CFA_advance_loc2:
		return advance(run, cfi_reader__u16(reader));
	case DW_CFA_advance_loc4:
		return advance(run, cfi_reader__u32(reader));
	case OP_MIPS_ADVANCE_LOC8:
		return advance(run, cfi_reader__u64(reader));
	case DW_CFA_remember_state:
		return remember(run);
	case DW_CFA_restore_state:
		return recall(run);
	case DW_CFA_def_cfa:
	case DW_CFA_def_cfa_sf:
	case DW_CFA_def_cfa_register:
	case DW_CFA_def_cfa_offset:
	case DW_CFA_def_cfa_offset_sf:
	case DW_CFA_def_cfa_expression:
		return define_cfa(run, op);
	case DW_CFA_GNU_args_size:
		cfi_reader__uleb(reader);
		return 0;
	}
	return define_register(run, op);
}

static int carry_out(struct run *run)
{
	int err = 0;

	/* What happens at or after the end of the function changes nothing in it. */
	while (!err && cfi_reader__left(&run->reader) &&
	       (run->is_initial || run->location < run->end))
		err = step(run);
	return run->reader.failed ? -EINVAL : err;
}

int cfi_program__initial(struct cfi_compiler *compiler, struct cfi_cie *cie,
			 struct cfi_reader program)
{
	struct run run;
	int err;

	run.compiler = compiler;
	run.cie = cie;
	run.reader = program;
	run.state = (struct cfi_state){ .cfa.how = CFA_UNSET };
	run.nr_remembered = 0;
	run.is_initial = true;
	err = carry_out(&run);
	cie->initial = run.state;
	return err;
}

int cfi_program__run(struct cfi_compiler *compiler, const struct cfi_cie *cie,
		     struct cfi_reader program, uint64_t start, uint64_t end)
{
	struct run run;
	int err;

	compiler->nr_pieces = 0;
	run.compiler = compiler;
	run.cie = cie;
	run.reader = program;
	run.state = cie->initial;
	run.nr_remembered = 0;
	run.location = start;
	run.end = end;
	run.is_initial = false;
	err = carry_out(&run);
	if (!err && run.location < end)
		add_piece(&run, end);
	return err;
}
