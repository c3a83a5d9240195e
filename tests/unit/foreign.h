/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs for other machines, made by clang and lld, and where the calls in them return to. To be
 * included by one test program after its system headers and <capstone/capstone.h>. */
#ifndef FOREIGN_H
#define FOREIGN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "symbol/elf.h"

/* The call in victim() is inner()'s of callee(), line 5; victim() calls inner() in line 11. What is
 * in its delay slot, if the machine has such, comes from another line. */
static const char foreign_source[] =
	"volatile int sink;\n"
	"__attribute__((noinline)) int callee(int a) { sink += a; return a; }\n"
	"static inline __attribute__((always_inline)) int inner(int a)\n"
	"{\n"
	"	int b = callee(a * 3);\n" /* line 5 */
	"	sink += b;\n"
	"	return b;\n"
	"}\n"
	"__attribute__((noinline)) int victim(int a)\n"
	"{\n"
	"	int b = inner(a + 1);\n" /* line 11 */
	"	sink = b;\n"
	"	return b + 1;\n"
	"}\n"
	"int __start(void) { return victim(sink) + 1; }\n"
	"int _start(void) { return victim(sink) + 1; }\n";

#define FOREIGN_LINE_OF_INNER_CALL 5
#define FOREIGN_LINE_OF_OUTER_CALL 11

struct foreign {
	const char *target; /* clang's, with the flags that go with it */
	cs_arch arch;
	cs_mode mode;
	uint64_t mode_bit; /* of return addresses */
};

static const struct foreign foreigns[] = {
	{ "mips-linux-gnu", CS_ARCH_MIPS, CS_MODE_MIPS32 | CS_MODE_BIG_ENDIAN, 0 },
	{ "mipsel-linux-gnu", CS_ARCH_MIPS, CS_MODE_MIPS32, 0 },
	{ "mips64-linux-gnuabi64", CS_ARCH_MIPS, CS_MODE_MIPS64 | CS_MODE_BIG_ENDIAN, 0 },
	{ "mips64el-linux-gnuabi64", CS_ARCH_MIPS, CS_MODE_MIPS64, 0 },
	{ "mipsel-linux-gnu -mips32r2 -mmicromips", CS_ARCH_MIPS, CS_MODE_MIPS32 | CS_MODE_MICRO,
	  1 },
	{ "arm-linux-gnueabi", CS_ARCH_ARM, CS_MODE_ARM, 0 },
	{ "thumbv7-linux-gnueabihf -mthumb", CS_ARCH_ARM, CS_MODE_THUMB, 1 },
	{ "aarch64-linux-gnu", CS_ARCH_ARM64, CS_MODE_ARM, 0 },
	{ "i386-linux-gnu", CS_ARCH_X86, CS_MODE_32, 0 },
	{ "x86_64-linux-gnu", CS_ARCH_X86, CS_MODE_64, 0 },
};

/* Compiles foreign_source (f.c of the folder) to folder/name. False: clang or lld is missing. */
static bool foreign__build(const struct foreign *foreign, const char *folder, const char *name,
			   const char *flags)
{
	char *command = xasprintf("cd %s && clang --target=%s -O2 -nostdlib -fuse-ld=lld %s "
				  "-o %s f.c >/dev/null 2>&1",
				  folder, foreign->target, flags, name);
	bool built = !system(command);

	free(command);
	return built;
}

struct foreign_function {
	const char *wanted;
	uint64_t vaddr, size;
};

static bool foreign__is_wanted(const char *name, uint64_t vaddr, uint64_t size, void *data)
{
	struct foreign_function *function = data;

	if (strcmp(name, function->wanted))
		return true;
	function->vaddr = vaddr;
	function->size = size;
	return false;
}

static bool foreign__is_call(const cs_insn *insn)
{
	static const char *const calls[] = { "jal", "jalr", "jals", "jalrs", "bal",
					     "bl",  "blx",  "blr",  "call" };

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (!strcmp(insn->mnemonic, calls[i]))
			return true;
	return false;
}

/* Where the last call of the function returns to (on i386 the first is for the pc), as the
 * machine's register says it. By a disassembler, not by what is tested. */
static uint64_t foreign__return_address(const struct foreign *foreign, const char *path,
					const char *name)
{
	struct foreign_function function = { .wanted = name };
	FILE *file = fopen(path, "re");
	struct elf_file *elf = file ? elf__open(fileno(file)) : NULL;
	uint64_t found = 0;
	uint8_t code[1024];
	cs_insn *insns = NULL;
	size_t nr = 0;
	ssize_t len;
	csh handle;

	if (elf) {
		elf__for_each_function(elf, foreign__is_wanted, &function);
		len = elf__read(elf, function.vaddr, code, min(function.size, sizeof(code)));
		if (len > 0 && cs_open(foreign->arch, foreign->mode, &handle) == CS_ERR_OK) {
			nr = cs_disasm(handle, code, (size_t)len, function.vaddr, 0, &insns);
			/* A call with a delay slot returns behind that. */
			for (size_t i = 0; i + 2 < nr; i++)
				if (foreign__is_call(&insns[i]))
					found = insns[i + (foreign->arch == CS_ARCH_MIPS) + 1]
							.address;
			if (insns)
				cs_free(insns, nr);
			cs_close(&handle);
		}
		elf__close(elf);
	}
	if (file)
		fclose(file);
	return found ? found | foreign->mode_bit : 0;
}

#endif /* FOREIGN_H */
