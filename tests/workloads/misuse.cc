// SPDX-License-Identifier: BSD-2-Clause
// Does to its heap what no program should, each thing a known number of times. glibc survives it
// without its per-thread cache (GLIBC_TUNABLES=glibc.malloc.tcache_count=0), valgrind in any case.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>
#include <unistd.h>

#define KEEP __attribute__((noinline))

// Of its own, for those of the C++ library are not told from malloc. valgrind looks at the latter.
#ifndef STANDARD_OPERATORS
KEEP void *operator new(size_t size)
{
	void *block = malloc(size);

	if (!block)
		throw std::bad_alloc();
	return block;
}

KEEP void *operator new[](size_t size)
{
	return operator new(size);
}

KEEP void operator delete(void *block) noexcept
{
	free(block);
}

KEEP void operator delete(void *block, size_t) noexcept
{
	free(block);
}

KEEP void operator delete[](void *block) noexcept
{
	free(block);
}
#endif

// What the compiler cannot see through.
static void *volatile hidden;

static KEEP void *hide(void *block)
{
	hidden = block;
	return hidden;
}

// Fast bins only look at the block that was freed last.
static KEEP void free_twice(int times)
{
	for (int i = 0; i < times; i++) {
		void *one = hide(malloc(24)), *other = hide(malloc(24));

		free(one);
		free(other);
		free(hide(one));
		// Blocks that were freed twice must not come back.
		if (malloc(24) == malloc(40))
			abort();
	}
}

// Inside a block, at what looks like a block to glibc.
static KEEP void free_inside(int times)
{
	for (int i = 0; i < times; i++) {
		uint64_t *block = static_cast<uint64_t *>(hide(calloc(1, 256)));

		block[1] = block[5] = 0x21;
		free(hide(block + 2));
	}
}

static KEEP void mismatch()
{
	for (int i = 0; i < 4; i++)
		free(hide(operator new(100)));
	for (int i = 0; i < 5; i++)
		operator delete(hide(malloc(200)));
	for (int i = 0; i < 6; i++)
		operator delete(hide(operator new[](300)));
	for (int i = 0; i < 7; i++)
		operator delete[](hide(operator new(400)));
}

// In a program that does no wrong either, too.
static KEEP void behave()
{
	operator delete(hide(operator new(1)));
	operator delete[](hide(operator new[](1)));
	free(hide(realloc(hide(calloc(1, 10)), 2000)));
	free(hide(aligned_alloc(64, 64)));
}

static KEEP void waste()
{
	char *grown = static_cast<char *>(malloc(10));
	void *blocks[11];

	for (int i = 0; i < 8; i++)
		free(hide(malloc(0)));
	for (int i = 0; i < 9; i++)
		if (hide(malloc(SIZE_MAX / 4 + 1)))
			abort();
	for (int i = 1; i <= 50; i++)
		grown = static_cast<char *>(realloc(grown, 10 + i));
	free(grown);
	for (auto &block : blocks)
		block = hide(malloc(50));
	std::thread([&] {
		for (auto block : blocks)
			free(block);
	}).join();
}

int main(int argc, char **argv)
{
	behave();
	waste();
	if (argc > 1 && !strcmp(argv[1], "well"))
		_exit(0);
	mismatch();
	free_inside(2);
	free_twice(1);
	_exit(0);
}
