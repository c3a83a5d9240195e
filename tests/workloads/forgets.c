// SPDX-License-Identifier: BSD-2-Clause
/*
 * Error paths, some of which forget blocks, by sizes that tell them apart: where the second block
 * of a function is refused, the first is freed or not. The status is 0 but where one gives up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void complain(const char *what)
{
	fprintf(stderr, "forgets: no memory for %s\n", what);
}

__attribute__((noinline)) static int forgets(void)
{
	char *first = malloc(200), *second;

	if (!first)
		return -1;
	second = malloc(201);
	if (!second)
		return -1;
	free(second);
	free(first);
	return 0;
}

__attribute__((noinline)) static int tidies(void)
{
	char *first = malloc(210), *second;

	if (!first)
		return -1;
	second = malloc(211);
	if (!second) {
		free(first);
		return -1;
	}
	free(second);
	free(first);
	return 0;
}

/* What the realloc was of is lost. */
__attribute__((noinline)) static int grows(void)
{
	char *block = malloc(220);

	if (!block)
		return -1;
	block = realloc(block, 1220);
	if (!block)
		return -1;
	free(block);
	return 0;
}

__attribute__((noinline)) static int collects(void)
{
	char *blocks[3], *last;

	for (int i = 0; i < 3; i++) {
		blocks[i] = malloc(230);
		if (!blocks[i]) {
			while (i--)
				free(blocks[i]);
			return -1;
		}
	}
	last = malloc(231);
	if (!last)
		return -1;
	free(last);
	for (int i = 0; i < 3; i++)
		free(blocks[i]);
	return 0;
}

/* Tables that nobody frees at the end: the smaller one stays where there is no larger one. */
__attribute__((noinline)) static void enlarge(void)
{
	static char *table, *text;
	char *larger;

	table = malloc(270);
	larger = malloc(1270);
	if (larger) {
		free(table);
		table = larger;
	}
	text = malloc(280);
	larger = realloc(text, 1280);
	text = larger ? larger : text;
}

/* Its error path has a cache of its own, which nobody frees either. */
__attribute__((noinline)) static void falls_back(void)
{
	static char *cache;
	char *block = malloc(1290);

	if (!block)
		cache = malloc(290);
	free(block);
	if (cache)
		*cache = 1;
}

/* Gives up with what it and main hold: the system frees that. */
__attribute__((noinline)) static void gives_up(void)
{
	char *first = malloc(240), *second = malloc(241);

	if (!first || !second)
		exit(5);
	free(second);
	free(first);
}

__attribute__((noinline)) static int in_child(void)
{
	char *first = malloc(250), *second = malloc(251);

	if (!first || !second)
		return -1;
	free(second);
	free(first);
	return 0;
}

__attribute__((noinline)) static void child(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (in_child())
			complain("the child");
		_exit(0);
	}
	waitpid(pid, &status, 0);
}

int main(void)
{
	char *kept = malloc(260); /* never freed, whatever happens */

	if (!kept)
		return 6;
	/* The first text that is printed makes the stream's buffer: here where this fails. */
	if (tidies())
		puts("forgets: no memory to be tidy with");
	if (forgets())
		complain("forgets");
	if (grows())
		complain("grows");
	if (collects())
		complain("collects");
	enlarge();
	falls_back();
	gives_up();
	child();
	puts("done");
	return 0;
}
