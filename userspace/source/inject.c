// SPDX-License-Identifier: BSD-2-Clause
#include "source/inject.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "source/files.h"
#include "source/inject_names.h"
#include "source/inject_ranges.h"

/* What there is to know of a module, at its link-time addresses. */
struct judged_module {
	bool is_known;
	uint32_t whole; /* INJECT_* that all of its code has */
	struct inject_pieces pieces;
};

struct inject {
	struct inject_names only, ignore;
	bool *found; /* of both */
	int ranges_fd;
	volatile uint32_t *view;
	uint32_t nr_views; /* made */
	struct judged_module *modules;
	size_t nr_modules;
	bool failure_told;
};

struct inject *inject__new(const struct inject_config *config, int ranges_fd,
			   volatile uint32_t *view)
{
	struct inject *inject = xcalloc(1, sizeof(*inject));

	inject->found = xcalloc(config->nr_only + config->nr_ignore + 1, sizeof(*inject->found));
	inject->only =
		(struct inject_names){ config->only, config->nr_only, inject->found, INJECT_ONLY };
	inject->ignore = (struct inject_names){ config->ignore, config->nr_ignore,
						inject->found + config->nr_only, INJECT_NEVER };
	inject->ranges_fd = ranges_fd;
	inject->view = view;
	return inject;
}

void inject__free(struct inject *inject)
{
	if (!inject)
		return;
	for (size_t i = 0; i < inject->nr_modules; i++)
		inject_pieces__clear(&inject->modules[i].pieces);
	free(inject->modules);
	free(inject->found);
	free(inject);
}

static void judge(struct inject *inject, struct judged_module *module,
		  const struct mapped_file *file)
{
	module->is_known = true;
	if (inject_names__have_file(&inject->only, file->path))
		module->whole |= INJECT_ONLY;
	if (inject_names__have_file(&inject->ignore, file->path))
		module->whole |= INJECT_NEVER;
	if (!file->elf)
		return;
	if (inject_names__is_loader(file->elf))
		module->whole |= INJECT_NEVER;
	if (inject_names__is_musl(file->elf))
		module->whole |= INJECT_ENDS;
	inject_names__find_untouchable(file->elf, &module->pieces);
	inject_names__find_functions(&inject->only, file->elf, &module->pieces);
	inject_names__find_functions(&inject->ignore, file->elf, &module->pieces);
}

/* Each module is looked at once. */
static const struct judged_module *module_of(struct inject *inject, const struct files *files,
					     uint32_t number)
{
	size_t before = inject->nr_modules;

	if (number >= before) {
		inject->nr_modules = number + 1;
		inject->modules =
			xreallocarray(inject->modules, number + 1, sizeof(*inject->modules));
		memset(inject->modules + before, 0,
		       (number + 1 - before) * sizeof(*inject->modules));
	}
	if (!inject->modules[number].is_known)
		judge(inject, &inject->modules[number], &files->files[number]);
	return &inject->modules[number];
}

/* Has a newer mapping taken its place, or some of it? */
static bool is_replaced(const struct inject_mapping *mappings, size_t nr, size_t at)
{
	for (size_t i = at + 1; i < nr; i++)
		if (mappings[i].start < mappings[at].end && mappings[at].start < mappings[i].end)
			return true;
	return false;
}

static void add_mapping(struct inject_pieces *all, const struct inject_mapping *mapping,
			const struct judged_module *module)
{
	static const uint32_t marks[] = { INJECT_ONLY, INJECT_NEVER, INJECT_ENDS };
	uint64_t last = mapping->vaddr + (mapping->end - mapping->start);

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (module->whole & marks[i])
			inject_pieces__add(all, mapping->start, mapping->end, marks[i]);
	for (size_t i = 0; i < module->pieces.nr; i++) {
		const struct inject_piece *piece = &module->pieces.all[i];
		uint64_t start = max(piece->start, mapping->vaddr), end = min(piece->end, last);

		if (start < end)
			inject_pieces__add(all, mapping->start + (start - mapping->vaddr),
					   mapping->start + (end - mapping->vaddr), piece->mark);
	}
}

/* Writes the view that is not being read, then lets it be read. 0 or -errno. */
static int write_view(struct inject *inject, const struct inject_pieces *pieces)
{
	struct inject_range *ranges = xcalloc(INJECT_MAX_RANGES, sizeof(*ranges));
	uint32_t number = max(inject->nr_views + 1, 2u); /* 0: there is none */
	uint32_t first = number & 1 ? INJECT_MAX_RANGES : 0;
	int err = inject_pieces__make_view(pieces, ranges);

	for (uint32_t i = 0; !err && i < INJECT_MAX_RANGES; i++) {
		uint32_t key = first + i;

		if (bpf_map_update_elem(inject->ranges_fd, &key, &ranges[i], BPF_ANY))
			err = -errno;
	}
	free(ranges);
	__atomic_store_n(inject->view, err ? 0 : number, __ATOMIC_SEQ_CST);
	inject->nr_views = number;
	return err;
}

void inject__publish(struct inject *inject, const struct files *files,
		     const struct inject_mapping *mappings, size_t nr)
{
	struct inject_pieces pieces = { 0 };
	int err;

	for (size_t i = 0; i < nr; i++)
		if (!is_replaced(mappings, nr, i))
			add_mapping(&pieces, &mappings[i],
				    module_of(inject, files, mappings[i].module));
	err = write_view(inject, &pieces);
	inject_pieces__clear(&pieces);
	if (err && !inject->failure_told)
		log_err("No calls are made to fail: %s.",
			err == -E2BIG
				? "too many functions go by the names of --only and --ignore; "
				  "name fewer, or the files they are in"
				: strerror(-err));
	inject->failure_told |= err != 0;
}

void inject__warn_of_missing(const struct inject *inject)
{
	const struct inject_names *both[] = { &inject->only, &inject->ignore };

	for (size_t i = 0; i < ARRAY_SIZE(both); i++)
		for (size_t at = 0; at < both[i]->nr; at++)
			if (!both[i]->found[at])
				log_warn(
					"Nothing that the process has mapped is called %s, no file "
					"and no function in a symbol table: one that the compiler "
					"put into its callers has no name there. Should it be "
					"loaded later, it counts from then on.",
					both[i]->all[at]);
}
