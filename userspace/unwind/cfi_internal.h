/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the row compiler share: cfi.c (front), cfi_elf.c (finds the sections),
 * cfi_parse.c (entries), cfi_program.c (their instructions), cfi_expr.c (expressions), cfi_v8.c
 * (what is known of code without any).
 */
#ifndef CFI_INTERNAL_H
#define CFI_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unwind/cfi_reader.h"
#include "unwind/rows.h"

/* Pointer encodings of .eh_frame (LSB core, DWARF extensions): a format and what it is relative
 * to. */
enum {
	PTR_FORMAT = 0x0f,
	PTR_BASE = 0x70,
	PTR_PC_RELATIVE = 0x10,
	PTR_DATA_RELATIVE = 0x30,
	PTR_INDIRECT = 0x80,
	PTR_OMITTED = 0xff,
};

/* A section's bytes, and where they are at link time. */
struct cfi_section {
	const uint8_t *data;
	size_t len;
	uint64_t vaddr;
	bool is_debug_frame;
	bool end_unknown; /* found without section headers: a terminator ends it */
};

/* An executable segment's addresses. */
struct cfi_range {
	uint64_t start, end;
};

#define CFI_MAX_RANGES 64

/* An open ELF file or image. */
struct cfi_elf {
	struct Elf *elf; /* libelf's */
	struct cfi_range code[CFI_MAX_RANGES];
	size_t nr_code;
};

/* 0, or -ENOEXEC; to be closed either way. */
int cfi_elf__open(struct cfi_elf *file, int fd);
int cfi_elf__open_image(struct cfi_elf *file, const void *image, size_t len);
void cfi_elf__close(struct cfi_elf *file);
/* The section lives as long as file. 0, -ENODATA (it has none) or -EINVAL (it cannot be read). */
int cfi_elf__eh_frame(struct cfi_elf *file, struct cfi_section *section);
int cfi_elf__debug_frame(struct cfi_elf *file, struct cfi_section *section);
/* Link-time address where the kernel starts the file; 0: nowhere. */
uint64_t cfi_elf__entry(const struct cfi_elf *file);

/* A canonical frame address, as one rule has it. */
struct cfi_cfa {
	enum { CFA_UNSET, CFA_REGISTER, CFA_EXPRESSION } how;
	uint8_t kind;	 /* of an expression: UNWIND_CFA_*; NONE is any other */
	uint64_t number; /* of the register */
	int64_t offset, extra;
};

/* Where a register of the caller is. */
struct cfi_register {
	enum {
		REG_UNSET,
		REG_UNDEFINED,
		REG_SAME,
		REG_AT_CFA, /* at CFA + offset */
		REG_IS_CFA, /* is CFA + offset */
		REG_AT_RBP, /* at rbp + offset */
		REG_AT_RSP, /* at rsp + offset */
		REG_OTHER,
	} how;
	int64_t offset;
};

/* The registers a walk needs. */
enum { CFI_RBP, CFI_RSP, CFI_RA, CFI_NR_REGISTERS };

struct cfi_state {
	struct cfi_cfa cfa;
	struct cfi_register registers[CFI_NR_REGISTERS];
};

/* A common information entry, its instructions carried out. */
struct cfi_cie {
	uint64_t offset; /* in the section */
	uint64_t code_align;
	int64_t data_align;
	struct cfi_state initial;
	uint8_t pointer_encoding;
	bool has_augmentation_data; /* FDEs too */
	bool is_signal;
	bool usable;
};

/* One row of a function's. */
struct cfi_piece {
	uint64_t start, end;
	struct unwind_rule rule;
};

/* Compiling one section. */
struct cfi_compiler {
	const struct cfi_section *section;
	const struct cfi_range *code;
	size_t nr_code;
	struct rows_builder *builder;
	struct cfi_cie *cies; /* in the section's order */
	size_t nr_cies, cies_capacity;
	size_t last_cie;	  /* index of the one used last */
	struct cfi_piece *pieces; /* of the function at hand */
	size_t nr_pieces, pieces_capacity;
	bool damaged;
};

/* There is a rule, but the tables cannot say it (bpf/unwind_abi.h). */
#define CFI_UNFIT ((struct unwind_rule){ .cfa = UNWIND_CFA_NONE, .rbp = UNWIND_RBP_LOST })

/* Adds the rows of a section to builder. *damaged is set where there was damage, else left. */
void cfi_parse__section(const struct cfi_section *section, const struct cfi_range *code,
			size_t nr_code, struct rows_builder *builder, bool *damaged);
/* An encoded pointer in the section; data_base is what data-relative ones are relative to. */
uint64_t cfi_parse__pointer(const struct cfi_section *section, struct cfi_reader *reader,
			    uint8_t encoding, uint64_t data_base);

/* Carries out a CIE's instructions from nothing: cie->initial. 0 or -EINVAL. */
int cfi_program__initial(struct cfi_compiler *compiler, struct cfi_cie *cie,
			 struct cfi_reader program);
/* Carries out an FDE's instructions: compiler->pieces. 0 or -EINVAL. */
int cfi_program__run(struct cfi_compiler *compiler, const struct cfi_cie *cie,
		     struct cfi_reader program, uint64_t start, uint64_t end);

/* Adds the rows of V8's builtins, if the file on fd holds them. */
void cfi_v8__add(int fd, const struct cfi_range *code, size_t nr_code,
		 struct rows_builder *builder);

/* The few forms of expressions that are met; others become UNWIND_CFA_NONE and REG_OTHER. */
struct cfi_cfa cfi_expr__cfa(struct cfi_reader expression);
struct cfi_register cfi_expr__register(struct cfi_reader expression);

#endif /* CFI_INTERNAL_H */
