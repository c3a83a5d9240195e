// SPDX-License-Identifier: BSD-2-Clause
/*
 * V8's builtins: the machine code in node and its relatives through which every script runs. V8's
 * own compiler wrote it when the program was built, and writes no unwind information on Linux. But
 * what it compiles keeps a frame pointer while it calls anything, as V8's own stack walks rely on
 * it.
 *
 * Not so a few, and those stay without rules, for a walk through them to end rather than to miss
 * frames: what calls before it has set up its frame, and what is called by code that has none.
 *
 * Where symbols were stripped (Debian's libnode) the builtins are found by how they begin.
 */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "symbol/elf.h"
#include "unwind/cfi_internal.h"

#define MAX_FUNCTION 65536
#define MAX_NAMED    16384
#define MAX_UNNAMED  (16u << 20) /* bytes of all; 2 MB in V8 11 */
#define ALIGNMENT    64		 /* of each, behind at least one int3 */
#define INT3	     0xcc

/* In V8's list (builtins-definitions.h) what is called without a frame comes first; no version has
 * had more of it. */
#define UNNAMED_SKIPPED 12

struct builtins {
	struct elf_file *elf;
	struct rows_builder *builder;
	uint8_t *code; /* MAX_FUNCTION bytes */
	size_t nr_named;
	bool is_v8; /* exports its functions */
};

/* Adds the rows of one builtin from where its frame stands. */
static bool add_framed(struct builtins *builtins, uint64_t vaddr, const uint8_t *code, size_t len)
{
	static const uint8_t set_up[] = { 0x55, 0x48, 0x89, 0xe5 }; /* push %rbp; mov %rsp,%rbp */
	static const struct unwind_rule rule = {
		.cfa = UNWIND_CFA_RBP, .cfa_offset = 16, .rbp = UNWIND_RBP_SAVED, .rbp_offset = -16
	};
	const uint8_t *at = memmem(code, len, set_up, sizeof(set_up));

	return !at ||
	       !rows_builder__add(builtins->builder, vaddr + (uint64_t)(at - code) + sizeof(set_up),
				  vaddr + len, &rule);
}

static bool has_prefix(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

static bool add_named(const char *name, uint64_t vaddr, uint64_t size, void *data)
{
	struct builtins *builtins = data;
	ssize_t len;

	if (has_prefix(name, "_ZN2v88internal"))
		builtins->is_v8 = true;
	if (!has_prefix(name, "Builtins_") || size > MAX_FUNCTION)
		return true;
	if (++builtins->nr_named > MAX_NAMED)
		return false;
	if (has_prefix(name, "Builtins_DeoptimizationEntry") ||
	    has_prefix(name, "Builtins_RecordWrite") ||
	    has_prefix(name, "Builtins_EphemeronKeyBarrier"))
		return true;
	len = elf__read(builtins->elf, vaddr, builtins->code, size);
	return len <= 0 || add_framed(builtins, vaddr, builtins->code, (size_t)len);
}

/* A deoptimization entry saves all registers, which nothing else begins with. 0: there is none. */
static uint64_t find_entry(const struct builtins *builtins, uint64_t start, uint64_t end)
{
	static const uint8_t begin[] = {
		0x48, 0x81, 0xec, 0x80, 0x00, 0x00, 0x00, /* sub $0x80,%rsp */
		0xf2, 0x0f, 0x11, 0x04, 0x24,		  /* movsd %xmm0,(%rsp) */
	};

	start += -start % ALIGNMENT;
	while (start < end) {
		size_t want = (size_t)min(end - start, (uint64_t)MAX_FUNCTION);
		ssize_t len = elf__read(builtins->elf, start, builtins->code, want);

		for (ssize_t at = 0; at + (ssize_t)sizeof(begin) <= len; at += ALIGNMENT)
			if (!memcmp(builtins->code + at, begin, sizeof(begin)))
				return start + (uint64_t)at;
		if (len < MAX_FUNCTION)
			return 0;
		start += MAX_FUNCTION;
	}
	return 0;
}

/*
 * Does a builtin begin at an aligned offset? Behind padding, that is, and not behind an int3 of the
 * code's own: after a call that does not return, or stepped over by a jump.
 */
static bool begins_at(const uint8_t *bytes, size_t len, size_t at)
{
	int32_t distance;

	if (bytes[at - 1] != INT3)
		return false;
	if (bytes[at - 6] == 0xe8) { /* call rel32 */
		memcpy(&distance, bytes + at - 5, sizeof(distance));
		if ((uint64_t)((int64_t)at - 1 + distance) < len)
			return false;
	}
	return bytes[at - 3] != 0x72 || bytes[at - 2] != 1; /* jb over one byte */
}

/* All from the second deoptimization entry to the next code with unwind information. */
static void add_unnamed(struct builtins *builtins, const struct cfi_range *code)
{
	uint64_t first = find_entry(builtins, code->start, code->end), start, end;
	size_t len, at, next, nr = 1;
	uint8_t *bytes;
	ssize_t got;

	start = first ? find_entry(builtins, first + 1, first + 4096) : 0;
	end = rows_builder__next(builtins->builder, start);
	if (!start || end - start > MAX_UNNAMED)
		return;
	bytes = xmalloc((size_t)(end - start));
	got = elf__read(builtins->elf, start, bytes, (size_t)(end - start));
	len = (size_t)max(got, (ssize_t)0);
	for (at = 0; at < len; at = next) {
		for (next = at + ALIGNMENT; next < len && !begins_at(bytes, len, next);)
			next += ALIGNMENT;
		next = min(next, len);
		if (nr++ >= UNNAMED_SKIPPED &&
		    !add_framed(builtins, start + at, bytes + at, next - at))
			break;
	}
	free(bytes);
}

void cfi_v8__add(int fd, const struct cfi_range *code, size_t nr_code, struct rows_builder *builder)
{
	struct builtins builtins = { .elf = elf__open(fd), .builder = builder };

	if (!builtins.elf)
		return;
	builtins.code = xmalloc(MAX_FUNCTION);
	elf__for_each_function(builtins.elf, add_named, &builtins);
	for (size_t i = 0; builtins.is_v8 && !builtins.nr_named && i < nr_code; i++)
		add_unnamed(&builtins, &code[i]);
	free(builtins.code);
	elf__close(builtins.elf);
}
