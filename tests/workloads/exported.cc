// SPDX-License-Identifier: BSD-2-Clause
// What exporters have to get right: recursion (of one function, and of two), inlined functions, C++
// names, threads. Every block stays; what each function allocates is counted in test_exports.py.
#include <cstdlib>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

static void *volatile kept;

NOINLINE static void keep(std::size_t bytes)
{
	kept = std::malloc(bytes);
}

// 4 blocks of 100 bytes, by stacks of 1 to 4 of its frames.
NOINLINE static void recurse(int depth)
{
	keep(100);
	if (depth > 1)
		recurse(depth - 1);
	kept = nullptr;
}

// even and odd call each other: 3 blocks of 1000 bytes by even, 3 of 10 by odd.
NOINLINE static void odd(int depth);

NOINLINE static void even(int depth)
{
	keep(1000);
	if (depth)
		odd(depth - 1);
	kept = nullptr;
}

NOINLINE static void odd(int depth)
{
	keep(10);
	if (depth)
		even(depth - 1);
	kept = nullptr;
}

namespace shop
{

template <typename T> struct Shelf {
	T *items;
	NOINLINE explicit Shelf(int count) : items(new T[count]) {}
};

} // namespace shop

__attribute__((always_inline)) static inline void inlined()
{
	keep(7777);
}

NOINLINE static void outline()
{
	inlined();
	kept = nullptr;
}

static void *thread(void *)
{
	keep(5000);
	return nullptr;
}

// Freed at once: allocated, but not live at the end.
NOINLINE static void churn(int count)
{
	while (count--) {
		keep(50);
		std::free(kept);
	}
}

int main(int argc, char **)
{
	pthread_t threads[3];

	recurse(4);
	even(5);
	shop::Shelf<double> shelf(25);
	outline();
	churn(40);
	for (pthread_t &t : threads) {
		pthread_create(&t, nullptr, thread, nullptr);
		pthread_join(t, nullptr);
	}
	kept = shelf.items;
	if (argc > 1) {
		pid_t child = fork();

		if (!child) {
			keep(123456);
			_exit(0);
		}
		waitpid(child, nullptr, 0);
	}
	return 0;
}
