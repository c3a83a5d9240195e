/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames at a code address by an ELF file, its symbol tables and its DWARF, here or in a separate
 * debug file. All of it is elfutils, and elfutils is not made for hostile files: to be used only in
 * a child process (isolate.h).
 */
#ifndef DWARF_H_HEAPTAP
#define DWARF_H_HEAPTAP

#include <stdint.h>

#include "base/strtab.h"

#define DWARF_MAX_FRAMES 64

/* Texts are ids of a strtab, 0 unknown. */
struct dwarf_frame {
	uint32_t function; /* demangled */
	uint32_t file;
	uint32_t line;
};

struct dwarf;

/*
 * fd is taken over, also on failure. path is where separate debug files are looked for, besides the
 * directories of search_path (debugfile.h). NULL with errno: ENOEXEC.
 */
struct dwarf *dwarf__open(int fd, const char *path, const char *search_path);
void dwarf__close(struct dwarf *dwarf);

/* The frames of a call whose return address is vaddr (link-time), innermost first, at most
 * DWARF_MAX_FRAMES. Returns their number; new texts go to texts. */
uint32_t dwarf__frames(struct dwarf *dwarf, uint64_t vaddr, struct strtab *texts,
		       struct dwarf_frame *frames);

#endif /* DWARF_H_HEAPTAP */
