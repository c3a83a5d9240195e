/* SPDX-License-Identifier: BSD-2-Clause */
/* What is loaded, as the loader tells it. */
#ifndef PRELOAD_OBJECTS_H
#define PRELOAD_OBJECTS_H

#include <link.h>
#include <stdint.h>

/* Calls see for each executable segment of each object: waits for the loader, which no other thread
 * can have until the last call is done. */
void objects__look(void (*see)(const struct dl_phdr_info *info, uintptr_t start, uintptr_t end));

/* The segment of an object that an address is in; NULL: none. */
const ElfW(Phdr) * objects__segment(const struct dl_phdr_info *info, uintptr_t address);

/* The build-id of an object that is loaded. Returns its bytes; 0: it has none, or a longer one. */
uint32_t objects__build_id(const struct dl_phdr_info *info, uint8_t *id, uint32_t room);

#endif /* PRELOAD_OBJECTS_H */
