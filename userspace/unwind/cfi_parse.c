// SPDX-License-Identifier: BSD-2-Clause
/*
 * The entries of .eh_frame (LSB core, "Exception Frames") and .debug_frame (DWARF 5 §6.4.1). The
 * section is gone through twice, for CIEs and for FDEs. An FDE's CIE must be one that was met on
 * the way: so no byte is looked at more than a few times, wherever the pointers point.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/util.h"
#include "unwind/cfi_internal.h"

/* Linkers leave a few in .eh_frame; .debug_frame has one an object file. */
#define MAX_CIES (1u << 18)

enum {
	PTR_ABSOLUTE = 0x00,
	PTR_ULEB128 = 0x01,
	PTR_UDATA2 = 0x02,
	PTR_UDATA4 = 0x03,
	PTR_UDATA8 = 0x04,
	PTR_SIGNED = 0x08,
	PTR_SLEB128 = 0x09,
	PTR_SDATA2 = 0x0a,
	PTR_SDATA4 = 0x0b,
	PTR_SDATA8 = 0x0c,
};

struct entry {
	uint64_t offset;     /* in the section */
	uint64_t cie_offset; /* an FDE's */
	bool is_cie;
	struct cfi_reader body; /* after the CIE id or pointer */
};

static uint64_t read_format(struct cfi_reader *reader, uint8_t format)
{
	switch (format) {
	case PTR_ABSOLUTE:
	case PTR_UDATA8:
	case PTR_SIGNED:
	case PTR_SDATA8:
		return cfi_reader__u64(reader);
	case PTR_ULEB128:
		return cfi_reader__uleb(reader);
	case PTR_UDATA2:
		return cfi_reader__u16(reader);
	case PTR_UDATA4:
		return cfi_reader__u32(reader);
	case PTR_SLEB128:
		return (uint64_t)cfi_reader__sleb(reader);
	case PTR_SDATA2:
		return (uint64_t)(int16_t)cfi_reader__u16(reader);
	case PTR_SDATA4:
		return (uint64_t)(int32_t)cfi_reader__u32(reader);
	}
	reader->failed = true;
	return 0;
}

uint64_t cfi_parse__pointer(const struct cfi_section *section, struct cfi_reader *reader,
			    uint8_t encoding, uint64_t data_base)
{
	uint64_t base = 0;

	if ((encoding & PTR_BASE) == PTR_PC_RELATIVE)
		base = section->vaddr + (uint64_t)(reader->at - section->data);
	else if ((encoding & PTR_BASE) == PTR_DATA_RELATIVE && data_base)
		base = data_base;
	else if (encoding & PTR_BASE)
		reader->failed = true;
	/* A pointer to the pointer would be in memory that is not here. */
	if (encoding & PTR_INDIRECT)
		reader->failed = true;
	return base + read_format(reader, encoding & PTR_FORMAT);
}

/* The id or pointer that follows the length. False: no offset in the section. */
static bool read_id(const struct cfi_section *section, struct entry *entry, bool is_64bit)
{
	uint64_t at = (uint64_t)(entry->body.at - section->data);
	uint64_t id;

	if (!section->is_debug_frame) {
		/* Four bytes whatever the length's size; back from here to the CIE. */
		id = cfi_reader__u32(&entry->body);
		entry->is_cie = !id;
		entry->cie_offset = at - id;
		return id <= at;
	}
	id = is_64bit ? cfi_reader__u64(&entry->body) : cfi_reader__u32(&entry->body);
	entry->is_cie = id == (is_64bit ? UINT64_MAX : UINT32_MAX);
	entry->cie_offset = id;
	return true;
}

/* The next entry; false at the end. An entry that leads out of the section is the end. */
static bool next_entry(struct cfi_compiler *compiler, struct cfi_reader *reader,
		       struct entry *entry)
{
	const struct cfi_section *section = compiler->section;
	bool is_64bit, found = false;
	uint64_t len;

	while (!found && cfi_reader__left(reader)) {
		entry->offset = (uint64_t)(reader->at - section->data);
		len = cfi_reader__u32(reader);
		is_64bit = len == UINT32_MAX;
		if (is_64bit)
			len = cfi_reader__u64(reader);
		/* Linkers have left terminators in the middle. */
		if (!len && section->end_unknown)
			break;
		if (!len)
			continue;
		entry->body.failed = false;
		entry->body.at = cfi_reader__bytes(reader, len);
		entry->body.end = reader->at;
		if (!entry->body.at)
			break;
		found = read_id(section, entry, is_64bit) && !entry->body.failed;
		compiler->damaged |= !found;
	}
	compiler->damaged |= reader->failed;
	return found;
}

/* What the augmentation string says is in the augmentation data. False: not understood. */
static bool read_augmentation(const struct cfi_section *section, struct cfi_cie *cie,
			      const char *letters, struct cfi_reader *data)
{
	for (; *letters; letters++) {
		switch (*letters) {
		case 'L': /* the language's data: not ours, FDEs have its length */
			cfi_reader__u8(data);
			break;
		case 'P':
			read_format(data, cfi_reader__u8(data) & PTR_FORMAT);
			break;
		case 'R':
			cie->pointer_encoding = cfi_reader__u8(data);
			break;
		case 'S':
			cie->is_signal = true;
			break;
		default:
			return false;
		}
	}
	return !data->failed;
}

/* The fields up to the instructions. 0 or -EINVAL. */
static int read_cie(const struct cfi_section *section, struct cfi_cie *cie,
		    struct cfi_reader *reader)
{
	uint8_t version = cfi_reader__u8(reader);
	const char *augmentation = (const char *)reader->at;
	size_t len = strnlen(augmentation, cfi_reader__left(reader));
	struct cfi_reader data;
	uint64_t ra;

	if ((version != 1 && version != 3 && version != 4) || !cfi_reader__bytes(reader, len + 1))
		return -EINVAL;
	/* Addresses of 8 bytes, no segments. */
	if (version == 4 && cfi_reader__u16(reader) != 8)
		return -EINVAL;
	if (!strcmp(augmentation, "eh")) /* gcc 2: a pointer to exception tables */
		cfi_reader__u64(reader);
	else if (*augmentation && *augmentation != 'z')
		return -EINVAL;
	cie->code_align = cfi_reader__uleb(reader);
	cie->data_align = cfi_reader__sleb(reader);
	ra = version == 1 ? cfi_reader__u8(reader) : cfi_reader__uleb(reader);
	if (reader->failed || ra != 16)
		return -EINVAL;
	if (*augmentation != 'z')
		return 0;
	cie->has_augmentation_data = true;
	len = cfi_reader__uleb(reader);
	data = *reader;
	if (!cfi_reader__bytes(reader, len))
		return -EINVAL;
	data.end = reader->at;
	return read_augmentation(section, cie, augmentation + 1, &data) ? 0 : -EINVAL;
}

static void add_cie(struct cfi_compiler *compiler, const struct entry *entry)
{
	struct cfi_reader reader = entry->body;
	struct cfi_cie cie = { .offset = entry->offset };

	/* One nobody can use is kept: its FDEs are known by it. */
	cie.usable = !read_cie(compiler->section, &cie, &reader) &&
		     !cfi_program__initial(compiler, &cie, reader);
	compiler->damaged |= !cie.usable;
	compiler->cies = array__grow(compiler->cies, compiler->nr_cies, &compiler->cies_capacity,
				     sizeof(*compiler->cies));
	compiler->cies[compiler->nr_cies++] = cie;
}

static int compare_cie(const void *key, const void *element)
{
	uint64_t offset = *(const uint64_t *)key;
	const struct cfi_cie *cie = element;

	return offset < cie->offset ? -1 : offset > cie->offset;
}

/* The usable CIE at an offset, or NULL. Neighbours mostly share one. */
static const struct cfi_cie *find_cie(struct cfi_compiler *compiler, uint64_t offset)
{
	const struct cfi_cie *cie = NULL;

	if (compiler->nr_cies)
		cie = &compiler->cies[compiler->last_cie];
	if (cie && cie->offset != offset)
		cie = bsearch(&offset, compiler->cies, compiler->nr_cies, sizeof(*cie),
			      compare_cie);
	if (!cie || !cie->usable)
		return NULL;
	compiler->last_cie = (size_t)(cie - compiler->cies);
	return cie;
}

/* Cuts a function at the end of its segment; false when it begins in no code. Sections the linker
 * dropped leave entries for address 0. */
static bool clip(const struct cfi_compiler *compiler, uint64_t start, uint64_t *end)
{
	for (size_t i = 0; i < compiler->nr_code; i++) {
		if (start >= compiler->code[i].start && start < compiler->code[i].end) {
			*end = min(*end, compiler->code[i].end);
			return true;
		}
	}
	return false;
}

/* Adds a function's rows. 0, -EINVAL: damaged, -E2BIG. */
static int add_fde(struct cfi_compiler *compiler, const struct entry *entry)
{
	const struct cfi_cie *cie = find_cie(compiler, entry->cie_offset);
	struct cfi_reader reader = entry->body;
	uint64_t start, end;
	int err = 0;

	if (!cie)
		return -EINVAL;
	start = cfi_parse__pointer(compiler->section, &reader, cie->pointer_encoding, 0);
	end = read_format(&reader, cie->pointer_encoding & PTR_FORMAT);
	if (cie->has_augmentation_data)
		cfi_reader__bytes(&reader, cfi_reader__uleb(&reader));
	/* The length may have been read as a signed number. */
	if (reader.failed || end > INT64_MAX || __builtin_add_overflow(start, end, &end))
		return -EINVAL;
	if (start == end || !clip(compiler, start, &end))
		return 0;
	if (cfi_program__run(compiler, cie, reader, start, end)) {
		compiler->damaged = true;
		return rows_builder__add(compiler->builder, start, end, &CFI_UNFIT);
	}
	for (size_t i = 0; !err && i < compiler->nr_pieces; i++) {
		const struct cfi_piece *piece = &compiler->pieces[i];

		err = rows_builder__add(compiler->builder, piece->start, piece->end, &piece->rule);
	}
	return err;
}

void cfi_parse__section(const struct cfi_section *section, const struct cfi_range *code,
			size_t nr_code, struct rows_builder *builder, bool *damaged)
{
	struct cfi_compiler compiler = {
		.section = section, .code = code, .nr_code = nr_code, .builder = builder
	};
	const struct cfi_reader whole = { .at = section->data,
					  .end = section->data + section->len };
	struct cfi_reader reader = whole;
	struct entry entry;
	int err = 0;

	while (next_entry(&compiler, &reader, &entry) && compiler.nr_cies < MAX_CIES) {
		if (entry.is_cie)
			add_cie(&compiler, &entry);
	}
	reader = whole;
	while (err != -E2BIG && next_entry(&compiler, &reader, &entry)) {
		if (entry.is_cie)
			continue;
		err = add_fde(&compiler, &entry);
		compiler.damaged |= err != 0;
	}
	*damaged |= compiler.damaged;
	free(compiler.cies);
	free(compiler.pieces);
}
