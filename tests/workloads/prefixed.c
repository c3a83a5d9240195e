// SPDX-License-Identifier: BSD-2-Clause
/*
 * jemalloc as it is built with a prefix: a library that exports je_* and _rjem_* and hands the calls on to
 * the jemalloc it finds. With -DSIZED: glibc's coming free_sized and free_aligned_sized, on its free.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

#ifdef SIZED
void free_sized(void *addr, size_t bytes)
{
	(void)bytes;
	free(addr);
}

void free_aligned_sized(void *addr, size_t align, size_t bytes)
{
	(void)align;
	(void)bytes;
	free(addr);
}
#else
static void *library;

__attribute__((constructor)) static void load(void)
{
	/* It is linked already, behind the C library: it needs room that only start-up can give. */
	library = dlopen("libjemalloc.so.2", RTLD_NOW | RTLD_NOLOAD);
	if (!library)
		abort();
}

#define REAL(name) ((__typeof__(&je_##name))dlsym(library, #name))

#define DECLARE(prefix)                                                          \
	void *prefix##malloc(size_t bytes);                                      \
	void *prefix##calloc(size_t count, size_t bytes);                        \
	void *prefix##realloc(void *old, size_t bytes);                          \
	void prefix##free(void *addr);                                           \
	int prefix##posix_memalign(void **out, size_t align, size_t bytes);      \
	void *prefix##mallocx(size_t bytes, int flags);                          \
	void *prefix##rallocx(void *old, size_t bytes, int flags);               \
	size_t prefix##xallocx(void *old, size_t bytes, size_t extra, int flags); \
	void prefix##dallocx(void *addr, int flags);                             \
	void prefix##sdallocx(void *addr, size_t bytes, int flags);

#define DEFINE(prefix)                                                                           \
	void *prefix##malloc(size_t bytes) { return REAL(malloc)(bytes); }                       \
	void *prefix##calloc(size_t count, size_t bytes) { return REAL(calloc)(count, bytes); }  \
	void *prefix##realloc(void *old, size_t bytes) { return REAL(realloc)(old, bytes); }     \
	void prefix##free(void *addr) { REAL(free)(addr); }                                      \
	int prefix##posix_memalign(void **out, size_t align, size_t bytes)                       \
	{                                                                                        \
		return REAL(posix_memalign)(out, align, bytes);                                  \
	}                                                                                        \
	void *prefix##mallocx(size_t bytes, int flags) { return REAL(mallocx)(bytes, flags); }   \
	void *prefix##rallocx(void *old, size_t bytes, int flags)                                \
	{                                                                                        \
		return REAL(rallocx)(old, bytes, flags);                                         \
	}                                                                                        \
	size_t prefix##xallocx(void *old, size_t bytes, size_t extra, int flags)                 \
	{                                                                                        \
		return REAL(xallocx)(old, bytes, extra, flags);                                  \
	}                                                                                        \
	void prefix##dallocx(void *addr, int flags) { REAL(dallocx)(addr, flags); }              \
	void prefix##sdallocx(void *addr, size_t bytes, int flags)                               \
	{                                                                                        \
		REAL(sdallocx)(addr, bytes, flags);                                              \
	}

DECLARE(je_)
DECLARE(_rjem_)
DEFINE(je_)
DEFINE(_rjem_)
#endif
