/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * C++ exceptions: blocks from the handler, from a destructor that runs while the stack is unwound,
 * from a rethrow, and from what the runtime itself allocates for the exception.
 */
#include <cstdlib>
#include <stdexcept>
#include <string>

#define NOINLINE __attribute__((noinline, noclone))

static void *volatile kept;
static volatile int after;

NOINLINE void keep(std::size_t bytes)
{
	kept = std::malloc(bytes);
	after = after + 1;
}

struct cleaner {
	std::size_t bytes;
	NOINLINE ~cleaner()
	{
		keep(bytes);
		after = after + 1;
	}
};

NOINLINE void thrower(int levels)
{
	cleaner guard{ 1000u + static_cast<unsigned>(levels) };

	if (!levels)
		throw std::runtime_error(std::string(100, 'x'));
	thrower(levels - 1);
	after = after + 1;
}

NOINLINE void rethrower()
{
	try {
		thrower(3);
	} catch (const std::exception &) {
		keep(2000);
		throw;
	}
}

NOINLINE void catcher()
{
	try {
		rethrower();
	} catch (const std::exception &error) {
		keep(2001);
		kept = new std::string(error.what());
	}
	after = after + 1;
}

int main()
{
	for (int i = 0; i < 3; i++)
		catcher();
	return 0;
}
