// SPDX-License-Identifier: BSD-2-Clause
#include "probe/untouchable.h"

#include <elf.h>
#include <string.h>

#include "base/util.h"
#include "probe/allocators.h"
#include "probe_abi.h"
#include "symbol/elf.h"

#define WINDOW_BYTES 16
#define MAX_SITES    32

/* number 0: no record is ever sent of them. */
static const struct alloc_fn untouchable[] = {
	{ .symbol = "atexit" },
	{ .symbol = "on_exit" },
	{ .symbol = "at_quick_exit" },
	{ .symbol = "__cxa_atexit" },
	{ .symbol = "__cxa_at_quick_exit" },
	{ .symbol = "__cxa_thread_atexit" },
	{ .symbol = "__cxa_thread_atexit_impl" },
	{ .symbol = "pthread_atfork" },
	{ .symbol = "__register_atfork" },
	{ .symbol = "pthread_create" },
	{ .symbol = "dlopen" },
	{ .symbol = "dlmopen" },
};

static const struct alloc_fn *find(const char *symbol)
{
	for (size_t i = 0; i < ARRAY_SIZE(untouchable); i++) {
		size_t len = strlen(untouchable[i].symbol);

		if (!strncmp(symbol, untouchable[i].symbol, len) &&
		    (!symbol[len] || symbol[len] == '@'))
			return &untouchable[i];
	}
	return NULL;
}

bool untouchable__is(const char *symbol)
{
	return find(symbol);
}

struct search {
	const struct alloc_fn *fns[MAX_SITES];
	uint64_t vaddrs[MAX_SITES];
	size_t nr;
};

static bool note(const char *name, uint64_t vaddr, uint64_t size, void *data)
{
	struct search *search = data;
	const struct alloc_fn *fn = find(name);

	if (!fn)
		return true;
	for (size_t i = 0; i < search->nr; i++)
		if (search->vaddrs[i] == vaddr)
			return true;
	search->fns[search->nr] = fn;
	search->vaddrs[search->nr++] = vaddr;
	return search->nr < MAX_SITES;
}

/* On the first instruction. False: its code is not in the file. */
static bool make_site(struct elf_file *elf, const struct alloc_fn *fn, uint64_t vaddr,
		      struct probe_site *site)
{
	const struct place_need need = { .returns = true };
	const uint64_t none = PROBE_NO_REG;
	uint8_t code[WINDOW_BYTES];
	ssize_t len = elf__read(elf, vaddr, code, sizeof(code));

	if (len <= 0)
		return false;
	*site = (struct probe_site){ .fn = fn, .vaddr = vaddr, .role = PROBE_ROLE_RETURNING };
	place__choose(code, (size_t)len, &need, &site->place);
	if (site->place.offset)
		place__choose(code, site->place.offset, &need, &site->place);
	site->cookie = none << PROBE_SIZE_SHIFT | none << PROBE_COUNT_SHIFT |
		       none << PROBE_PTR_SHIFT | none << PROBE_OUT_SHIFT |
		       (uint64_t)site->role << PROBE_ROLE_SHIFT;
	return !elf__vaddr_to_offset(elf, vaddr, &site->file_offset);
}

size_t untouchable__add_sites(struct elf_file *elf, struct probe_site **sites, size_t nr)
{
	struct search search = { .nr = 0 };

	if (elf__machine(elf) != EM_X86_64 || !elf__is_64bit(elf))
		return nr;
	elf__for_each_function(elf, note, &search);
	*sites = xreallocarray(*sites, nr + search.nr + 1, sizeof(**sites));
	for (size_t i = 0; i < search.nr; i++)
		nr += make_site(elf, search.fns[i], search.vaddrs[i], &(*sites)[nr]);
	return nr;
}
