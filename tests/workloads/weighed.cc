/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *   weighed story           allocates by each of the functions below in turn, so often that there is
 *                           something to estimate; gives back what a function does not keep
 *   weighed threads COUNT   as many threads do that at once, and give back each other's blocks
 *   weighed children COUNT  the process does, then as many forked children, one after the other
 *
 * On stdout, of one thread: a line a function and size, both, how many blocks were allocated, and
 * how many of them kept.
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE   __attribute__((noinline))
#define ROUNDS	   4000
#define MAX_COUNT  64
#define MAX_SIZES  8
#define AT_ONCE	   512

struct row {
	size_t bytes;
	unsigned long allocated, kept;
};

struct site;
typedef void *(*get_fn)(struct site *site, unsigned round);

struct site {
	const char *name;
	get_fn get;
	void (*give_back)(void *block);
	unsigned keep; /* one block of so many; 0: none */
	struct row rows[MAX_SIZES];
};

static void count(struct site *site, size_t bytes, int allocated, int kept)
{
	for (unsigned i = 0; i < MAX_SIZES; i++) {
		struct row *row = &site->rows[i];

		if (row->bytes && row->bytes != bytes)
			continue;
		row->bytes = bytes;
		row->allocated += allocated;
		row->kept += kept;
		return;
	}
	abort();
}

NOINLINE void *small(struct site *site, unsigned round)
{
	size_t bytes = 24 + round % 3 * 16;

	count(site, bytes, 1, site->keep && round % site->keep == 0);
	return malloc(bytes);
}

NOINLINE void *zeroed(struct site *site, unsigned round)
{
	size_t each = 50 + round % 4 * 20;

	count(site, 3 * each, 1, site->keep && round % site->keep == 0);
	return calloc(3, each);
}

NOINLINE void *aligned(struct site *site, unsigned round)
{
	void *block = NULL;

	count(site, 320, 1, site->keep && round % site->keep == 0);
	return posix_memalign(&block, 64, 320) ? NULL : block;
}

/* Inside it is malloc. */
NOINLINE void *made(struct site *site, unsigned round)
{
	count(site, 200, 1, site->keep && round % site->keep == 0);
	return operator new(200);
}

NOINLINE void *made_many(struct site *site, unsigned round)
{
	count(site, 90, 1, site->keep && round % site->keep == 0);
	return operator new[](90);
}

/* Inside it is aligned_alloc of 128 bytes. */
NOINLINE void *made_aligned(struct site *site, unsigned round)
{
	count(site, 70, 1, site->keep && round % site->keep == 0);
	return operator new(70, std::align_val_t(64));
}

NOINLINE void *grown(struct site *site, unsigned round)
{
	void *volatile block = malloc(40);

	count(site, 40, 1, 0);
	count(site, 900, 1, site->keep && round % site->keep == 0);
	return realloc(block, 900);
}

NOINLINE void *shrunk(struct site *site, unsigned round)
{
	void *volatile block = malloc(2000);

	count(site, 2000, 1, 0);
	count(site, 100, 1, site->keep && round % site->keep == 0);
	return realloc(block, 100);
}

NOINLINE void *large(struct site *site, unsigned round)
{
	if (round % 50)
		return NULL;
	count(site, 70000, 1, site->keep && round % site->keep == 0);
	return malloc(70000);
}

static void give_back_aligned(void *block)
{
	operator delete(block, std::align_val_t(64));
}

static void give_back_made(void *block)
{
	operator delete(block);
}

static void give_back_many(void *block)
{
	operator delete[](block);
}

static const struct site sites[] = {
	{ "small", small, free, 10, {} },
	{ "zeroed", zeroed, free, 0, {} },
	{ "aligned", aligned, free, 5, {} },
	{ "made", made, give_back_made, 4, {} },
	{ "made_many", made_many, give_back_many, 0, {} },
	{ "made_aligned", made_aligned, give_back_aligned, 3, {} },
	{ "grown", grown, free, 7, {} },
	{ "shrunk", shrunk, free, 2, {} },
	{ "large", large, free, 200, {} },
};

#define NR_SITES (sizeof(sites) / sizeof(sites[0]))

/* Blocks wait here to be given back, whoever comes by. */
static void *volatile waiting[NR_SITES][AT_ONCE];
static pthread_barrier_t barrier;

static void story(struct site *own)
{
	memcpy(own, sites, sizeof(sites));
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < NR_SITES; i++) {
			struct site *site = &own[i];
			void *block = site->get(site, round), *old;

			if (site->keep && round % site->keep == 0)
				continue;
			old = __atomic_exchange_n(&waiting[i][round * 7 % AT_ONCE], block,
						  __ATOMIC_ACQ_REL);
			if (old)
				site->give_back(old);
		}
	}
}

static void give_back_rest(void)
{
	for (unsigned i = 0; i < NR_SITES; i++) {
		for (unsigned n = 0; n < AT_ONCE; n++) {
			if (waiting[i][n])
				sites[i].give_back(waiting[i][n]);
			waiting[i][n] = NULL;
		}
	}
}

static void *live(void *)
{
	struct site own[NR_SITES];

	pthread_barrier_wait(&barrier);
	story(own);
	return NULL;
}

static void tell(const struct site *own)
{
	char text[4096];
	int used = 0;

	for (unsigned i = 0; i < NR_SITES; i++)
		for (unsigned n = 0; n < MAX_SIZES && own[i].rows[n].bytes; n++)
			used += snprintf(text + used, sizeof(text) - (size_t)used, "%s %zu %lu %lu\n",
					 own[i].name, own[i].rows[n].bytes,
					 own[i].rows[n].allocated, own[i].rows[n].kept);
	if (write(STDOUT_FILENO, text, (size_t)used) != used)
		abort();
}

static int run_threads(unsigned count)
{
	pthread_t threads[MAX_COUNT];

	pthread_barrier_init(&barrier, NULL, count);
	for (unsigned i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, live, NULL))
			return 1;
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	give_back_rest();
	return 0;
}

static int run_children(unsigned count)
{
	struct site own[NR_SITES];
	int status;

	for (unsigned i = 0; i < count; i++) {
		pid_t child = fork();

		if (!child) {
			story(own);
			give_back_rest();
			return 0;
		}
		if (waitpid(child, &status, 0) != child || status)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
	struct site own[NR_SITES];

	if (argc < 2 || count > MAX_COUNT)
		return 2;
	if (!strcmp(argv[1], "threads"))
		return run_threads(count);
	story(own);
	tell(own);
	if (!strcmp(argv[1], "children") && run_children(count))
		return 1;
	give_back_rest();
	return 0;
}
