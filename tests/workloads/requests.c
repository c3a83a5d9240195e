// SPDX-License-Identifier: BSD-2-Clause
/*
 * outside.cc for C libraries without a C++ library, and what that has not: children. Reads lines "WORD N",
 * does that N times and answers "FAILED RIGHT": how many calls failed, and how many of these did as their
 * contract says, and left things as they were.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR_THREADS 8
#define SOME_BYTES 24

void *memalign(size_t align, size_t bytes);

/* Of children, too. */
static struct tally {
	atomic_uint failed, right;
} *tally;

static void settle(void *block)
{
	__asm__ volatile("" : : "r"(block) : "memory");
}

static void note(int fails, int as_said)
{
	tally->failed += fails;
	tally->right += fails && as_said;
}

__attribute__((noinline)) void parse_request(size_t bytes)
{
	void *block;

	errno = 0;
	block = malloc(bytes);
	note(!block, errno == ENOMEM);
	settle(block);
	free(block);
}

static void do_malloc(void)
{
	parse_request(SOME_BYTES);
}

static void do_calloc(void)
{
	void *block;

	errno = 0;
	block = calloc(3, SOME_BYTES);
	note(!block, errno == ENOMEM);
	settle(block);
	free(block);
}

static const char text[SOME_BYTES] = "0123456789abcdef0123456";

__attribute__((noinline)) char *old_block(void)
{
	char *old = malloc(SOME_BYTES);

	memcpy(old, text, SOME_BYTES);
	return old;
}

/* The old block must still be there, with what was in it. */
static void do_realloc(void)
{
	char *old = old_block(), *block;

	errno = 0;
	block = realloc(old, 4 * SOME_BYTES);
	note(!block, errno == ENOMEM && !memcmp(old, text, SOME_BYTES));
	free(block ? block : old);
}

static void do_posix_memalign(void)
{
	void *block = tally;
	int err = posix_memalign(&block, 64, SOME_BYTES);

	note(err != 0, err == ENOMEM && block == tally);
	if (!err)
		free(block);
}

static void do_aligned(void)
{
	void *blocks[2];

	errno = 0;
	blocks[0] = aligned_alloc(64, 64);
	note(!blocks[0], errno == ENOMEM);
	errno = 0;
	blocks[1] = memalign(64, SOME_BYTES);
	note(!blocks[1], errno == ENOMEM);
	free(blocks[0]);
	free(blocks[1]);
}

static unsigned long nr_calls;

static void call_all(void)
{
	for (unsigned long i = 0; i < nr_calls; i++)
		parse_request(SOME_BYTES);
}

static void *work(void *unused)
{
	(void)unused;
	call_all();
	return NULL;
}

static void do_threads(void)
{
	pthread_t threads[NR_THREADS];

	for (int i = 0; i < NR_THREADS; i++)
		if (pthread_create(&threads[i], NULL, work, NULL))
			abort();
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
}

static pthread_t busy[NR_THREADS];
static atomic_bool enough;

static void *work_on(void *unused)
{
	(void)unused;
	while (!enough) {
		parse_request(SOME_BYTES);
		usleep(5000);
	}
	return NULL;
}

/* Threads that go on until "finish". */
static void do_start(void)
{
	enough = 0;
	for (int i = 0; i < NR_THREADS; i++)
		if (pthread_create(&busy[i], NULL, work_on, NULL))
			abort();
}

static void do_finish(void)
{
	enough = 1;
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(busy[i], NULL);
}

static void await(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child || status)
		abort();
}

static void do_fork(void)
{
	pid_t child = fork();

	if (!child) {
		call_all();
		_exit(0);
	}
	await(child);
}

/* The child shares the memory, so what is done to that is done to both. */
static void do_vfork(void)
{
	pid_t child = vfork();

	if (!child) {
		call_all();
		_exit(0);
	}
	await(child);
}

/* A child that goes on when its parent is gone, and says who it is: "0 PID". */
static void do_orphan(void)
{
	pid_t child = fork();

	if (child > 0)
		_exit(3);
	tally->right = (unsigned)getpid();
}

static void at_the_end(void)
{
	settle(NULL);
}

/* More than a C library has room for without asking for memory. */
static void do_atexit(void)
{
	for (int i = 0; i < 100; i++)
		note(atexit(at_the_end), 0);
}

static void do_dlopen(void)
{
	void *library = dlopen(getenv("LIBRARY"), RTLD_NOW);

	note(!library, 0);
	if (library)
		dlclose(library);
}

/* each: N times; else it looks at N itself. */
static const struct {
	const char *word;
	void (*work)(void);
	int each;
} works[] = {
	{ "malloc", do_malloc, 1 },
	{ "calloc", do_calloc, 1 },
	{ "realloc", do_realloc, 1 },
	{ "posix_memalign", do_posix_memalign, 1 },
	{ "aligned", do_aligned, 1 },
	{ "threads", do_threads, 0 },
	{ "start", do_start, 0 },
	{ "finish", do_finish, 0 },
	{ "fork", do_fork, 0 },
	{ "vfork", do_vfork, 0 },
	{ "orphan", do_orphan, 0 },
	{ "atexit", do_atexit, 1 },
	{ "dlopen", do_dlopen, 1 },
};

static void obey(const char *word, unsigned long nr)
{
	nr_calls = nr;
	for (size_t at = 0; at < sizeof(works) / sizeof(*works); at++)
		if (!strcmp(works[at].word, word))
			for (unsigned long i = 0; i < (works[at].each ? nr : 1); i++)
				works[at].work();
}

/* Its own buffers are static: it answers while every allocation fails. */
int main(void)
{
	static char in[256], out[256], line[64], word[32];
	unsigned long nr;

	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED)
		return 1;
	setvbuf(stdin, in, _IOFBF, sizeof(in));
	setvbuf(stdout, out, _IOLBF, sizeof(out));
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%31s %lu", word, &nr) != 2)
			continue;
		/* Those of "start" are counted on. */
		if (strcmp(word, "finish"))
			tally->failed = tally->right = 0;
		obey(word, nr);
		printf("%u %u\n", tally->failed, tally->right);
		fflush(stdout);
	}
	return 0;
}
