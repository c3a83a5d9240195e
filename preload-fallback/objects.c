// SPDX-License-Identifier: BSD-2-Clause
#include "objects.h"

#include <elf.h>
#include <string.h>

#define GNU_BUILD_ID 3u

static int look_at(struct dl_phdr_info *info, size_t size, void *data)
{
	void (**see)(const struct dl_phdr_info *, uintptr_t, uintptr_t) = data;

	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_LOAD && segment->p_flags & PF_X && segment->p_memsz)
			(*see)(info, start, start + segment->p_memsz);
	}
	return 0;
}

void objects__look(void (*see)(const struct dl_phdr_info *info, uintptr_t start, uintptr_t end))
{
	dl_iterate_phdr(look_at, &see);
}

const ElfW(Phdr) * objects__segment(const struct dl_phdr_info *info, uintptr_t address)
{
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type == PT_LOAD &&
		    address - (info->dlpi_addr + segment->p_vaddr) < segment->p_memsz)
			return segment;
	}
	return NULL;
}

static uint32_t read_notes(const uint8_t *note, size_t len, uint8_t *id, uint32_t room)
{
	/* Name and contents are padded to four bytes. */
	while (len >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *head = (const void *)note;
		size_t name = ((size_t)head->n_namesz + 3) & ~(size_t)3;
		size_t contents = ((size_t)head->n_descsz + 3) & ~(size_t)3;

		note += sizeof(*head);
		len -= sizeof(*head);
		if (name > len || contents > len - name)
			return 0;
		if (head->n_type == GNU_BUILD_ID && head->n_namesz == 4 &&
		    !memcmp(note, "GNU", 4) && head->n_descsz <= room) {
			memcpy(id, note + name, head->n_descsz);
			return head->n_descsz;
		}
		note += name + contents;
		len -= name + contents;
	}
	return 0;
}

uint32_t objects__build_id(const struct dl_phdr_info *info, uint8_t *id, uint32_t room)
{
	uint32_t len = 0;

	for (unsigned i = 0; i < info->dlpi_phnum && !len; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type == PT_NOTE)
			len = read_notes((const uint8_t *)(info->dlpi_addr + segment->p_vaddr),
					 segment->p_memsz, id, room);
	}
	return len;
}
