// SPDX-License-Identifier: BSD-2-Clause
// An operator new that fails throws: three times, each caught, with an int kept in between. With
// -DOWN the operators are the program's own.
#include <cstdio>
#include <cstdlib>
#include <new>

#ifdef OWN
__attribute__((noinline)) void *operator new(size_t bytes)
{
	void *block = bytes < 1000000000 ? malloc(bytes) : nullptr;

	if (!block)
		throw std::bad_alloc();
	return block;
}

void operator delete(void *block) noexcept
{
	free(block);
}

void operator delete(void *block, size_t) noexcept
{
	free(block);
}
#endif

static void *volatile kept;

extern "C" __attribute__((noinline)) void keep()
{
	kept = ::operator new(123);
}

int main()
{
	int caught = 0;

	for (int i = 0; i < 3; i++) {
		try {
			kept = ::operator new(size_t(1) << 62);
		} catch (const std::bad_alloc &) {
			caught++;
		}
		keep();
	}
	printf("caught %d\n", caught);
}
