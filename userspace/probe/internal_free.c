// SPDX-License-Identifier: BSD-2-Clause
/*
 * In a shared C library only malloc's own code calls free directly; all else goes through the PLT,
 * so that a program can bring its own. malloc.c's calls are those of realloc(p, 0), which count as
 * part of the realloc anyway, and of tcache_thread_shutdown (glibc malloc/malloc.c), which are
 * meant here.
 */
#include "probe/internal_free.h"

#include <string.h>
#include <sys/types.h>

#include "base/util.h"
#include "symbol/elf.h"

#define CALL_REL32 0xe8
#define CALL_BYTES 5
/* malloc.c is one object file: its functions stand together. */
#define NEIGHBOURHOOD 65536

size_t internal_free__find(const struct elf_file *elf, uint64_t free_vaddr, uint64_t start,
			   uint64_t end, uint64_t *out, size_t max)
{
	static uint8_t code[2 * NEIGHBOURHOOD];
	ssize_t len;
	size_t nr = 0;

	if (start >= end || end - start > sizeof(code)) {
		start = free_vaddr - min(free_vaddr, (uint64_t)NEIGHBOURHOOD);
		end = free_vaddr + NEIGHBOURHOOD;
	}
	len = elf__read(elf, start, code, (size_t)(end - start));
	for (ssize_t at = 0; at + CALL_BYTES <= len && nr < max; at++) {
		int32_t distance;

		if (code[at] != CALL_REL32)
			continue;
		memcpy(&distance, code + at + 1, sizeof(distance));
		if (start + (uint64_t)at + CALL_BYTES + (uint64_t)(int64_t)distance == free_vaddr)
			out[nr++] = start + (uint64_t)at;
	}
	return nr;
}
