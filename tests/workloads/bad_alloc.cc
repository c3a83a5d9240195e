// SPDX-License-Identifier: BSD-2-Clause
/*
 * Operators new of several forms, a hundred times; prints how they ended. With an argument, a
 * handler is there that gives up after its first call.
 */
#include <cstdio>
#include <cstdlib>
#include <new>

struct alignas(64) wide {
	char text[64];
};

static int handled;

static void handler()
{
	handled++;
	std::set_new_handler(nullptr);
}

int main(int argc, char **)
{
	int thrown = 0, null = 0, fine = 0;

	if (argc > 1)
		std::set_new_handler(handler);
	for (int i = 0; i < 100; i++) {
		try {
			char *volatile text = new char[10];

			(text ? fine : null)++;
			delete[] text;
			int *volatile number = new int;

			(number ? fine : null)++;
			delete number;
			wide *volatile one = new wide;

			(one ? fine : null)++;
			delete one;
		} catch (const std::bad_alloc &) {
			thrown++;
		}
		long *volatile quiet = new (std::nothrow) long[2];

		(quiet ? fine : null)++;
		delete[] quiet;
	}
	std::fprintf(stderr, "thrown %d null %d fine %d handled %d\n", thrown, null, fine, handled);
	return 0;
}
