// SPDX-License-Identifier: BSD-2-Clause
/*
 * alloc_api.h as data, and the search for its functions in a file. Which instruction is probed is
 * place's decision; how the probe is attached is not known here.
 */
#include "probe/allocators.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_api.h"
#include "base/util.h"
#include "probe/custom.h"
#include "probe/families.h"
#include "probe/internal_free.h"
#include "probe/returns.h"
#include "probe/search.h"
#include "probe_abi.h"
#include "symbol/elf.h"

/* Bytes of a function that place__choose gets to see. */
#define WINDOW_BYTES	   64
#define MAX_INTERNAL_FREES 16
#define MAX_RETURNS	   64

enum {
#define ALLOC_SHAPE(name, size, count, ptr, out, result)                                          \
	SHAPE_##name##_SIZE = (size), SHAPE_##name##_COUNT = (count), SHAPE_##name##_PTR = (ptr), \
	SHAPE_##name##_OUT = (out), SHAPE_##name##_RESULT = ALLOC_RESULT_##result,
	ALLOC_SHAPES(ALLOC_SHAPE)
#undef ALLOC_SHAPE
};

const struct alloc_fn alloc_fns[] = {
#define ALLOC_FN(number_, family_, symbol_, shape) \
	{                                          \
		.number = (number_),               \
		.family = #family_,                \
		.symbol = #symbol_,                \
		.size = SHAPE_##shape##_SIZE,      \
		.count = SHAPE_##shape##_COUNT,    \
		.ptr = SHAPE_##shape##_PTR,        \
		.out = SHAPE_##shape##_OUT,        \
		.result = SHAPE_##shape##_RESULT,  \
	},
	ALLOC_API(ALLOC_FN)
#undef ALLOC_FN
};
const size_t nr_alloc_fns = ARRAY_SIZE(alloc_fns);

const struct alloc_fn *alloc_fn__by_number(uint16_t number)
{
	for (size_t i = 0; i < nr_alloc_fns; i++) {
		if (alloc_fns[i].number == number)
			return &alloc_fns[i];
	}
	return NULL;
}

bool alloc_fn__returns(const struct alloc_fn *fn)
{
	return fn->result != ALLOC_RESULT_NONE;
}

/* By its name: operators new as mangled, and what allocators call theirs. */
static bool alloc_fn__throws(const struct alloc_fn *fn)
{
	static const char *const beginnings[] = {
		"_Znwm", "_Znam", "tc_new", "mi_new", "mi_heap_alloc_new", "TCMallocInternalNew",
	};

	if (strstr(fn->symbol, "nothrow"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
		if (!strncmp(fn->symbol, beginnings[i], strlen(beginnings[i])))
			return true;
	}
	return false;
}

static struct place_need need_of(const struct alloc_fn *fn, bool returns)
{
	const uint8_t positions[] = { fn->size, fn->count, fn->ptr, fn->out };
	struct place_need need = { .returns = returns };

	for (size_t i = 0; i < ARRAY_SIZE(positions); i++) {
		if (positions[i])
			need.args |= 1u << (positions[i] - 1);
	}
	need.null_is_nothing = !alloc_fn__returns(fn);
	return need;
}

static uint64_t reg_field(const struct place *place, uint8_t position, unsigned shift)
{
	uint64_t reg = position ? place->arg_reg[position - 1] : PROBE_NO_REG;

	return reg << shift;
}

static uint64_t pack_cookie(const struct alloc_fn *fn, const struct place *place, uint32_t role)
{
	return fn->number | reg_field(place, fn->size, PROBE_SIZE_SHIFT) |
	       reg_field(place, fn->count, PROBE_COUNT_SHIFT) |
	       reg_field(place, fn->ptr, PROBE_PTR_SHIFT) |
	       reg_field(place, fn->out, PROBE_OUT_SHIFT) |
	       (uint64_t)place->pushed_words << PROBE_PUSHED_SHIFT |
	       (uint64_t)role << PROBE_ROLE_SHIFT;
}

static uint32_t role_of(const struct alloc_fn *fn, bool with_mmap)
{
	switch (fn->result) {
	case ALLOC_RESULT_BLOCK:
		return alloc_fn__throws(fn) ? PROBE_ROLE_THROWING : PROBE_ROLE_RETURNING;
	case ALLOC_RESULT_IN_PLACE:
		return PROBE_ROLE_RESIZING;
	case ALLOC_RESULT_MAPPING:
		return PROBE_ROLE_MAPPING;
	}
	/*
	 * Where free is the last to see a block its entry is enough. Any other may hand the block
	 * on (operator delete to free, a wrapper to the C library's), which must not count twice:
	 * so its end is watched, too; and with munmap probed, that of every free.
	 */
	return !strcmp(fn->symbol, "munmap") || (!with_mmap && !strcmp(fn->symbol, "free") &&
						 family__free_is_last(fn->family))
		       ? PROBE_ROLE_FREE
		       : PROBE_ROLE_RETURNING;
}

/*
 * Can a call be made to fail by asking for more than there is? The program's own operators new are
 * left to what they call: how they fail is not known, what malloc does is. And mimalloc's *_small
 * take their caller's word that the size is small.
 */
static bool can_fail(const struct alloc_fn *fn)
{
	return fn->result == ALLOC_RESULT_BLOCK && fn->size && strcmp(fn->family, "CXX") &&
	       !strstr(fn->symbol, "_small");
}

/* False where the function's code is not in the file: a damaged file. */
static bool make_site(struct elf_file *elf, const struct found *found, uint32_t role, bool at_entry,
		      struct probe_site *site)
{
	/* Where the caller's address is must be known at a probe of one that throws, too. */
	const struct place_need need =
		need_of(found->fn, PROBE_ROLE_RETURNS(role) || role == PROBE_ROLE_THROWING);
	uint8_t code[WINDOW_BYTES];
	ssize_t len = elf__read(elf, found->vaddr, code, sizeof(code));

	if (len <= 0)
		return false;
	*site = (struct probe_site){ .fn = found->fn, .vaddr = found->vaddr, .role = role };
	place__choose(code, (size_t)len, &need, &site->place);
	if (at_entry && site->place.offset) /* behind it an argument may have been used already */
		place__choose(code, site->place.offset, &need, &site->place);
	site->cookie = pack_cookie(found->fn, &site->place, site->role);
	return !elf__vaddr_to_offset(elf, found->vaddr + site->place.offset, &site->file_offset);
}

/* Has another function, which this one runs into, the same instruction? One probe is enough. */
static bool is_taken(const struct probe_site *sites, int nr, const struct probe_site *site)
{
	for (int i = 0; i < nr; i++) {
		if (sites[i].file_offset == site->file_offset)
			return true;
	}
	return false;
}

/* Adds the calls inside the C library that free what is no block of the program's. */
static int add_internal_frees(struct elf_file *elf, const struct search *search,
			      struct probe_site *sites, int nr)
{
	uint64_t calls[MAX_INTERNAL_FREES];
	const struct probe_site *site = sites;
	size_t nr_calls;

	while (site < sites + nr && strcmp(site->fn->symbol, "free"))
		site++;
	if (site == sites + nr)
		return nr;
	nr_calls = internal_free__find(elf, site->vaddr, search->thread_end_start,
				       search->thread_end_end, calls, ARRAY_SIZE(calls));
	for (size_t i = 0; i < nr_calls; i++) {
		sites[nr] = (struct probe_site){ .fn = site->fn,
						 .vaddr = calls[i],
						 .cookie = site->fn->number |
							   (uint64_t)PROBE_ROLE_INTERNAL_FREE
								   << PROBE_ROLE_SHIFT,
						 .place = { .emulated = true, .text = "call free" },
						 .role = PROBE_ROLE_INTERNAL_FREE };
		nr += !elf__vaddr_to_offset(elf, calls[i], &sites[nr].file_offset);
	}
	return nr;
}

/* Adds the instructions by which functions return that an exception may leave. */
static int add_returns(struct elf_file *elf, struct probe_site **sites, int nr)
{
	uint64_t returns[MAX_RETURNS];
	const int nr_functions = nr;

	for (int i = 0; i < nr_functions; i++) {
		const struct alloc_fn *fn = (*sites)[i].fn;
		size_t found = 0;

		if ((*sites)[i].role == PROBE_ROLE_THROWING)
			found = returns__find(elf, (*sites)[i].vaddr, returns, MAX_RETURNS);
		*sites = xreallocarray(*sites, (size_t)nr + found + 1, sizeof(**sites));
		for (size_t at = 0; at < found; at++) {
			struct probe_site *site = *sites + nr;

			*site = (struct probe_site){ .fn = fn,
						     .vaddr = returns[at],
						     .cookie = fn->number |
							       (uint64_t)PROBE_ROLE_RETURN
								       << PROBE_ROLE_SHIFT,
						     .place = { .text = "ret" },
						     .role = PROBE_ROLE_RETURN };
			if (!elf__vaddr_to_offset(elf, returns[at], &site->file_offset) &&
			    !is_taken(*sites, nr, site))
				nr++;
		}
	}
	return nr;
}

int allocators__find(struct elf_file *elf, const struct allocator_config *config, const char *path,
		     struct probe_site **sites)
{
	static const struct allocator_config defaults;
	struct search *search;
	int nr = 0;

	*sites = NULL;
	if (elf__machine(elf) != EM_X86_64 || !elf__is_64bit(elf))
		return -ENOTSUP;
	if (!config)
		config = &defaults;
	search = search__file(elf, config, path);
	*sites = xcalloc(search->nr + MAX_INTERNAL_FREES, sizeof(**sites));
	for (size_t i = 0; i < search->nr; i++) {
		struct probe_site *site = *sites + nr;
		const struct found *found = &search->found[i];

		if (config->failing && !can_fail(found->fn))
			continue;
		if (make_site(elf, found, role_of(found->fn, config->mmap), config->failing,
			      site) &&
		    !is_taken(*sites, nr, site))
			nr++;
	}
	/* In a static program everything calls free directly. */
	if (!config->failing && !strcmp(search->family, "GLIBC") &&
	    (!search->is_static || search->thread_end_end))
		nr = add_internal_frees(elf, search, *sites, nr);
	if (nr)
		nr = add_returns(elf, sites, nr);
	if (!nr) {
		free(*sites);
		*sites = NULL;
	}
	free(search);
	return nr;
}

static bool imports_memory(const struct elf_symbol *symbol, void *data)
{
	static const char *const names[] = { "mmap", "mmap64", "sbrk", "brk", "madvise" };

	for (size_t i = 0; symbol->is_undefined && i < ARRAY_SIZE(names); i++) {
		if (!strcmp(symbol->name, names[i]))
			*(bool *)data = true;
	}
	return !*(bool *)data;
}

bool allocators__maps_memory(struct elf_file *elf)
{
	bool maps = elf__is_program(elf) && !elf__has_interpreter(elf);

	if (!maps)
		elf__for_each_symbol(elf, imports_memory, &maps);
	return maps;
}

char *allocators__why_none(struct elf_file *elf, const char *path)
{
	if (!elf__is_program(elf) || elf__has_interpreter(elf) || elf__has_symbols(elf))
		return NULL;
	return xasprintf(
		"%s is a static program without symbols: heaptap cannot find its allocator "
		"by name. Give its functions by address: --allocator 'malloc=0x... "
		"free=0x...'",
		path);
}
