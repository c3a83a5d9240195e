// SPDX-License-Identifier: BSD-2-Clause
#include "report/pairing.h"

#include <stddef.h>
#include <string.h>

#include "base/util.h"
#include "wire.h"

/* What a function deals in. */
enum goods { PLAIN, SINGLE, ARRAY, MAPPING, ANY };

/* The beginnings of mangled names. */
static const struct {
	const char *prefix;
	enum goods goods;
} operators[] = {
	{ "_Znw", SINGLE },
	{ "_Zdl", SINGLE },
	{ "_Zna", ARRAY },
	{ "_Zda", ARRAY },
};

/* The forms without size and alignment: where several names share a function, these tell. */
static const struct {
	enum goods goods;
	const char *alloc, *release;
} plainest[] = {
	{ SINGLE, "_Znwm", "_ZdlPv" },
	{ ARRAY, "_Znam", "_ZdaPv" },
};

/* Their own names, beside the C library's. */
static const char *const own_prefixes[] = { "tc_",     "TCMallocInternal", "mi_",
					    "je_",     "_rjem_",	   "__size_returning_new",
					    "mallocx", "rallocx",	   "xallocx",
					    "dallocx", "sdallocx" };

bool pairing__has_seen(const struct pairing_seen *seen, uint16_t func)
{
	if (func < 64 * ARRAY_SIZE(seen->first))
		return seen->first[func / 64] >> func % 64 & 1;
	return hmap__find(&seen->rest, func) != NULL;
}

void pairing__see(struct pairing_seen *seen, uint16_t func)
{
	if (func < 64 * ARRAY_SIZE(seen->first))
		seen->first[func / 64] |= 1ull << func % 64;
	else if (seen->rest.nr < FUNCTIONS_MAX_USER && !hmap__find(&seen->rest, func))
		hmap__set(&seen->rest, func, 1);
}

void pairing__copy_seen(struct pairing_seen *to, const struct pairing_seen *from)
{
	uint64_t func, one;

	memcpy(to->first, from->first, sizeof(to->first));
	for (size_t at = 0; hmap__next(&from->rest, &at, &func, &one);)
		hmap__set(&to->rest, func, one);
}

void pairing__clear_seen(struct pairing_seen *seen)
{
	hmap__clear(&seen->rest);
	*seen = (struct pairing_seen){ 0 };
}

static bool is_family(const struct function *function, const char *family)
{
	return !strcmp(function->family, family);
}

static enum goods goods_of(const struct function *function, uint16_t func)
{
	if (func >= WIRE_FUNCTION_USER)
		return ANY;
	if (is_family(function, "mmap"))
		return MAPPING;
	for (size_t i = 0; i < ARRAY_SIZE(operators); i++)
		if (!strncmp(function->symbol, operators[i].prefix, strlen(operators[i].prefix)))
			return operators[i].goods;
	for (size_t i = 0; i < ARRAY_SIZE(own_prefixes); i++)
		if (!strncmp(function->symbol, own_prefixes[i], strlen(own_prefixes[i])))
			return ANY;
	return PLAIN;
}

/* The C library's, or one of a file that may merely wrap it. */
static bool is_libc(const struct function *function, uint16_t func)
{
	return goods_of(function, func) == PLAIN &&
	       (function->of_libc || is_family(function, "other"));
}

bool pairing__is_mapping(const struct functions *functions, uint16_t func)
{
	const struct function *function = functions__find(functions, func);

	return function && goods_of(function, func) == MAPPING;
}

bool pairing__differs(const struct functions *functions, uint16_t alloc_func, uint16_t free_func)
{
	const struct function *alloc = functions__find(functions, alloc_func);
	const struct function *release = functions__find(functions, free_func);
	enum goods given, taken;

	if (!alloc || !release || alloc_func == free_func)
		return false;
	given = goods_of(alloc, alloc_func);
	taken = goods_of(release, free_func);
	if (is_libc(alloc, alloc_func) && is_libc(release, free_func))
		return false;
	if (alloc->family == release->family)
		return given != taken && given != ANY && taken != ANY;
	return !((given == MAPPING && free_func >= WIRE_FUNCTION_USER) ||
		 (taken == MAPPING && alloc_func >= WIRE_FUNCTION_USER));
}

/* May it prove that what deals in the same is a function of its own? Compilers make one of new and
 * new[] where they are alike, and allocators one of delete and free. */
static bool is_plainest(const struct function *function, enum goods goods)
{
	for (size_t i = 0; i < ARRAY_SIZE(plainest); i++)
		if (plainest[i].goods == goods)
			return !strcmp(function->symbol, plainest[i].alloc) ||
			       !strcmp(function->symbol, plainest[i].release);
	return true;
}

/* "_Zd…" is delete, and what frees goes by few names. */
static bool releases(const struct function *function)
{
	return strstr(function->symbol, "free") || strstr(function->symbol, "dallocx") ||
	       !strncmp(function->symbol, "_Zd", 3) || !strcmp(function->symbol, "munmap") ||
	       strstr(function->symbol, "elete");
}

/* Does it deal in the same as func does, at the other end? Names of the user's say nothing of what
 * they do. */
static bool is_counterpart(const struct functions *functions, uint16_t other, uint16_t func,
			   bool wants_release)
{
	const struct function *function = functions__find(functions, func);
	const struct function *candidate = functions__find(functions, other);
	enum goods goods = goods_of(function, func);

	if (!candidate || candidate->family != function->family || other == func)
		return false;
	if (other >= WIRE_FUNCTION_USER)
		return true;
	return goods_of(candidate, other) == goods && releases(candidate) == wants_release &&
	       is_plainest(candidate, goods);
}

static bool has_counterpart(const struct functions *functions, const struct pairing_seen *seen,
			    uint16_t func, bool wants_release)
{
	uint64_t other, one;

	if (is_libc(functions__find(functions, func), func))
		return true;
	for (uint16_t i = 0; i < 64 * ARRAY_SIZE(seen->first); i++)
		if (pairing__has_seen(seen, i) && is_counterpart(functions, i, func, wants_release))
			return true;
	for (size_t at = 0; hmap__next(&seen->rest, &at, &other, &one);)
		if (is_counterpart(functions, (uint16_t)other, func, wants_release))
			return true;
	return false;
}

bool pairing__is_sure(const struct functions *functions, const struct pairing_seen *seen,
		      uint16_t alloc_func, uint16_t free_func)
{
	return has_counterpart(functions, seen, alloc_func, true) &&
	       has_counterpart(functions, seen, free_func, false);
}
