// SPDX-License-Identifier: BSD-2-Clause
#include "real.h"

#include <errno.h>
#include <string.h>

#include "boot.h"
#include "live_set.h"
#include "lookup.h"
#include "os.h"

#define MALLOC_ALIGN 16u
#define PAGE_ALIGN   4096u

#define HOOK_NAME(number, family, symbol, shape) #symbol "\0"
static const char names[] = HOOKS(HOOK_NAME);
#undef HOOK_NAME

void *real_functions[NR_HOOKS];
static bool searched;

void real__find(void)
{
	const char *name = names;

	for (unsigned i = 0; i < NR_HOOKS; i++, name = os__nth(name, 1))
		real_functions[i] = lookup__function(name);
	__atomic_store_n(&searched, true, __ATOMIC_RELEASE);
}

bool real__is_complete(void)
{
	return real_functions[HOOK_malloc] && real_functions[HOOK_free];
}

uintptr_t real__address(void)
{
	return (uintptr_t)real_functions[HOOK_malloc];
}

const char *real__name(enum hook hook)
{
	return os__nth(names, hook);
}

/* C++ comes with a library that is loaded later, perhaps where only its users see it. */
void *real__function(enum hook hook)
{
	if (!real_functions[hook] && (unsigned)hook >= FIRST_CXX_HOOK &&
	    __atomic_load_n(&searched, __ATOMIC_ACQUIRE))
		real_functions[hook] = lookup__function(real__name(hook));
	return real_functions[hook];
}

static bool multiply(uintptr_t a, uintptr_t b, uintptr_t *product)
{
	*product = a * b;
	return !b || *product / b == a;
}

/* What the hook would give of the boot arena or by way of other functions: an alignment and bytes.
 */
static bool need(enum hook hook, uintptr_t a, uintptr_t b, uintptr_t *align, uintptr_t *bytes)
{
	*align = MALLOC_ALIGN;
	*bytes = a;
	switch (hook) {
	case HOOK_calloc:
		return multiply(a, b, bytes);
	case HOOK_aligned_alloc:
	case HOOK_memalign:
		*align = a;
		*bytes = b;
		return true;
	case HOOK_valloc:
		*align = PAGE_ALIGN;
		return true;
	case HOOK_pvalloc:
		*align = PAGE_ALIGN;
		*bytes = (a + PAGE_ALIGN - 1) & ~(uintptr_t)(PAGE_ALIGN - 1);
		return *bytes >= a;
	default:
		return true;
	}
}

static void *from_boot(uintptr_t align, uintptr_t bytes)
{
	void *block = boot__alloc(align, bytes);

	live_set__pin(block);
	return block;
}

void *real__make(enum hook hook, uintptr_t a, uintptr_t b)
{
	place_fn place = (place_fn)real_functions[HOOK_posix_memalign];
	block_fn allocate = (block_fn)real_functions[HOOK_malloc];
	uintptr_t align, bytes;
	void *block = NULL;

	if (!need(hook, a, b, &align, &bytes))
		block = NULL;
	else if (!allocate)
		block = from_boot(align, bytes);
	else if (align <= MALLOC_ALIGN)
		block = allocate(bytes, 0, 0);
	else if (place && place(&block, align, bytes))
		block = NULL;
	if (!block)
		errno = ENOMEM;
	return block;
}

/* Out of the arena, and everything it may hold. */
static void *move_from_boot(void *old, uintptr_t bytes)
{
	void *fresh = real__make(HOOK_malloc, bytes, 0);
	size_t readable = boot__readable(old);

	if (fresh)
		memcpy(fresh, old, bytes < readable ? bytes : readable);
	return fresh;
}

void *real__resized(enum hook hook, void *old, uintptr_t b, uintptr_t c)
{
	resize_fn resize = (resize_fn)real_functions[hook];
	uintptr_t bytes = b;

	if (hook == HOOK_reallocarray && !multiply(b, c, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	if (boot__owns(old) || !real_functions[HOOK_realloc])
		return old ? move_from_boot(old, bytes) : real__make(HOOK_malloc, bytes, 0);
	if (resize)
		return resize(old, b, c);
	return ((resize_fn)real_functions[HOOK_realloc])(old, bytes, 0);
}

int real__placed(enum hook hook, void **out, uintptr_t align, uintptr_t bytes)
{
	place_fn place = (place_fn)real_functions[hook];
	void *block;

	if (place)
		return place(out, align, bytes);
	block = from_boot(align, bytes);
	if (!block)
		return ENOMEM;
	*out = block;
	return 0;
}

void real__freed(enum hook hook, void *block, uintptr_t b, uintptr_t c)
{
	free_fn release = boot__owns(block) ? NULL : (free_fn)real__function(hook);

	if (!release && !boot__owns(block))
		release = (free_fn)real_functions[HOOK_free];
	if (release)
		release(block, b, c);
}
