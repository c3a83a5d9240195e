// SPDX-License-Identifier: BSD-2-Clause
#include "report/function_name.h"

#include <stddef.h>
#include <string.h>

#include "base/util.h"
#include "heap/functions.h"
#include "symbol/demangle.h"

/* Global ones only: those of a class have its name in front. */
static const char *const operators[] = { "operator new(", "operator new[](", "operator delete(",
					 "operator delete[](" };

char *function_name__make(const struct functions *functions, uint16_t number)
{
	const struct function *function = functions__find(functions, number);
	char *name = function ? demangle__name(function->symbol) : NULL;

	for (size_t i = 0; name && i < ARRAY_SIZE(operators); i++) {
		size_t length = strlen(operators[i]);

		if (!strncmp(name, operators[i], length))
			name[length - 1] = '\0';
	}
	return name;
}
