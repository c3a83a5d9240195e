/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a dynamic loader tells debuggers that it has mapped or unmapped libraries. */
#ifndef LOADER_H
#define LOADER_H

#include <stdbool.h>

#include "probe/allocators.h"

struct elf_file;

/* The site (PROBE_ROLE_LOADED, no function) of a dynamic loader; false: elf is none. */
bool loader__site(struct elf_file *elf, struct probe_site *site);

#endif /* LOADER_H */
