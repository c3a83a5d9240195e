// SPDX-License-Identifier: BSD-2-Clause
/*
 * What programs do when operator new fails, a function for each way.
 */
#include <cstdio>
#include <new>

/* Volatile, so that no call is left out. */
static char *volatile kept;

__attribute__((noinline)) static int caught()
{
	try {
		kept = new char[410];
		delete[] kept;
	} catch (const std::bad_alloc &) {
		std::fputs("throwing: no memory\n", stderr);
		return 4;
	}
	return 0;
}

__attribute__((noinline)) static void uncaught()
{
	kept = new char[411];
	delete[] kept;
}

__attribute__((noinline)) static void unchecked()
{
	kept = new (std::nothrow) char[412];
	*static_cast<volatile char *>(kept) = 1;
	delete[] kept;
}

/* Does without. */
__attribute__((noinline)) static void retried()
{
	for (int bytes = 413;; bytes = 1) {
		try {
			kept = new char[bytes];
			delete[] kept;
			return;
		} catch (const std::bad_alloc &) {
			if (bytes == 1)
				throw;
		}
	}
}

/* Blocks in front of the one that fails have no owner then, and nobody has a pointer to them. */
__attribute__((noinline)) static void careless()
{
	char *volatile blocks[3];

	try {
		for (char *volatile &block : blocks)
			block = new char[414];
		kept = new char[415];
		delete[] kept;
		for (char *volatile &block : blocks)
			delete[] block;
	} catch (const std::bad_alloc &) {
		for (char *volatile &block : blocks)
			block = nullptr;
	}
}

int main()
{
	int status = caught();

	if (status)
		return status;
	uncaught();
	unchecked();
	retried();
	careless();
	return 0;
}
