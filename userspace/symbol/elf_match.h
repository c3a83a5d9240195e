/* SPDX-License-Identifier: BSD-2-Clause */
/* Do two ELF files belong together: one that ran, and one with its debug information? */
#ifndef ELF_MATCH_H
#define ELF_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file;

#define ELF_MATCH_MAX_LINK 256

/*
 * Were they linked by one run of the linker? By their build-ids when both have one. Else when their
 * executable sections are of the same size at the same addresses, and of the same content as far
 * as both files have it (a debug file has none).
 */
bool elf_match__is_same_build(struct elf_file *one, struct elf_file *other);

/* What .gnu_debuglink names: a base name, and the CRC-32 of the whole debug file. False: nothing.
 */
bool elf_match__debug_link(struct elf_file *elf, char name[ELF_MATCH_MAX_LINK], uint32_t *crc);

/* Has the file that CRC-32? */
bool elf_match__has_crc(const struct elf_file *elf, uint32_t crc);

#endif /* ELF_MATCH_H */
