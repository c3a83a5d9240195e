/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does what stdin says, a line at a time, and answers each with "ok": a target that tests drive.
 *
 *   keep COUNT BYTES   allocates and keeps
 *   drop COUNT 0       gives back the newest kept
 *   churn COUNT BYTES  allocates and gives back
 *   load PATH 0        loads a library and calls its plug_keep()
 *
 * Its end is the end of stdin. It allocates nothing else: no stdio.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_KEPT 100000

static void *kept[MAX_KEPT];
static size_t nr_kept;
static void *volatile sink;

static __attribute__((noinline)) void keep(size_t count, size_t bytes)
{
	while (count-- && nr_kept < MAX_KEPT)
		kept[nr_kept++] = malloc(bytes);
}

static void drop(size_t count)
{
	while (count-- && nr_kept)
		free(kept[--nr_kept]);
}

static void churn(size_t count, size_t bytes)
{
	while (count--) {
		sink = malloc(bytes);
		free(sink);
	}
}

static int load(const char *path)
{
	void *library = dlopen(path, RTLD_NOW);
	void (*plug_keep)(void) = library ? (void (*)(void))dlsym(library, "plug_keep") : NULL;

	if (!plug_keep)
		return -1;
	plug_keep();
	return 0;
}

static int step(char *line)
{
	char *word = strtok(line, " "), *first = strtok(NULL, " "), *second = strtok(NULL, " ");
	size_t count, bytes;

	if (!word || !first || !second)
		return -1;
	count = strtoul(first, NULL, 10);
	bytes = strtoul(second, NULL, 10);
	if (!strcmp(word, "keep"))
		keep(count, bytes);
	else if (!strcmp(word, "drop"))
		drop(count);
	else if (!strcmp(word, "churn"))
		churn(count, bytes);
	else if (!strcmp(word, "load"))
		return load(first);
	else
		return -1;
	return 0;
}

static int read_line(char *line, size_t size)
{
	size_t used = 0;

	while (used < size - 1 && read(STDIN_FILENO, line + used, 1) == 1) {
		if (line[used] == '\n') {
			line[used] = '\0';
			return 1;
		}
		used++;
	}
	return 0;
}

int main(void)
{
	static char line[4096];

	while (read_line(line, sizeof(line)))
		if (step(line) || write(STDOUT_FILENO, "ok\n", 3) != 3)
			return 1;
	return 0;
}
