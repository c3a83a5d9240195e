/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The modules of a stream, the files its processes mapped, and the locations in them: a location is
 * the pair (module, link-time address), which means the same in every process that maps the file.
 * Locations are interned; stacks are made of them. Where a process has its modules, its
 * symbol/space.h knows.
 */
#ifndef MODMAP_H
#define MODMAP_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#define MODMAP_NO_MODULE    UINT32_MAX
#define MODULE_MAX_BUILD_ID 64

struct module {
	char *path; /* as the target sees it; "[vdso]" and the like for what is no file */
	uint8_t build_id[MODULE_MAX_BUILD_ID];
	uint32_t build_id_len; /* 0: none */
	uint32_t flags;	       /* WIRE_MODULE_* of wire.h */
	int fd; /* open on the very file while the target lives or heaptap watches; -1: not */
};

struct location {
	uint64_t vaddr;	 /* link-time address in the module; without one, the address as it was */
	uint32_t module; /* MODMAP_NO_MODULE: none was mapped there */
	uint32_t pad;
};

/* What the searches of all spaces of a map (space.h) have cost. */
struct modmap_work {
	uint64_t nr_searches, nr_steps;
	bool warned;
};

struct modmap;

struct modmap *modmap__new(void);
struct modmap_work *modmap__work(struct modmap *map);
void modmap__free(struct modmap *map); /* closes the modules' fds */

/* A new module; copies path; takes fd over (-1: none). Returns its id, from 0 without gaps. */
uint32_t modmap__add_module(struct modmap *map, const char *path, const uint8_t *build_id,
			    uint32_t build_id_len, uint32_t flags, int fd);
uint32_t modmap__nr_modules(const struct modmap *map);
/* NULL for an id never given out. */
const struct module *modmap__module(const struct modmap *map, uint32_t id);

/* The index, dense from 0, of the location of a return address. */
uint32_t modmap__intern(struct modmap *map, uint32_t module, uint64_t vaddr);
uint32_t modmap__nr_locations(const struct modmap *map);
const struct location *modmap__location(const struct modmap *map, uint32_t index);

#endif /* MODMAP_H */
