// SPDX-License-Identifier: BSD-2-Clause
#include "unwind_module.h"

#include <elf.h>
#include <link.h>
#include <signal.h>
#include <stddef.h>

#include "unwind_auxv.h"

struct search {
	uintptr_t address;
	struct unwind_module *module;
	unsigned long long nr_unloaded;
	bool has_counters;
};

/* How often files had been unloaded when somebody last asked. */
static uint32_t seen_unloaded;

static const ElfW(Phdr) * find_load(const struct dl_phdr_info *info, uintptr_t address)
{
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];

		if (phdr->p_type == PT_LOAD &&
		    address - (info->dlpi_addr + phdr->p_vaddr) < phdr->p_memsz)
			return phdr;
	}
	return NULL;
}

static void find_index(const struct dl_phdr_info *info, struct unwind_module *module)
{
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *phdr = &info->dlpi_phdr[i], *load;
		uintptr_t index = info->dlpi_addr + phdr->p_vaddr;

		if (phdr->p_type != PT_GNU_EH_FRAME)
			continue;
		load = find_load(info, index);
		if (!load || !(load->p_flags & PF_R))
			return;
		module->index = (const uint8_t *)index;
		module->readable = info->dlpi_addr + load->p_vaddr;
		/* What lies behind the file's own bytes is not its tables. */
		module->readable_end = module->readable + load->p_filesz;
		if (index >= module->readable_end)
			module->index = NULL;
		return;
	}
}

/* uClibc does not count, and its header has no members for it. */
#ifdef __UCLIBC__
static void read_counters(struct search *search, const struct dl_phdr_info *info, size_t size)
{
}
#else
static void read_counters(struct search *search, const struct dl_phdr_info *info, size_t size)
{
	search->has_counters =
		size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof(info->dlpi_subs);
	if (search->has_counters)
		search->nr_unloaded = info->dlpi_subs;
}
#endif

static int look(struct dl_phdr_info *info, size_t size, void *data)
{
	struct search *search = data;
	const ElfW(Phdr) * load;

	read_counters(search, info, size);
	load = find_load(info, search->address);
	if (!load)
		return 0;
	find_index(info, search->module);
	if ((load->p_flags & (PF_R | PF_X)) == (PF_R | PF_X)) {
		search->module->code = info->dlpi_addr + load->p_vaddr;
		search->module->code_end = search->module->code + load->p_filesz;
	}
	return 1;
}

/* A handler that came while the loader's lock is being taken would wait for it for ever, and one
 * that jumped out would leave it locked. */
static bool search_all(struct search *search)
{
	sigset_t all, before;
	bool found;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	found = dl_iterate_phdr(look, search) != 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return found;
}

bool unwind_module__find(uintptr_t address, struct unwind_module *module, bool *is_unloaded)
{
	struct search search = { .address = address, .module = module };
	bool found;

	*module = (struct unwind_module){ 0 };
	found = search_all(&search);
	if (search.has_counters &&
	    __atomic_exchange_n(&seen_unloaded, (uint32_t)search.nr_unloaded, __ATOMIC_RELAXED) !=
		    (uint32_t)search.nr_unloaded)
		*is_unloaded = true;
	return found;
}

uintptr_t unwind_module__entry(void)
{
	return unwind_auxv__get(AT_ENTRY);
}
