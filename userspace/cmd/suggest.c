// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/suggest.h"

#include <string.h>

#include "base/util.h"

/* Longer words are not typing mistakes. */
#define MAX_WORD 32

/* Insertions, deletions and replacements that turn a into b. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t len_a = strlen(a), len_b = strlen(b);
	size_t row[MAX_WORD + 1];

	if (len_a > MAX_WORD || len_b > MAX_WORD)
		return SIZE_MAX;
	for (size_t j = 0; j <= len_b; j++)
		row[j] = j;
	for (size_t i = 1; i <= len_a; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= len_b; j++) {
			size_t replaced = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = min(min(row[j], row[j - 1]) + 1, replaced);
		}
	}
	return row[len_b];
}

void suggest__offer(struct suggest *suggest, const char *known)
{
	size_t length = strlen(suggest->word), distance;

	if (!length)
		return;
	/* The beginning of a word is a better guess than any change of letters. */
	distance = strncmp(suggest->word, known, length) ? edit_distance(suggest->word, known) : 0;
	/* A third of the letters, so that two swapped ones in a word of four still pass. */
	if (distance > (length + 2) / 3)
		return;
	if (suggest->nearest && distance >= suggest->distance)
		return;
	suggest->nearest = known;
	suggest->distance = distance;
}
