/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What heaptap asks of an ELF file. The only user of gelf.h. Every file is hostile: wrong counts,
 * offsets and sizes give an error or less information, never a crash; work is bounded.
 */
#ifndef ELF_H_HEAPTAP
#define ELF_H_HEAPTAP

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct elf_file;

/* Opens the ELF file on fd (the caller's, not closed; its offset is not used). NULL with errno:
 * ENOEXEC when it is no ELF file that can be read. */
struct elf_file *elf__open(int fd);
void elf__close(struct elf_file *elf);

/* EM_* and ELFCLASS64? */
int elf__machine(const struct elf_file *elf);
bool elf__is_64bit(const struct elf_file *elf);
/* The e_flags of the header, whose meaning is the machine's. */
uint32_t elf__flags(const struct elf_file *elf);
bool elf__is_big_endian(const struct elf_file *elf);
/* Likewise its instructions: AArch64's never are, ARM's need not be as its data. */
bool elf__has_big_endian_code(const struct elf_file *elf);
/* Has a PT_INTERP (dynamically linked program)? */
bool elf__has_interpreter(const struct elf_file *elf);
/* Is it a program, rather than a library or an object file? A static one has no interpreter. */
bool elf__is_program(const struct elf_file *elf);
/* Is the link-time address in an executable segment (also in a debug file, which has no code)? */
bool elf__is_code(const struct elf_file *elf, uint64_t vaddr);
/* Has any function symbol at all (.dynsym or .symtab)? */
bool elf__has_symbols(struct elf_file *elf);
/* Has a .symtab, of which stripped files have none? */
bool elf__has_symtab(struct elf_file *elf);
/* Has DWARF line information (in this very file)? */
bool elf__has_debug_info(struct elf_file *elf);

/* The value of the dynamic section's entry with that tag (DT_*); 0: there is none. */
uint64_t elf__dynamic(const struct elf_file *elf, int64_t tag);

/* The GNU build-id to out, cut at max bytes. Returns the number of bytes, 0: it has none. */
size_t elf__build_id(struct elf_file *elf, uint8_t *out, size_t max);

/* File offset -> link-time address, by the PT_LOAD segments (executable ones first), and back. 0 or
 * -ENOENT. */
int elf__offset_to_vaddr(const struct elf_file *elf, uint64_t offset, uint64_t *vaddr);
int elf__vaddr_to_offset(const struct elf_file *elf, uint64_t vaddr, uint64_t *offset);

/* A section header. */
struct elf_section {
	const char *name; /* lives as long as the file */
	uint64_t flags;	  /* SHF_* */
	uint64_t vaddr, offset, size;
	bool has_content; /* not SHT_NOBITS */
};

/*
 * Calls visit for each section, in the order of the file. visit returns false to stop. Nothing in
 * section was compared with the size of the file.
 */
void elf__for_each_section(struct elf_file *elf,
			   bool (*visit)(const struct elf_section *section, void *data),
			   void *data);

/* A symbol of .dynsym, .symtab or .gnu_debugdata: a function that the file defines, or one of any
 * type but data that it takes from another. */
struct elf_symbol {
	const char *name; /* never empty; lives as long as the visit */
	uint64_t vaddr;	  /* without the bit that marks microMIPS, MIPS16 and Thumb */
	uint64_t size;
	bool is_local;	   /* STB_LOCAL: a name within one object file only */
	bool is_undefined; /* taken from another */
};

/* Calls visit for each; a symbol may come more than once. visit returns false to stop. */
void elf__for_each_symbol(struct elf_file *elf,
			  bool (*visit)(const struct elf_symbol *symbol, void *data), void *data);

/* Calls visit for each defined function symbol (STT_FUNC, STT_GNU_IFUNC excluded) of those; a
 * name may come more than once. visit returns false to stop. */
void elf__for_each_function(struct elf_file *elf,
			    bool (*visit)(const char *name, uint64_t vaddr, uint64_t size,
					  void *data),
			    void *data);

/* Reads up to len bytes at a file offset. Bytes read or -errno. */
ssize_t elf__read_at(const struct elf_file *elf, uint64_t offset, void *buffer, size_t len);

/* Reads up to len bytes of the file's content at link-time address vaddr. Bytes read or -errno. */
ssize_t elf__read(const struct elf_file *elf, uint64_t vaddr, void *buffer, size_t len);

#endif /* ELF_H_HEAPTAP */
