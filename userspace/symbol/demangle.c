// SPDX-License-Identifier: BSD-2-Clause
/*
 * libiberty does the work. A mangled name can be a bomb: a few hundred bytes of nested
 * substitutions unfold to gigabytes. So the callback interface is used, which needs no heap, and is
 * left by longjmp when the text becomes longer than anyone reads. libiberty's own limit of
 * recursion is on by default and stays so.
 */
#include "symbol/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

#undef ARRAY_SIZE /* libiberty has its own */
#include "base/util.h"

#define MAX_MANGLED   4096
#define MAX_DEMANGLED 16000

#define OPTIONS (DMGL_PARAMS | DMGL_ANSI)

struct output {
	char text[MAX_DEMANGLED + 1];
	size_t len;
	jmp_buf too_long;
};

static void append(const char *text, size_t len, void *data)
{
	struct output *out = data;

	if (len > MAX_DEMANGLED - out->len)
		longjmp(out->too_long, 1);
	if (len) /* text may be NULL otherwise */
		memcpy(out->text + out->len, text, len);
	out->len += len;
}

static bool demangle(const char *name, struct output *out)
{
	out->len = 0;
	if (setjmp(out->too_long))
		return false;
	/* Rust first: its older scheme looks like C++ with a hash at the end. */
	if (rust_demangle_callback(name, OPTIONS, append, out))
		return true;
	out->len = 0;
	return !strncmp(name, "_Z", 2) && cplus_demangle_v3_callback(name, OPTIONS, append, out);
}

char *demangle__name(const char *name)
{
	char mangled[MAX_MANGLED + 1];
	const char *version, *clone;
	struct output out;
	size_t len;

	/* A name may start with '@', then it is no version. */
	version = *name ? strchr(name + 1, '@') : NULL;
	len = version ? (size_t)(version - name) : strlen(name);
	if (strncmp(name, "_Z", 2) && strncmp(name, "_R", 2))
		return xstrndup(name, len);
	if (len > MAX_MANGLED)
		return xstrndup(name, len);
	memcpy(mangled, name, len);
	mangled[len] = '\0';
	if (!demangle(mangled, &out) || !out.len)
		return xstrndup(name, len);
	out.text[out.len] = '\0';
	/* Parts that the compiler split off: they are the same function to who reads it. */
	clone = strstr(out.text, " [clone ");
	return xstrndup(out.text, clone ? (size_t)(clone - out.text) : out.len);
}
