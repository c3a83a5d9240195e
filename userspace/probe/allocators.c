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
#include "probe_abi.h"
#include "symbol/elf.h"
#include "wire.h"

/* Bytes of a function that place__choose gets to see. */
#define WINDOW_BYTES 64
/* A file that defines more is not an allocator but an attempt on our memory. */
#define MAX_CANDIDATES	   1024
#define MAX_FOUND	   512
#define MAX_INTERNAL_FREES 16

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

struct found {
	const struct alloc_fn *fn;
	uint64_t vaddr;
};

/* A name of the file that may be an allocator's, before it is known whose the file is. */
struct candidate {
	const struct known_name *senses;
	size_t nr_senses;
	uint64_t vaddr;
	bool is_local;
};

struct search {
	struct known_names names;
	struct candidate candidates[MAX_CANDIDATES];
	size_t nr_candidates;
	struct found found[MAX_FOUND];
	size_t nr;
	const char *family; /* of the C names */
	unsigned marker_rank;
	bool is_program, is_static, is_loader, is_libc, is_cxx_library;
	/* glibc's code for a thread's end, where symbols tell; else empty. */
	uint64_t thread_end_start, thread_end_end;
};

/* Two names of one address are one function: the user's, else the lower number, whatever order they
 * come in. */
static void add_found(struct search *search, const struct alloc_fn *fn, uint64_t vaddr)
{
	for (size_t i = 0; i < search->nr; i++) {
		struct found *found = &search->found[i];

		if (found->vaddr != vaddr)
			continue;
		if (found->fn->number < WIRE_FUNCTION_USER &&
		    (fn->number < found->fn->number || fn->number >= WIRE_FUNCTION_USER))
			found->fn = fn;
		return;
	}
	if (search->nr < MAX_FOUND)
		search->found[search->nr++] = (struct found){ fn, vaddr };
}

static void note_marker(struct search *search, const struct known_name *name)
{
	if (!strcmp(name->marker, "CXX")) {
		search->is_cxx_library = true;
	} else if (!search->family || name->rank < search->marker_rank) {
		search->family = name->marker;
		search->marker_rank = name->rank;
	}
}

static void note_libc(struct search *search, const struct elf_symbol *symbol)
{
	if (!strcmp(symbol->name, "_dl_allocate_tls"))
		search->is_loader = true;
	else if (!strcmp(symbol->name, "__libc_start_main"))
		search->is_libc = true;
	else if (!strcmp(symbol->name, "__malloc_arena_thread_freeres")) {
		search->thread_end_start = symbol->vaddr;
		search->thread_end_end = symbol->vaddr + symbol->size;
	}
}

static bool visit(const struct elf_symbol *symbol, void *data)
{
	struct search *search = data;
	const struct known_name *senses;
	bool is_function = false;
	size_t nr;

	if (symbol->is_undefined)
		return true;
	if (symbol->name[0] == '_')
		note_libc(search, symbol);
	senses = known_names__find(&search->names, symbol->name, &nr);
	if (!senses)
		return true;
	for (size_t i = 0; i < nr; i++) {
		if (senses[i].marker)
			note_marker(search, &senses[i]);
		else
			is_function = true;
	}
	if (is_function && search->nr_candidates < MAX_CANDIDATES)
		search->candidates[search->nr_candidates++] =
			(struct candidate){ senses, nr, symbol->vaddr, symbol->is_local };
	return true;
}

/* The family of one that has a name of its own at the address of a name that many have. */
static const char *family_by_alias(const struct search *search)
{
	for (size_t i = 0; i < search->nr_candidates; i++) {
		const struct candidate *own = &search->candidates[i];

		if (!own->senses->fn || !family__is_own_name(own->senses->symbol))
			continue;
		for (size_t j = 0; j < search->nr_candidates; j++) {
			const struct candidate *common = &search->candidates[j];

			if (common->vaddr == own->vaddr && common->nr_senses > 1 &&
			    !family__is_own_name(common->senses->symbol))
				return own->senses->fn->family;
		}
	}
	return NULL;
}

static void decide_family(struct search *search)
{
	const char *family = family_by_alias(search);

	if (family)
		search->family = family;
	/* Markers of glibc are exported by every libc.so.6: what is none of it, but a C library. */
	else if (!search->family && search->is_libc && !search->is_static)
		search->family = "MUSL";
	else if (!search->family)
		search->family = "OTHER";
}

/*
 * A local function counts where its name tells what it is, and in a static program, where link-time
 * optimisation makes everything local, unless a global one has the name or several do.
 */
static bool is_credible(const struct search *search, const struct candidate *candidate)
{
	if (!candidate->is_local || family__is_own_name(candidate->senses->symbol))
		return true;
	for (size_t i = 0; i < search->nr_candidates; i++) {
		const struct candidate *other = &search->candidates[i];

		if (other->senses == candidate->senses && other->vaddr != candidate->vaddr)
			return false;
	}
	return search->is_static;
}

/* The row of a name in a file of that family; NULL: there it is no allocator's. */
static const struct alloc_fn *row_of(const struct search *search, const struct candidate *candidate,
				     const char *family)
{
	bool is_own = family__is_own_name(candidate->senses->symbol);

	for (size_t i = 0; i < candidate->nr_senses; i++) {
		const struct alloc_fn *fn = candidate->senses[i].fn;

		if (fn && (is_own || !strcmp(fn->family, family)))
			return fn;
	}
	return NULL;
}

static const struct alloc_fn *choose_row(const struct search *search,
					 const struct candidate *candidate, bool with_mmap)
{
	const struct alloc_fn *fn;

	if (!is_credible(search, candidate))
		return NULL;
	fn = row_of(search, candidate, search->family);
	if (!fn && family__is_operator(candidate->senses->symbol) && !search->is_cxx_library)
		fn = row_of(search, candidate, "CXX");
	/* A program may have the C++ library inside and operators of its own: better twice than
	 * not. */
	if (!fn && family__is_operator(candidate->senses->symbol) && search->is_program)
		fn = row_of(search, candidate, "CXX");
	if (!fn && with_mmap)
		fn = row_of(search, candidate, "MMAP");
	return fn;
}

static bool is_module(const char *path, const char *module)
{
	return path && !strcmp(path__base(path), module);
}

static void choose_custom(struct search *search, const struct candidate *candidate,
			  const char *path)
{
	for (size_t i = 0; i < candidate->nr_senses; i++) {
		struct custom_fn *custom = candidate->senses[i].custom;

		if (!custom || (custom->module && !is_module(path, custom->module)))
			continue;
		custom->nr_found++;
		add_found(search, &custom->fn, candidate->vaddr);
	}
}

/* The functions that the user knows by address. */
static void add_addresses(struct search *search, struct elf_file *elf,
			  const struct custom_list *list, const char *path)
{
	uint64_t offset;

	for (size_t i = 0; i < list->nr; i++) {
		struct custom_fn *custom = &list->items[i];
		bool is_here =
			custom->module ? is_module(path, custom->module) : search->is_program;

		if (!custom->by_address || !is_here || !elf__is_code(elf, custom->vaddr) ||
		    elf__vaddr_to_offset(elf, custom->vaddr, &offset))
			continue;
		custom->nr_found++;
		add_found(search, &custom->fn, custom->vaddr);
	}
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

static uint32_t role_of(const struct alloc_fn *fn, bool with_mmap)
{
	switch (fn->result) {
	case ALLOC_RESULT_BLOCK:
		return PROBE_ROLE_RETURNING;
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

/* False where the function's code is not in the file: a damaged file. */
static bool make_site(struct elf_file *elf, const struct found *found, uint32_t role,
		      struct probe_site *site)
{
	const struct place_need need = need_of(found->fn, PROBE_ROLE_RETURNS(role));
	uint8_t code[WINDOW_BYTES];
	ssize_t len = elf__read(elf, found->vaddr, code, sizeof(code));

	if (len <= 0)
		return false;
	*site = (struct probe_site){ .fn = found->fn, .vaddr = found->vaddr, .role = role };
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

/* Fills search->found: which functions of the file are allocators. */
static void search_file(struct search *search, struct elf_file *elf,
			const struct allocator_config *config, const char *path)
{
	known_names__init(&search->names, &config->custom);
	search->is_program = elf__is_program(elf);
	search->is_static = search->is_program && !elf__has_interpreter(elf);
	elf__for_each_symbol(elf, visit, search);
	decide_family(search);
	for (size_t i = 0; i < search->nr_candidates; i++) {
		const struct candidate *candidate = &search->candidates[i];
		const struct alloc_fn *fn = choose_row(search, candidate, config->mmap);

		/*
		 * The dynamic loader of glibc before 2.32 exports a malloc for its own start, which
		 * the C library's replaces before the program runs. It is known by what it gives
		 * the C library; a static program has both (and musl's loader is its C library).
		 */
		if (fn && (!search->is_loader || search->is_libc))
			add_found(search, fn, candidate->vaddr);
		choose_custom(search, candidate, path);
	}
	add_addresses(search, elf, &config->custom, path);
	known_names__clear(&search->names);
	qsort(search->found, search->nr, sizeof(search->found[0]), by_number);
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
	search = xcalloc(1, sizeof(*search));
	search_file(search, elf, config, path);
	*sites = xcalloc(search->nr + MAX_INTERNAL_FREES, sizeof(**sites));
	for (size_t i = 0; i < search->nr; i++) {
		struct probe_site *site = *sites + nr;
		const struct found *found = &search->found[i];

		if (make_site(elf, found, role_of(found->fn, config->mmap), site) &&
		    !is_taken(*sites, nr, site))
			nr++;
	}
	if (!strcmp(search->family, "GLIBC"))
		nr = add_internal_frees(elf, search, *sites, nr);
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
