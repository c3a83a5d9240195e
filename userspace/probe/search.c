// SPDX-License-Identifier: BSD-2-Clause
#include "probe/search.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "probe/families.h"
#include "symbol/elf.h"
#include "wire.h"

#define MAX_CANDIDATES 1024

/* A name of the file that may be an allocator's, before it is known whose the file is. */
struct candidate {
	const struct known_name *senses;
	size_t nr_senses;
	uint64_t vaddr;
	bool is_local;
};

/* What is gathered from the symbols, and what comes of it. */
struct work {
	struct known_names names;
	struct candidate candidates[MAX_CANDIDATES];
	size_t nr_candidates;
	unsigned marker_rank;
	bool is_program, is_loader, is_libc, is_cxx_library;
	bool has_common_names; /* what is called malloc is one */
	struct search *result;
};

/* Two names of one address are one function: the user's, else the lower number, whatever order they
 * come in. */
static void add_found(struct work *work, const struct alloc_fn *fn, uint64_t vaddr)
{
	for (size_t i = 0; i < work->result->nr; i++) {
		struct found *found = &work->result->found[i];

		if (found->vaddr != vaddr)
			continue;
		if (found->fn->number < WIRE_FUNCTION_USER &&
		    (fn->number < found->fn->number || fn->number >= WIRE_FUNCTION_USER))
			found->fn = fn;
		return;
	}
	if (work->result->nr < SEARCH_MAX_FOUND)
		work->result->found[work->result->nr++] = (struct found){ fn, vaddr };
}

static void note_marker(struct work *work, const struct known_name *name)
{
	if (!strcmp(name->marker, "CXX")) {
		work->is_cxx_library = true;
	} else if (!work->result->family || name->rank < work->marker_rank) {
		work->result->family = name->marker;
		work->marker_rank = name->rank;
	}
}

static void note_libc(struct work *work, const struct elf_symbol *symbol)
{
	if (!strcmp(symbol->name, "_dl_allocate_tls"))
		work->is_loader = true;
	else if (!strcmp(symbol->name, "__libc_start_main"))
		work->is_libc = true;
	else if (!strcmp(symbol->name, "__malloc_arena_thread_freeres")) {
		work->result->thread_end_start = symbol->vaddr;
		work->result->thread_end_end = symbol->vaddr + symbol->size;
	}
}

static bool visit(const struct elf_symbol *symbol, void *data)
{
	struct work *work = data;
	const struct known_name *senses;
	bool is_function = false;
	size_t nr;

	if (symbol->is_undefined)
		return true;
	if (symbol->name[0] == '_')
		note_libc(work, symbol);
	senses = known_names__find(&work->names, symbol->name, &nr);
	if (!senses)
		return true;
	for (size_t i = 0; i < nr; i++) {
		if (senses[i].marker)
			note_marker(work, &senses[i]);
		else
			is_function = true;
	}
	if (is_function && work->nr_candidates < MAX_CANDIDATES)
		work->candidates[work->nr_candidates++] =
			(struct candidate){ senses, nr, symbol->vaddr, symbol->is_local };
	return true;
}

/* The family of one that has a name of its own at the address of a name that many have. */
static const char *family_by_alias(const struct work *work)
{
	for (size_t i = 0; i < work->nr_candidates; i++) {
		const struct candidate *own = &work->candidates[i];

		if (!own->senses->fn || !family__is_own_name(own->senses->symbol))
			continue;
		for (size_t j = 0; j < work->nr_candidates; j++) {
			const struct candidate *common = &work->candidates[j];

			if (common->vaddr == own->vaddr && common->nr_senses > 1 &&
			    !family__is_own_name(common->senses->symbol))
				return own->senses->fn->family;
		}
	}
	return NULL;
}

static void decide_family(struct work *work)
{
	const char *family = family_by_alias(work);

	if (family)
		work->result->family = family;
	/* Markers of glibc are exported by every libc.so.6: what is none of it, but a C library. */
	else if (!work->result->family && work->is_libc && !work->result->is_static)
		work->result->family = "MUSL";
	else if (!work->result->family)
		work->result->family = "OTHER";
}

/*
 * A local function counts where its name tells what it is, and in a static program, where link-time
 * optimisation makes everything local, unless a global one has the name or several do.
 */
static bool is_credible(const struct work *work, const struct candidate *candidate)
{
	if (!candidate->is_local || family__is_own_name(candidate->senses->symbol))
		return true;
	for (size_t i = 0; i < work->nr_candidates; i++) {
		const struct candidate *other = &work->candidates[i];

		if (other->senses == candidate->senses && other->vaddr != candidate->vaddr)
			return false;
	}
	return work->result->is_static;
}

/* The row of a name in a family; NULL: it has none there. */
static const struct alloc_fn *row_of(const struct candidate *candidate, const char *family)
{
	for (size_t i = 0; i < candidate->nr_senses; i++) {
		const struct alloc_fn *fn = candidate->senses[i].fn;

		if (fn && !strcmp(fn->family, family))
			return fn;
	}
	return NULL;
}

/*
 * Does the file have functions of that family, own names or others, for both ends of a block's
 * life? One alone may be a stranger: MySQL has tables whose functions begin with mi_, too, and
 * libbsd a reallocarray that calls realloc.
 */
static bool has_both_ends(const struct work *work, const char *family, bool own_names)
{
	bool makes = false, frees = false;

	for (size_t i = 0; i < work->nr_candidates; i++) {
		const struct candidate *candidate = &work->candidates[i];
		const struct alloc_fn *fn = row_of(candidate, family);

		if (!fn || family__is_own_name(fn->symbol) != own_names ||
		    !is_credible(work, candidate))
			continue;
		makes |= alloc_fn__returns(fn);
		frees |= !alloc_fn__returns(fn);
	}
	return makes && frees;
}

/* What is known of a name in this file; NULL: here it is no allocator's. */
static const struct alloc_fn *choose_row(const struct work *work, const struct candidate *candidate,
					 bool with_mmap)
{
	const char *symbol = candidate->senses->symbol;
	const struct alloc_fn *own = candidate->senses->fn, *fn = NULL;

	if (!is_credible(work, candidate))
		return NULL;
	if (family__is_own_name(symbol))
		return own && has_both_ends(work, own->family, true) ? own : NULL;
	if (work->has_common_names)
		fn = row_of(candidate, work->result->family);
	/* A program may have the C++ library inside and operators of its own: better twice than
	 * not. */
	if (!fn && family__is_operator(symbol) && (!work->is_cxx_library || work->is_program))
		fn = row_of(candidate, "CXX");
	if (!fn && with_mmap)
		fn = row_of(candidate, "MMAP");
	return fn;
}

static bool is_module(const char *path, const char *module)
{
	return path && !strcmp(path__base(path), module);
}

static void choose_custom(struct work *work, const struct candidate *candidate, const char *path)
{
	for (size_t i = 0; i < candidate->nr_senses; i++) {
		struct custom_fn *custom = candidate->senses[i].custom;

		if (!custom || (custom->module && !is_module(path, custom->module)))
			continue;
		custom->nr_found++;
		add_found(work, &custom->fn, candidate->vaddr);
	}
}

/* The functions that the user knows by address. */
static void add_addresses(struct work *work, struct elf_file *elf, const struct custom_list *list,
			  const char *path)
{
	uint64_t offset;

	for (size_t i = 0; i < list->nr; i++) {
		struct custom_fn *custom = &list->items[i];
		bool is_here = custom->module ? is_module(path, custom->module) : work->is_program;

		if (!custom->by_address || !is_here || !elf__is_code(elf, custom->vaddr) ||
		    elf__vaddr_to_offset(elf, custom->vaddr, &offset))
			continue;
		custom->nr_found++;
		add_found(work, &custom->fn, custom->vaddr);
	}
}

static int by_number(const void *left, const void *right)
{
	const struct found *a = left, *b = right;

	if (a->fn->number != b->fn->number)
		return a->fn->number < b->fn->number ? -1 : 1;
	return a->vaddr < b->vaddr ? -1 : a->vaddr > b->vaddr;
}

struct search *search__file(struct elf_file *elf, const struct allocator_config *config,
			    const char *path)
{
	struct work *work = xcalloc(1, sizeof(*work));
	struct search *search = work->result = xcalloc(1, sizeof(*search));

	known_names__init(&work->names, &config->custom);
	work->is_program = elf__is_program(elf);
	search->is_static = work->is_program && !elf__has_interpreter(elf);
	elf__for_each_symbol(elf, visit, work);
	decide_family(work);
	work->has_common_names =
		strcmp(search->family, "OTHER") || has_both_ends(work, "OTHER", false);
	for (size_t i = 0; i < work->nr_candidates; i++) {
		const struct candidate *candidate = &work->candidates[i];
		const struct alloc_fn *fn = choose_row(work, candidate, config->mmap);

		/*
		 * The dynamic loader of glibc before 2.32 exports a malloc for its own start, which
		 * the C library's replaces before the program runs. It is known by what it gives
		 * the C library; a static program has both (and musl's loader is its C library).
		 */
		if (fn && (!work->is_loader || work->is_libc))
			add_found(work, fn, candidate->vaddr);
		choose_custom(work, candidate, path);
	}
	add_addresses(work, elf, &config->custom, path);
	known_names__clear(&work->names);
	qsort(search->found, search->nr, sizeof(search->found[0]), by_number);
	free(work);
	return search;
}
