// SPDX-License-Identifier: BSD-2-Clause
/* libFuzzer: a file of suppressions and a regular expression, behind each other with a NUL between,
 * against a few stacks. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "report/selection.h"
#include "report/suppressions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct module library = { .path = (char *)"/usr/lib/libx.so.1" };
static const struct frame stack[] = {
	{ "operator new(unsigned long)", NULL, 0, &library, 1, 0, false },
	{ "ns::thing<int>::operator()(char*)", "/src/thing.cc", 7, &library, 2, 0, true },
	{ NULL, NULL, 0, NULL, 3, 0, false },
	{ "(anonymous namespace)::run", "run.c", 3, &library, 4, 0, false },
	{ "main", "/src/main.c", 12, &library, 5, 0, false },
};

static void try_expression(const char *text)
{
	struct selection *selection = selection__new();
	const char *reason;

	if (!selection__add(selection, SELECT_FUNCTION, text, &reason))
		selection__judge(selection, stack, ARRAY_SIZE(stack), "malloc");
	selection__free(selection);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);
	size_t len = strlen(text), rule;
	struct suppressions_error error;
	struct suppressions *rules = suppressions__parse((const char *)data, len, &error);

	if (rules) {
		for (uint32_t nr = 0; nr <= ARRAY_SIZE(stack); nr++) {
			rule = suppressions__match(rules, stack, nr, nr % 2 ? "malloc" : NULL);
			if (rule != SUPPRESSIONS_NONE && rule >= suppressions__count(rules))
				abort();
		}
		suppressions__free(rules);
	}
	if (len < size) {
		free(text);
		text = xstrndup((const char *)data + len + 1, size - len - 1);
		try_expression(text);
	}
	free(text);
	return 0;
}
