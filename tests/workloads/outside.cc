// SPDX-License-Identifier: BSD-2-Clause
/*
 * What allocations that are made to fail from outside look like from inside. Reads lines "WORD N",
 * does that N times and answers "FAILED RIGHT": how many calls failed, and how many of these did as
 * their contract says, and left things as they were.
 */
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <malloc.h>
#include <new>
#include <pthread.h>

#define NOINLINE   extern "C" __attribute__((noinline))
#define NR_THREADS 8
#define SOME_BYTES 24
#define MANY_BYTES (2u << 20)

static std::atomic<unsigned> failed, right;

/* Keeps the call before it from being the last thing its function does, and its result. */
static void settle(void *block)
{
	__asm__ volatile("" : : "r"(block) : "memory");
}

static void note(bool fails, bool as_said)
{
	failed += fails;
	right += fails && as_said;
}

NOINLINE void parse_request(size_t bytes)
{
	errno = 0;
	void *block = malloc(bytes);

	note(!block, errno == ENOMEM);
	settle(block);
	free(block);
}

NOINLINE void keep_alive(size_t bytes)
{
	errno = 0;
	void *block = malloc(bytes);

	note(!block, errno == ENOMEM);
	settle(block);
	free(block);
}

namespace shop
{
struct shelf {
	__attribute__((noinline)) void stock(int items)
	{
		parse_request((size_t)items);
		settle(this);
	}
};
} // namespace shop

static void do_malloc()
{
	parse_request(SOME_BYTES);
}

static void do_other()
{
	keep_alive(SOME_BYTES);
}

static void do_stock()
{
	shop::shelf shelf;

	shelf.stock(SOME_BYTES);
}

static void do_large()
{
	parse_request(MANY_BYTES);
}

static void do_nothing_asked()
{
	parse_request(0);
}

static void do_calloc()
{
	errno = 0;
	char *block = (char *)calloc(3, SOME_BYTES);

	note(!block, errno == ENOMEM);
	settle(block);
	free(block);
}

/* The old block must still be there, with what was in it. */
static void check_resized(char *old, char *block)
{
	static const char text[] = "0123456789abcdef0123456";

	note(!block, errno == ENOMEM && !memcmp(old, text, sizeof(text)));
	free(block ? block : old);
}

/* So that the compiler does not know that they are realloc and reallocarray. */
static void *(*volatile resize)(void *, size_t) = realloc;
static void *(*volatile resize_array)(void *, size_t, size_t) = reallocarray;

NOINLINE char *old_block()
{
	char *old = (char *)malloc(SOME_BYTES);

	memcpy(old, "0123456789abcdef0123456", SOME_BYTES);
	errno = 0;
	return old;
}

NOINLINE void do_realloc()
{
	char *old = old_block();

	check_resized(old, (char *)resize(old, 4 * SOME_BYTES));
}

NOINLINE void do_reallocarray()
{
	char *old = old_block();

	check_resized(old, (char *)resize_array(old, 3, 2 * SOME_BYTES));
}

/* free(p) by another name: must do so. */
static void do_realloc_to_nothing()
{
	void *volatile old = malloc(SOME_BYTES);

	settle(realloc(old, 0));
}

static void do_posix_memalign()
{
	void *block = &failed;
	int err = posix_memalign(&block, 64, SOME_BYTES);

	note(err, err == ENOMEM && block == &failed);
	if (!err)
		free(block);
}

static void do_aligned()
{
	void *blocks[4];

	errno = 0;
	blocks[0] = aligned_alloc(64, SOME_BYTES);
	blocks[1] = memalign(64, SOME_BYTES);
	blocks[2] = valloc(SOME_BYTES);
	blocks[3] = pvalloc(SOME_BYTES);
	for (void *block : blocks) {
		note(!block, errno == ENOMEM);
		settle(block);
		free(block);
	}
}

static void do_new()
{
	try {
		int *block = new int[8];

		settle(block);
		delete[] block;
	} catch (const std::bad_alloc &) {
		note(true, true);
	}
}

static void do_nothrow()
{
	int *block = new (std::nothrow) int;

	note(!block, true);
	settle(block);
	delete block;
}

/* Lets new try again, once. */
static void give_up()
{
	note(true, true);
	std::set_new_handler(nullptr);
}

static void do_handler()
{
	std::set_new_handler(give_up);
	do_new();
	std::set_new_handler(nullptr);
}

static unsigned long nr_calls;

static void *work(void *)
{
	for (unsigned long i = 0; i < nr_calls; i++)
		parse_request(SOME_BYTES);
	return nullptr;
}

/* As many calls in each of some threads at once; also, these can be started. */
static void do_threads(unsigned long nr)
{
	pthread_t threads[NR_THREADS];

	nr_calls = nr;
	for (pthread_t &thread : threads)
		if (pthread_create(&thread, nullptr, work, nullptr))
			abort();
	for (pthread_t &thread : threads)
		pthread_join(thread, nullptr);
}

static void at_the_end()
{
	settle(nullptr);
}

static void do_atexit()
{
	note(atexit(at_the_end), false);
}

static void do_dlopen()
{
	void *library = dlopen("libresolv.so.2", RTLD_NOW);

	note(!library, false);
	if (library)
		dlclose(library);
}

static void do_unchecked()
{
	*(volatile char *)malloc(SOME_BYTES) = 1;
}

static const struct {
	const char *word;
	void (*once)();
	void (*all)(unsigned long nr);
} works[] = {
	{ "malloc", do_malloc, nullptr },
	{ "other", do_other, nullptr },
	{ "stock", do_stock, nullptr },
	{ "large", do_large, nullptr },
	{ "nothing", do_nothing_asked, nullptr },
	{ "calloc", do_calloc, nullptr },
	{ "realloc", do_realloc, nullptr },
	{ "reallocarray", do_reallocarray, nullptr },
	{ "realloc0", do_realloc_to_nothing, nullptr },
	{ "posix_memalign", do_posix_memalign, nullptr },
	{ "aligned", do_aligned, nullptr },
	{ "new", do_new, nullptr },
	{ "nothrow", do_nothrow, nullptr },
	{ "handler", do_handler, nullptr },
	{ "threads", nullptr, do_threads },
	{ "atexit", do_atexit, nullptr },
	{ "dlopen", do_dlopen, nullptr },
	{ "unchecked", do_unchecked, nullptr },
};

static void obey(const char *word, unsigned long nr)
{
	failed = right = 0;
	for (const auto &work : works) {
		if (strcmp(work.word, word))
			continue;
		for (unsigned long i = 0; work.once && i < nr; i++)
			work.once();
		if (work.all)
			work.all(nr);
	}
}

/* Its own buffers are static: it answers while every allocation fails. */
int main()
{
	static char in[256], out[256], line[64], word[32];
	unsigned long nr;

	setvbuf(stdin, in, _IOFBF, sizeof(in));
	setvbuf(stdout, out, _IOLBF, sizeof(out));
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%31s %lu", word, &nr) != 2)
			continue;
		obey(word, nr);
		printf("%u %u\n", failed.load(), right.load());
	}
	return 0;
}
