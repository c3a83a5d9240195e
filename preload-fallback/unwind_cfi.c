// SPDX-License-Identifier: BSD-2-Clause
/*
 * .eh_frame_hdr and .eh_frame (LSB core, DWARF extensions): from an address to its entry.
 */
#include "unwind_cfi.h"

/* Pointer encodings: a format and what it is relative to. */
enum {
	PTR_FORMAT = 0x0f,
	PTR_BASE = 0x70,
	PTR_PC_RELATIVE = 0x10,
	PTR_INDIRECT = 0x80,
	PTR_OMITTED = 0xff,
	PTR_TABLE = 0x3b, /* of the index: relative to itself, 4 bytes, signed */
};

/* One of the index. */
struct index_entry {
	int32_t start, fde;
};

/* The value as it is stored, extended to 64 bits. */
static uint64_t read_format(struct unwind_reader *reader, uint8_t encoding)
{
	switch (encoding & PTR_FORMAT) {
	case 0x00: /* a pointer */
	case 0x04:
	case 0x0c:
		return unwind_reader__fixed(reader, 8);
	case 0x01:
		return unwind_reader__uleb(reader);
	case 0x02:
		return unwind_reader__fixed(reader, 2);
	case 0x03:
		return unwind_reader__fixed(reader, 4);
	case 0x09:
		return (uint64_t)unwind_reader__sleb(reader);
	case 0x0a:
		return (uint64_t)(int16_t)unwind_reader__fixed(reader, 2);
	case 0x0b:
		return (uint64_t)(int32_t)unwind_reader__fixed(reader, 4);
	}
	reader->failed = true;
	return 0;
}

/* An address of code: no compiler writes one indirectly, or relative to anything else. */
static uintptr_t read_address(struct unwind_reader *reader, uint8_t encoding)
{
	uintptr_t at = (uintptr_t)reader->at;
	uint64_t value = read_format(reader, encoding);

	if (encoding & PTR_INDIRECT)
		reader->failed = true;
	else if ((encoding & PTR_BASE) == PTR_PC_RELATIVE)
		value += at;
	else if (encoding & PTR_BASE)
		reader->failed = true;
	return value;
}

/* The segment from an address on. */
static struct unwind_reader read_from(const struct unwind_module *module, uintptr_t address)
{
	struct unwind_reader reader = { .at = (const uint8_t *)address,
					.end = (const uint8_t *)module->readable_end };

	if (address < module->readable || address >= module->readable_end) {
		reader.at = reader.end;
		reader.failed = true;
	}
	return reader;
}

/* Where the index says the address's FDE is; 0: nowhere. */
static uintptr_t find_fde(const struct unwind_module *module, uintptr_t address)
{
	struct unwind_reader reader = read_from(module, (uintptr_t)module->index);
	uint8_t version = unwind_reader__u8(&reader), frame = unwind_reader__u8(&reader);
	uint8_t count = unwind_reader__u8(&reader), table = unwind_reader__u8(&reader);
	int64_t offset = (int64_t)(address - (uintptr_t)module->index);
	struct index_entry entry;
	size_t nr, below = 0;

	if (version != 1 || table != PTR_TABLE || count == PTR_OMITTED)
		return 0;
	if (frame != PTR_OMITTED)
		read_format(&reader, frame);
	nr = read_format(&reader, count);
	if (reader.failed || nr > unwind_reader__left(&reader) / sizeof(entry))
		return 0;
	while (below < nr) {
		size_t middle = below + (nr - below) / 2;

		memcpy(&entry, reader.at + middle * sizeof(entry), sizeof(entry));
		if (entry.start <= offset)
			below = middle + 1;
		else
			nr = middle;
	}
	if (!below)
		return 0;
	memcpy(&entry, reader.at + (below - 1) * sizeof(entry), sizeof(entry));
	return (uintptr_t)module->index + (uintptr_t)(intptr_t)entry.fde;
}

/* The bytes of the entry at an address, behind its length. */
static struct unwind_reader read_entry(const struct unwind_module *module, uintptr_t address)
{
	struct unwind_reader reader = read_from(module, address);
	uint64_t len = unwind_reader__fixed(&reader, 4);

	if (len == 0xffffffff)
		len = unwind_reader__fixed(&reader, 8);
	return unwind_reader__part(&reader, len);
}

/* What the letters after the z announce. False: one is not known, and what follows is not, either.
 */
static bool read_augmentation(struct unwind_reader letters, struct unwind_reader data,
			      struct unwind_cfi_entry *entry)
{
	while (unwind_reader__left(&letters)) {
		uint8_t encoding;

		switch (unwind_reader__u8(&letters)) {
		case 'R':
			entry->pointer_encoding = unwind_reader__u8(&data);
			break;
		case 'L':
			unwind_reader__u8(&data);
			break;
		case 'P':
			encoding = unwind_reader__u8(&data);
			read_format(&data, encoding);
			break;
		case 'S':
			entry->is_signal = true;
			break;
		case 'B': /* arm64: signed with the other key */
		case 'G': /* arm64: tagged memory */
			break;
		default:
			return false;
		}
	}
	return !data.failed;
}

/* The common part. *has_data: the FDE has augmentation data, too. */
static bool read_cie(struct unwind_reader reader, struct unwind_cfi_entry *entry, bool *has_data)
{
	uint32_t id = (uint32_t)unwind_reader__fixed(&reader, 4);
	uint8_t version = unwind_reader__u8(&reader);
	const uint8_t *end = memchr(reader.at, 0, unwind_reader__left(&reader));
	struct unwind_reader letters;

	if (!end || id || (version != 1 && version != 3))
		return false;
	letters = unwind_reader__part(&reader, (size_t)(end - reader.at));
	unwind_reader__u8(&reader);
	entry->code_align = unwind_reader__uleb(&reader);
	entry->data_align = unwind_reader__sleb(&reader);
	if (version == 1) /* the return address's register: always the architecture's */
		unwind_reader__u8(&reader);
	else
		unwind_reader__uleb(&reader);
	*has_data = unwind_reader__left(&letters) != 0;
	if (*has_data) {
		uint64_t len;

		if (unwind_reader__u8(&letters) != 'z')
			return false;
		len = unwind_reader__uleb(&reader);
		if (!read_augmentation(letters, unwind_reader__part(&reader, len), entry))
			return false;
	}
	entry->initial = reader;
	return !reader.failed;
}

static bool read_fde(const struct unwind_module *module, uintptr_t address,
		     struct unwind_cfi_entry *entry)
{
	struct unwind_reader reader = read_entry(module, address);
	uintptr_t at = (uintptr_t)reader.at;
	uint32_t back = (uint32_t)unwind_reader__fixed(&reader, 4);
	bool has_data;

	if (!back || !read_cie(read_entry(module, at - back), entry, &has_data))
		return false;
	entry->start = read_address(&reader, entry->pointer_encoding);
	entry->end = entry->start + read_format(&reader, entry->pointer_encoding);
	if (has_data) {
		uint64_t len = unwind_reader__uleb(&reader);

		unwind_reader__skip(&reader, len);
	}
	entry->program = reader;
	return !reader.failed;
}

unwind_row unwind_cfi__row(const struct unwind_module *module, uintptr_t address)
{
	struct unwind_cfi_entry entry = { 0 };
	struct unwind_rule rule;
	uintptr_t fde;

	if (!module->index)
		return ROW_GAP;
	fde = find_fde(module, address);
	if (!fde || !read_fde(module, fde, &entry))
		return ROW_GAP;
	if (address < entry.start || address >= entry.end)
		return ROW_GAP;
	if (entry.is_signal)
		return ROW_SIGNAL;
	if (!unwind_cfi__run(&entry, address, &rule))
		return ROW_GAP;
	return unwind_row__pack(&rule);
}
