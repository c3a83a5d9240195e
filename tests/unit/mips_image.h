/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A MIPS program's memory for the tests of mips-unwind: code, assembled word by word, and a stack.
 * Every image begins with a caller, which has none itself; what is called comes after it.
 */
#ifndef MIPS_IMAGE_H
#define MIPS_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "mips_unwind.h"

#define CODE	   0x400000ull
#define NR_WORDS   4096
#define STACK	   0x7ff00000ull
#define STACK_SIZE (1 << 20)
#define CALLER	   (CODE + 8) /* the caller's return address */
#define OLD_FP	   0x12345678ull

enum {
	ZERO = 0,
	AT = 1,
	V0 = 2,
	A0 = 4,
	T0 = 8,
	S0 = 16,
	T9 = 25,
	GP = 28,
	SP = 29,
	FP = 30,
	RA = 31
};

struct image {
	struct mips_unwind unwind;
	struct mips_cursor cursor;
	struct mips_window window;
	uint32_t nr_words;
	uint32_t frame; /* bytes between base and the caller's sp */
	uint32_t lower; /* ... and between sp and fp, with alloca */
	uint8_t code[NR_WORDS * 4];
	uint8_t stack[STACK_SIZE];
};

static inline uint32_t image__slot(const struct image *image)
{
	return image->unwind.machine.abi == MIPS_O32 ? 4 : 8;
}

static inline bool image__swapped(const struct image *image)
{
	return image->unwind.machine.big_endian != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

static inline uint64_t image__here(const struct image *image)
{
	return CODE + image->nr_words * 4;
}

static inline void image__set(struct image *image, uint32_t index, uint32_t word)
{
	if (image__swapped(image))
		word = __builtin_bswap32(word);
	memcpy(image->code + index * 4, &word, 4);
}

static inline void image__add(struct image *image, uint32_t word)
{
	if (image->nr_words < NR_WORDS)
		image__set(image, image->nr_words++, word);
}

#define ADD(...)                                                   \
	do {                                                       \
		const uint32_t words_[] = { __VA_ARGS__ };         \
                                                                   \
		for (size_t i_ = 0; i_ < sizeof(words_) / 4; i_++) \
			image__add(image, words_[i_]);             \
	} while (0)

#define IMMEDIATE(op, rt, rs, imm) \
	((uint32_t)(op) << 26 | (uint32_t)(rs) << 21 | (uint32_t)(rt) << 16 | ((imm)&0xffff))
#define SPECIAL(function, rd, rs, rt) \
	((uint32_t)(rs) << 21 | (uint32_t)(rt) << 16 | (uint32_t)(rd) << 11 | (function))
#define NOP		 0u
#define LI(rt, imm)	 IMMEDIATE(0x09, rt, ZERO, imm)
#define LUI(rt, imm)	 IMMEDIATE(0x0f, rt, ZERO, imm)
#define ORI(rt, rs, imm) IMMEDIATE(0x0d, rt, rs, imm)
#define BEQ(rs, rt, by)	 IMMEDIATE(0x04, rt, rs, by)
#define BNE(rs, rt, by)	 IMMEDIATE(0x05, rt, rs, by)
#define BNEL(rs, rt, by) IMMEDIATE(0x15, rt, rs, by)
#define B(by)		 BEQ(ZERO, ZERO, by)
#define JR(rs)		 SPECIAL(0x08, 0, rs, 0)
#define JALR(rs)	 SPECIAL(0x09, RA, rs, 0)
#define MOVE(rd, rs)	 SPECIAL(0x25, rd, rs, ZERO)
#define SYSCALL		 0x0cu
#define BREAK		 0x0du
#define BC(by)		 (0x32u << 26 | ((by)&0x3ffffff))
#define BALC(by)	 (0x3au << 26 | ((by)&0x3ffffff))
#define JIC(rt)		 IMMEDIATE(0x36, rt, 0, 0)

static inline uint32_t image__addiu(const struct image *image, int rt, int rs, int32_t imm)
{
	return IMMEDIATE(image->unwind.machine.abi == MIPS_N64 ? 0x19 : 0x09, rt, rs, imm);
}

static inline uint32_t image__addu(const struct image *image, int rd, int rs, int rt)
{
	return SPECIAL(image->unwind.machine.abi == MIPS_N64 ? 0x2d : 0x21, rd, rs, rt);
}

static inline uint32_t image__subu(const struct image *image, int rd, int rs, int rt)
{
	return SPECIAL(image->unwind.machine.abi == MIPS_N64 ? 0x2f : 0x23, rd, rs, rt);
}

static inline uint32_t image__save(const struct image *image, int rt, int base, int32_t at)
{
	return IMMEDIATE(image__slot(image) == 4 ? 0x2b : 0x3f, rt, base, at);
}

static inline uint32_t image__load(const struct image *image, int rt, int base, int32_t at)
{
	return IMMEDIATE(image__slot(image) == 4 ? 0x23 : 0x37, rt, base, at);
}

#define ADDIU(rt, rs, imm) image__addiu(image, rt, rs, imm)
#define SAVE(rt, base, at) image__save(image, rt, base, (int32_t)(at))
#define LOAD(rt, base, at) image__load(image, rt, base, (int32_t)(at))
#define RA_AT(size)	   ((size)-image__slot(image))
#define FP_AT(size)	   ((size)-2 * image__slot(image))
#define PROLOGUE(size)	   ADDIU(SP, SP, -(size)), SAVE(RA, SP, RA_AT(size)), SAVE(FP, SP, FP_AT(size))
#define EPILOGUE(size) \
	LOAD(RA, SP, RA_AT(size)), LOAD(FP, SP, FP_AT(size)), JR(RA), ADDIU(SP, SP, size)

/* The call the stack is walked from. */
static inline void image__call(struct image *image)
{
	ADD(JALR(T9), NOP);
	image->cursor.pc = image__here(image);
}

static inline void image__put(struct image *image, uint64_t address, uint64_t value,
			      uint32_t nr_bytes)
{
	uint32_t narrow = (uint32_t)value;

	if (image__swapped(image)) {
		value = __builtin_bswap64(value);
		narrow = __builtin_bswap32(narrow);
	}
	if (address < STACK || address + nr_bytes > STACK + STACK_SIZE)
		return;
	memcpy(image->stack + (address - STACK), nr_bytes == 4 ? (void *)&narrow : (void *)&value,
	       nr_bytes);
}

static inline void image__put_slot(struct image *image, uint64_t address, uint64_t value)
{
	image__put(image, address, value, image__slot(image));
}

static inline bool image__read(void *env, mips_addr_t address, void *to, size_t nr_bytes)
{
	const struct image *image = env;

	if (address >= STACK && address - STACK <= STACK_SIZE - nr_bytes)
		memcpy(to, image->stack + (address - STACK), nr_bytes);
	else if (address >= CODE && address - CODE <= sizeof(image->code) - nr_bytes)
		memcpy(to, image->code + (address - CODE), nr_bytes);
	else
		return false;
	return true;
}

static inline bool image__code(void *env, mips_addr_t pc, struct mips_code *code)
{
	const struct image *image = env;

	if (pc < CODE || pc >= CODE + sizeof(image->code))
		return false;
	*code = (struct mips_code){ CODE, CODE + sizeof(image->code), image->code };
	return true;
}

/* Without a cache; the caller calls, and then hangs. */
static inline void image__begin(struct image *image, struct mips_machine machine)
{
	memset(image, 0, sizeof(*image));
	image->unwind.machine = machine;
	image->unwind.memory = (struct mips_memory){ image__read, image__code, image };
	image->window = (struct mips_window){ image->stack, STACK, STACK + STACK_SIZE };
	image->cursor.sp = STACK + 0x2000;
	ADD(JALR(T9), NOP, B(-1), NOP, NOP, NOP);
}

#endif /* MIPS_IMAGE_H */
