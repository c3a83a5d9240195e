/* SPDX-License-Identifier: BSD-2-Clause */
/* f keeps one of 64 blocks, main grows another and forgets it. An argument: wait on stdin. */
#include <stdlib.h>
#include <unistd.h>

static void f(void)
{
	char *blocks[64];
	int i;

	/* The tests know two lines: this call is on line 13. */
	for (i = 0; i < 64; i++)
		blocks[i] = malloc(4096);
	for (i = 1; i < 64; i++)
		free(blocks[i]);
}

int main(int argc, char **argv)
{
	char *grown = NULL, byte;
	int i;

	while (argc > 1 && read(0, &byte, 1) != 1)
		;
	for (i = 0; i < 10; i++) /* and this one on line 26 */
		f();
	for (i = 1024; i <= 8192; i *= 2)
		grown = realloc(grown, i);
	if (argc > 1 && (write(1, "done\n", 5) != 5 || read(0, &byte, 1) < 0))
		return 1;
	return argv[0] == grown;
}
