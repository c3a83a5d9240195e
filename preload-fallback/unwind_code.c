// SPDX-License-Identifier: BSD-2-Clause
#include "unwind_code.h"

#include <stddef.h>
#include <string.h>

#include "unwind_stack.h"

/* A few bytes of code, from the words they are in: little-endian, as both architectures are. */
static bool read_code(uintptr_t address, void *bytes, size_t len)
{
	uint8_t *byte = bytes;
	uintptr_t word = 0;

	for (size_t i = 0; i < len; i++, address++) {
		if (!i || !(address & 7)) {
			if (!unwind_stack__is_readable(address & ~(uintptr_t)7))
				return false;
			word = unwind_stack__load(address & ~(uintptr_t)7);
		}
		byte[i] = (uint8_t)(word >> (address & 7) * 8);
	}
	return true;
}

#if defined(__x86_64__)

/* call rel32 is 5 bytes; call through a register or memory is ff /2, 2 to 7 with its operands. */
bool unwind_code__follows_call(uintptr_t address)
{
	uint8_t code[7];

	if (!read_code(address - sizeof(code), code, sizeof(code)))
		return false;
	if (code[2] == 0xe8)
		return true;
	for (size_t i = 0; i + 1 < sizeof(code); i++) {
		if (code[i] == 0xff && (code[i + 1] & 0x38) == 0x10)
			return true;
	}
	return false;
}

bool unwind_code__is_sigreturn(uintptr_t address)
{
	static const uint8_t expected[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };
	uint8_t code[sizeof(expected)];

	return read_code(address, code, sizeof(code)) && !memcmp(code, expected, sizeof(code));
}

#elif defined(__aarch64__)

/* bl, or one of the family of blr. */
bool unwind_code__follows_call(uintptr_t address)
{
	uint32_t code;

	if (address & 3 || !read_code(address - sizeof(code), &code, sizeof(code)))
		return false;
	return (code & 0xfc000000) == 0x94000000 || (code & 0xfefff000) == 0xd63f0000;
}

bool unwind_code__is_sigreturn(uintptr_t address)
{
	uint32_t code[2]; /* mov x8, #139; svc #0 */

	return !(address & 3) && read_code(address, code, sizeof(code)) && code[0] == 0xd2801168 &&
	       code[1] == 0xd4000001;
}

#endif
