/* SPDX-License-Identifier: BSD-2-Clause */
/* What a file has of other files: read as the dynamic loader reads it, without section headers. */
#ifndef ELF_DYNAMIC_H
#define ELF_DYNAMIC_H

#include <stdbool.h>
#include <stdint.h>

struct elf_file;

/* The address of the file's own function that the loader puts into the slot (an entry of the GOT),
 * if nobody else brings a function of that name. False: it is another file's, or no slot. */
bool elf_dynamic__resolve(struct elf_file *elf, uint64_t slot, uint64_t *vaddr);

#endif /* ELF_DYNAMIC_H */
