// SPDX-License-Identifier: BSD-2-Clause
#include "source/inject_names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "probe/untouchable.h"
#include "report/glob.h"
#include "symbol/demangle.h"
#include "symbol/elf.h"

/* musl's dynamic loader, which is in the C library. */
static const char *const musl_loader[] = { "__dls3", "load_library", "__tls_get_new" };

/* Its functions that start programs and threads, where a static program has their names. */
static const char *const musl_starters[] = { "__libc_start_main", "libc_start_main_stage2", "start",
					     "start_c11" };

/* glibc's, of which there are many; in a static program they are the program's. */
static const char loader_prefix[] = "_dl_";

static bool is_identifier(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Equal but for the version (@GLIBC_2.34) and the name of a part (.cold). */
static bool is_plainly(const char *wanted, const char *symbol)
{
	size_t len = strlen(wanted);

	return !strncmp(wanted, symbol, len) &&
	       (!symbol[len] || symbol[len] == '@' || symbol[len] == '.');
}

/* The last identifier of a name, which its mangled symbol has in it, too. Operators have none. */
static bool may_be_mangled(const char *wanted, const char *symbol)
{
	size_t end = strcspn(wanted, "(<"), start;
	char identifier[256];

	if (strncmp(symbol, "_Z", 2) && strncmp(symbol, "_R", 2))
		return false;
	if (strstr(wanted, "operator"))
		return true;
	while (end && !is_identifier(wanted[end - 1]))
		end--;
	for (start = end; start && is_identifier(wanted[start - 1]);)
		start--;
	if (end - start >= sizeof(identifier))
		return false;
	memcpy(identifier, wanted + start, end - start);
	identifier[end - start] = '\0';
	return strstr(symbol, identifier);
}

static bool ends_scopes(const char *wanted, const char *name)
{
	size_t wanted_len = strlen(wanted), len = strlen(name);

	return wanted_len <= len && !strcmp(name + len - wanted_len, wanted) &&
	       (wanted_len == len ||
		(len - wanted_len > 2 && !strncmp(name + len - wanted_len - 2, "::", 2)));
}

bool inject_name__is_function(const char *wanted, const char *symbol)
{
	char *name, *plain;
	bool is;

	if (is_plainly(wanted, symbol))
		return true;
	if (!may_be_mangled(wanted, symbol))
		return false;
	name = demangle__name(symbol);
	plain = name__without_parameters(name);
	is = !strcmp(wanted, name) || ends_scopes(wanted, plain);
	free(plain);
	free(name);
	return is;
}

bool inject_name__is_file(const char *wanted, const char *path)
{
	size_t wanted_len = strlen(wanted), len = strlen(path);
	const char *base = path__base(path);

	if (wanted_len <= len && !strcmp(path + len - wanted_len, wanted) &&
	    (wanted_len == len || *wanted == '/' || path[len - wanted_len - 1] == '/'))
		return true;
	return wanted_len > 3 && !strcmp(wanted + wanted_len - 3, ".so") &&
	       !strncmp(base, wanted, wanted_len) && base[wanted_len] == '.';
}

struct visit {
	const struct inject_names *names;
	struct inject_pieces *pieces;
};

static bool add_named(const char *name, uint64_t vaddr, uint64_t size, void *data)
{
	struct visit *visit = data;
	const struct inject_names *names = visit->names;

	for (size_t i = 0; size && i < names->nr; i++) {
		if (!inject_name__is_function(names->all[i], name))
			continue;
		inject_pieces__add(visit->pieces, vaddr, vaddr + size, names->mark);
		if (names->found)
			names->found[i] = true;
	}
	return true;
}

void inject_names__find_functions(const struct inject_names *names, struct elf_file *elf,
				  struct inject_pieces *pieces)
{
	struct visit visit = { names, pieces };

	if (names->nr)
		elf__for_each_function(elf, add_named, &visit);
}

bool inject_names__have_file(const struct inject_names *names, const char *path)
{
	bool have = false;

	for (size_t i = 0; i < names->nr; i++) {
		if (!inject_name__is_file(names->all[i], path))
			continue;
		have = true;
		if (names->found)
			names->found[i] = true;
	}
	return have;
}

static bool add_untouchable(const char *name, uint64_t vaddr, uint64_t size, void *data)
{
	struct inject_pieces *pieces = data;
	bool is = !strncmp(name, loader_prefix, strlen(loader_prefix)) || untouchable__is(name);

	for (size_t i = 0; !is && i < ARRAY_SIZE(musl_loader); i++)
		is = is_plainly(musl_loader[i], name);
	if (is)
		inject_pieces__add(pieces, vaddr, vaddr + size, INJECT_NEVER);
	for (size_t i = 0; i < ARRAY_SIZE(musl_starters); i++)
		if (is_plainly(musl_starters[i], name))
			inject_pieces__add(pieces, vaddr, vaddr + size, INJECT_ENDS);
	return true;
}

void inject_names__find_untouchable(struct elf_file *elf, struct inject_pieces *pieces)
{
	elf__for_each_function(elf, add_untouchable, pieces);
}

/* What a file has of the two functions that tell. */
struct markers {
	bool tells_debuggers, starts_programs, starts_itself;
};

static bool note_marker(const char *name, uint64_t vaddr, uint64_t size, void *data)
{
	struct markers *markers = data;

	markers->tells_debuggers |= is_plainly("_dl_debug_state", name);
	markers->starts_programs |= is_plainly("__libc_start_main", name);
	markers->starts_itself |= is_plainly(musl_loader[0], name);
	return true;
}

bool inject_names__is_musl(struct elf_file *elf)
{
	struct markers markers = { 0 };

	elf__for_each_function(elf, note_marker, &markers);
	return markers.starts_itself && markers.starts_programs;
}

bool inject_names__is_loader(struct elf_file *elf)
{
	struct markers markers = { 0 };

	elf__for_each_function(elf, note_marker, &markers);
	return markers.tells_debuggers && !markers.starts_programs;
}
