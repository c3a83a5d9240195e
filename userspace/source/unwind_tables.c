// SPDX-License-Identifier: BSD-2-Clause
#include "source/unwind_tables.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"

#define CHUNK_BYTES (UNWIND_CHUNK_BLOCKS * sizeof(struct unwind_block))
#define RULE_STRIDE 16 /* an element of a BPF array takes a multiple of 8 */

static void *map_array(int fd, size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void unmap(void *memory, size_t bytes)
{
	if (memory)
		munmap(memory, bytes);
}

int unwind_tables__open(struct unwind_tables *tables, const struct unwind_map_fds *fds)
{
	*tables = (struct unwind_tables){ .fds = *fds };
	tables->modules = map_array(fds->modules, UNWIND_MAX_MODULES * sizeof(*tables->modules));
	tables->rules = map_array(fds->rules, UNWIND_MAX_RULES * RULE_STRIDE);
	if (!tables->modules || !tables->rules) {
		int err = -errno;

		unwind_tables__close(tables);
		return err;
	}
	unwind_tables__add(tables, NULL); /* number 0: no unwind information */
	return 0;
}

void unwind_tables__close(struct unwind_tables *tables)
{
	unmap(tables->modules, UNWIND_MAX_MODULES * sizeof(*tables->modules));
	unmap(tables->rules, UNWIND_MAX_RULES * RULE_STRIDE);
	for (size_t i = 0; i < UNWIND_MAX_CHUNKS; i++)
		unmap(tables->chunks[i], CHUNK_BYTES);
	hmap__clear(&tables->rule_numbers);
	*tables = (struct unwind_tables){ 0 };
}

/* The number of a rule in the kernel's array, added where new; -1: there is no room. */
static int rule_number(struct unwind_tables *tables, const struct unwind_rule *rule)
{
	uint64_t hash = hash__bytes(rule, sizeof(*rule)), *known;

	/* Two rules of one hash: the second takes the next free number. */
	for (; (known = hmap__find(&tables->rule_numbers, hash)); hash++)
		if (!memcmp(tables->rules + *known * RULE_STRIDE, rule, sizeof(*rule)))
			return (int)*known;
	if (tables->nr_rules == UNWIND_MAX_RULES)
		return -1;
	memcpy(tables->rules + tables->nr_rules * RULE_STRIDE, rule, sizeof(*rule));
	hmap__set(&tables->rule_numbers, hash, tables->nr_rules);
	return (int)tables->nr_rules++;
}

/* A chunk of memory in the kernel, mapped here; NULL: there is none to be had. */
static struct unwind_block *new_chunk(struct unwind_tables *tables, uint32_t number)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_chunk", sizeof(uint32_t),
				sizeof(struct unwind_block), UNWIND_CHUNK_BLOCKS, &opts);
	struct unwind_block *chunk = NULL;

	if (fd < 0)
		return NULL;
	chunk = map_array(fd, CHUNK_BYTES);
	if (chunk && bpf_map_update_elem(tables->fds.chunks, &number, &fd, BPF_ANY)) {
		unmap(chunk, CHUNK_BYTES);
		chunk = NULL;
	}
	close(fd);
	return chunk;
}

/* A block of the kernel's, the next one; NULL: there is no room. */
static struct unwind_block *new_block(struct unwind_tables *tables)
{
	size_t chunk = tables->nr_blocks / UNWIND_CHUNK_BLOCKS;
	struct unwind_block *block;

	if (chunk >= UNWIND_MAX_CHUNKS)
		return NULL;
	if (!tables->chunks[chunk])
		tables->chunks[chunk] = new_chunk(tables, (uint32_t)chunk);
	if (!tables->chunks[chunk])
		return NULL;
	block = &tables->chunks[chunk][tables->nr_blocks++ % UNWIND_CHUNK_BLOCKS];
	memset(block->pc, 0xff, sizeof(block->pc));
	return block;
}

/* Writes the leaves, and the first address of each to firsts. Returns their number; 0: no room. */
static size_t write_leaves(struct unwind_tables *tables, const struct unwind_table *table,
			   const int *numbers, uint32_t *firsts)
{
	size_t nr = 0;

	for (size_t at = 0; at < table->nr_rows; at += UNWIND_BLOCK_ROWS) {
		size_t used = min(table->nr_rows - at, (size_t)UNWIND_BLOCK_ROWS);
		struct unwind_block *block = new_block(tables);

		if (!block)
			return 0;
		for (size_t i = 0; i < used; i++) {
			block->pc[i] = table->rows[at + i].pc;
			block->rule[i] = (uint16_t)numbers[table->rows[at + i].rule];
		}
		firsts[nr++] = table->rows[at].pc;
	}
	return nr;
}

/* Writes the level above nr blocks, whose first addresses are in firsts, and replaces those. */
static size_t write_level(struct unwind_tables *tables, uint32_t *firsts, size_t nr)
{
	size_t nr_above = 0;

	for (size_t at = 0; at < nr; at += UNWIND_BLOCK_ROWS) {
		struct unwind_block *block = new_block(tables);

		if (!block)
			return 0;
		memcpy(block->pc, firsts + at,
		       min(nr - at, (size_t)UNWIND_BLOCK_ROWS) * sizeof(*firsts));
		firsts[nr_above++] = firsts[at];
	}
	return nr_above;
}

static bool write_tree(struct unwind_tables *tables, const struct unwind_table *table,
		       const int *numbers, struct unwind_module *module)
{
	uint32_t *firsts = xcalloc(table->nr_rows / UNWIND_BLOCK_ROWS + 1, sizeof(*firsts));
	uint32_t nr_levels = 0;
	size_t nr;

	module->level[nr_levels++] = (uint32_t)tables->nr_blocks;
	nr = write_leaves(tables, table, numbers, firsts);
	while (nr > 1 && nr_levels < UNWIND_MAX_LEVELS) {
		module->level[nr_levels++] = (uint32_t)tables->nr_blocks;
		nr = write_level(tables, firsts, nr);
	}
	module->nr_levels = nr_levels;
	free(firsts);
	return nr == 1;
}

uint32_t unwind_tables__add(struct unwind_tables *tables, const struct unwind_table *table)
{
	struct unwind_module module = { 0 };
	bool fits = tables->nr_modules < UNWIND_MAX_MODULES;
	int *numbers;

	if (fits && table && table->nr_rows) {
		module.base = table->base;
		numbers = xcalloc(table->nr_rules, sizeof(*numbers));
		for (size_t i = 0; i < table->nr_rules; i++) {
			numbers[i] = rule_number(tables, &table->rules[i]);
			fits = fits && numbers[i] >= 0;
		}
		fits = fits && write_tree(tables, table, numbers, &module);
		free(numbers);
	}
	if (!fits)
		return UNWIND_MODULE_UNKNOWN;
	tables->modules[tables->nr_modules] = module;
	return (uint32_t)tables->nr_modules++;
}

const struct unwind_rule *unwind_tables__rule(const struct unwind_tables *tables, uint32_t number)
{
	return number < tables->nr_rules
		       ? (const struct unwind_rule *)(tables->rules + number * RULE_STRIDE)
		       : NULL;
}

const struct unwind_block *unwind_tables__block(const struct unwind_tables *tables, uint32_t number)
{
	const struct unwind_block *chunk = NULL;

	if (number < tables->nr_blocks)
		chunk = tables->chunks[number / UNWIND_CHUNK_BLOCKS];
	return chunk ? &chunk[number % UNWIND_CHUNK_BLOCKS] : NULL;
}
