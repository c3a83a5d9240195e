// SPDX-License-Identifier: BSD-2-Clause
#include "guest.h"

#include <string.h>

struct guest guest;

#define NR_O32_SIGRETURN    4119
#define NR_O32_RT_SIGRETURN 4193
#define NR_N64_RT_SIGRETURN 5211

static const struct target {
	const char *name;
	bool n64;
	bool big_endian;
	struct guest_syscalls syscalls;
} targets[] = {
	{ "mips", false, true, { .prctl = 4192, .rt_sigaction = 4194, .execve = 4011 } },
	{ "mipsel", false, false, { .prctl = 4192, .rt_sigaction = 4194, .execve = 4011 } },
	{ "mips64", true, true, { .prctl = 5153, .rt_sigaction = 5013, .execve = 5057 } },
	{ "mips64el", true, false, { .prctl = 5153, .rt_sigaction = 5013, .execve = 5057 } },
};

bool guest__is(const char *target_name)
{
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		if (strcmp(targets[i].name, target_name) != 0)
			continue;
		guest.n64 = targets[i].n64;
		guest.big_endian = targets[i].big_endian;
		guest.word_size = targets[i].n64 ? 8 : 4;
		guest.syscalls = targets[i].syscalls;
		return true;
	}
	return false;
}

static const void *host(uint64_t addr)
{
	return (const void *)(uintptr_t)(addr + guest.base);
}

uint32_t guest__read_u32(uint64_t addr)
{
	uint32_t value;

	memcpy(&value, host(addr), sizeof(value));
	return guest.big_endian ? __builtin_bswap32(value) : value;
}

static uint64_t read_u64(uint64_t addr)
{
	uint64_t value;

	memcpy(&value, host(addr), sizeof(value));
	return guest.big_endian ? __builtin_bswap64(value) : value;
}

uint64_t guest__read_word(uint64_t addr)
{
	return guest.n64 ? read_u64(addr) : guest__read_u32(addr);
}

/*
 * QEMU's state of a MIPS begins with its 32 registers, in words of the target and the order of the
 * host. A 64-bit target has 32 words more (the upper halves of 128-bit registers). Then the pc.
 */
uint64_t guest__register(const void *env, enum guest_register number)
{
	return guest.n64 ? ((const uint64_t *)env)[number] : ((const uint32_t *)env)[number];
}

bool guest__env_fits(const void *env, uint64_t pc)
{
	if (guest.n64)
		return ((const uint64_t *)env)[0] == 0 && ((const uint64_t *)env)[64] == pc;
	return ((const uint32_t *)env)[0] == 0 && ((const uint32_t *)env)[32] == pc;
}

static enum guest_branch decode_compact(uint32_t insn)
{
	unsigned opcode = insn >> 26, rs = insn >> 21 & 31, rt = insn >> 16 & 31;

	if (opcode == 0x3a || (opcode == 0x3e && rs == 0)) /* balc, jialc */
		return GUEST_CALL;
	if (opcode == 0x36 && rs == 0 && rt == GUEST_RA) /* jic ra */
		return GUEST_RETURN;
	return GUEST_OTHER;
}

enum guest_branch guest__decode(uint32_t insn, bool *compact)
{
	unsigned opcode = insn >> 26, rs = insn >> 21 & 31, rt = insn >> 16 & 31;
	unsigned rd = insn >> 11 & 31;

	*compact = guest.r6 && decode_compact(insn) != GUEST_OTHER;
	if (*compact)
		return decode_compact(insn);
	if (opcode == 3) /* jal */
		return GUEST_CALL;
	if (opcode == 1 && rt >= 0x10 && rt <= 0x13) /* bltzal, bgezal, and their likely forms */
		return GUEST_CALL;
	if (opcode != 0)
		return GUEST_OTHER;
	if ((insn & 0x3f) == 9 && rd == GUEST_RA) /* jalr */
		return GUEST_CALL;
	if ((insn & 0x3f) == 8 || ((insn & 0x3f) == 9 && rd == 0)) /* jr, and R6's jalr zero */
		return rs == GUEST_RA ? GUEST_RETURN : GUEST_JUMP;
	return GUEST_OTHER;
}

bool guest__is_stub_mark(uint32_t insn)
{
	/* or, addu and daddu of $15, $31, $0 */
	return insn == 0x03e07825 || insn == 0x03e07821 || insn == 0x03e0782d;
}

/* The system call that the code at addr makes, if it is but li v0, number; syscall. Else 0. */
static unsigned trampoline_call(uint64_t addr)
{
	uint32_t load = guest__read_u32(addr);

	if (load >> 16 != 0x2402 || guest__read_u32(addr + 4) >> 26 != 0 ||
	    (guest__read_u32(addr + 4) & 0x3f) != 0x0c)
		return 0;
	return load & 0xffff;
}

bool guest__is_trampoline(uint64_t addr)
{
	unsigned call = addr != 0 && addr % 4 == 0 ? trampoline_call(addr) : 0;

	return guest.n64 ? call == NR_N64_RT_SIGRETURN
			 : call == NR_O32_SIGRETURN || call == NR_O32_RT_SIGRETURN;
}

/*
 * The layouts of arch/mips/include/uapi/asm/sigcontext.h and ucontext.h. o32: two words of masks,
 * the pc and the registers, all of them in 64 bits; in a ucontext that begins at 24. n64:
 * registers, floating point registers, eight words for the multiplier, the pc; in a ucontext at 40.
 */
struct guest_context guest__interrupted(uint64_t trampoline, uint64_t a2)
{
	uint64_t context;

	if (guest.n64) {
		context = a2 + 40;
		return (struct guest_context){
			.pc = read_u64(context + (32 + 32 + 8) * 8),
			.sp = read_u64(context + GUEST_SP * 8),
		};
	}
	context = trampoline_call(trampoline) == NR_O32_SIGRETURN ? a2 : a2 + 24;
	return (struct guest_context){
		.pc = read_u64(context + 8) & UINT32_MAX,
		.sp = read_u64(context + 16 + GUEST_SP * 8) & UINT32_MAX,
	};
}

uint64_t guest__handler(uint64_t sigaction_addr)
{
	uint64_t handler;

	if (sigaction_addr == 0)
		return 0;
	handler = guest__read_word(sigaction_addr + guest.word_size);
	return handler > 1 ? handler : 0; /* SIG_DFL, SIG_IGN */
}
