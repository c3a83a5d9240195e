// SPDX-License-Identifier: BSD-2-Clause
/*
 * elfutils reads; finding is done here. Its own searches go by .debug_aranges, which clang and
 * rustc do not write, miss functions inside namespaces, and walk all symbols for each address.
 */
#include "symbol/dwarf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/util.h"
#include "symbol/demangle.h"
#include "symbol/ranges.h"
#include "symbol/symtab.h"

/* Of DIEs inside each other. */
#define MAX_DEPTH 256

enum index_depth { INDEX_NONE, INDEX_TOP, INDEX_ALL };

struct unit {
	Dwarf_Die die;		  /* has the line table */
	Dwarf_Die body;		  /* has the functions: the same, or in a .dwo file */
	enum index_depth indexed; /* how deep functions were looked for */
	struct ranges functions;  /* -> offset of the DIE */
};

struct dwarf {
	Dwfl *dwfl;
	Dwfl_Module *module;
	Dwfl_Callbacks callbacks;
	char *search_path, *separate_path;
	int separate_fd; /* -1: none, or libdwfl has it */
	bool ask_servers;
	uint64_t mode_bit; /* of addresses: microMIPS, MIPS16, Thumb */
	/* vaddr + elf_bias is what libdwfl calls the address; - dwarf_bias what libdw does. */
	Dwarf_Addr elf_bias, dwarf_bias;
	struct unit *units;
	size_t nr_units, units_capacity;
	struct ranges unit_ranges; /* -> index in units */
	struct symtab symbols;
	struct hmap demangled; /* the name's address -> text id */
};

static void load_symbols(struct dwarf *dwarf)
{
	int nr = dwfl_module_getsymtab(dwarf->module);

	for (int i = 1; i < nr; i++) {
		GElf_Addr address;
		GElf_Sym symbol;
		GElf_Word section;
		const char *name;
		int type;

		name = dwfl_module_getsym_info(dwarf->module, i, &symbol, &address, &section, NULL,
					       NULL);
		type = GELF_ST_TYPE(symbol.st_info);
		if (!name || !*name || section == SHN_UNDEF ||
		    (type != STT_FUNC && type != STT_GNU_IFUNC))
			continue;
		symtab__add(&dwarf->symbols, name, address & ~dwarf->mode_bit, symbol.st_size);
	}
	symtab__sort(&dwarf->symbols);
}

/* Linkers leave what they dropped at address 0, where no code is. */
static void add_ranges(struct ranges *ranges, Dwarf_Die *die, uint64_t value)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;

	while ((at = dwarf_ranges(die, at, &base, &start, &end)) > 0) {
		if (start)
			ranges__add(ranges, start, end, value);
	}
}

static void load_units(struct dwarf *dwarf)
{
	Dwarf *debug = dwfl_module_getdwarf(dwarf->module, &dwarf->dwarf_bias);
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint8_t type;

	while (debug && !dwarf_get_units(debug, cu, &cu, NULL, &type, &die, NULL)) {
		if (type != DW_UT_compile && type != DW_UT_skeleton)
			continue;
		dwarf->units = array__grow(dwarf->units, dwarf->nr_units, &dwarf->units_capacity,
					   sizeof(*dwarf->units));
		dwarf->units[dwarf->nr_units] = (struct unit){ .die = die, .body = die };
		add_ranges(&dwarf->unit_ranges, &die, dwarf->nr_units++);
	}
	ranges__sort(&dwarf->unit_ranges);
}

/*
 * libdwfl asks for the separate debug file first, and then perhaps for the file that several of
 * those share, by its path. elfutils' own search opens anything, a FIFO too, so it is only let
 * loose for that and for servers.
 */
static int find_separate(Dwfl_Module *module, void **user_data, const char *name, Dwarf_Addr base,
			 const char *file, const char *link, GElf_Word crc, char **found)
{
	struct dwarf *dwarf = *user_data;
	int fd = dwarf->separate_fd;

	if (fd >= 0) {
		dwarf->separate_fd = -1;
		*found = xstrdup(dwarf->separate_path);
		return fd;
	}
	if (!dwarf->ask_servers && !(link && strchr(link, '/')))
		return -1;
	return dwfl_standard_find_debuginfo(module, user_data, name, base, file, link, crc, found);
}

static void report_file(struct dwarf *dwarf, const struct dwarf_files *files)
{
	void **user_data;

	dwfl_report_begin(dwarf->dwfl);
	dwarf->module = dwfl_report_elf(dwarf->dwfl, files->path, files->path, files->fd, 0, true);
	if (dwarf->module &&
	    dwfl_module_info(dwarf->module, &user_data, NULL, NULL, NULL, NULL, NULL, NULL))
		*user_data = dwarf;
}

static void set_mode_bit(struct dwarf *dwarf, Elf *elf)
{
	GElf_Ehdr header;

	dwarf->mode_bit = gelf_getehdr(elf, &header) &&
			  (header.e_machine == EM_MIPS || header.e_machine == EM_ARM);
}

struct dwarf *dwarf__open(const struct dwarf_files *files)
{
	struct dwarf *dwarf = xcalloc(1, sizeof(*dwarf));
	Elf *elf = NULL;

	dwarf->search_path = xstrdup(files->search_path);
	dwarf->separate_path = files->separate_path ? xstrdup(files->separate_path) : NULL;
	dwarf->separate_fd = files->separate_fd;
	dwarf->ask_servers = files->ask_servers;
	dwarf->callbacks = (Dwfl_Callbacks){
		.find_debuginfo = find_separate,
		.section_address = dwfl_offline_section_address,
		.debuginfo_path = &dwarf->search_path,
	};
	dwarf->dwfl = dwfl_begin(&dwarf->callbacks);
	if (dwarf->dwfl)
		report_file(dwarf, files);
	if (!dwarf->module)
		close(files->fd);
	if (dwarf->module && !dwfl_report_end(dwarf->dwfl, NULL, NULL))
		elf = dwfl_module_getelf(dwarf->module, &dwarf->elf_bias);
	if (!elf) {
		dwarf__close(dwarf);
		errno = ENOEXEC;
		return NULL;
	}
	set_mode_bit(dwarf, elf);
	load_units(dwarf);
	load_symbols(dwarf);
	return dwarf;
}

void dwarf__close(struct dwarf *dwarf)
{
	if (!dwarf)
		return;
	for (size_t i = 0; i < dwarf->nr_units; i++)
		ranges__clear(&dwarf->units[i].functions);
	free(dwarf->units);
	ranges__clear(&dwarf->unit_ranges);
	symtab__clear(&dwarf->symbols);
	hmap__clear(&dwarf->demangled);
	if (dwarf->dwfl)
		dwfl_end(dwarf->dwfl);
	if (dwarf->separate_fd >= 0)
		close(dwarf->separate_fd);
	free(dwarf->separate_path);
	free(dwarf->search_path);
	free(dwarf);
}

/* Functions are found where compilers put them: in the unit and its namespaces; everywhere (inside
 * classes, other functions) only when asked, which costs a look at every DIE. */
static void index_functions(struct unit *unit, Dwarf_Die *parent, unsigned depth)
{
	Dwarf_Die die;
	int tag;

	if (depth == MAX_DEPTH || dwarf_child(parent, &die))
		return;
	do {
		tag = dwarf_tag(&die);
		if (tag == DW_TAG_subprogram)
			add_ranges(&unit->functions, &die, dwarf_dieoffset(&die));
		if (unit->indexed == INDEX_ALL || tag == DW_TAG_namespace || tag == DW_TAG_module)
			index_functions(unit, &die, depth + 1);
	} while (!dwarf_siblingof(&die, &die));
}

static void index_unit(struct unit *unit, enum index_depth depth)
{
	Dwarf_Die split;

	if (unit->indexed == INDEX_NONE &&
	    !dwarf_cu_info(unit->die.cu, NULL, NULL, NULL, &split, NULL, NULL, NULL) && split.addr)
		unit->body = split;
	unit->indexed = depth;
	ranges__clear(&unit->functions);
	index_functions(unit, &unit->body, 0);
	ranges__sort(&unit->functions);
}

static bool find_function(struct unit *unit, Dwarf_Addr pc, Dwarf_Die *function)
{
	const struct range *range;

	if (unit->indexed == INDEX_NONE)
		index_unit(unit, INDEX_TOP);
	range = ranges__find(&unit->functions, pc);
	if (!range && unit->indexed == INDEX_TOP) {
		index_unit(unit, INDEX_ALL);
		range = ranges__find(&unit->functions, pc);
	}
	return range &&
	       dwarf_offdie(dwarf_cu_getdwarf(unit->body.cu), range->value, function) != NULL;
}

/* The inlined call or the block directly inside scope that pc is in. */
static bool inner_scope(Dwarf_Die *scope, Dwarf_Addr pc, Dwarf_Die *inner)
{
	if (dwarf_child(scope, inner))
		return false;
	do {
		switch (dwarf_tag(inner)) {
		case DW_TAG_inlined_subroutine:
		case DW_TAG_lexical_block:
		case DW_TAG_try_block:
		case DW_TAG_catch_block:
			if (dwarf_haspc(inner, pc) > 0)
				return true;
		}
	} while (!dwarf_siblingof(inner, inner));
	return false;
}

/* The calls inlined at pc, outermost first. */
static unsigned find_inlined(const Dwarf_Die *function, Dwarf_Addr pc, Dwarf_Die *calls)
{
	Dwarf_Die scope = *function, inner;
	unsigned nr = 0;

	for (unsigned depth = 0; depth < MAX_DEPTH && inner_scope(&scope, pc, &inner); depth++) {
		if (dwarf_tag(&inner) == DW_TAG_inlined_subroutine)
			calls[nr++] = inner;
		scope = inner;
	}
	return nr;
}

/* Names of DIEs and symbols stay where they are in memory: a name is demangled once. */
static uint32_t add_name(struct dwarf *dwarf, const char *name, struct strtab *texts)
{
	const uint64_t *known = hmap__find(&dwarf->demangled, (uintptr_t)name);
	char *text;
	uint32_t id;

	if (known)
		return (uint32_t)*known;
	text = demangle__name(name);
	id = strtab__add(texts, text, strlen(text));
	free(text);
	hmap__set(&dwarf->demangled, (uintptr_t)name, id);
	return id;
}

static bool is_mangled(const char *name)
{
	return !strncmp(name, "_Z", 2) || !strncmp(name, "_R", 2);
}

static const char *text_of_die(Dwarf_Die *die, unsigned attribute)
{
	Dwarf_Attribute memory;
	const char *text = dwarf_formstring(dwarf_attr_integrate(die, attribute, &memory));

	return text && *text ? text : NULL;
}

/* The name that says most. Where a C function has a linkage name, it is an inner one: glibc's
 * __GI_qsort for qsort. C++ functions without one (static, lambdas) have at best a symbol. */
static uint32_t name_of_die(struct dwarf *dwarf, Dwarf_Die *die, const char *symbol,
			    struct strtab *texts)
{
	const char *name = text_of_die(die, DW_AT_linkage_name);

	if (!name)
		name = text_of_die(die, DW_AT_MIPS_linkage_name);
	if (!name || !is_mangled(name))
		name = symbol && is_mangled(symbol) ? symbol : text_of_die(die, DW_AT_name);
	return name ? add_name(dwarf, name, texts) : 0;
}

static const char *find_symbol(struct dwarf *dwarf, uint64_t address)
{
	const struct symbol *symbol = symtab__find(&dwarf->symbols, address);
	Dwarf_Addr here = address, there, bias;

	if (!symbol)
		return NULL;
	there = symbol->start;
	if (!symbol->size && dwfl_module_address_section(dwarf->module, &here, &bias) !=
				     dwfl_module_address_section(dwarf->module, &there, &bias))
		return NULL;
	return symbol->name;
}

static uint32_t add_file(struct unit *unit, const char *file, struct strtab *texts)
{
	Dwarf_Attribute memory;
	const char *directory;
	uint32_t id;
	char *path;

	if (!file || !*file)
		return 0;
	directory = dwarf_formstring(dwarf_attr(&unit->die, DW_AT_comp_dir, &memory));
	if (*file == '/' || !directory)
		return strtab__add(texts, file, strlen(file));
	path = xasprintf("%s/%s", directory, file);
	id = strtab__add(texts, path, strlen(path));
	free(path);
	return id;
}

static void set_line(struct unit *unit, Dwarf_Addr pc, struct strtab *texts,
		     struct dwarf_frame *frame)
{
	Dwarf_Line *line = dwarf_getsrc_die(&unit->die, pc);
	int number = 0;

	if (!line)
		return;
	frame->file = add_file(unit, dwarf_linesrc(line, NULL, NULL), texts);
	dwarf_lineno(line, &number);
	frame->line = number > 0 ? (uint32_t)number : 0;
}

/* Where the inlined call is: a place in the function around it. */
static void set_call(struct unit *unit, Dwarf_Die *call, struct strtab *texts,
		     struct dwarf_frame *frame)
{
	Dwarf_Attribute memory;
	Dwarf_Word value;
	Dwarf_Files *files;
	size_t nr;

	frame->file = 0;
	frame->line = 0;
	if (!dwarf_formudata(dwarf_attr(call, DW_AT_call_file, &memory), &value) &&
	    !dwarf_getsrcfiles(&unit->body, &files, &nr) && value < nr)
		frame->file = add_file(unit, dwarf_filesrc(files, value, NULL, NULL), texts);
	if (!dwarf_formudata(dwarf_attr(call, DW_AT_call_line, &memory), &value) &&
	    value <= UINT32_MAX)
		frame->line = (uint32_t)value;
}

uint32_t dwarf__frames(struct dwarf *dwarf, uint64_t vaddr, struct strtab *texts,
		       struct dwarf_frame *frames)
{
	const uint64_t address = vaddr + dwarf->elf_bias;
	const Dwarf_Addr pc = address - dwarf->dwarf_bias;
	const struct range *range = ranges__find(&dwarf->unit_ranges, pc);
	const char *symbol = find_symbol(dwarf, address);
	struct dwarf_frame frame = { 0 };
	Dwarf_Die function, calls[MAX_DEPTH];
	struct unit *unit;
	uint32_t nr = 0;

	if (range) {
		unit = &dwarf->units[range->value];
		set_line(unit, pc, texts, &frame);
		if (find_function(unit, pc, &function)) {
			for (unsigned i = find_inlined(&function, pc, calls); i-- > 0;) {
				frame.function = name_of_die(dwarf, &calls[i], NULL, texts);
				/* Of too many keep the innermost, and the function itself. */
				if (nr < DWARF_MAX_FRAMES - 1)
					frames[nr++] = frame;
				set_call(unit, &calls[i], texts, &frame);
			}
			frame.function = name_of_die(dwarf, &function, symbol, texts);
		}
	}
	if (!frame.function && symbol)
		frame.function = add_name(dwarf, symbol, texts);
	if (nr || frame.function || frame.file)
		frames[nr++] = frame;
	return nr;
}
