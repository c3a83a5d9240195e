// SPDX-License-Identifier: BSD-2-Clause
/*
 * Finds the unwind sections of an ELF file, by libelf. The file is read, never mapped: one that is
 * truncated meanwhile gives an error, not SIGBUS.
 */
#include <errno.h>
#include <gelf.h>
#include <sys/stat.h>

#include "base/util.h"
#include "unwind/cfi_internal.h"

/* The largest browsers have 30 MB. */
#define MAX_SECTION_BYTES (256u << 20)
#define MAX_SEGMENTS	  4096

/* Not in every elf.h. */
#ifndef SHT_X86_64_UNWIND
#define SHT_X86_64_UNWIND 0x70000001
#endif

static int find_code(struct cfi_elf *file)
{
	size_t nr;

	if (elf_getphdrnum(file->elf, &nr))
		return -ENOEXEC;
	for (size_t i = 0; i < min(nr, (size_t)MAX_SEGMENTS); i++) {
		struct cfi_range range;
		GElf_Phdr segment;

		if (!gelf_getphdr(file->elf, (int)i, &segment))
			break;
		if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X))
			continue;
		range.start = segment.p_vaddr;
		if (file->nr_code < CFI_MAX_RANGES &&
		    !__builtin_add_overflow(range.start, segment.p_memsz, &range.end))
			file->code[file->nr_code++] = range;
	}
	return 0;
}

static int check(struct cfi_elf *file)
{
	GElf_Ehdr header;

	if (!file->elf || elf_kind(file->elf) != ELF_K_ELF || !gelf_getehdr(file->elf, &header))
		return -ENOEXEC;
	if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
	    header.e_machine != EM_X86_64 || (header.e_type != ET_EXEC && header.e_type != ET_DYN))
		return -ENOEXEC;
	return find_code(file);
}

int cfi_elf__open(struct cfi_elf *file, int fd)
{
	struct stat status;

	*file = (struct cfi_elf){ 0 };
	if (fstat(fd, &status) || !S_ISREG(status.st_mode))
		return -ENOEXEC;
	elf_version(EV_CURRENT);
	file->elf = elf_begin(fd, ELF_C_READ, NULL);
	return check(file);
}

int cfi_elf__open_image(struct cfi_elf *file, const void *image, size_t len)
{
	*file = (struct cfi_elf){ 0 };
	elf_version(EV_CURRENT);
	/* libelf does not write to it: that takes elf_update. */
	file->elf = elf_memory((char *)(uintptr_t)image, len);
	return check(file);
}

void cfi_elf__close(struct cfi_elf *file)
{
	elf_end(file->elf);
	file->elf = NULL;
}

/* A section's data; compressed ones' after decompression. */
static int read_section(Elf_Scn *scn, const GElf_Shdr *header, struct cfi_section *section)
{
	GElf_Chdr compressed;
	Elf_Data *data;

	if (header->sh_type == SHT_NOBITS)
		return -ENODATA;
	if (header->sh_size > MAX_SECTION_BYTES)
		return -EINVAL;
	if (header->sh_flags & SHF_COMPRESSED) {
		if (!gelf_getchdr(scn, &compressed) || compressed.ch_size > MAX_SECTION_BYTES ||
		    elf_compress(scn, 0, 0) < 0)
			return -EINVAL;
	}
	data = elf_rawdata(scn, NULL);
	if (!data || !data->d_buf)
		return header->sh_size ? -EINVAL : -ENODATA;
	section->data = data->d_buf;
	section->len = data->d_size;
	section->vaddr = header->sh_addr;
	return 0;
}

static int find_section(struct cfi_elf *file, const char *wanted, struct cfi_section *section)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(file->elf, &names))
		return -ENODATA;
	while ((scn = elf_nextscn(file->elf, scn))) {
		GElf_Shdr header;
		const char *name;

		if (!gelf_getshdr(scn, &header))
			continue;
		name = elf_strptr(file->elf, names, header.sh_name);
		if (name && !strcmp(name, wanted))
			return read_section(scn, &header, section);
	}
	return -ENODATA;
}

/* The file's bytes from a link-time address to the end of its segment. */
static int read_segment(struct cfi_elf *file, uint64_t vaddr, struct cfi_section *section)
{
	GElf_Phdr segment;
	Elf_Data *data;
	uint64_t skip;

	for (int i = 0; i < MAX_SEGMENTS && gelf_getphdr(file->elf, i, &segment); i++) {
		skip = vaddr - segment.p_vaddr;
		if (segment.p_type != PT_LOAD || vaddr < segment.p_vaddr ||
		    skip >= segment.p_filesz || segment.p_offset > INT64_MAX - skip)
			continue;
		data = elf_getdata_rawchunk(file->elf, (int64_t)(segment.p_offset + skip),
					    min(segment.p_filesz - skip, MAX_SECTION_BYTES),
					    ELF_T_BYTE);
		if (!data || !data->d_buf)
			return -EINVAL;
		section->data = data->d_buf;
		section->len = data->d_size;
		section->vaddr = vaddr;
		return 0;
	}
	return -EINVAL;
}

/* By the segment the C++ runtime uses (LSB, .eh_frame_hdr): where section headers were stripped. */
static int find_by_header(struct cfi_elf *file, struct cfi_section *section)
{
	struct cfi_section header = { 0 };
	struct cfi_reader reader = { 0 };
	GElf_Phdr segment;
	uint64_t vaddr;
	uint8_t version, encoding;
	int i = 0;

	do {
		if (i == MAX_SEGMENTS || !gelf_getphdr(file->elf, i++, &segment))
			return -ENODATA;
	} while (segment.p_type != PT_GNU_EH_FRAME);
	if (read_segment(file, segment.p_vaddr, &header))
		return -EINVAL;
	reader.at = header.data;
	reader.end = header.data + header.len;
	version = cfi_reader__u8(&reader);
	encoding = cfi_reader__u8(&reader);
	cfi_reader__u16(&reader); /* how its own table is encoded */
	vaddr = cfi_parse__pointer(&header, &reader, encoding, header.vaddr);
	if (version != 1 || encoding == PTR_OMITTED || reader.failed)
		return -EINVAL;
	section->end_unknown = true;
	return read_segment(file, vaddr, section);
}

int cfi_elf__eh_frame(struct cfi_elf *file, struct cfi_section *section)
{
	int err;

	*section = (struct cfi_section){ 0 };
	err = find_section(file, ".eh_frame", section);
	return err == -ENODATA ? find_by_header(file, section) : err;
}

int cfi_elf__debug_frame(struct cfi_elf *file, struct cfi_section *section)
{
	*section = (struct cfi_section){ .is_debug_frame = true };
	return find_section(file, ".debug_frame", section);
}

uint64_t cfi_elf__entry(const struct cfi_elf *file)
{
	GElf_Ehdr header;

	return gelf_getehdr(file->elf, &header) ? header.e_entry : 0;
}
