// SPDX-License-Identifier: BSD-2-Clause
// Names as C++ has them: a report shows them as people write them.
#include <cstddef>
#include <cstdlib>

namespace shop {

template <typename T> struct Shelf {
	__attribute__((noinline)) void *stock(int count, const T &);
};

static void *volatile kept;

template <typename T> void *Shelf<T>::stock(int count, const T &)
{
	kept = std::malloc(count * sizeof(T));
	return kept;
}

} // namespace shop

int main()
{
	shop::Shelf<double> shelf;

	return shelf.stock(100, 1.0) ? 0 : 1;
}
