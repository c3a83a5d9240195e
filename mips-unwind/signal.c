// SPDX-License-Identifier: BSD-2-Clause
/*
 * Frames the kernel pushes for a signal handler. The handler returns to a trampoline, "li v0,
 * NUMBER; syscall", with sp at the frame. Layouts: struct sigframe and rt_sigframe of Linux'
 * arch/mips/kernel/signal.c, rt_sigframe_n32 of signal_n32.c, struct sigcontext of
 * arch/mips/include/uapi/asm/sigcontext.h, struct ucontext of uapi/asm/ucontext.h; numbers of
 * uapi/asm/unistd.h.
 */
#include <string.h>

#include "internal.h"

struct layout {
	uint8_t abi;	   /* enum mips_abi */
	int16_t number;	   /* of the system call */
	uint16_t context;  /* where the sigcontext is: behind 24 bytes, siginfo, ucontext's head */
	uint16_t regs, pc; /* in the sigcontext; registers are 8 bytes each in every ABI */
};

static const struct layout layouts[] = {
	{ MIPS_O32, 4119, 24, 16, 8 },
	{ MIPS_O32, 4193, 24 + 128 + 24, 16, 8 },
	{ MIPS_N32, 6211, 24 + 128 + 24, 0, 576 },
	{ MIPS_N64, 5211, 24 + 128 + 40, 0, 576 },
};

static bool read_word(const struct mips_unwind *unwind, mips_addr_t pc, uint32_t *word)
{
	const struct mips_memory *memory = &unwind->memory;

	if ((pc & 3) || !memory->read(memory->env, pc, word, sizeof(*word)))
		return false;
	if (mips__swapped(&unwind->machine))
		*word = __builtin_bswap32(*word);
	return true;
}

/* Not by the executable mappings: kernels have put it on the stack, and qemu-user on a page. */
static const struct layout *find_layout(const struct mips_unwind *unwind, mips_addr_t pc)
{
	const struct mips_machine *machine = &unwind->machine;
	struct mips_insn li, call;
	uint32_t word;
	unsigned i;

	if (!read_word(unwind, pc, &word))
		return NULL;
	mips_decode(machine, word, pc, &li);
	if ((li.kind != INSN_ADDI && li.kind != INSN_ORI) || li.dst != MIPS_V0 ||
	    li.src != MIPS_ZERO || !read_word(unwind, pc + 4, &word))
		return NULL;
	mips_decode(machine, word, pc + 4, &call);
	if (call.kind != INSN_SYSCALL)
		return NULL;
	for (i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (layouts[i].abi == mips__abi(machine) && layouts[i].number == li.imm)
			return &layouts[i];
	return NULL;
}

bool mips_signal__is_trampoline(const struct mips_unwind *unwind, mips_addr_t pc)
{
	return find_layout(unwind, pc) != NULL;
}

/* A register of a sigcontext: 64 bits also where registers have 32. */
static bool read_register(const struct mips_walk *walk, mips_addr_t address, mips_addr_t *value)
{
	const struct mips_memory *memory = &walk->unwind->memory;
	const struct mips_machine *machine = &walk->unwind->machine;
	uint64_t raw;

	if (mips_window__holds(&walk->stack, address, sizeof(raw)))
		memcpy(&raw, mips_window__at(&walk->stack, address), sizeof(raw));
	else if (!memory->read(memory->env, address, &raw, sizeof(raw)))
		return false;
	if (mips__swapped(machine))
		raw = __builtin_bswap64(raw);
	*value = mips__address(machine, raw);
	return true;
}

enum mips_end mips_signal__restore(struct mips_walk *walk)
{
	const struct layout *layout = find_layout(walk->unwind, walk->at.pc);
	mips_addr_t context, regs, pc, sp, fp, ra;
	enum mips_end end;

	if (!layout)
		return MIPS_END_CALL;
	context = walk->at.sp + layout->context;
	regs = context + layout->regs;
	if (!read_register(walk, context + layout->pc, &pc) ||
	    !read_register(walk, regs + 8 * MIPS_SP, &sp) ||
	    !read_register(walk, regs + 8 * MIPS_FP, &fp) ||
	    !read_register(walk, regs + 8 * MIPS_RA, &ra))
		return MIPS_END_MEMORY;
	end = mips_code__check(walk->unwind, pc, true);
	if (end != MIPS_END_BOTTOM)
		return end;
	/* Only a handler on a stack of its own may have interrupted one at lower addresses. */
	if (mips_window__holds(&walk->stack, walk->at.sp, 8) &&
	    mips_window__holds(&walk->stack, sp, 0) && sp < context)
		return MIPS_END_STACK;
	walk->at.pc = pc;
	walk->at.sp = sp;
	walk->at.fp = fp;
	walk->at.ra = ra;
	walk->at.exact = true;
	return MIPS_END_BOTTOM;
}
