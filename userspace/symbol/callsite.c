// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/callsite.h"

#include <elf.h>

#include "base/util.h"
#include "symbol/elf.h"

/* Newer than some <elf.h>. */
#ifndef EF_MIPS_ARCH_32R6
#define EF_MIPS_ARCH_32R6 0x90000000u
#define EF_MIPS_ARCH_64R6 0xa0000000u
#endif

/* Longer than the longest call of any machine with its delay slot. */
#define MAX_BYTES 8

/* The code before a return address; the last byte is bytes[MAX_BYTES - 1]. */
struct code {
	uint8_t bytes[MAX_BYTES];
	bool is_big_endian;
};

/* Bytes from the call's beginning to the return address; 0: there is no call. */
typedef unsigned (*call_fn)(const struct code *code);

static uint32_t half_at(const struct code *code, unsigned before)
{
	const uint8_t *at = code->bytes + MAX_BYTES - before;

	return code->is_big_endian ? (uint32_t)at[0] << 8 | at[1] : (uint32_t)at[1] << 8 | at[0];
}

static uint32_t word_at(const struct code *code, unsigned before)
{
	uint32_t first = half_at(code, before), second = half_at(code, before - 2);

	return code->is_big_endian ? first << 16 | second : second << 16 | first;
}

/* Bytes of an instruction FF /2 whose ModRM byte (and SIB) are at; 0: it is another. */
static unsigned indirect_call_len(const uint8_t *at)
{
	unsigned mod = at[1] >> 6, rm = at[1] & 7;
	bool has_sib = mod != 3 && rm == 4;
	bool base_is_disp = mod == 0 && (rm == 5 || (has_sib && (at[2] & 7) == 5));

	if (at[0] != 0xff || (at[1] >> 3 & 7) != 2)
		return 0;
	return 2 + has_sib + (mod == 1 ? 1 : mod == 2 || base_is_disp ? 4 : 0);
}

static unsigned x86_call(const struct code *code)
{
	const uint8_t *end = code->bytes + MAX_BYTES;

	if (end[-5] == 0xe8)
		return 5;
	for (unsigned len = 2; len <= 7; len++)
		if (indirect_call_len(end - len) == len)
			return len;
	return 0;
}

static unsigned mips_call(const struct code *code)
{
	uint32_t call = word_at(code, 8), compact = word_at(code, 4);

	if (call >> 26 == 3 ||			 /* jal */
	    (call & 0xfc00003f) == 0x00000009 || /* jalr */
	    (call & 0xfc1e0000) == 0x04100000)	 /* bltzal, bgezal, bal */
		return 8;
	if (compact >> 26 == 0x3a ||		  /* release 6: balc */
	    (compact & 0xffe00000) == 0xf8000000) /* jialc */
		return 4;
	return 0;
}

static unsigned arm_call(const struct code *code)
{
	uint32_t word = word_at(code, 4);

	if ((word & 0x0f000000) == 0x0b000000 || /* bl */
	    word >> 25 == 0x7d ||		 /* blx to Thumb */
	    (word & 0x0ffffff0) == 0x012fff30)	 /* blx of a register */
		return 4;
	/* Before blx: mov lr, pc; then what loads the pc. */
	return word_at(code, 8) == 0xe1a0e00f ? 4 : 0;
}

/* Thumb's words are two halves, the first of them first in either byte order. */
static unsigned thumb_call(const struct code *code)
{
	uint32_t first = half_at(code, 4), second = half_at(code, 2);

	if ((first & 0xf800) == 0xf000 && (second & 0xc000) == 0xc000) /* bl, blx */
		return 4;
	return (second & 0xff87) == 0x4780 ? 2 : 0; /* blx of a register */
}

static unsigned aarch64_call(const struct code *code)
{
	uint32_t word = word_at(code, 4);
	bool is_call = word >> 26 == 0x25 ||		    /* bl */
		       (word & 0xfffffc1f) == 0xd63f0000 || /* blr */
		       (word & 0xfefff800) == 0xd63f0800;   /* blraa and the like */

	return is_call ? 4 : 0;
}

/* NULL: unknown, also microMIPS and MIPS16. */
static call_fn call_of(int machine, bool compressed)
{
	static const struct {
		int machine;
		call_fn plain, compressed;
	} machines[] = {
		{ EM_X86_64, x86_call, x86_call },  { EM_386, x86_call, x86_call },
		{ EM_MIPS, mips_call, NULL },	    { EM_ARM, arm_call, thumb_call },
		{ EM_AARCH64, aarch64_call, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
		if (machines[i].machine == machine)
			return compressed ? machines[i].compressed : machines[i].plain;
	return NULL;
}

static bool has_mode_bit(const struct elf_file *elf)
{
	return elf__machine(elf) == EM_MIPS || elf__machine(elf) == EM_ARM;
}

/* True: *len is what call_fn said. False: nothing can be said. */
static bool look(const struct elf_file *elf, uint64_t vaddr, unsigned *len)
{
	bool compressed = has_mode_bit(elf) && (vaddr & 1);
	call_fn call = call_of(elf__machine(elf), compressed);
	struct code code = { .is_big_endian = elf__has_big_endian_code(elf) };

	vaddr -= compressed;
	if (!call || vaddr < MAX_BYTES ||
	    elf__read(elf, vaddr - MAX_BYTES, code.bytes, MAX_BYTES) != MAX_BYTES)
		return false;
	*len = call(&code);
	return true;
}

/* Calls of release 6 may do without a delay slot. */
static bool has_delay_slots(const struct elf_file *elf)
{
	uint32_t release = elf__flags(elf) & EF_MIPS_ARCH;

	return release != EF_MIPS_ARCH_32R6 && release != EF_MIPS_ARCH_64R6;
}

uint64_t callsite__of(const struct elf_file *elf, uint64_t vaddr)
{
	unsigned len = 0;

	if (has_mode_bit(elf) && (vaddr & 1))
		return (vaddr & ~1ull) - 1;
	/* What is in the delay slot may belong to another line. */
	if (elf__machine(elf) != EM_MIPS)
		return vaddr - 1;
	if (!look(elf, vaddr, &len) && has_delay_slots(elf))
		len = 8;
	return vaddr - (len ? len : 1);
}

struct callsite_fit callsite__fit(const struct elf_file *elf, const uint64_t *vaddrs, size_t nr)
{
	struct callsite_fit fit = { .nr = nr };

	for (size_t i = 0; i < nr; i++) {
		unsigned len;

		if (!elf__is_code(elf, vaddrs[i] - 1))
			fit.nr_outside++;
		else if (!look(elf, vaddrs[i], &len))
			fit.nr_unknown++;
		else if (len)
			fit.nr_calls++;
	}
	return fit;
}

bool callsite__is_plausible(const struct callsite_fit *fit)
{
	return fit->nr_unknown + fit->nr_calls > fit->nr / 2;
}
