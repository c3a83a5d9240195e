// SPDX-License-Identifier: BSD-2-Clause
#include "heap/functions.h"

#include <stdlib.h>
#include <string.h>

#include "alloc_api.h"
#include "base/util.h"
#include "wire.h"

#define MAX_ANNOUNCED 4096
#define MAX_NAME      256

/* How reports call the families of alloc_api.h; others as they are, in lower case. */
static const struct {
	const char *token, *shown;
} families[] = {
	{ "GLIBC", "glibc" },	    { "MUSL", "musl" },	    { "JEMALLOC", "jemalloc" },
	{ "TCMALLOC", "tcmalloc" }, { "MIMALLOC", "mimalloc" }, { "CXX", "c++" },
	{ "MMAP", "mmap" },	    { "OTHER", "other" },
};

static const struct {
	uint16_t number;
	struct function_name name;
} known[] = {
#define ALLOC_FN(number, family, symbol, shape) { number, { #family, #symbol } },
	ALLOC_API(ALLOC_FN)
#undef ALLOC_FN
};

/* By number; made of `known` when it is first asked. */
static struct function_name names[WIRE_FUNCTION_USER];

static const char *shown_family(const char *token)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (!strcmp(families[i].token, token))
			return families[i].shown;
	return token;
}

static void make_names(void)
{
	for (size_t i = 0; i < WIRE_FUNCTION_USER; i++)
		names[i] = (struct function_name){ "?", "?" };
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		names[known[i].number] = (struct function_name){
			shown_family(known[i].name.family), known[i].name.symbol
		};
}

void functions__announce(struct functions *functions, uint16_t number, const char *family,
			 size_t family_len, const char *symbol, size_t symbol_len)
{
	size_t index = (size_t)number - WIRE_FUNCTION_USER;

	if (number < WIRE_FUNCTION_USER || index >= MAX_ANNOUNCED)
		return;
	while (functions->nr <= index) {
		functions->announced =
			array__grow(functions->announced, functions->nr, &functions->capacity,
				    sizeof(*functions->announced));
		functions->announced[functions->nr++] = (struct function_name){ 0 };
	}
	if (functions->announced[index].symbol)
		return;
	functions->announced[index] =
		(struct function_name){ xstrndup(family, min(family_len, (size_t)MAX_NAME)),
					xstrndup(symbol, min(symbol_len, (size_t)MAX_NAME)) };
}

void functions__clear(struct functions *functions)
{
	for (size_t i = 0; i < functions->nr; i++) {
		free((char *)functions->announced[i].family);
		free((char *)functions->announced[i].symbol);
	}
	free(functions->announced);
	*functions = (struct functions){ 0 };
}

const struct function_name *functions__name(const struct functions *functions, uint16_t number)
{
	size_t index = (size_t)number - WIRE_FUNCTION_USER;

	if (!names[0].family)
		make_names();
	if (number < WIRE_FUNCTION_USER)
		return &names[number];
	return index < functions->nr && functions->announced[index].symbol
		       ? &functions->announced[index]
		       : &names[0];
}
