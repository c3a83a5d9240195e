// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/sym.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/strtab.h"
#include "base/util.h"
#include "symbol/complain.h"
#include "symbol/debugfile.h"
#include "symbol/lookup.h"
#include "symbol/perfmap.h"

/* What is known of a location; nr_frames 0: it was looked up in vain. */
struct entry {
	uint64_t vaddr;
	uint32_t module;
	uint32_t nr_frames;
	bool is_baked;
	struct sym_frame *frames;
};

/* How much can still be expected of a module's file. */
enum effort { EFFORT_DWARF, EFFORT_SYMBOLS, EFFORT_NONE };

struct module_state {
	uint8_t effort;
	uint8_t trouble; /* enum sym_trouble: of the file */
	bool was_told;	 /* where its names are from */
};

struct sym {
	struct sym_options options;
	struct strtab texts;
	struct entry *entries;
	size_t nr_entries, entries_capacity;
	struct hmap by_hash; /* hash of (module, vaddr), or the next free number -> index */
	struct module_state *modules; /* by id */
	size_t nr_modules;
	int perf_map; /* the caller's; -1: none */
};

struct sym *sym__new(const struct sym_options *options)
{
	struct sym *sym = xcalloc(1, sizeof(*sym));

	sym->options = *options;
	sym->perf_map = -1;
	return sym;
}

void sym__free(struct sym *sym)
{
	if (!sym)
		return;
	for (size_t i = 0; i < sym->nr_entries; i++)
		free(sym->entries[i].frames);
	free(sym->entries);
	free(sym->modules);
	hmap__clear(&sym->by_hash);
	strtab__clear(&sym->texts);
	free(sym);
}

/* The entry of a location, or NULL; *key is then where it would go. */
static struct entry *find_entry(const struct sym *sym, uint32_t module, uint64_t vaddr,
				uint64_t *key)
{
	const uint64_t parts[] = { module, vaddr };

	for (*key = hash__bytes(parts, sizeof(parts));; ++*key) {
		const uint64_t *index = hmap__find(&sym->by_hash, *key);
		struct entry *entry;

		if (!index)
			return NULL;
		entry = &sym->entries[*index];
		if (entry->module == module && entry->vaddr == vaddr)
			return entry;
	}
}

static struct entry *add_entry(struct sym *sym, uint32_t module, uint64_t vaddr)
{
	uint64_t key;
	struct entry *entry = find_entry(sym, module, vaddr, &key);

	if (entry)
		return entry;
	sym->entries = array__grow(sym->entries, sym->nr_entries, &sym->entries_capacity,
				   sizeof(*sym->entries));
	entry = &sym->entries[sym->nr_entries];
	*entry = (struct entry){ .module = module, .vaddr = vaddr };
	hmap__set(&sym->by_hash, key, sym->nr_entries++);
	return entry;
}

/* The first names of a location are the ones that stay: pointers to them have been given out. */
static void set_frames(struct entry *entry, const struct sym_frame *frames, uint32_t nr)
{
	if (entry->nr_frames || !nr)
		return;
	entry->frames = xreallocarray(NULL, nr, sizeof(*frames));
	memcpy(entry->frames, frames, nr * sizeof(*frames));
	entry->nr_frames = nr;
}

static const char *intern(struct sym *sym, const char *text)
{
	if (!text)
		return NULL;
	return strtab__text(&sym->texts, strtab__add(&sym->texts, text, strlen(text)));
}

void sym__bake(struct sym *sym, uint32_t module, uint64_t vaddr, const struct sym_frame *frames,
	       uint32_t nr_frames)
{
	struct sym_frame *copies = xreallocarray(NULL, nr_frames, sizeof(*copies));
	struct entry *entry;
	bool known = false;

	for (uint32_t i = 0; i < nr_frames; i++) {
		copies[i] = (struct sym_frame){ .function = intern(sym, frames[i].function),
						.file = intern(sym, frames[i].file),
						.line = frames[i].line };
		known |= copies[i].function || copies[i].file;
	}
	entry = known ? add_entry(sym, module, vaddr) : NULL;
	if (entry && !entry->nr_frames) {
		set_frames(entry, copies, nr_frames);
		entry->is_baked = true;
	}
	free(copies);
}

uint32_t sym__frames(const struct sym *sym, const struct location *location,
		     const struct sym_frame **frames)
{
	uint64_t key;
	const struct entry *entry = find_entry(sym, location->module, location->vaddr, &key);

	if (!entry || !entry->nr_frames)
		return 0;
	*frames = entry->frames;
	return entry->nr_frames;
}

bool sym__is_baked(const struct sym *sym, const struct location *location)
{
	uint64_t key;
	const struct entry *entry = find_entry(sym, location->module, location->vaddr, &key);

	return entry && entry->is_baked;
}

void sym__for_each_unresolved(const struct sym *sym, const struct modmap *map,
			      void (*visit)(const struct location *location,
					    enum sym_trouble trouble, void *data),
			      void *data)
{
	for (size_t i = 0; i < sym->nr_entries; i++) {
		const struct entry *entry = &sym->entries[i];
		const struct module *module = modmap__module(map, entry->module);
		struct location location = { .vaddr = entry->vaddr, .module = entry->module };
		uint8_t trouble = SYM_NO_TROUBLE;

		if (entry->nr_frames || !module || !debugfile__is_file(module) ||
		    debugfile__is_generated(module))
			continue;
		if (entry->module < sym->nr_modules)
			trouble = sym->modules[entry->module].trouble;
		visit(&location, trouble ? trouble : SYM_NAMELESS, data);
	}
}

void sym__use_perf_map(struct sym *sym, int fd)
{
	sym->perf_map = fd;
}

/* One module's addresses on their way to lookup__run and back. */
struct batch {
	struct sym *sym;
	uint32_t module;
	const uint64_t *vaddrs;
};

static void keep(uint32_t index, const struct sym_frame *frames, uint32_t nr_frames, void *data)
{
	const struct batch *batch = data;

	set_frames(add_entry(batch->sym, batch->module, batch->vaddrs[index]), frames, nr_frames);
}

static void keep_name(uint32_t index, const char *name, void *data)
{
	const struct batch *batch = data;
	struct sym_frame frame = { .function = intern(batch->sym, name) };

	keep(index, &frame, 1, data);
}

static void resolve_module(struct sym *sym, const struct module *module, const uint64_t *vaddrs,
			   uint32_t nr, uint32_t id)
{
	struct lookup lookup = {
		.module = module, .options = &sym->options, .vaddrs = vaddrs, .nr = nr
	};
	struct batch batch = { .sym = sym, .module = id, .vaddrs = vaddrs };
	struct module_state *state = &sym->modules[id];
	enum effort effort = state->effort;
	struct lookup_result result = { 0 };
	int err = 0;

	if (debugfile__is_generated(module)) {
		if (sym->perf_map >= 0)
			perfmap__lookup(sym->perf_map, vaddrs, nr, keep_name, &batch);
		return;
	}
	if (!debugfile__is_file(module))
		effort = EFFORT_NONE;
	if (effort == EFFORT_DWARF) {
		err = lookup__run(&lookup, &sym->texts, keep, &batch, &result);
		if (err)
			effort = complain__is_about_reading(err) ? EFFORT_SYMBOLS : EFFORT_NONE;
	}
	if (effort == EFFORT_SYMBOLS) {
		lookup.symbols_only = true;
		if (lookup__run(&lookup, &sym->texts, keep, &batch, &result))
			effort = EFFORT_NONE;
	}
	/* Set only when the file was tried with full effort: that is at most once. */
	if (err) {
		complain__of(module, &sym->options, err, effort == EFFORT_SYMBOLS);
		if (effort == EFFORT_NONE)
			state->trouble = (uint8_t)complain__trouble(err);
	}
	if (result.path && !state->was_told) {
		complain__tell(module, &result);
		state->was_told = true;
	}
	state->effort = (uint8_t)effort;
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->module != y->module)
		return x->module < y->module ? -1 : 1;
	return x->vaddr == y->vaddr ? 0 : x->vaddr < y->vaddr ? -1 : 1;
}

/* May there be more to be had of a location than at the last time? */
static bool is_open(const struct sym *sym, const struct entry *entry, const struct module *module)
{
	if (!entry)
		return true;
	return !entry->nr_frames && sym->perf_map >= 0 && debugfile__is_generated(module);
}

/* The locations to look up, sorted by module and address; in generated code some may be equal. */
static uint32_t collect(struct sym *sym, const struct modmap *map, const uint32_t *locations,
			uint32_t nr, struct entry *wanted)
{
	uint32_t nr_wanted = 0;
	uint64_t key;

	for (uint32_t i = 0; i < nr; i++) {
		const struct location *location = modmap__location(map, locations[i]);

		if (!location || location->module >= modmap__nr_modules(map) ||
		    !is_open(sym, find_entry(sym, location->module, location->vaddr, &key),
			     modmap__module(map, location->module)))
			continue;
		add_entry(sym, location->module, location->vaddr);
		wanted[nr_wanted++] =
			(struct entry){ .module = location->module, .vaddr = location->vaddr };
	}
	if (nr_wanted)
		qsort(wanted, nr_wanted, sizeof(*wanted), compare_entries);
	return nr_wanted;
}

static uint32_t count_modules(const struct entry *wanted, uint32_t nr)
{
	uint32_t modules = 0;

	for (uint32_t i = 0; i < nr; i++)
		modules += !i || wanted[i].module != wanted[i - 1].module;
	return modules;
}

static void make_room(struct sym *sym, uint32_t nr_modules)
{
	if (sym->nr_modules >= nr_modules)
		return;
	sym->modules = xreallocarray(sym->modules, nr_modules, sizeof(*sym->modules));
	memset(sym->modules + sym->nr_modules, 0,
	       (nr_modules - sym->nr_modules) * sizeof(*sym->modules));
	sym->nr_modules = nr_modules;
}

void sym__resolve(struct sym *sym, const struct modmap *map, const uint32_t *locations, uint32_t nr,
		  void (*progress)(uint32_t done, uint32_t modules, void *data), void *data)
{
	struct entry *wanted = xreallocarray(NULL, nr, sizeof(*wanted));
	uint64_t *vaddrs = xreallocarray(NULL, nr, sizeof(*vaddrs));
	uint32_t modules, done = 0;

	make_room(sym, modmap__nr_modules(map));
	nr = collect(sym, map, locations, nr, wanted);
	modules = count_modules(wanted, nr);
	for (uint32_t i = 0, first = 0; i < nr; i++) {
		uint32_t module = wanted[i].module;

		vaddrs[i] = wanted[i].vaddr;
		if (i + 1 < nr && wanted[i + 1].module == module)
			continue;
		resolve_module(sym, modmap__module(map, module), vaddrs + first, i + 1 - first,
			       module);
		first = i + 1;
		if (progress)
			progress(++done, modules, data);
	}
	free(vaddrs);
	free(wanted);
}
