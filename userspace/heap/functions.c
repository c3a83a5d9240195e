// SPDX-License-Identifier: BSD-2-Clause
#include "heap/functions.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_api.h"
#include "base/hash.h"
#include "base/strtab.h"
#include "base/util.h"
#include "wire.h"

static const struct {
	uint16_t number;
	const char *family, *symbol;
} known[] = {
#define ROW(number, family, symbol, shape) { number, #family, #symbol },
	ALLOC_API(ROW)
#undef ROW
};

/* Families that are not shown as alloc_api.h spells them, but for the case. */
static const struct {
	const char *family, *shown;
} spellings[] = {
	{ "cxx", "c++" },
};

static const char *const libc_families[] = { "glibc", "musl", "libc" };

struct functions {
	struct strtab texts;
	struct function *all;
	size_t nr, capacity;
	size_t nr_user;
	struct hmap by_number; /* -> index into all */
};

static const char *shown_family(struct functions *functions, const char *family, size_t len)
{
	uint32_t id;

	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++)
		if (len == strlen(spellings[i].family) && !memcmp(family, spellings[i].family, len))
			return shown_family(functions, spellings[i].shown,
					    strlen(spellings[i].shown));
	id = strtab__add(&functions->texts, family, len);
	return strtab__text(&functions->texts, id);
}

static void add(struct functions *functions, uint16_t number, const char *family, size_t family_len,
		const char *symbol, size_t symbol_len)
{
	struct function *function;
	uint32_t id = strtab__add(&functions->texts, symbol, symbol_len);

	functions->all = array__grow(functions->all, functions->nr, &functions->capacity,
				     sizeof(*functions->all));
	function = &functions->all[functions->nr];
	*function = (struct function){ .family = shown_family(functions, family, family_len),
				       .symbol = strtab__text(&functions->texts, id) };
	for (size_t i = 0; i < ARRAY_SIZE(libc_families); i++)
		function->of_libc |= !strcmp(function->family, libc_families[i]);
	hmap__set(&functions->by_number, number, functions->nr++);
}

struct functions *functions__new(void)
{
	struct functions *functions = xcalloc(1, sizeof(*functions));

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		char *family = xstrdup(known[i].family);

		for (char *c = family; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		add(functions, known[i].number, family, strlen(family), known[i].symbol,
		    strlen(known[i].symbol));
		free(family);
	}
	return functions;
}

void functions__free(struct functions *functions)
{
	if (!functions)
		return;
	strtab__clear(&functions->texts);
	free(functions->all);
	hmap__clear(&functions->by_number);
	free(functions);
}

int functions__add(struct functions *functions, uint16_t number, const char *family,
		   size_t family_len, const char *symbol, size_t symbol_len)
{
	if (number < WIRE_FUNCTION_USER)
		return -EBADMSG;
	if (hmap__find(&functions->by_number, number))
		return 0;
	if (functions->nr_user == FUNCTIONS_MAX_USER)
		return -E2BIG;
	functions->nr_user++;
	add(functions, number, family, family_len, symbol, symbol_len);
	return 0;
}

const struct function *functions__find(const struct functions *functions, uint16_t number)
{
	const uint64_t *index = hmap__find(&functions->by_number, number);

	return index ? &functions->all[*index] : NULL;
}
