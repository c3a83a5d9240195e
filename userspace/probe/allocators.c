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
#include "probe_abi.h"
#include "probe/internal_free.h"
#include "symbol/elf.h"

/* Bytes of a function that place__choose gets to see. */
#define WINDOW_BYTES 64
/* A file that defines more is not an allocator but an attempt on our memory. */
#define MAX_FOUND	   128
#define MAX_INTERNAL_FREES 16

enum {
#define ALLOC_SHAPE(name, size, count, ptr, out)                                                  \
	SHAPE_##name##_SIZE = (size), SHAPE_##name##_COUNT = (count), SHAPE_##name##_PTR = (ptr), \
	SHAPE_##name##_OUT = (out),
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
	return fn->size != 0;
}

struct found {
	const struct alloc_fn *fn;
	uint64_t vaddr;
};

struct search {
	struct found found[MAX_FOUND];
	size_t nr;
	bool is_loader, is_libc;
	/* glibc's code for a thread's end, where symbols tell; else empty. */
	uint64_t thread_end_start, thread_end_end;
};

static const struct alloc_fn *by_symbol(const char *symbol)
{
	for (size_t i = 0; i < nr_alloc_fns; i++) {
		if (!strcmp(alloc_fns[i].symbol, symbol))
			return &alloc_fns[i];
	}
	return NULL;
}

/* Two names of one address are one function: the lower number, whatever order they come in. */
static void add_found(struct search *search, const struct alloc_fn *fn, uint64_t vaddr)
{
	for (size_t i = 0; i < search->nr; i++) {
		struct found *found = &search->found[i];

		if (found->vaddr != vaddr)
			continue;
		if (fn->number < found->fn->number)
			found->fn = fn;
		return;
	}
	if (search->nr < MAX_FOUND)
		search->found[search->nr++] = (struct found){ fn, vaddr };
}

static bool visit(const char *name, uint64_t vaddr, uint64_t size, void *data)
{
	struct search *search = data;
	const struct alloc_fn *fn = by_symbol(name);

	if (fn)
		add_found(search, fn, vaddr);
	else if (!strcmp(name, "_dl_allocate_tls"))
		search->is_loader = true;
	else if (!strcmp(name, "__libc_start_main"))
		search->is_libc = true;
	if (!strcmp(name, "__malloc_arena_thread_freeres")) {
		search->thread_end_start = vaddr;
		search->thread_end_end = vaddr + size;
	}
	return true;
}

static int by_number(const void *left, const void *right)
{
	const struct found *a = left, *b = right;

	if (a->fn->number != b->fn->number)
		return a->fn->number < b->fn->number ? -1 : 1;
	return a->vaddr < b->vaddr ? -1 : a->vaddr > b->vaddr;
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

/* False where the function's code is not in the file: a damaged file. */
static bool make_site(struct elf_file *elf, const struct found *found, bool is_libc,
		      struct probe_site *site)
{
	/* A C library's free is the last; any other may hand the block on to it, which must not
	 * count twice: so its end is watched, too. */
	bool returns = alloc_fn__returns(found->fn) || !is_libc;
	const struct place_need need = need_of(found->fn, returns);
	uint8_t code[WINDOW_BYTES];
	ssize_t len = elf__read(elf, found->vaddr, code, sizeof(code));

	if (len <= 0)
		return false;
	*site = (struct probe_site){ .fn = found->fn,
				     .vaddr = found->vaddr,
				     .role = returns ? PROBE_ROLE_RETURNING : PROBE_ROLE_FREE };
	place__choose(code, (size_t)len, &need, &site->place);
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

	while (site < sites + nr && site->role != PROBE_ROLE_FREE)
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

int allocators__find(struct elf_file *elf, struct probe_site **sites)
{
	struct search search = { .nr = 0 };
	int nr = 0;

	*sites = NULL;
	if (elf__machine(elf) != EM_X86_64 || !elf__is_64bit(elf))
		return -ENOTSUP;
	elf__for_each_function(elf, visit, &search);
	/*
	 * The dynamic loader of glibc before 2.32 exports a malloc for its own start, which the C
	 * library's replaces before the program runs. It is known by what it gives the C library;
	 * a static program has both (and musl's loader is its C library).
	 */
	if (!search.nr || (search.is_loader && !search.is_libc))
		return 0;
	qsort(search.found, search.nr, sizeof(search.found[0]), by_number);
	*sites = xcalloc(search.nr + MAX_INTERNAL_FREES, sizeof(**sites));
	for (size_t i = 0; i < search.nr; i++) {
		struct probe_site *site = *sites + nr;

		if (make_site(elf, &search.found[i], search.is_libc, site) &&
		    !is_taken(*sites, nr, site))
			nr++;
	}
	if (search.is_libc)
		nr = add_internal_frees(elf, &search, *sites, nr);
	if (!nr) {
		free(*sites);
		*sites = NULL;
	}
	return nr;
}
