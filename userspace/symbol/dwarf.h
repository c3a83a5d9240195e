/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames at a code address by an ELF file, its symbol tables and its DWARF, here or in a separate
 * debug file. All of it is elfutils, and elfutils is not made for hostile files: to be used only in
 * a child process (isolate.h).
 */
#ifndef DWARF_H_HEAPTAP
#define DWARF_H_HEAPTAP

#include <stdbool.h>
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

struct dwarf_files {
	int fd; /* of the file; taken over, also on failure */
	const char *path;
	int separate_fd; /* of its debug information; likewise; -1: none but what is in the file */
	const char *separate_path;
	const char *search_path; /* where else elfutils searches (debugfile.h) */
	bool ask_servers;	 /* of debuginfod, when there is no separate file */
};

/* Paths are copied. NULL with errno: ENOEXEC. */
struct dwarf *dwarf__open(const struct dwarf_files *files);
void dwarf__close(struct dwarf *dwarf);

/* The frames at a link-time address inside an instruction, a call (callsite.h), innermost first, at
 * most DWARF_MAX_FRAMES. Returns their number; new texts go to texts. */
uint32_t dwarf__frames(struct dwarf *dwarf, uint64_t vaddr, struct strtab *texts,
		       struct dwarf_frame *frames);

#endif /* DWARF_H_HEAPTAP */
