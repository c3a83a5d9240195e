/* SPDX-License-Identifier: BSD-2-Clause */
/* Function numbers of records -> family and name: those of alloc_api.h, and those a stream announces. */
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

#include <stddef.h>
#include <stdint.h>

struct function_name {
	const char *family; /* as reports show it: "glibc", "c++" */
	const char *symbol;
};

/* Announced by WIRE_FUNCTION. Zero-initialise. */
struct functions {
	struct function_name *announced; /* by number - WIRE_FUNCTION_USER; members NULL: unknown */
	size_t nr, capacity;
};

/* Texts are copied. A number below WIRE_FUNCTION_USER, or one known already, is ignored. */
void functions__announce(struct functions *functions, uint16_t number, const char *family,
			 size_t family_len, const char *symbol, size_t symbol_len);
void functions__clear(struct functions *functions);
/* Never NULL; "?" where the number is not known. */
const struct function_name *functions__name(const struct functions *functions, uint16_t number);

#endif /* FUNCTIONS_H */
