// SPDX-License-Identifier: BSD-2-Clause
/*
 * Allocates in many ways, copes with each failure, and prints a line for each: which call it was,
 * and whether it failed as its contract says. Arguments: what to do, see the table below.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR_THREADS 8
#define NR_MALLOCS 100000

static int nr_failed;

static void tell(const char *what, const char *result)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "%s %s\n", what, result);

	if (write(STDOUT_FILENO, line, (size_t)len) != len)
		_exit(99);
}

/* NULL and ENOMEM, or a block and errno as it was. */
static void *check(const char *what, void *block)
{
	nr_failed += !block;
	if (block)
		tell(what, errno == 77 ? "fine" : "fine, but errno changed");
	else
		tell(what, errno == ENOMEM ? "failed" : "failed with the wrong errno");
	errno = 77;
	return block;
}

static void placed(void)
{
	void *out = &out, *before = out;
	int err = posix_memalign(&out, 64, 100);

	if (!err)
		tell("posix_memalign", "fine");
	else
		tell("posix_memalign", err == ENOMEM && out == before && errno == 77
					       ? "failed"
					       : "failed against its contract");
	nr_failed += err != 0;
	if (!err)
		free(out);
}

void *mbedtls_like(size_t bytes);
__attribute__((noinline)) void *mbedtls_like(size_t bytes)
{
	void *block = malloc(bytes);

	__asm__ volatile("");
	return block;
}

/* One place that calls it, whatever the compiler makes of the branch before. */
__attribute__((noinline, noclone)) static void *resized(void *block, size_t bytes)
{
	block = realloc(block, bytes);
	__asm__ volatile("");
	return block;
}

__attribute__((noinline, noclone)) static void fill(char *block)
{
	if (block)
		memset(block, 5, 20);
}

static void functions(void)
{
	char *block, *bigger;

	errno = 77;
	free(check("malloc", malloc(10)));
	free(check("calloc", calloc(3, 10)));
	block = check("malloc for realloc", malloc(20));
	fill(block);
	bigger = check("realloc", resized(block, 2000));
	if (!bigger && block && block[19] != 5)
		tell("realloc", "lost the old block");
	free(bigger ? bigger : block);
	free(check("realloc of nothing", realloc(NULL, 30)));
	free(check("reallocarray", reallocarray(NULL, 3, 30)));
	free(check("aligned_alloc", aligned_alloc(64, 128)));
	free(check("memalign", memalign(64, 130)));
	free(check("valloc", valloc(131)));
	free(check("strdup", strdup("thirteen chars")));
	placed();
	free(check("inside", mbedtls_like(14)));
}

static void *churn(void *unused)
{
	long failed = 0;

	(void)unused;
	for (int i = 0; i < NR_MALLOCS; i++) {
		void *block = malloc((size_t)(16 + i % 64));

		failed += !block;
		free(block);
	}
	return (void *)failed;
}

static void threads(void)
{
	pthread_t all[NR_THREADS];
	long failed = 0;
	void *one;

	for (int i = 0; i < NR_THREADS; i++)
		if (pthread_create(&all[i], NULL, churn, NULL))
			_exit(98);
	for (int i = 0; i < NR_THREADS; i++) {
		pthread_join(all[i], &one);
		failed += (long)one;
	}
	nr_failed += (int)failed;
}

/* Neither of these may fail: the program would not know what to do. */
static void at_end(void)
{
	tell("atexit", "called");
}

static void loader(void)
{
	for (int i = 0; i < 64; i++)
		if (atexit(at_end))
			tell("atexit", "failed");
	for (int i = 0; i < 3; i++) {
		void *library = dlopen(getenv("PLUGIN"), RTLD_NOW);

		if (!library || !dlsym(library, "unwind_plugin"))
			tell("dlopen", "failed");
		if (dlsym(library, "no such thing") || !dlerror())
			tell("dlerror", "failed");
		if (library)
			dlclose(library);
	}
	threads();
}

static void children(char *self)
{
	for (int i = 0; i < 4; i++) {
		pid_t pid = fork();

		if (!pid) {
			functions();
			if (i % 2)
				execl(self, self, "functions", (char *)NULL);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
}

static void crash(void)
{
	char *text = malloc(33);

	text[0] = 'x';
	free(text);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "functions";

	if (!strcmp(what, "functions"))
		functions();
	else if (!strcmp(what, "threads"))
		threads();
	else if (!strcmp(what, "loader"))
		loader();
	else if (!strcmp(what, "children"))
		children(argv[0]);
	else if (!strcmp(what, "crash"))
		crash();
	if (nr_failed) {
		char number[16];

		snprintf(number, sizeof(number), "%d", nr_failed);
		tell("failed:", number);
	}
	return nr_failed ? 3 : 0;
}
