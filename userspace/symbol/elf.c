// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reads through a copy of the file descriptor, never through a mapping of the file: a file that
 * shrinks under us gives short reads, not SIGBUS. libelf checks offsets against the file's size;
 * counts and entry sizes are checked here.
 */
#include "symbol/elf.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "symbol/debugdata.h"

/* More than any real file has; a hostile one may claim what it likes. */
#define MAX_SEGMENTS	  4096
#define MAX_NOTE_BYTES	  (1u << 20)
#define MAX_SYMTAB_BYTES  (1ull << 30)
#define MAX_DYNAMIC_BYTES (1u << 20)
#define MAX_MINI_BYTES	  (64u << 20)

struct elf_file {
	Elf *elf;
	int fd;
	GElf_Ehdr header;
	GElf_Phdr *segments;
	size_t nr_segments;
	bool looked_for_mini;
	Elf *mini; /* .gnu_debugdata, expanded; NULL: none */
	char *mini_image;
};

static int read_segments(struct elf_file *elf)
{
	size_t nr;

	if (elf_getphdrnum(elf->elf, &nr))
		return -ENOEXEC;
	elf->segments = xcalloc(min(nr, (size_t)MAX_SEGMENTS), sizeof(*elf->segments));
	while (elf->nr_segments < min(nr, (size_t)MAX_SEGMENTS)) {
		if (!gelf_getphdr(elf->elf, (int)elf->nr_segments,
				  &elf->segments[elf->nr_segments]))
			break;
		elf->nr_segments++;
	}
	return 0;
}

struct elf_file *elf__open(int fd)
{
	struct elf_file *elf = xcalloc(1, sizeof(*elf));
	struct stat status;
	int err = ENOEXEC;

	elf->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (elf->fd < 0 || fstat(elf->fd, &status)) {
		err = errno;
		goto fail;
	}
	if (!S_ISREG(status.st_mode))
		goto fail;
	elf_version(EV_CURRENT);
	elf->elf = elf_begin(elf->fd, ELF_C_READ, NULL);
	if (!elf->elf || elf_kind(elf->elf) != ELF_K_ELF || !gelf_getehdr(elf->elf, &elf->header))
		goto fail;
	if (read_segments(elf))
		goto fail;
	return elf;
fail:
	elf__close(elf);
	errno = err;
	return NULL;
}

void elf__close(struct elf_file *elf)
{
	if (!elf)
		return;
	elf_end(elf->mini);
	free(elf->mini_image);
	elf_end(elf->elf);
	if (elf->fd >= 0)
		close(elf->fd);
	free(elf->segments);
	free(elf);
}

int elf__machine(const struct elf_file *elf)
{
	return elf->header.e_machine;
}

bool elf__is_64bit(const struct elf_file *elf)
{
	return elf->header.e_ident[EI_CLASS] == ELFCLASS64;
}

uint32_t elf__flags(const struct elf_file *elf)
{
	return elf->header.e_flags;
}

bool elf__is_big_endian(const struct elf_file *elf)
{
	return elf->header.e_ident[EI_DATA] == ELFDATA2MSB;
}

bool elf__has_big_endian_code(const struct elf_file *elf)
{
	if (elf->header.e_machine == EM_AARCH64 ||
	    (elf->header.e_machine == EM_ARM && (elf->header.e_flags & EF_ARM_BE8)))
		return false;
	return elf__is_big_endian(elf);
}

bool elf__has_interpreter(const struct elf_file *elf)
{
	for (size_t i = 0; i < elf->nr_segments; i++) {
		if (elf->segments[i].p_type == PT_INTERP)
			return true;
	}
	return false;
}

uint64_t elf__dynamic(const struct elf_file *elf, int64_t tag)
{
	for (size_t i = 0; i < elf->nr_segments; i++) {
		const GElf_Phdr *segment = &elf->segments[i];
		Elf_Data *data;
		GElf_Dyn entry;

		if (segment->p_type != PT_DYNAMIC || segment->p_filesz > MAX_DYNAMIC_BYTES ||
		    segment->p_offset > INT64_MAX)
			continue;
		data = elf_getdata_rawchunk(elf->elf, (int64_t)segment->p_offset, segment->p_filesz,
					    ELF_T_DYN);
		for (int at = 0; data && gelf_getdyn(data, at, &entry) && entry.d_tag; at++) {
			if (entry.d_tag == tag)
				return entry.d_un.d_val;
		}
	}
	return 0;
}

bool elf__is_program(const struct elf_file *elf)
{
	if (elf->header.e_type != ET_DYN)
		return elf->header.e_type == ET_EXEC;
	/* Linkers before 2016 did not mark what is position-independent; libc.so.6 can be run, too.
	 */
	return (elf__dynamic(elf, DT_FLAGS_1) & DF_1_PIE) ||
	       (elf__has_interpreter(elf) && !elf__dynamic(elf, DT_SONAME));
}

/* Finds a section by name, with its header. */
static Elf_Scn *find_section(const struct elf_file *elf, const char *name, GElf_Shdr *header)
{
	Elf_Scn *section = NULL;
	const char *found;
	size_t names;

	if (elf_getshdrstrndx(elf->elf, &names))
		return NULL;
	while ((section = elf_nextscn(elf->elf, section))) {
		if (!gelf_getshdr(section, header) || header->sh_type == SHT_NOBITS)
			continue;
		found = elf_strptr(elf->elf, names, header->sh_name);
		if (found && !strcmp(found, name))
			return section;
	}
	return NULL;
}

/* Opens the symbols that Fedora leaves in stripped files, once. False: there are none. */
static bool mini_symbols(struct elf_file *elf)
{
	Elf_Data *data;
	GElf_Shdr header;
	Elf_Scn *section;
	size_t len;

	if (elf->looked_for_mini)
		return elf->mini != NULL;
	elf->looked_for_mini = true;
	section = find_section(elf, ".gnu_debugdata", &header);
	data = section ? elf_rawdata(section, NULL) : NULL;
	if (!data || !data->d_buf)
		return false;
	elf->mini_image = debugdata__expand(data->d_buf, data->d_size, MAX_MINI_BYTES, &len);
	if (elf->mini_image)
		elf->mini = elf_memory(elf->mini_image, len);
	return elf->mini && elf_kind(elf->mini) == ELF_K_ELF;
}

bool elf__has_symtab(struct elf_file *elf)
{
	GElf_Shdr header;

	return find_section(elf, ".symtab", &header) != NULL;
}

void elf__for_each_section(struct elf_file *elf,
			   bool (*visit)(const struct elf_section *section, void *data), void *data)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t names;

	if (elf_getshdrstrndx(elf->elf, &names))
		return;
	while ((section = elf_nextscn(elf->elf, section)) && gelf_getshdr(section, &header)) {
		const char *name = elf_strptr(elf->elf, names, header.sh_name);
		struct elf_section found = { .name = name ? name : "",
					     .flags = header.sh_flags,
					     .vaddr = header.sh_addr,
					     .offset = header.sh_offset,
					     .size = header.sh_size,
					     .has_content = header.sh_type != SHT_NOBITS };

		if (!visit(&found, data))
			return;
	}
}

bool elf__has_debug_info(struct elf_file *elf)
{
	GElf_Shdr header;

	return find_section(elf, ".debug_line", &header) ||
	       find_section(elf, ".zdebug_line", &header);
}

/* The build-id among the notes in data. */
static size_t find_build_id(Elf_Data *data, uint8_t *out, size_t max)
{
	size_t name, desc, at = 0;
	GElf_Nhdr note;

	while (data && (at = gelf_getnote(data, at, &note, &name, &desc))) {
		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != sizeof(ELF_NOTE_GNU) ||
		    memcmp((char *)data->d_buf + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)))
			continue;
		max = min(max, (size_t)note.n_descsz);
		memcpy(out, (char *)data->d_buf + desc, max);
		return max;
	}
	return 0;
}

size_t elf__build_id(struct elf_file *elf, uint8_t *out, size_t max)
{
	Elf_Scn *section = NULL;
	size_t len = 0;

	for (size_t i = 0; !len && i < elf->nr_segments; i++) {
		const GElf_Phdr *segment = &elf->segments[i];

		if (segment->p_type != PT_NOTE || segment->p_filesz > MAX_NOTE_BYTES ||
		    segment->p_offset > INT64_MAX)
			continue;
		len = find_build_id(elf_getdata_rawchunk(
					    elf->elf, (int64_t)segment->p_offset, segment->p_filesz,
					    segment->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR),
				    out, max);
	}
	/* A separate debug file has section headers that are right, and segments that are not. */
	while (!len && (section = elf_nextscn(elf->elf, section))) {
		GElf_Shdr header;

		if (gelf_getshdr(section, &header) && header.sh_type == SHT_NOTE &&
		    header.sh_size <= MAX_NOTE_BYTES)
			len = find_build_id(elf_getdata(section, NULL), out, max);
	}
	return len;
}

/* The PT_LOAD segment whose file content, widened downwards by slack, has offset in it. */
static const GElf_Phdr *segment_of_offset(const struct elf_file *elf, uint64_t offset,
					  uint64_t page, bool executable)
{
	for (size_t i = 0; i < elf->nr_segments; i++) {
		const GElf_Phdr *segment = &elf->segments[i];

		if (segment->p_type == PT_LOAD && !!(segment->p_flags & PF_X) == executable &&
		    offset >= (segment->p_offset & ~(page - 1)) &&
		    (offset < segment->p_offset || offset - segment->p_offset < segment->p_filesz))
			return segment;
	}
	return NULL;
}

int elf__offset_to_vaddr(const struct elf_file *elf, uint64_t offset, uint64_t *vaddr)
{
	/* The kernel maps whole pages: a mapping starts at or before its segment. */
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const GElf_Phdr *segment = segment_of_offset(elf, offset, 1, true);

	if (!segment)
		segment = segment_of_offset(elf, offset, page, true);
	if (!segment)
		segment = segment_of_offset(elf, offset, 1, false);
	if (!segment)
		segment = segment_of_offset(elf, offset, page, false);
	if (!segment)
		return -ENOENT;
	*vaddr = offset - segment->p_offset + segment->p_vaddr;
	return 0;
}

bool elf__is_code(const struct elf_file *elf, uint64_t vaddr)
{
	for (size_t i = 0; i < elf->nr_segments; i++) {
		const GElf_Phdr *segment = &elf->segments[i];

		if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) &&
		    vaddr >= segment->p_vaddr && vaddr - segment->p_vaddr < segment->p_memsz)
			return true;
	}
	return false;
}

static const GElf_Phdr *segment_of_vaddr(const struct elf_file *elf, uint64_t vaddr)
{
	for (size_t i = 0; i < elf->nr_segments; i++) {
		const GElf_Phdr *segment = &elf->segments[i];

		if (segment->p_type == PT_LOAD && vaddr >= segment->p_vaddr &&
		    vaddr - segment->p_vaddr < segment->p_filesz)
			return segment;
	}
	return NULL;
}

int elf__vaddr_to_offset(const struct elf_file *elf, uint64_t vaddr, uint64_t *offset)
{
	const GElf_Phdr *segment = segment_of_vaddr(elf, vaddr);

	if (!segment)
		return -ENOENT;
	*offset = vaddr - segment->p_vaddr + segment->p_offset;
	return 0;
}

ssize_t elf__read_at(const struct elf_file *elf, uint64_t offset, void *buffer, size_t len)
{
	size_t done = 0;
	ssize_t got;

	if (offset > INT64_MAX || len > INT64_MAX - offset)
		return -ENOENT;
	while (done < len) {
		got = pread(elf->fd, (char *)buffer + done, len - done, (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return done ? (ssize_t)done : -errno;
		if (!got)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

ssize_t elf__read(const struct elf_file *elf, uint64_t vaddr, void *buffer, size_t len)
{
	const GElf_Phdr *segment = segment_of_vaddr(elf, vaddr);
	uint64_t skip, offset;

	if (!segment)
		return -ENOENT;
	skip = vaddr - segment->p_vaddr;
	if (__builtin_add_overflow(segment->p_offset, skip, &offset))
		return -ENOENT;
	return elf__read_at(elf, offset, buffer, min((uint64_t)len, segment->p_filesz - skip));
}

typedef bool (*symbol_fn)(const struct elf_symbol *symbol, void *data);

/* False for what is neither a function nor taken from elsewhere. mode_bit: of addresses. */
static bool describe(const GElf_Sym *raw, const char *name, uint64_t mode_bit,
		     struct elf_symbol *symbol)
{
	unsigned type = GELF_ST_TYPE(raw->st_info);

	*symbol = (struct elf_symbol){ .name = name,
				       .vaddr = raw->st_value & ~mode_bit,
				       .size = raw->st_size,
				       .is_local = GELF_ST_BIND(raw->st_info) == STB_LOCAL,
				       .is_undefined = raw->st_shndx == SHN_UNDEF };
	return name && *name && (type == STT_FUNC || (symbol->is_undefined && type == STT_NOTYPE));
}

/* Marks code of another instruction set: microMIPS, MIPS16, Thumb. */
static uint64_t mode_bit_of(Elf *elf)
{
	GElf_Ehdr header;

	return gelf_getehdr(elf, &header) &&
	       (header.e_machine == EM_MIPS || header.e_machine == EM_ARM);
}

/* Visits one symbol table; false when visit wants no more. */
static bool visit_table(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, symbol_fn visit,
			void *visit_data)
{
	size_t entry = gelf_fsize(elf, ELF_T_SYM, 1, EV_CURRENT);
	uint64_t mode_bit = mode_bit_of(elf);
	Elf_Data *data;
	size_t nr;

	if (!entry || header->sh_entsize != entry || header->sh_size > MAX_SYMTAB_BYTES)
		return true;
	data = elf_getdata(section, NULL);
	if (!data || !data->d_buf)
		return true;
	nr = min((uint64_t)data->d_size, header->sh_size) / entry;
	for (size_t i = 1; i < nr; i++) {
		struct elf_symbol symbol;
		GElf_Sym raw;

		if (!gelf_getsym(data, (int)i, &raw))
			break;
		if (describe(&raw, elf_strptr(elf, header->sh_link, raw.st_name), mode_bit,
			     &symbol) &&
		    !visit(&symbol, visit_data))
			return false;
	}
	return true;
}

static bool visit_tables(Elf *elf, symbol_fn visit, void *data)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section))) {
		if (!gelf_getshdr(section, &header) ||
		    (header.sh_type != SHT_DYNSYM && header.sh_type != SHT_SYMTAB))
			continue;
		if (!visit_table(elf, section, &header, visit, data))
			return false;
	}
	return true;
}

void elf__for_each_symbol(struct elf_file *elf, symbol_fn visit, void *data)
{
	if (visit_tables(elf->elf, visit, data) && mini_symbols(elf))
		visit_tables(elf->mini, visit, data);
}

struct function_visit {
	bool (*visit)(const char *name, uint64_t vaddr, uint64_t size, void *data);
	void *data;
};

static bool visit_function(const struct elf_symbol *symbol, void *data)
{
	const struct function_visit *function = data;

	return symbol->is_undefined ||
	       function->visit(symbol->name, symbol->vaddr, symbol->size, function->data);
}

void elf__for_each_function(struct elf_file *elf,
			    bool (*visit)(const char *name, uint64_t vaddr, uint64_t size,
					  void *data),
			    void *data)
{
	struct function_visit function = { visit, data };

	elf__for_each_symbol(elf, visit_function, &function);
}

static bool stop_at_first(const char *name, uint64_t vaddr, uint64_t size, void *data)
{
	*(bool *)data = true;
	return false;
}

bool elf__has_symbols(struct elf_file *elf)
{
	bool found = false;

	elf__for_each_function(elf, stop_at_first, &found);
	return found;
}
