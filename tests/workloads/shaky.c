// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fifteen call paths to the allocator, and what programs do when these fail: most give up in an
 * orderly way, the others each in a way of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void orderly(const void *block)
{
	static const char text[] = "shaky: no memory\n";

	if (block)
		return;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(9);
	_exit(7);
}

static void say(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(8);
}

__attribute__((noinline)) static void unchecked(void)
{
	char *block = malloc(100);

	*(volatile char *)block = 1;
	free(block);
}

__attribute__((noinline)) static void aborts(void)
{
	char *block = malloc(101);

	if (!block)
		abort();
	free(block);
}

__attribute__((noinline)) static void hangs(void)
{
	char *block;

	while (!(block = malloc(102)))
		for (;;)
			pause();
	free(block);
}

__attribute__((noinline)) static void silent(void)
{
	char *block = malloc(103);

	if (block)
		say("one line\n");
	free(block);
}

__attribute__((noinline)) static void survives(void)
{
	free(malloc(104));
}

__attribute__((noinline)) static void crashing_child(void)
{
	int status;
	pid_t pid = fork();
	char *block;

	if (!pid) {
		block = malloc(105);
		*(volatile char *)block = 1;
		_exit(0);
	}
	waitpid(pid, &status, 0);
}

static void call(void (*nowhere)(void))
{
	nowhere();
}

/* A failure of its one allocation makes it call address 0. */
__attribute__((noinline)) static void jumps(void)
{
	void *block = malloc(106);

	call(block ? survives : NULL);
	free(block);
}

__attribute__((noinline)) static char *one(size_t bytes)
{
	char *block = malloc(bytes);

	orderly(block);
	return block;
}

int main(void)
{
	char *blocks[7], *grown;

	blocks[0] = one(10);
	blocks[1] = one(11);
	blocks[2] = one(12);
	blocks[3] = calloc(2, 20);
	orderly(blocks[3]);
	blocks[4] = strdup("a text");
	orderly(blocks[4]);
	grown = realloc(blocks[4], 1000);
	orderly(grown);
	blocks[4] = grown;
	say("begun\n");
	unchecked();
	aborts();
	hangs();
	silent();
	survives();
	crashing_child();
	jumps();
	blocks[5] = aligned_alloc(64, 128);
	orderly(blocks[5]);
	for (int i = 0; i < 6; i++)
		free(blocks[i]);
	say("done\n");
	return 0;
}
