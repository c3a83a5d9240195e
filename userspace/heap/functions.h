/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The allocator functions of one stream, by number (wire_alloc.func): those of alloc_api.h, and
 * those the user named, which the stream announces.
 */
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct function {
	const char *family; /* as it is shown: "glibc", "c++" */
	const char *symbol;
	bool of_libc; /* the C library's: what nobody has to be told */
};

struct functions;

struct functions *functions__new(void);
void functions__free(struct functions *functions);

/*
 * Takes a function of the user's; the texts are copied up to their length or first NUL. The first
 * to come under a number stays. 0; -EBADMSG for a number below WIRE_FUNCTION_USER; -E2BIG when
 * there are FUNCTIONS_MAX_USER already.
 */
#define FUNCTIONS_MAX_USER 4096
int functions__add(struct functions *functions, uint16_t number, const char *family,
		   size_t family_len, const char *symbol, size_t symbol_len);

/* NULL for an unknown number. Functions of one family share the pointer `family`. */
const struct function *functions__find(const struct functions *functions, uint16_t number);

#endif /* FUNCTIONS_H */
