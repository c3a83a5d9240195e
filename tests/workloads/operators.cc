// SPDX-License-Identifier: BSD-2-Clause
/*
 * All forms of operator new and delete, tallied. With -DPOOL the program has operators of its own, on a
 * pool that is filled by malloc: the blocks are the pool's, not malloc's.
 *   operators [nothing]
 */
#include <cstdint>
#include <cstdlib>
#include <new>

#include "tally.h"

#ifdef POOL
#define NOIPA __attribute__((noipa))

/* Blocks lie behind each other in chunks, and are never reused: they have addresses of their own. */
static char *chunk;
static size_t left;

static void *take(size_t bytes, size_t align)
{
	size_t skip;

	if (left < bytes + 2 * align + 64) {
		left = 1 << 16;
		chunk = (char *)malloc(left) + 64;
		left -= 64;
	}
	skip = -(uintptr_t)chunk & (align - 1);
	left -= skip + bytes + 1;
	chunk += skip + bytes + 1;
	return chunk - bytes - 1;
}

NOIPA void *operator new(size_t n) { return take(n, 16); }
NOIPA void *operator new[](size_t n) { return take(n, 16); }
NOIPA void *operator new(size_t n, std::align_val_t a) { return take(n, (size_t)a); }
NOIPA void *operator new[](size_t n, std::align_val_t a) { return take(n, (size_t)a); }
NOIPA void *operator new(size_t n, const std::nothrow_t &) noexcept { return take(n, 16); }
NOIPA void *operator new[](size_t n, const std::nothrow_t &) noexcept { return take(n, 16); }
NOIPA void *operator new(size_t n, std::align_val_t a, const std::nothrow_t &) noexcept
{
	return take(n, (size_t)a);
}
NOIPA void *operator new[](size_t n, std::align_val_t a, const std::nothrow_t &) noexcept
{
	return take(n, (size_t)a);
}
#define DROP(...)                                            \
	NOIPA void operator delete(__VA_ARGS__) noexcept { } \
	NOIPA void operator delete[](__VA_ARGS__) noexcept { }
DROP(void *)
DROP(void *, size_t)
DROP(void *, const std::nothrow_t &)
DROP(void *, std::align_val_t)
DROP(void *, size_t, std::align_val_t)
DROP(void *, std::align_val_t, const std::nothrow_t &)
#endif

static void *made(void *addr, size_t bytes)
{
	MUST(addr);
	tally_allocated(bytes);
	return addr;
}

static void call_plain()
{
	::operator delete(made(::operator new(10), 10));
	tally_freed(10);
	::operator delete[](made(::operator new[](20), 20));
	tally_freed(20);
	::operator delete(made(::operator new(30), 30), (size_t)30);
	tally_freed(30);
	::operator delete[](made(::operator new[](40), 40), (size_t)40);
	tally_freed(40);
	made(::operator new(50), 50);
	made(::operator new[](60), 60);
}

static void call_nothrow()
{
	::operator delete(made(::operator new(70, std::nothrow), 70), std::nothrow);
	tally_freed(70);
	::operator delete[](made(::operator new[](80, std::nothrow), 80), std::nothrow);
	tally_freed(80);
	made(::operator new(90, std::nothrow), 90);
	made(::operator new[](100, std::nothrow), 100);
}

static void call_aligned()
{
	const std::align_val_t to{128};

	::operator delete(made(::operator new(128, to), 128), to);
	tally_freed(128);
	::operator delete[](made(::operator new[](256, to), 256), to);
	tally_freed(256);
	::operator delete(made(::operator new(384, to), 384), (size_t)384, to);
	tally_freed(384);
	::operator delete[](made(::operator new[](512, to), 512), (size_t)512, to);
	tally_freed(512);
	::operator delete(made(::operator new(640, to, std::nothrow), 640), to, std::nothrow);
	tally_freed(640);
	::operator delete[](made(::operator new[](768, to, std::nothrow), 768), to, std::nothrow);
	tally_freed(768);
	made(::operator new(896, to), 896);
	made(::operator new[](1024, to, std::nothrow), 1024);
}

int main(int argc, char **)
{
	if (argc == 1) {
		call_plain();
		call_nothrow();
		call_aligned();
	}
	tally_print();
	return 0;
}
