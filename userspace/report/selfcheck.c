// SPDX-License-Identifier: BSD-2-Clause
#include "report/selfcheck.h"

#include <string.h>

#include "base/util.h"
#include "report/model.h"
#include "wire.h"

#define MIB (1ull << 20)

/* A few always come: what the dynamic loader allocated before anybody could look, a plugin's last
 * words. */
#define HANDFUL 10

/*
 * How much memory may grow beyond `times` what was allocated: fragmentation, and what allocators
 * keep for later. In a process that has run before, blocks older than the attach may be filled only
 * now, which looks the same: it takes more to say so.
 */
static const struct {
	uint64_t bytes, times;
} rooms[] = {
	[false] = { 64 * MIB, 4 }, [true] = { 16 * MIB, 2 }, /* watched as a whole */
};

/* More than a handful, and more than 1 % of all. */
static uint64_t if_many(uint64_t nr, uint64_t nr_all)
{
	return nr > HANDFUL && nr > nr_all / 100 ? nr : 0;
}

/* Files that ask for memory as a matter of course, for themselves: the dynamic loader. */
static bool is_loader(const struct module *module)
{
	const char *name = path__base(module->path);

	return name[0] == '[' || !strncmp(name, "ld-", 3) || !strncmp(name, "ld.so", 5) ||
	       !strncmp(name, "ld64.so", 7);
}

/* How likely it is that a module is the allocator; 0: it is not. */
static unsigned likelihood(const struct process *process, const struct module *module)
{
	if (!(module->flags & WIRE_MODULE_MAPS) || module->flags & WIRE_MODULE_WATCHED ||
	    is_loader(module))
		return 0;
	if (strstr(path__base(module->path), "alloc"))
		return 3;
	/* It brings its own, linked in. */
	if (process->exe && !strcmp(module->path, process->exe))
		return 2;
	return 1;
}

static const struct module *find_suspect(const struct model *model, const struct process *process)
{
	const struct module *suspect = NULL;
	uint32_t suspect_id = 0;
	unsigned best = 0;

	for (size_t i = 0; process->space && i < space__nr_mappings(process->space); i++) {
		uint32_t id = space__module(process->space, i);
		const struct module *module = modmap__module(model->modmap, id);
		unsigned likely = likelihood(process, module);

		/* Among equals, the one that was there first. */
		if (likely > best || (likely && likely == best && id < suspect_id)) {
			best = likely;
			suspect = module;
			suspect_id = id;
		}
	}
	return suspect;
}

static uint64_t unexplained_bytes(const struct process *process)
{
	const struct process_memory *memory = &process->memory;
	uint64_t room = rooms[process->watched_whole].bytes;

	if (memory->growth_bytes <= room ||
	    (memory->growth_bytes - room) / rooms[process->watched_whole].times <=
		    memory->allocated_bytes)
		return 0;
	return memory->growth_bytes - memory->allocated_bytes;
}

struct selfcheck selfcheck__run(const struct model *model, const struct process *process)
{
	const struct heap_totals *totals = process__totals(process);
	struct selfcheck check = { .module = find_suspect(model, process) };

	if (!model->nr_lost && !process->sample_bytes) {
		if (process->watched_whole)
			check.unknown_frees = if_many(totals->unknown_frees,
						      totals->unknown_frees + totals->frees);
		check.replaced_blocks = if_many(totals->replaced_blocks, totals->allocations);
		/* Big variables without initial values grow like this, too: somebody must be there
		 * who asks for memory. */
		if (check.module)
			check.unexplained_bytes = unexplained_bytes(process);
	}
	check.suspicious = check.unknown_frees || check.unexplained_bytes || check.replaced_blocks;
	if (!check.suspicious)
		check.module = NULL;
	return check;
}
