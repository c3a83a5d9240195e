// SPDX-License-Identifier: BSD-2-Clause
/*
 * The child's answer is a stream of 32-bit words: a text when it is first needed, then the frames
 * of an address, at the end a word that says it is complete. Once it has read a hostile file the
 * child is not trusted: the parent checks every length, number and index.
 */
#include "symbol/lookup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "symbol/callsite.h"
#include "symbol/debugfile.h"
#include "symbol/demangle.h"
#include "symbol/dwarf.h"
#include "symbol/elf.h"
#include "symbol/isolate.h"
#include "symbol/symtab.h"
#include "wire.h"

#define ANSWER_TEXT   0x54584554u /* bytes, then that many; ids count from 1 */
#define ANSWER_FRAMES 0x4d415246u /* index, number of frames, then function, file, line of each */
#define ANSWER_FROM   0x4d4f5246u /* 1 when it is certain to be the file; the id of its path */
#define ANSWER_END    0x444e4521u

#define WALL_NS		   (120 * NSEC_PER_SEC)
#define WALL_DEBUGINFOD_NS (600 * NSEC_PER_SEC) /* it may have to download */
#define MEMORY_BYTES	   (4ull << 30)
#define OUTPUT_BYTES	   (256u << 20)

/* What the child has found and sent. */
struct answer {
	FILE *out;
	struct strtab texts;
	size_t nr_sent; /* texts */
};

static void put(struct answer *answer, uint32_t word)
{
	fwrite(&word, sizeof(word), 1, answer->out);
}

static void put_texts(struct answer *answer)
{
	while (answer->nr_sent < answer->texts.nr) {
		const char *text = strtab__text(&answer->texts, (uint32_t)++answer->nr_sent);
		size_t len = strnlen(text, WIRE_MAX_STRING);

		put(answer, ANSWER_TEXT);
		put(answer, (uint32_t)len);
		fwrite(text, 1, len, answer->out);
	}
}

static void put_from(struct answer *answer, const struct debugfile *file)
{
	uint32_t id = strtab__add(&answer->texts, file->path, strlen(file->path));

	put_texts(answer);
	put(answer, ANSWER_FROM);
	put(answer, file->is_certain);
	put(answer, id);
}

static void put_frames(struct answer *answer, uint32_t index, const struct dwarf_frame *frames,
		       uint32_t nr)
{
	put_texts(answer);
	put(answer, ANSWER_FRAMES);
	put(answer, index);
	put(answer, nr);
	for (uint32_t i = 0; i < nr; i++) {
		put(answer, frames[i].function);
		put(answer, frames[i].file);
		put(answer, frames[i].line);
	}
}

static bool add_symbol(const char *name, uint64_t vaddr, uint64_t size, void *data)
{
	/* Without a size its end is not known: sections are not looked at here. */
	if (size)
		symtab__add(data, name, vaddr, size);
	return true;
}

/* file: the one that has the symbols; pcs: addresses inside the calls. */
static int answer_by_symbols(const struct lookup *lookup, const struct debugfile *file,
			     const uint64_t *pcs, struct answer *answer)
{
	struct elf_file *elf = elf__open(file->fd);
	struct symtab symbols = { 0 };

	if (!elf)
		return errno;
	elf__for_each_function(elf, add_symbol, &symbols);
	symtab__sort(&symbols);
	for (uint32_t i = 0; i < lookup->nr; i++) {
		const struct symbol *symbol = pcs[i] ? symtab__find(&symbols, pcs[i]) : NULL;
		struct dwarf_frame frame = { 0 };
		char *name;

		if (!symbol)
			continue;
		name = demangle__name(symbol->name);
		frame.function = strtab__add(&answer->texts, name, strlen(name));
		free(name);
		put_frames(answer, i, &frame, 1);
	}
	symtab__clear(&symbols);
	elf__close(elf);
	return 0;
}

/* Both files' descriptors are taken over. */
static int answer_by_dwarf(const struct lookup *lookup, struct debugfile *file,
			   struct debugfile *separate, const uint64_t *pcs, struct answer *answer)
{
	const struct sym_options *options = lookup->options;
	char *search_path = debugfile__search_path(options->sysroot, options->debug_dir);
	struct dwarf_frame frames[DWARF_MAX_FRAMES];
	struct dwarf_files files = { .fd = file->fd,
				     .path = file->path,
				     .separate_fd = separate->fd,
				     .separate_path = separate->path,
				     .search_path = search_path,
				     .ask_servers = options->debuginfod };
	struct dwarf *dwarf;
	int err = 0;

	/* elfutils asks a server whenever this names one. */
	if (!options->debuginfod)
		unsetenv("DEBUGINFOD_URLS");
	dwarf = dwarf__open(&files);
	file->fd = separate->fd = -1;
	if (!dwarf)
		err = errno;
	for (uint32_t i = 0; dwarf && i < lookup->nr; i++) {
		uint32_t nr = 0;

		if (pcs[i])
			nr = dwarf__frames(dwarf, pcs[i], &answer->texts, frames);
		if (nr)
			put_frames(answer, i, frames, nr);
	}
	dwarf__close(dwarf);
	free(search_path);
	return err;
}

/* Where each call is; 0: the file has no code there. NULL with errno. */
static uint64_t *find_calls(const struct lookup *lookup, int fd)
{
	struct elf_file *elf = elf__open(fd);
	uint64_t *pcs;

	if (!elf)
		return NULL;
	pcs = xcalloc(lookup->nr, sizeof(*pcs));
	for (uint32_t i = 0; i < lookup->nr; i++)
		if (elf__is_code(elf, lookup->vaddrs[i] - 1))
			pcs[i] = callsite__of(elf, lookup->vaddrs[i]);
	elf__close(elf);
	return pcs;
}

static int answer_from(const struct lookup *lookup, struct debugfile *file, struct answer *answer)
{
	uint64_t *pcs = find_calls(lookup, file->fd);
	struct debugfile separate;
	int err;

	if (!pcs)
		return errno;
	debugfile__open_separate(lookup->module, lookup->options, file, &separate);
	put_from(answer, separate.fd >= 0 ? &separate : file);
	if (lookup->symbols_only)
		err = answer_by_symbols(lookup, separate.fd >= 0 ? &separate : file, pcs, answer);
	else
		err = answer_by_dwarf(lookup, file, &separate, pcs, answer);
	debugfile__close(&separate);
	free(pcs);
	return err;
}

/* In the child. */
static int work(int fd, void *data)
{
	const struct lookup *lookup = data;
	struct answer answer = { 0 };
	struct debugfile file;
	int err;

	err = debugfile__open(lookup->module, lookup->options, lookup->vaddrs, lookup->nr, &file);
	if (err)
		return -err;
	answer.out = fdopen(fd, "w");
	if (!answer.out)
		return errno;
	err = answer_from(lookup, &file, &answer);
	if (!err)
		put(&answer, ANSWER_END);
	if (fclose(answer.out) && !err)
		err = EIO;
	strtab__clear(&answer.texts);
	debugfile__close(&file);
	return err;
}

/* The parent's view of the answer. */
struct reader {
	const char *at, *end;
	struct strtab *texts;
	uint32_t *ids; /* the child's text id - 1 -> ours */
	size_t nr_ids, ids_capacity;
	uint32_t nr_addresses;
	struct lookup_result *result;
	struct sym_frame frames[DWARF_MAX_FRAMES];
};

static bool get(struct reader *reader, uint32_t *word)
{
	if ((size_t)(reader->end - reader->at) < sizeof(*word))
		return false;
	memcpy(word, reader->at, sizeof(*word));
	reader->at += sizeof(*word);
	return true;
}

static bool get_text(struct reader *reader)
{
	uint32_t len;

	if (!get(reader, &len) || len > WIRE_MAX_STRING || len > (size_t)(reader->end - reader->at))
		return false;
	reader->ids = array__grow(reader->ids, reader->nr_ids, &reader->ids_capacity,
				  sizeof(*reader->ids));
	reader->ids[reader->nr_ids++] = strtab__add(reader->texts, reader->at, len);
	reader->at += len;
	return true;
}

static bool get_text_id(struct reader *reader, const char **text)
{
	uint32_t id;

	if (!get(reader, &id) || id > reader->nr_ids)
		return false;
	*text = id ? strtab__text(reader->texts, reader->ids[id - 1]) : NULL;
	return true;
}

static bool get_from(struct reader *reader)
{
	uint32_t is_certain;

	if (!get(reader, &is_certain) || !get_text_id(reader, &reader->result->path))
		return false;
	reader->result->is_certain = is_certain != 0;
	return true;
}

static bool get_frames(struct reader *reader, uint32_t *index, uint32_t *nr)
{
	if (!get(reader, index) || *index >= reader->nr_addresses || !get(reader, nr) || !*nr ||
	    *nr > DWARF_MAX_FRAMES)
		return false;
	for (uint32_t i = 0; i < *nr; i++) {
		if (!get_text_id(reader, &reader->frames[i].function) ||
		    !get_text_id(reader, &reader->frames[i].file) ||
		    !get(reader, &reader->frames[i].line))
			return false;
	}
	return true;
}

static int parse(struct reader *reader,
		 void (*found)(uint32_t index, const struct sym_frame *frames, uint32_t nr_frames,
			       void *data),
		 void *data)
{
	uint32_t what, index, nr;

	while (get(reader, &what)) {
		if (what == ANSWER_END)
			return 0;
		if ((what == ANSWER_TEXT && get_text(reader)) ||
		    (what == ANSWER_FROM && get_from(reader)))
			continue;
		if (what != ANSWER_FRAMES || !get_frames(reader, &index, &nr))
			break;
		found(index, reader->frames, nr, data);
	}
	return -EBADMSG;
}

int lookup__run(const struct lookup *lookup, struct strtab *texts,
		void (*found)(uint32_t index, const struct sym_frame *frames, uint32_t nr_frames,
			      void *data),
		void *data, struct lookup_result *result)
{
	const struct isolate_limits limits = {
		.wall_ns = lookup->options->debuginfod ? WALL_DEBUGINFOD_NS : WALL_NS,
		.memory_bytes = MEMORY_BYTES,
		.output_bytes = OUTPUT_BYTES,
	};
	struct reader reader = { .texts = texts, .nr_addresses = lookup->nr, .result = result };
	char *output;
	size_t len;
	int err;

	*result = (struct lookup_result){ 0 };
	err = isolate__run(work, (void *)lookup, &limits, &output, &len);
	if (err)
		return err;
	reader.at = output;
	reader.end = output + len;
	err = parse(&reader, found, data);
	free(reader.ids);
	free(output);
	return err;
}
