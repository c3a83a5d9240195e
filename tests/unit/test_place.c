// SPDX-License-Identifier: BSD-2-Clause
/* Which instruction place__choose takes: the prologues of a real C library, and nasty ones. */
#include "probe/place.h"

#include <capstone/capstone.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "probe_abi.h"

/* The first 64 bytes of glibc 2.36's functions (Debian 12). */
static const char glibc_malloc[] =
	"\x41\x54\x55\x53\x48\x89\xfb\x48\x83\xec\x10\x80\x3d\x46\x1b\x14"
	"\x00\x00\x0f\x84\xf8\x01\x00\x00\x48\x85\xdb\x0f\x88\xfd\x01\x00"
	"\x00\x48\x8d\x43\x17\x31\xed\x48\x83\xf8\x1f\x76\x0c\x48\x83\xe0"
	"\xf0\x48\x8d\x68\xef\x48\xc1\xed\x04\x4c\x8b\x25\x08\xa4\x13\x00";
static const char glibc_calloc[] =
	"\x41\x55\x48\x89\xf8\x41\x54\x55\x53\x48\x83\xec\x18\x48\xf7\xe6"
	"\x48\x89\xc3\x0f\x90\xc0\x48\x85\xdb\x0f\x88\xd9\x02\x00\x00\x0f"
	"\xb6\xc0\x48\x85\xc0\x0f\x85\xcd\x02\x00\x00\x80\x3d\x76\x0d\x14"
	"\x00\x00\x0f\x84\x48\x02\x00\x00\x48\x8b\x05\x59\x96\x13\x00\x64";
static const char glibc_realloc[] =
	"\x41\x57\x41\x56\x41\x55\x41\x54\x55\x48\x89\xf5\x53\x48\x89\xfb"
	"\x48\x83\xec\x28\x80\x3d\x3d\x13\x14\x00\x00\x0f\x84\x57\x01\x00"
	"\x00\x48\x85\xed\x75\x22\x48\x85\xdb\x0f\x85\xc1\x01\x00\x00\x48"
	"\x83\xc4\x28\x48\x89\xef\x5b\x5d\x41\x5c\x41\x5d\x41\x5e\x41\x5f";
static const char glibc_reallocarray[] =
	"\x48\x89\xf0\x48\xf7\xe2\x48\x89\xc6\x70\x05\xe9\x40\xb8\xf8\xff"
	"\x48\x8b\x05\xe9\x85\x13\x00\x64\xc7\x00\x0c\x00\x00\x00\x31\xc0"
	"\xc3\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00\x0f\x1f\x44\x00\x00"
	"\x55\x48\x83\xc7\x10\x48\x83\xec\x10\x48\x8b\x6f\xf0\x48\x39\xfd";
static const char glibc_free[] = "\x48\x85\xff\x0f\x84\xbf\x00\x00\x00\x55\x48\x8d\x77\xf0\x53\x48"
				 "\x83\xec\x18\x48\x8b\x1d\xd6\x9e\x13\x00\x48\x8b\x47\xf8\x64\x8b"
				 "\x2b\xa8\x02\x75\x5b\x48\x8b\x15\x5c\x9e\x13\x00\x64\x48\x83\x3a"
				 "\x00\x0f\x84\x99\x00\x00\x00\x48\x8d\x3d\x32\xad\x13\x00\xa8\x04";
static const char glibc_posix_memalign[] =
	"\x80\x3d\x01\x02\x14\x00\x00\x41\x54\x49\x89\xd4\x55\x48\x89\xfd"
	"\x53\x48\x89\xf3\x74\x5a\x48\x89\xda\x48\xc1\xea\x03\x48\x8d\x42"
	"\xff\x48\x21\xd0\x48\x89\xda\x83\xe2\x07\x48\x09\xd0\x75\x31\x48"
	"\x85\xdb\x74\x2c\x4c\x89\xe6\x48\x89\xdf\xe8\x91\xe9\xff\xff\x48";
static const char glibc_memalign[] =
	"\x80\x3d\x71\x0e\x14\x00\x00\x74\x07\xe9\x32\xf6\xff\xff\x66\x90"
	"\x48\x83\xec\x18\x48\x89\x74\x24\x08\x48\x89\x3c\x24\xe8\xbe\xbc"
	"\xff\xff\x48\x8b\x74\x24\x08\x48\x8b\x3c\x24\x48\x83\xc4\x18\xe9"
	"\x0c\xf6\xff\xff\x66\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00\x90";
static const char glibc_valloc[] =
	"\x80\x3d\x31\x0e\x14\x00\x00\x53\x48\x89\xfb\x74\x1b\x48\x8b\x05"
	"\x34\x98\x13\x00\x48\x89\xde\x5b\x48\x8b\x78\x18\xe9\xdf\xf5\xff"
	"\xff\x0f\x1f\x80\x00\x00\x00\x00\xe8\x73\xbc\xff\xff\xeb\xde\x90"
	"\x80\x3d\x01\x0e\x14\x00\x00\x53\x48\x89\xfb\x74\x2b\x48\x8b\x05";
static const char glibc_pvalloc[] =
	"\x80\x3d\x01\x0e\x14\x00\x00\x53\x48\x89\xfb\x74\x2b\x48\x8b\x05"
	"\x04\x98\x13\x00\x48\x8b\x78\x18\x48\x8d\x47\xff\x48\x01\xd8\x72"
	"\x1e\xbe\x01\x00\x00\x00\x5b\x48\x29\xfe\x48\x21\xc6\xe9\x9e\xf5"
	"\xff\xff\x66\x0f\x1f\x44\x00\x00\xe8\x33\xbc\xff\xff\xeb\xce\x48";

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R12 = 12, R14 = 14 };

#define ARG(n) (1u << (n))

static const struct place_need size_need = { .args = ARG(0), .returns = true };
static const struct place_need two_need = { .args = ARG(0) | ARG(1), .returns = true };
static const struct place_need three_need = { .args = ARG(0) | ARG(1) | ARG(2), .returns = true };
static const struct place_need second_need = { .args = ARG(1), .returns = true };
static const struct place_need free_need = { .args = ARG(0), .null_is_nothing = true };
static const struct place_need entry_need = { .args = ARG(0) };

static struct place choose(const char *code, size_t len, const struct place_need *need)
{
	struct place place;
	/* Exactly len bytes, so that a sanitizer sees a read beyond. */
	uint8_t *copy = xmalloc(len);

	memcpy(copy, code, len);
	place__choose(copy, len, need, &place);
	free(copy);
	return place;
}

#define CHOOSE(code, need) choose(code, sizeof(code) - 1, need)

static void expect(struct place place, uint32_t offset, bool emulated, const char *text)
{
	assert_int_equal(place.offset, offset);
	assert_int_equal(place.emulated, emulated);
	assert_string_equal(place.text, text);
}

static void expect_args(struct place place, int first, int second, int third)
{
	assert_int_equal(place.arg_reg[0], first);
	assert_int_equal(place.arg_reg[1], second);
	assert_int_equal(place.arg_reg[2], third);
	for (int i = 3; i < PLACE_MAX_ARGS; i++)
		assert_int_equal(place.arg_reg[i], PROBE_NO_REG);
}

static void glibc(void **state)
{
	const int none = PROBE_NO_REG;
	struct place place;

	place = CHOOSE(glibc_malloc, &size_need);
	expect(place, 0, true, "push r12");
	expect_args(place, RDI, none, none);
	expect(CHOOSE(glibc_calloc, &two_need), 0, true, "push r13");
	expect(CHOOSE(glibc_realloc, &two_need), 0, true, "push r15");
	/* The size is lost in the multiplication before the first branch. */
	place = CHOOSE(glibc_reallocarray, &three_need);
	expect(place, 0, false, "mov rax, rsi");
	expect_args(place, RDI, RSI, RDX);
	place = CHOOSE(glibc_free, &free_need);
	expect(place, 9, true, "push rbp");
	assert_int_equal(place.pushed_words, 0);
	expect_args(place, RDI, none, none);
	expect(CHOOSE(glibc_posix_memalign, &three_need), 7, true, "push r12");
	expect(CHOOSE(glibc_memalign, &second_need), 7, true, "je 0x10");
	expect(CHOOSE(glibc_valloc, &size_need), 7, true, "push rbx");
	expect(CHOOSE(glibc_pvalloc, &size_need), 7, true, "push rbx");
}

static void endbr64(void **state)
{
	expect(CHOOSE("\xf3\x0f\x1e\xfa\x41\x54\x55", &size_need), 4, true, "push r12");
	/* endbr64; test rdi, rdi; je; push rbp */
	expect(CHOOSE("\xf3\x0f\x1e\xfa\x48\x85\xff\x0f\x84\xbf\x00\x00\x00\x55", &free_need), 13,
	       true, "push rbp");
	/* endbr64; jmp elsewhere: a thunk. endbr64; ret: nothing. */
	expect(CHOOSE("\xf3\x0f\x1e\xfa\xe9\x00\x01\x00\x00", &size_need), 4, true, "jmp 0x109");
	expect(CHOOSE("\xf3\x0f\x1e\xfa\xc3\x55", &size_need), 0, false, "endbr64");
	/* endbr64; notrack jmp rax; push rbp */
	expect(CHOOSE("\xf3\x0f\x1e\xfa\x3e\xff\xe0\x55", &size_need), 0, false, "endbr64");
}

static void null_branch(void **state)
{
	/* The branch is the second choice: test; je; mov; ret. */
	expect(CHOOSE("\x48\x85\xff\x74\x20\x48\x8b\x07\xc3", &free_need), 3, true, "je 0x25");
	/* cmp rdi, 0; je; push rbx */
	expect(CHOOSE("\x48\x83\xff\x00\x74\x20\x53", &free_need), 6, true, "push rbx");
	/* mov rax, rdi; test rax, rax; je; push rbx */
	expect(CHOOSE("\x48\x89\xf8\x48\x85\xc0\x74\x20\x53", &free_need), 8, true, "push rbx");
	/* Behind it sub rsp, 24 and a push. */
	struct place place = CHOOSE("\x48\x85\xff\x74\x20\x48\x83\xec\x18\x53", &free_need);
	expect(place, 9, true, "push rbx");
	assert_int_equal(place.pushed_words, 3);
	/* Two of them. */
	expect(CHOOSE("\x48\x85\xff\x74\x20\x48\x85\xff\x74\x20\x53", &free_need), 10, true,
	       "push rbx");
}

static void other_branches(void **state)
{
	/* Not NULL is something; so is NULL for malloc. */
	expect(CHOOSE("\x48\x85\xff\x75\x20\x53", &free_need), 3, true, "jne 0x25");
	expect(CHOOSE("\x48\x85\xff\x74\x20\x53", &size_need), 3, true, "je 0x25");
	/* Half of the register, another register, another value, flags of another instruction. */
	expect(CHOOSE("\x85\xff\x74\x20\x53", &free_need), 2, true, "je 0x24");
	expect(CHOOSE("\x48\x85\xf6\x74\x20\x53", &free_need), 3, true, "je 0x25");
	expect(CHOOSE("\x48\x85\xf7\x74\x20\x53", &free_need), 3, true, "je 0x25");
	expect(CHOOSE("\x48\x83\xff\x01\x74\x20\x53", &free_need), 4, true, "je 0x26");
	expect(CHOOSE("\x48\x85\xff\x31\xc0\x74\x20\x53", &free_need), 5, true, "je 0x27");
	/* Nothing behind jmp, call and ret is looked at. */
	expect(CHOOSE("\xeb\x20\x53", &size_need), 0, true, "jmp 0x22");
	expect(CHOOSE("\xe8\x00\x00\x00\x00\x53", &size_need), 0, true, "call 5");
	expect(CHOOSE("\xe9\x00\xff\xff\xff", &size_need), 0, true, "jmp -0xfb");
	expect(CHOOSE("\x90\x53", &size_need), 0, true, "nop");
	expect(CHOOSE("\xff\xe0\x53", &size_need), 0, false, "jmp rax");
	expect(CHOOSE("\xff\xd0\x53", &size_need), 0, false, "call rax");
	expect(CHOOSE("\xf4\x53", &size_need), 0, false, "hlt");
	expect(CHOOSE("\x0f\x0b\x53", &size_need), 0, false, "ud2");
	expect(CHOOSE("\x0f\x05\x53", &size_need), 0, false, "syscall");
	expect(CHOOSE("\xe3\x10\x53", &size_need), 0, false, "jrcxz 0x12");
}

static void arguments(void **state)
{
	const int none = PROBE_NO_REG;

	/* mov rbx, rdi; mov r14, rbx; xor edi, edi; push rbp: the newest copy */
	struct place place = CHOOSE("\x48\x89\xfb\x49\x89\xde\x31\xff\x55", &size_need);
	expect(place, 8, true, "push rbp");
	expect_args(place, R14, none, none);
	/* mov rax, rdi; push rbp: the original while it is there */
	expect_args(CHOOSE("\x48\x89\xf8\x55", &size_need), RDI, none, none);
	/* mov rdi, rsi; push rbp */
	place = CHOOSE("\x48\x89\xf7\x55", &second_need);
	expect(place, 3, true, "push rbp");
	expect_args(place, none, RSI, none);
	expect(CHOOSE("\x48\x89\xf7\x55", &two_need), 0, false, "mov rdi, rsi");
	/* mov rax, rdi; mov rdi, rsi; mov rsi, rax; push rbp: the arguments change places */
	place = CHOOSE("\x48\x89\xf8\x48\x89\xf7\x48\x89\xc6\x55", &two_need);
	expect(place, 9, true, "push rbp");
	expect_args(place, RSI, RDI, none);
	/* Lost: mov edi, edi; xchg rdi, rsi; mov al, ...; mul; cmpxchg; lodsq; 32-bit copy. */
	expect(CHOOSE("\x89\xff\x55", &size_need), 0, false, "mov edi, edi");
	expect(CHOOSE("\x48\x87\xfe\x55", &size_need), 0, false, "xchg rsi, rdi");
	expect(CHOOSE("\x40\xb7\x01\x55", &size_need), 0, false, "mov dil, 1");
	expect(CHOOSE("\x48\xf7\xe7\x55", &three_need), 0, false, "mul rdi");
	expect(CHOOSE("\x48\xad\x55", &two_need), 0, false, "lodsq rax, qword ptr [rsi]");
	expect(CHOOSE("\x89\xf8\x48\x31\xff\x55", &size_need), 0, false, "mov eax, edi");
	/* The one that loses it may itself be chosen, here by a call. */
	expect(CHOOSE("\x31\xc0\xe8\x00\x00\x00\x00", &size_need), 2, true, "call 7");
}

static void stack(void **state)
{
	/* sub rsp, 24; push rbx: too late for a return probe, fine without. */
	struct place place = CHOOSE("\x48\x83\xec\x18\x53", &size_need);
	expect(place, 0, false, "sub rsp, 0x18");
	place = CHOOSE("\x48\x83\xec\x18\x53", &entry_need);
	expect(place, 4, true, "push rbx");
	assert_int_equal(place.pushed_words, 3);
	/* push 1; call: an immediate is a word too. */
	expect(CHOOSE("\x6a\x01\xe8\x00\x00\x00\x00", &size_need), 0, false, "push 1");
	place = CHOOSE("\x6a\x01\xe8\x00\x00\x00\x00", &entry_need);
	expect(place, 2, true, "call 7");
	assert_int_equal(place.pushed_words, 1);
	/* Not followed: sub rsp, 4 / 2048 / -128; add; lea; and; push ax; pop; enter. */
	expect(CHOOSE("\x48\x83\xec\x04\x53", &entry_need), 0, false, "sub rsp, 4");
	expect(CHOOSE("\x48\x81\xec\x00\x08\x00\x00\x53", &entry_need), 0, false, "sub rsp, 0x800");
	expect(CHOOSE("\x48\x83\xec\x80\x53", &entry_need), 0, false, "sub rsp, -0x80");
	expect(CHOOSE("\x48\x83\xc4\xf0\x53", &entry_need), 0, false, "add rsp, -0x10");
	expect(CHOOSE("\x48\x8d\x64\x24\xf0\x53", &entry_need), 0, false, "lea rsp, [rsp - 0x10]");
	expect(CHOOSE("\x48\x83\xe4\xf0\x53", &entry_need), 0, false,
	       "and rsp, 0xfffffffffffffff0");
	expect(CHOOSE("\x66\x50\x53", &entry_need), 0, false, "push ax");
	expect(CHOOSE("\x58\x53", &entry_need), 0, false, "pop rax");
	expect(CHOOSE("\xc8\x10\x00\x00\x53", &entry_need), 0, false, "enter 0x10, 0");
}

static void loops(void **state)
{
	/* mov rax, rdi; L: nop [rax]; push rbx; jne L */
	expect(CHOOSE("\x48\x89\xf8\x0f\x1f\x00\x53\x75\xfa", &size_need), 0, false,
	       "mov rax, rdi");
	/* L: push rbx; jne L, and a branch to the entry from farther away */
	expect(CHOOSE("\x53\x75\xfd", &size_need), 0, true, "push rbx");
	expect(CHOOSE("\x31\xc0\x53\xc3\xeb\xfa", &size_need), 0, false, "xor eax, eax");
	/* The loop begins behind the choice. */
	expect(CHOOSE("\x31\xc0\x53\x48\xff\xc0\x75\xfb", &size_need), 2, true, "push rbx");
	/* A recursive call is no loop. */
	expect(CHOOSE("\x31\xc0\x53\xe8\xf8\xff\xff\xff", &size_need), 2, true, "push rbx");
}

static void prefixes(void **state)
{
	expect(CHOOSE("\x66\x74\x20\x53", &size_need), 0, false, "je 0x23");
	expect(CHOOSE("\xf2\xe9\x00\x01\x00\x00", &size_need), 0, false, "bnd jmp 0x106");
	expect(CHOOSE("\x2e\x74\x20\x53", &size_need), 0, false, "je 0x23");
	expect(CHOOSE("\x66\x90\x53", &size_need), 2, true, "push rbx");
	expect(CHOOSE("\x40\x55\x53", &size_need), 0, false, "push rbp");
	expect(CHOOSE("\x0f\x1f\x44\x00\x00\x53", &size_need), 5, true, "push rbx");
	/* xchg r8, rax, which looks like a nop with a prefix */
	expect(CHOOSE("\x49\x90\x53", &size_need), 2, true, "push rbx");
}

static void truncated(void **state)
{
	struct place place;

	for (size_t len = 0; len < sizeof(glibc_free) - 1; len++) {
		place = choose(glibc_free, len, &free_need);
		assert_int_equal(place.offset, len < 9 ? 0 : len < 10 ? 3 : 9);
		assert_int_equal(place.arg_reg[0], RDI);
	}
	expect(CHOOSE("", &size_need), 0, false, "");
	/* Not an instruction: at once, and after one. */
	expect(CHOOSE("\x06\x53", &size_need), 0, false, "");
	expect(CHOOSE("\x31\xc0\x06\x53", &size_need), 0, false, "xor eax, eax");
}

static bool is_boundary(csh handle, const uint8_t *code, size_t len, uint32_t offset)
{
	cs_insn *insns;
	size_t nr = cs_disasm(handle, code, len, 0, 0, &insns);
	bool found = !offset;

	for (size_t i = 0; i < nr && !found; i++)
		found = insns[i].address == offset;
	if (nr)
		cs_free(insns, nr);
	return found;
}

/* Half of the windows are pieces that compilers write, so that walks are longer than one step. */
static void random_window(uint8_t *code, size_t len)
{
	static const char *const pieces[] = {
		"\x41\x54",	"\x48\x89\xfb",	    "\x48\x83\xec\x18", "\x48\x85\xff",
		"\x74\x02",	"\xf3\x0f\x1e\xfa", "\x48\x8d\x77\xf0", "\x66\x90",
		"\x48\x89\xf7", "\x31\xff",	    "\xeb\xf0",		"\x48\x39\xfe",
		"\x41\x89\xf0", "\x48\x87\xfa",	    "\x48\xf7\xe6",
	};
	bool any = random() % 2;
	size_t at = 0;

	while (at < len) {
		const char *piece = pieces[random() % ARRAY_SIZE(pieces)];

		if (any)
			code[at++] = (uint8_t)random();
		for (; !any && *piece && at < len; piece++)
			code[at++] = (uint8_t)*piece;
	}
}

static void random_code(void **state)
{
	csh handle;
	uint8_t code[64];

	srandom(1);
	assert_int_equal(cs_open(CS_ARCH_X86, CS_MODE_64, &handle), CS_ERR_OK);
	for (int round = 0; round < 100000; round++) {
		const struct place_need need = { .args = (uint32_t)random() % 128,
						 .returns = random() % 2,
						 .null_is_nothing = random() % 2 };
		struct place place;

		random_window(code, sizeof(code));
		place__choose(code, sizeof(code), &need, &place);
		assert_true(place.offset < sizeof(code));
		assert_true(is_boundary(handle, code, sizeof(code), place.offset));
		assert_true(place.emulated || !place.offset);
		assert_true(!need.returns || !place.pushed_words);
		assert_true(place.pushed_words < 256);
		for (int arg = 0; arg < PLACE_MAX_ARGS; arg++) {
			if (need.args & 1u << arg)
				assert_true(place.arg_reg[arg] < 16);
			else
				assert_int_equal(place.arg_reg[arg], PROBE_NO_REG);
		}
	}
	cs_close(&handle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(glibc),       cmocka_unit_test(endbr64),
		cmocka_unit_test(null_branch), cmocka_unit_test(other_branches),
		cmocka_unit_test(arguments),   cmocka_unit_test(stack),
		cmocka_unit_test(loops),       cmocka_unit_test(prefixes),
		cmocka_unit_test(truncated),   cmocka_unit_test(random_code),
	};

	return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
