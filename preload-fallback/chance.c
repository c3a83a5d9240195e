// SPDX-License-Identifier: BSD-2-Clause
#include "chance.h"

#include "os.h"

/* Binary digits of a logarithm behind the point, and of other fractions. */
#define LOG_BITS 24u
#define ONE	 (1ull << 32)
#define LN2	 2977044472ull /* of ONE */

/* Weyl's sequence, each of its numbers mixed: as good for this as what takes more state. */
#define STEP 0x9e3779b97f4a7c15ull

uint64_t chance__mix(uint64_t number)
{
	number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9ull;
	number = (number ^ number >> 27) * 0x94d049bb133111ebull;
	return number ^ number >> 31;
}

uint64_t chance__next(uint64_t *state)
{
	*state += STEP;
	return chance__mix(*state);
}

/* -log2(number / 2^64), in units of 2^-LOG_BITS; number is not 0. Squaring a number from 1 up to 2
 * doubles its logarithm: whether it is 2 then or more is the next digit. */
static uint64_t minus_log2(uint64_t number)
{
	unsigned zeros = (unsigned)__builtin_clzll(number);
	uint64_t mantissa = number << zeros >> 32, digits = 0;

	for (unsigned i = 0; i < LOG_BITS; i++) {
		uint64_t square = mantissa * mantissa >> 31;

		digits = digits << 1 | square >> 32;
		mantissa = square >> (square >> 32);
	}
	return ((uint64_t)(zeros + 1) << LOG_BITS) - digits;
}

uint64_t chance__gap(uint64_t *state, uint32_t every)
{
	uint64_t times = minus_log2(chance__next(state) | 1) * LN2 >> 32;
	uint64_t gap = (times * every + (1u << LOG_BITS) - 1) >> LOG_BITS;

	return gap ? gap : 1;
}

static uint64_t multiply(uint64_t a, uint64_t b)
{
	return a * b >> 32; /* both are below ONE */
}

static uint64_t divide(uint64_t a, uint32_t b)
{
	uint32_t rest;

	return os__divide(a, b, &rest);
}

uint32_t chance__weight(uint64_t *state, uint32_t bytes, uint32_t every)
{
	uint64_t x = divide((uint64_t)bytes << 32, every), xx = multiply(x, x);
	uint64_t x3 = multiply(xx, x), x5 = multiply(x3, xx), x7 = multiply(x5, xx);
	/* x / (1 - exp(-x)) = 1 + x/2 + x^2/12 - x^4/720 + x^6/30240 - x^8/1209600 ... */
	uint64_t mean = divide((uint64_t)every << 32, bytes) + ONE / 2 + divide(x, 12) -
			divide(x3, 720) + divide(x5, 30240) - divide(x7, 1209600);

	return (uint32_t)((mean + (chance__next(state) >> 32)) >> 32);
}
