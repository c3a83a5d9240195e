// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/elf_match.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/util.h"
#include "symbol/elf.h"

#define MAX_BUILD_ID 64
/* More than any real file has. */
#define MAX_CODE_SECTIONS 1024
#define MAX_CODE_BYTES	  (1ull << 30)
#define CHUNK		  65536

struct code_sections {
	struct elf_section *sections;
	size_t nr, capacity;
};

static bool keep_code(const struct elf_section *section, void *data)
{
	struct code_sections *code = data;

	if (!(section->flags & SHF_EXECINSTR) || !section->size)
		return true;
	code->sections =
		array__grow(code->sections, code->nr, &code->capacity, sizeof(*code->sections));
	code->sections[code->nr++] = *section;
	return code->nr < MAX_CODE_SECTIONS;
}

static bool has_same_content(struct elf_file *one, const struct elf_section *in_one,
			     struct elf_file *other, const struct elf_section *in_other)
{
	static char bytes[CHUNK], other_bytes[CHUNK];
	uint64_t left = in_one->size, done = 0;

	if (!in_one->has_content || !in_other->has_content)
		return true;
	if (left > MAX_CODE_BYTES)
		return false;
	while (left) {
		size_t len = (size_t)min(left, (uint64_t)CHUNK);

		if (elf__read_at(one, in_one->offset + done, bytes, len) != (ssize_t)len ||
		    elf__read_at(other, in_other->offset + done, other_bytes, len) !=
			    (ssize_t)len ||
		    memcmp(bytes, other_bytes, len))
			return false;
		left -= len;
		done += len;
	}
	return true;
}

static bool has_same_code(struct elf_file *one, struct elf_file *other)
{
	struct code_sections a = { 0 }, b = { 0 };
	bool same;

	elf__for_each_section(one, keep_code, &a);
	elf__for_each_section(other, keep_code, &b);
	/* Without section headers nothing can be compared. */
	same = a.nr && a.nr == b.nr;
	for (size_t i = 0; same && i < a.nr; i++)
		same = a.sections[i].vaddr == b.sections[i].vaddr &&
		       a.sections[i].size == b.sections[i].size &&
		       has_same_content(one, &a.sections[i], other, &b.sections[i]);
	free(a.sections);
	free(b.sections);
	return same;
}

bool elf_match__is_same_build(struct elf_file *one, struct elf_file *other)
{
	uint8_t id[MAX_BUILD_ID], other_id[MAX_BUILD_ID];
	size_t len = elf__build_id(one, id, sizeof(id));
	size_t other_len = elf__build_id(other, other_id, sizeof(other_id));

	if (elf__machine(one) != elf__machine(other) ||
	    elf__is_64bit(one) != elf__is_64bit(other) ||
	    elf__is_big_endian(one) != elf__is_big_endian(other))
		return false;
	if (len && other_len)
		return len == other_len && !memcmp(id, other_id, len);
	return has_same_code(one, other);
}

static bool find_link(const struct elf_section *section, void *data)
{
	struct elf_section *link = data;

	if (strcmp(section->name, ".gnu_debuglink") || !section->has_content)
		return true;
	*link = *section;
	return false;
}

bool elf_match__debug_link(struct elf_file *elf, char name[ELF_MATCH_MAX_LINK], uint32_t *crc)
{
	struct elf_section link = { 0 };
	uint8_t number[4];
	size_t len;

	elf__for_each_section(elf, find_link, &link);
	len = (size_t)min(link.size, (uint64_t)ELF_MATCH_MAX_LINK);
	if (!len || elf__read_at(elf, link.offset, name, len) != (ssize_t)len)
		return false;
	len = strnlen(name, len);
	if (!len || len == ELF_MATCH_MAX_LINK || strchr(name, '/') || !strcmp(name, "."))
		return false;
	/* The number comes at the next multiple of four. */
	if (elf__read_at(elf, link.offset + (len / 4 + 1) * 4, number, sizeof(number)) !=
	    sizeof(number))
		return false;
	*crc = 0;
	for (unsigned i = 0; i < sizeof(number); i++)
		*crc |= (uint32_t)number[i] << 8 * (elf__is_big_endian(elf) ? 3 - i : i);
	return true;
}

bool elf_match__has_crc(const struct elf_file *elf, uint32_t crc)
{
	static char bytes[CHUNK];
	uint64_t offset = 0;
	uLong sum = crc32(0, NULL, 0);
	ssize_t len;

	while ((len = elf__read_at(elf, offset, bytes, sizeof(bytes))) > 0) {
		sum = crc32(sum, (const Bytef *)bytes, (uInt)len);
		offset += (uint64_t)len;
	}
	return !len && sum == crc;
}
