// SPDX-License-Identifier: BSD-2-Clause
// Leaks for rules that suppress them: some amounts of each are told apart by nothing but names. No
// pointer to a block stays anywhere, so that searches of memory call all of them leaks.
#include <cstdlib>
#include <cstring>
#include <new>

#define NOINLINE __attribute__((noinline))

static void *volatile sink; // calls whose result goes nowhere may be left out

NOINLINE static void alpha_leak(int n)
{
	while (n--)
		if (!malloc(100))
			abort();
}

NOINLINE static void beta_leak(int n)
{
	while (n--)
		if (!calloc(3, 11)) // line 22
			abort();
}

__attribute__((always_inline)) static inline void gamma_inlined(int n)
{
	while (n--)
		if (!strdup("twelve chars"))
			abort();
}

NOINLINE static void gamma_outer(int n)
{
	gamma_inlined(n);
}

namespace shop
{
struct Shelf {
	NOINLINE static void stock(int n, double)
	{
		while (n--)
			sink = ::operator new(50);
		sink = nullptr;
	}
};

NOINLINE static void fill(char *)
{
	Shelf::stock(6, 0.5);
}
} // namespace shop

// What is left of pointers on the stack and in registers.
NOINLINE static void scrub()
{
	volatile char room[20000];

	for (unsigned i = 0; i < sizeof(room); i++)
		room[i] = 0;
	free(malloc(1));
}

int main()
{
	alpha_leak(3);
	beta_leak(4);
	gamma_outer(5);
	shop::fill(nullptr);
	if (!malloc(1000))
		return 1;
	scrub();
	return 0;
}
