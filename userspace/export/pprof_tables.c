// SPDX-License-Identifier: BSD-2-Clause
#include "export/pprof_tables.h"

#include <stdlib.h>
#include <string.h>

#include "base/keyset.h"
#include "base/strtab.h"
#include "base/text.h"
#include "base/util.h"

enum {
	MAPPING_ID = 1,
	MAPPING_START,
	MAPPING_LIMIT,
	MAPPING_OFFSET,
	MAPPING_FILENAME,
	MAPPING_BUILD_ID,
	MAPPING_HAS_FUNCTIONS,
	MAPPING_HAS_FILENAMES,
	MAPPING_HAS_LINES,
	MAPPING_HAS_INLINES
};
enum { LOCATION_ID = 1, LOCATION_MAPPING, LOCATION_ADDRESS, LOCATION_LINE };
enum { LINE_FUNCTION = 1, LINE_LINE };
enum { FUNCTION_ID = 1, FUNCTION_NAME, FUNCTION_SYSTEM_NAME, FUNCTION_FILENAME };

/* A place in a process: many frames are met often, and are looked at once. */
struct place_key {
	const struct process *process;
	const struct module *module;
	uint64_t address;
	uint64_t nr_frames; /* functions there that were inlined into the next, and that */
};

struct mapping_key {
	const struct module *module;
	struct space_range range; /* zeros where it is not known */
};

struct location_key {
	uint64_t mapping, address, nr_frames;
};

struct function_key {
	uint32_t name, file;
};

/* What is known of the code of a mapping. */
struct knowledge {
	bool functions, files, lines;
};

/* Ids of a profile count from 1: they are numbers of the keys + 1. */
struct pprof_tables {
	struct strtab strings; /* its ids are the profile's: 0 is "" there */
	struct keyset places, mappings, locations, functions;
	uint64_t *location_of;	 /* by the numbers of places: the id */
	struct knowledge *known; /* by the numbers of mappings */
	size_t location_of_capacity, known_capacity;
	struct protobuf written; /* the locations as fields of the profile */
	struct protobuf location, line;
};

struct pprof_tables *pprof_tables__new(void)
{
	struct pprof_tables *tables = xcalloc(1, sizeof(*tables));

	tables->places.key_size = sizeof(struct place_key);
	tables->mappings.key_size = sizeof(struct mapping_key);
	tables->locations.key_size = sizeof(struct location_key);
	tables->functions.key_size = sizeof(struct function_key);
	return tables;
}

void pprof_tables__free(struct pprof_tables *tables)
{
	if (!tables)
		return;
	strtab__clear(&tables->strings);
	keyset__clear(&tables->places);
	keyset__clear(&tables->mappings);
	keyset__clear(&tables->locations);
	keyset__clear(&tables->functions);
	protobuf__clear(&tables->written);
	protobuf__clear(&tables->location);
	protobuf__clear(&tables->line);
	free(tables->location_of);
	free(tables->known);
	free(tables);
}

uint32_t pprof_tables__string(struct pprof_tables *tables, const char *text)
{
	char *copy;
	uint32_t id;

	if (!text || !*text)
		return 0;
	copy = xstrdup(text);
	text__strip_controls(copy);
	id = strtab__add(&tables->strings, copy, SIZE_MAX);
	free(copy);
	return id;
}

/* The id of the mapping an address is in; 0: no file was mapped there. */
static uint64_t mapping_of(struct pprof_tables *tables, const struct process *process,
			   const struct frame *frame)
{
	struct mapping_key key = { .module = frame->module };
	size_t nr_known = tables->mappings.nr, number;

	if (!frame->module)
		return 0;
	if (process->space)
		space__range_at(process->space, frame->module, frame->address, &key.range);
	number = keyset__add(&tables->mappings, &key);
	if (number == nr_known) {
		tables->known = array__grow(tables->known, number, &tables->known_capacity,
					    sizeof(*tables->known));
		tables->known[number] = (struct knowledge){ 0 };
	}
	return number + 1;
}

static uint64_t function_of(struct pprof_tables *tables, const struct frame *frame)
{
	struct function_key key = { .name = pprof_tables__string(tables, frame->function),
				    .file = pprof_tables__string(tables, frame->file) };

	return key.name || key.file ? keyset__add(&tables->functions, &key) + 1 : 0;
}

static void write_location(struct pprof_tables *tables, uint64_t id, const struct location_key *key,
			   const struct frame *frames)
{
	struct knowledge *known = key->mapping ? &tables->known[key->mapping - 1] : NULL;

	protobuf__reset(&tables->location);
	protobuf__uint(&tables->location, LOCATION_ID, id);
	protobuf__uint(&tables->location, LOCATION_MAPPING, key->mapping);
	protobuf__uint(&tables->location, LOCATION_ADDRESS, key->address);
	for (uint64_t i = 0; i < key->nr_frames; i++) {
		uint64_t function = function_of(tables, &frames[i]);

		if (!function)
			continue;
		protobuf__reset(&tables->line);
		protobuf__uint(&tables->line, LINE_FUNCTION, function);
		protobuf__uint(&tables->line, LINE_LINE, frames[i].line);
		protobuf__message(&tables->location, LOCATION_LINE, &tables->line);
		if (known) {
			known->functions |= frames[i].function != NULL;
			known->files |= frames[i].file != NULL;
			known->lines |= frames[i].line != 0;
		}
	}
	protobuf__message(&tables->written, PROFILE_LOCATION, &tables->location);
}

static uint64_t location_of(struct pprof_tables *tables, const struct process *process,
			    const struct frame *frames, uint32_t nr_frames)
{
	const struct frame *frame = &frames[0];
	const struct place_key place = { .process = process,
					 .module = frame->module,
					 .address = frame->address,
					 .nr_frames = nr_frames };
	size_t nr_places = tables->places.nr, number = keyset__add(&tables->places, &place);
	struct location_key key = { .address = frame->address, .nr_frames = nr_frames };
	size_t nr_locations = tables->locations.nr;
	uint64_t id;

	if (number < nr_places)
		return tables->location_of[number];
	key.mapping = mapping_of(tables, process, frame);
	id = keyset__add(&tables->locations, &key) + 1;
	if (id > nr_locations)
		write_location(tables, id, &key, frames);
	tables->location_of =
		array__grow(tables->location_of, number, &tables->location_of_capacity,
			    sizeof(*tables->location_of));
	tables->location_of[number] = id;
	return id;
}

size_t pprof_tables__locate(struct pprof_tables *tables, const struct process *process,
			    const struct frame *frames, uint32_t nr_frames, uint64_t *ids)
{
	size_t nr = 0;

	for (uint32_t i = 0, next; i < nr_frames; i = next) {
		for (next = i + 1; next < nr_frames && frames[next - 1].inlined; next++)
			;
		ids[nr++] = location_of(tables, process, &frames[i], next - i);
	}
	return nr;
}

static uint32_t build_id_string(struct pprof_tables *tables, const struct module *module)
{
	char hex[MODULE_MAX_BUILD_ID * 2 + 1] = "";

	for (uint32_t i = 0; i < module->build_id_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", module->build_id[i]);
	return pprof_tables__string(tables, hex);
}

static void write_mapping(struct pprof_tables *tables, size_t number, struct protobuf *out)
{
	const struct mapping_key *key = keyset__key(&tables->mappings, number);
	const struct knowledge *known = &tables->known[number];
	struct protobuf *mapping = &tables->location;
	const struct space_range *range = &key->range;

	protobuf__reset(mapping);
	protobuf__uint(mapping, MAPPING_ID, number + 1);
	protobuf__uint(mapping, MAPPING_START, range->start);
	protobuf__uint(mapping, MAPPING_LIMIT, range->end);
	/* Recordings have link-time addresses. Where code can be loaded anywhere, linkers make
	 * offsets in the file the same; what has a fixed address needs no offset. */
	protobuf__uint(mapping, MAPPING_OFFSET, range->vaddr != range->start ? range->vaddr : 0);
	protobuf__uint(mapping, MAPPING_FILENAME, pprof_tables__string(tables, key->module->path));
	protobuf__uint(mapping, MAPPING_BUILD_ID, build_id_string(tables, key->module));
	protobuf__uint(mapping, MAPPING_HAS_FUNCTIONS, known->functions);
	protobuf__uint(mapping, MAPPING_HAS_FILENAMES, known->files);
	protobuf__uint(mapping, MAPPING_HAS_LINES, known->lines);
	/* Whoever knows lines has read what tells of inlined functions, too. */
	protobuf__uint(mapping, MAPPING_HAS_INLINES, known->lines);
	protobuf__message(out, PROFILE_MAPPING, mapping);
}

static void write_mappings(struct pprof_tables *tables, const char *main_path, struct protobuf *out)
{
	for (unsigned pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < tables->mappings.nr; i++) {
			const struct mapping_key *key = keyset__key(&tables->mappings, i);
			bool is_main = main_path && !strcmp(key->module->path, main_path);

			if (is_main == !pass)
				write_mapping(tables, i, out);
		}
	}
}

static void write_functions(struct pprof_tables *tables, struct protobuf *out)
{
	struct protobuf *function = &tables->line;

	for (size_t i = 0; i < tables->functions.nr; i++) {
		const struct function_key *key = keyset__key(&tables->functions, i);

		protobuf__reset(function);
		protobuf__uint(function, FUNCTION_ID, i + 1);
		protobuf__uint(function, FUNCTION_NAME, key->name);
		protobuf__uint(function, FUNCTION_SYSTEM_NAME, key->name);
		protobuf__uint(function, FUNCTION_FILENAME, key->file);
		protobuf__message(out, PROFILE_FUNCTION, function);
	}
}

static void write_strings(const struct pprof_tables *tables, struct protobuf *out)
{
	protobuf__bytes(out, PROFILE_STRING_TABLE, "", 0);
	for (uint32_t id = 1; id <= tables->strings.nr; id++) {
		const char *text = strtab__text(&tables->strings, id);

		protobuf__bytes(out, PROFILE_STRING_TABLE, text, strlen(text));
	}
}

void pprof_tables__write(struct pprof_tables *tables, const char *main_path, struct protobuf *out)
{
	write_mappings(tables, main_path, out);
	write_functions(tables, out);
	write_strings(tables, out);
}

const struct protobuf *pprof_tables__locations(const struct pprof_tables *tables)
{
	return &tables->written;
}
