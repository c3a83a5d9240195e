// SPDX-License-Identifier: BSD-2-Clause
/*
 * The row compiler's front: both sections of a file into one table. Where both describe an address,
 * .eh_frame has the say: it is what the program's own exceptions rely on.
 */
#include "unwind/cfi.h"

#include <errno.h>

#include "base/util.h"
#include "unwind/cfi_internal.h"

#define ENTRY_BYTES 64

/* Where the kernel starts a program or its loader nobody has called: the loader's has no unwind
 * information to say so (glibc sysdeps/x86_64/dl-machine.h), and all constructors run under it. */
static void add_entry(const struct cfi_elf *file, struct rows_builder *builder)
{
	static const struct unwind_rule end = { .cfa = UNWIND_CFA_END };
	uint64_t entry = cfi_elf__entry(file), next;

	if (!entry)
		return;
	next = rows_builder__next(builder, entry - 1);
	if (next > entry)
		rows_builder__add(builder, entry, min(entry + ENTRY_BYTES, next), &end);
}

/* fd: -1 for an image. */
static struct unwind_table *compile(struct cfi_elf *file, int fd, const char **problem)
{
	static int (*const find[])(struct cfi_elf *, struct cfi_section *) = {
		cfi_elf__eh_frame,
		cfi_elf__debug_frame,
	};
	struct rows_builder *builder = rows_builder__new();
	struct unwind_table *table = NULL;
	bool damaged = false, any = false;
	struct cfi_section section;

	for (size_t i = 0; i < sizeof(find) / sizeof(find[0]); i++) {
		int err = find[i](file, &section);

		if (!err)
			cfi_parse__section(&section, file->code, file->nr_code, builder, &damaged);
		damaged |= err == -EINVAL;
		any |= err != -ENODATA;
	}
	if (any && fd >= 0)
		cfi_v8__add(fd, file->code, file->nr_code, builder);
	if (any && fd >= 0)
		add_entry(file, builder);
	if (any)
		table = rows_builder__finish(builder);
	rows_builder__free(builder);
	if (damaged && problem)
		*problem = "has damaged unwind information";
	if (!any)
		errno = ENODATA;
	return table;
}

static struct unwind_table *compile_and_close(struct cfi_elf *file, int err, int fd,
					      const char **problem)
{
	struct unwind_table *table = NULL;

	if (problem)
		*problem = NULL;
	if (!err)
		table = compile(file, fd, problem);
	err = err ? -err : errno;
	cfi_elf__close(file);
	errno = err;
	return table;
}

struct unwind_table *cfi__compile(int fd, const char **problem)
{
	struct cfi_elf file;

	return compile_and_close(&file, cfi_elf__open(&file, fd), fd, problem);
}

struct unwind_table *cfi__compile_image(const void *image, size_t len, const char **problem)
{
	struct cfi_elf file;

	return compile_and_close(&file, cfi_elf__open_image(&file, image, len), -1, problem);
}
