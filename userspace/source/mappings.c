// SPDX-License-Identifier: BSD-2-Clause
#include "source/mappings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "probe/trial.h"
#include "probe_abi.h"
#include "source/inject.h"

/* Files probed ahead of their being mapped, at most. */
#define MAX_PROBED_AHEAD 16

struct mapped_range {
	uint64_t start, end, offset;
	uint32_t module;
};

int mappings__open(struct mappings *mappings, struct engine *engine, struct files *files, pid_t pid)
{
	struct unwind_space space;
	int err = unwind_space__open(&space, &engine->slots);

	*mappings = (struct mappings){ 0 };
	if (err)
		return err;
	*mappings = (struct mappings){ .engine = engine,
				       .files = files,
				       .pid = pid,
				       .space = space,
				       .finish = finish__new() };
	return 0;
}

void mappings__close(struct mappings *mappings)
{
	links__detach(&mappings->links);
	if (mappings->engine)
		unwind_space__close(&mappings->space, &mappings->engine->slots);
	finish__free(mappings->finish);
	free(mappings->probed);
	free(mappings->ranges);
	*mappings = (struct mappings){ 0 };
}

/* Names the chosen instructions and what they will cost, for --verbose. */
static void describe_sites(const struct mapped_file *file, const struct engine *engine, pid_t pid)
{
	struct trial_cost cost;
	char predicted[32] = "";

	if (log__level() < LOG_INFO)
		return;
	if (trial__cost(&cost))
		cost = (struct trial_cost){ 0 };
	for (size_t i = 0; i < file->nr_sites; i++) {
		const struct probe_site *site = &file->sites[i];

		if (site->role == PROBE_ROLE_LOADED)
			continue;
		if (cost.emulated_ns > 0)
			snprintf(predicted, sizeof(predicted), ", %.2f us a call",
				 trial_cost__call_ns(&cost, site) / 1e3);
		log_info("%s: %s is probed at +%u, on `%s` (%s%s), by %s link, in process %d.",
			 path__base(file->path), site->fn->symbol, site->place.offset,
			 site->place.text, site->place.emulated ? "emulated" : "single-stepped",
			 predicted, link_kind__name(engine->kind), pid);
	}
}

static void mark_probed(struct mappings *mappings, uint32_t module)
{
	size_t before = mappings->probed_capacity;

	if (module >= before) {
		mappings->probed_capacity = max(module + 1, 2 * before);
		mappings->probed = xrealloc(mappings->probed, mappings->probed_capacity);
		memset(mappings->probed + before, 0, mappings->probed_capacity - before);
	}
	mappings->probed[module] = 1;
}

static bool is_probed(const struct mappings *mappings, uint32_t module)
{
	return module < mappings->probed_capacity && mappings->probed[module];
}

/* Probes what there is to probe in a file, once a process. */
static void probe_module(struct mappings *mappings, uint32_t module)
{
	const struct mapped_file *file = &mappings->files->files[module];
	char path[64];
	int err;

	if (!file->nr_sites || is_probed(mappings, module))
		return;
	mark_probed(mappings, module);
	/* The very file, whatever has become of its name. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
	err = engine__attach(mappings->engine, &mappings->links, path, mappings->pid,
			     mappings->space.process->slot, file->sites, file->nr_sites);
	if (err) {
		mappings->probe_error = err;
		log_debug("Probing %s in process %d failed: %s.", file->path, mappings->pid,
			  strerror(-err));
		return;
	}
	mappings->nr_probed += file->nr_functions;
	describe_sites(file, mappings->engine, mappings->pid);
}

void mappings__probe_known(struct mappings *mappings)
{
	size_t nr = 0;

	for (size_t i = 0; i < mappings->files->nr && nr < MAX_PROBED_AHEAD; i++) {
		nr += mappings->files->files[i].nr_sites > 0;
		probe_module(mappings, (uint32_t)i);
	}
}

/* Is that what was last sent of these addresses? */
static bool is_known(const struct mappings *mappings, const struct target_mapping *mapping,
		     uint32_t module)
{
	for (size_t i = mappings->nr_ranges; i-- > 0;) {
		const struct mapped_range *range = &mappings->ranges[i];

		if (range->start < mapping->end && mapping->start < range->end)
			return range->start == mapping->start && range->end == mapping->end &&
			       range->offset == mapping->offset && range->module == module;
	}
	return false;
}

static void keep_range(struct mappings *mappings, const struct mapped_range *range)
{
	mappings->ranges = array__grow(mappings->ranges, mappings->nr_ranges,
				       &mappings->ranges_capacity, sizeof(*mappings->ranges));
	mappings->ranges[mappings->nr_ranges++] = *range;
}

/* Tells both walkers. Stacks through addresses that now mean something else are not known any more.
 */
static void map_code(struct mappings *mappings, const struct mapped_file *file,
		     const struct wire_mapping *mapping)
{
	if (unwind_space__map(&mappings->space, mapping->start, mapping->end, mapping->vaddr,
			      file->unwind))
		unwind_space__begin_epoch(&mappings->space);
	if (file->elf)
		finish__map(mappings->finish, mapping->start, mapping->end, mapping->vaddr,
			    file->fd, file->path);
}

void mappings__add(struct mappings *mappings, const struct target_mapping *mapping,
		   uint64_t time_ns)
{
	/* Where return probes lead: the walker looks up what they replaced. */
	static const char trampolines[] = "[uprobes]";
	struct wire_mapping record = { .time_ns = time_ns,
				       .start = mapping->start,
				       .end = mapping->end };
	const struct mapped_file *file;

	if (!strcmp(mapping->path, trampolines))
		return;
	record.module = files__find(mappings->files, mappings->pid, mapping);
	if (is_known(mappings, mapping, record.module))
		return;
	file = &mappings->files->files[record.module];
	mappings->nr_generated += file->unwind == UNWIND_MODULE_JIT;
	mappings->traces |= file->traces;
	record.vaddr = files__vaddr(file, mapping);
	map_code(mappings, file, &record);
	queue__add(mappings->files->queue, WIRE_MAPPING, mappings->pid, &record, sizeof(record),
		   NULL, 0, NULL, 0);
	keep_range(mappings, &(struct mapped_range){ mapping->start, mapping->end, mapping->offset,
						     record.module });
	probe_module(mappings, record.module);
}

static int add_now(const struct target_mapping *mapping, void *data)
{
	mappings__add(data, mapping, clock__monotonic_ns());
	return 0;
}

/* Tells the programs which code decides about calls that are to fail. */
static void publish_injection(const struct mappings *mappings)
{
	struct inject_mapping *all = xcalloc(mappings->nr_ranges + 1, sizeof(*all));

	for (size_t i = 0; i < mappings->nr_ranges; i++) {
		const struct mapped_range *range = &mappings->ranges[i];
		struct target_mapping mapping = { .start = range->start, .offset = range->offset };

		all[i] = (struct inject_mapping){
			range->start, range->end,
			files__vaddr(&mappings->files->files[range->module], &mapping),
			range->module
		};
	}
	inject__publish(mappings->engine->inject, mappings->files, all, mappings->nr_ranges);
	free(all);
}

void mappings__publish(struct mappings *mappings)
{
	if (mappings->nr_published == mappings->nr_ranges)
		return;
	if (mappings->engine->inject)
		publish_injection(mappings);
	unwind_space__publish(&mappings->space);
	mappings->nr_published = mappings->nr_ranges;
}

void mappings__inherit(struct mappings *mappings, const struct mappings *parent)
{
	unwind_space__copy(&mappings->space, &parent->space);
	for (size_t i = 0; i < parent->nr_ranges; i++) {
		const struct mapped_range *range = &parent->ranges[i];
		const struct mapped_file *file = &mappings->files->files[range->module];
		struct target_mapping mapping = { .start = range->start, .offset = range->offset };

		keep_range(mappings, range);
		if (file->elf)
			finish__map(mappings->finish, range->start, range->end,
				    files__vaddr(file, &mapping), file->fd, file->path);
	}
	mappings->nr_generated = parent->nr_generated;
	mappings->traces = parent->traces;
	for (size_t i = 0; i < parent->probed_capacity; i++)
		if (parent->probed[i])
			probe_module(mappings, (uint32_t)i);
	mappings__publish(mappings);
}

int mappings__restart(struct mappings *mappings)
{
	unwind_space__unmap_all(&mappings->space);
	mappings->nr_ranges = 0;
	mappings->traces = false;
	mappings->nr_published = SIZE_MAX; /* whatever is found is news */
	return mappings__scan(mappings);
}

int mappings__scan(struct mappings *mappings)
{
	int err = target__for_each_mapping(mappings->pid, add_now, mappings);

	mappings__publish(mappings);
	return err;
}
