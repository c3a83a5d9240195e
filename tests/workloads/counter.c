/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An independent count of a process's heap, preloaded into it: what heaptap says from outside is
 * compared with what this says from inside. Only outermost calls count; conventions are
 * valgrind's: a realloc of a live block that succeeds is one allocation and one free.
 *
 *   LD_PRELOAD=counter.so COUNTER_OUT=FILE COUNTER_EXE=/path/of/the/program program
 *
 * The counters live in FILE itself, mapped shared: whatever way the process ends, they are right.
 * A process counts when FILE does not exist yet and COUNTER_EXE (where given) names its executable;
 * every other one, forked children included, passes calls through.
 *
 * With COUNTER_TREE=DIRECTORY instead, every process counts, in DIRECTORY/PID.N for its Nth program; a
 * forked child goes on from what its parent had counted.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define NR_SHARDS 64u
#define FIRST_SLOTS 1024u
#define BOOT_BYTES (64u << 10)
#define MAX_ENVIRON (256u << 10)

/* The file: tests read it as nine 64-bit words. */
struct counters {
	uint64_t magic; /* written last: counting has begun */
	uint64_t pid;
	uint64_t allocations;
	uint64_t frees;
	uint64_t failed;
	uint64_t allocated_bytes;
	uint64_t live_blocks;
	uint64_t live_bytes;
	uint64_t unknown_frees;
};
#define COUNTERS_MAGIC 0x31746e756f637468ull

struct slot {
	uintptr_t addr; /* 0: empty */
	size_t bytes;
};

struct shard {
	int locked;
	size_t used;
	size_t nr_slots; /* a power of two */
	struct slot *slots;
};

static struct {
	void *(*malloc)(size_t bytes);
	void *(*calloc)(size_t count, size_t bytes);
	void *(*realloc)(void *old, size_t bytes);
	void *(*reallocarray)(void *old, size_t count, size_t bytes);
	void (*free)(void *addr);
	int (*posix_memalign)(void **out, size_t align, size_t bytes);
	void *(*aligned_alloc)(size_t align, size_t bytes);
	void *(*memalign)(size_t align, size_t bytes);
	void *(*valloc)(size_t bytes);
	void *(*pvalloc)(size_t bytes);
} real;

static enum { FRESH, STARTING, READY } state;
static struct counters *counters; /* NULL: this process only passes calls through */
static const char *active;	  /* a page that the kernel wipes in forked children */
static char tree[512];		  /* COUNTER_TREE; "": none */
static struct counters at_fork;   /* what the parent had when it forked */
static struct shard shards[NR_SHARDS];
static __thread int depth __attribute__((tls_model("initial-exec")));

/* What is asked for while the real functions are looked up. Never given back. */
static _Alignas(16) char boot[BOOT_BYTES];
static size_t boot_used;

static bool is_boot(const void *addr)
{
	return (const char *)addr >= boot && (const char *)addr < boot + sizeof(boot);
}

static void *boot_alloc(size_t bytes)
{
	size_t need = (bytes + 15) & ~(size_t)15;
	void *addr = boot + boot_used;

	if (bytes > sizeof(boot) || need > sizeof(boot) - boot_used)
		return NULL;
	boot_used += need;
	return addr;
}

/* ---- the table of live blocks ------------------------------------------------------------- */

static size_t mix(uintptr_t addr)
{
	uint64_t h = (addr >> 4) * 0x9e3779b97f4a7c15ull;

	return h ^ (h >> 29);
}

static struct shard *shard_lock(uintptr_t addr)
{
	struct shard *shard = &shards[mix(addr) % NR_SHARDS];

	while (__atomic_exchange_n(&shard->locked, 1, __ATOMIC_ACQUIRE))
		sched_yield();
	return shard;
}

static void shard_unlock(struct shard *shard)
{
	__atomic_store_n(&shard->locked, 0, __ATOMIC_RELEASE);
}

static size_t home(const struct shard *shard, uintptr_t addr)
{
	return mix(addr) / NR_SHARDS & (shard->nr_slots - 1);
}

/* The slot of addr, or the empty one where it belongs. */
static struct slot *shard_find(const struct shard *shard, uintptr_t addr)
{
	size_t i = home(shard, addr);

	while (shard->slots[i].addr && shard->slots[i].addr != addr)
		i = (i + 1) & (shard->nr_slots - 1);
	return &shard->slots[i];
}

static void shard_grow(struct shard *shard)
{
	struct shard bigger = {.nr_slots = shard->nr_slots ? shard->nr_slots * 2 : FIRST_SLOTS};
	size_t i;

	bigger.slots = mmap(NULL, bigger.nr_slots * sizeof(struct slot), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bigger.slots == MAP_FAILED)
		abort();
	for (i = 0; i < shard->nr_slots; i++)
		if (shard->slots[i].addr)
			*shard_find(&bigger, shard->slots[i].addr) = shard->slots[i];
	if (shard->slots)
		munmap(shard->slots, shard->nr_slots * sizeof(struct slot));
	shard->slots = bigger.slots;
	shard->nr_slots = bigger.nr_slots;
}

static void table_add(void *addr, size_t bytes)
{
	struct shard *shard = shard_lock((uintptr_t)addr);
	struct slot *slot;

	if (shard->used * 2 >= shard->nr_slots)
		shard_grow(shard);
	slot = shard_find(shard, (uintptr_t)addr);
	if (!slot->addr)
		shard->used++;
	*slot = (struct slot){(uintptr_t)addr, bytes};
	shard_unlock(shard);
}

/* Empties slot i and moves up what was pushed past it. */
static void shard_erase(struct shard *shard, size_t i)
{
	size_t mask = shard->nr_slots - 1, j = i;

	for (;;) {
		j = (j + 1) & mask;
		if (!shard->slots[j].addr)
			break;
		if (((j - home(shard, shard->slots[j].addr)) & mask) < ((j - i) & mask))
			continue;
		shard->slots[i] = shard->slots[j];
		i = j;
	}
	shard->slots[i].addr = 0;
	shard->used--;
}

static bool table_remove(void *addr, size_t *bytes)
{
	struct shard *shard = shard_lock((uintptr_t)addr);
	struct slot *slot;
	bool known = false;

	if (shard->nr_slots) {
		slot = shard_find(shard, (uintptr_t)addr);
		known = slot->addr != 0;
		*bytes = slot->bytes;
		if (known)
			shard_erase(shard, slot - shard->slots);
	}
	shard_unlock(shard);
	return known;
}

/* ---- counting ----------------------------------------------------------------------------- */

static void add(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static void *allocated(void *addr, size_t bytes)
{
	if (!addr) {
		add(&counters->failed, 1);
		return NULL;
	}
	table_add(addr, bytes);
	add(&counters->allocations, 1);
	add(&counters->allocated_bytes, bytes);
	add(&counters->live_blocks, 1);
	add(&counters->live_bytes, bytes);
	return addr;
}

/* The block is gone from the table already. */
static void freed(bool known, size_t bytes)
{
	if (!known) {
		add(&counters->unknown_frees, 1);
		return;
	}
	add(&counters->frees, 1);
	add(&counters->live_blocks, -1ull);
	add(&counters->live_bytes, -(uint64_t)bytes);
}

/* ---- starting ----------------------------------------------------------------------------- */

static void resolve(void)
{
#define RESOLVE(name) real.name = (__typeof__(real.name))dlsym(RTLD_NEXT, #name)
	RESOLVE(malloc);
	RESOLVE(calloc);
	RESOLVE(realloc);
	RESOLVE(reallocarray);
	RESOLVE(free);
	RESOLVE(posix_memalign);
	RESOLVE(aligned_alloc);
	RESOLVE(memalign);
	RESOLVE(valloc);
	RESOLVE(pvalloc);
#undef RESOLVE
}

static size_t read_file(const char *path, char *data, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n;

	while (fd >= 0 && used < size && (n = read(fd, data + used, size - used)) > 0)
		used += n;
	if (fd >= 0)
		close(fd);
	return used;
}

/* getenv from the kernel's copy: the first allocation may come before libc has its environ. */
static const char *variable(const char *environment, size_t size, const char *name)
{
	size_t length = strlen(name);
	const char *at = environment;

	for (; at < environment + size; at += strlen(at) + 1)
		if (!strncmp(at, name, length) && at[length] == '=')
			return at + length + 1;
	return NULL;
}

static bool is_self(const char *path)
{
	static char exe[4096];

	/* A sanitizer's own readlink cannot be called as early as this. */
	return syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", exe, sizeof(exe) - 1) > 0 &&
	       !strcmp(exe, path);
}

static void use_counters(int fd)
{
	char *page;

	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ftruncate(fd, sizeof(*counters)) || page == MAP_FAILED ||
	    madvise(page, 4096, MADV_WIPEONFORK))
		abort();
	counters = mmap(NULL, sizeof(*counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (counters == MAP_FAILED)
		abort();
	close(fd);
	*counters = at_fork;
	counters->pid = getpid();
	counters->magic = COUNTERS_MAGIC;
	page[0] = 1;
	active = page;
}

static void create_counters(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd >= 0)
		use_counters(fd);
}

static void create_in_tree(void)
{
	char path[600];
	int n = 0, fd;

	do {
		snprintf(path, sizeof(path), "%s/%d.%d", tree, getpid(), n++);
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	} while (fd < 0 && errno == EEXIST);
	if (fd < 0)
		abort();
	use_counters(fd);
}

static void before_fork(void)
{
	at_fork = *counters;
}

static void begin_counting(void)
{
	char *environment = mmap(NULL, MAX_ENVIRON, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const char *out, *exe;
	size_t size;

	if (environment == MAP_FAILED)
		return;
	size = read_file("/proc/self/environ", environment, MAX_ENVIRON - 1);
	out = variable(environment, size, "COUNTER_OUT");
	exe = variable(environment, size, "COUNTER_EXE");
	if (variable(environment, size, "COUNTER_TREE")) {
		snprintf(tree, sizeof(tree), "%s", variable(environment, size, "COUNTER_TREE"));
		create_in_tree();
		pthread_atfork(before_fork, NULL, create_in_tree);
	} else if (out && (!exe || is_self(exe))) {
		create_counters(out);
	}
	munmap(environment, MAX_ENVIRON);
}

/* Threads exist only after this: the first allocation or the constructor, whichever is first. */
__attribute__((constructor)) static void start(void)
{
	int saved = errno;

	if (state != FRESH)
		return;
	state = STARTING;
	resolve();
	begin_counting();
	state = READY;
	errno = saved;
}

/* Is this a call to count? Then the caller is inside until leave(). */
static bool enter(void)
{
	if (state == FRESH)
		start();
	if (!active || !*active || depth)
		return false;
	depth = 1;
	return true;
}

static void leave(void)
{
	depth = 0;
}

/* ---- the functions ------------------------------------------------------------------------ */

EXPORT void *malloc(size_t bytes)
{
	void *addr;

	if (!enter())
		return state == READY ? real.malloc(bytes) : boot_alloc(bytes);
	addr = allocated(real.malloc(bytes), bytes);
	leave();
	return addr;
}

EXPORT void *calloc(size_t count, size_t bytes)
{
	void *addr;

	if (!enter())
		return state == READY ? real.calloc(count, bytes) : boot_alloc(count * bytes);
	addr = allocated(real.calloc(count, bytes), count * bytes);
	leave();
	return addr;
}

EXPORT void free(void *addr)
{
	size_t bytes = 0;
	bool known;

	if (!addr || is_boot(addr))
		return;
	if (!enter()) {
		real.free(addr);
		return;
	}
	known = table_remove(addr, &bytes);
	freed(known, bytes);
	real.free(addr);
	leave();
}

/* old is out of the table: the real call may hand its address to another thread at once. */
static void *reallocated(void *old, bool known, size_t old_bytes, void *addr, size_t bytes)
{
	if (addr || !bytes)
		freed(known, old_bytes);
	else if (known)
		table_add(old, old_bytes);
	if (addr || bytes)
		allocated(addr, bytes);
	return addr;
}

static void *boot_realloc(void *old, size_t bytes)
{
	size_t left = boot + sizeof(boot) - (char *)old;
	void *addr = malloc(bytes);

	if (addr)
		memcpy(addr, old, bytes < left ? bytes : left);
	return addr;
}

EXPORT void *realloc(void *old, size_t bytes)
{
	size_t old_bytes = 0;
	bool known;
	void *addr;

	if (is_boot(old))
		return boot_realloc(old, bytes);
	if (!enter())
		return state == READY ? real.realloc(old, bytes) : boot_alloc(bytes);
	if (!old) {
		addr = allocated(real.realloc(NULL, bytes), bytes);
	} else {
		known = table_remove(old, &old_bytes);
		addr = real.realloc(old, bytes);
		reallocated(old, known, old_bytes, addr, bytes);
	}
	leave();
	return addr;
}

EXPORT void *reallocarray(void *old, size_t count, size_t bytes)
{
	size_t old_bytes = 0, all;
	bool known, overflow;
	void *addr;

	if (is_boot(old) || state != READY)
		return realloc(old, count * bytes);
	if (!enter())
		return real.reallocarray(old, count, bytes);
	overflow = __builtin_mul_overflow(count, bytes, &all);
	if (!old || overflow) {
		addr = allocated(real.reallocarray(old, count, bytes), all);
	} else {
		known = table_remove(old, &old_bytes);
		addr = real.reallocarray(old, count, bytes);
		reallocated(old, known, old_bytes, addr, all);
	}
	leave();
	return addr;
}

EXPORT int posix_memalign(void **out, size_t align, size_t bytes)
{
	int err;

	if (!enter())
		return real.posix_memalign(out, align, bytes);
	err = real.posix_memalign(out, align, bytes);
	allocated(err ? NULL : *out, bytes);
	leave();
	return err;
}

#define ALIGNED(name)                                              \
	EXPORT void *name(size_t align, size_t bytes)              \
	{                                                          \
		void *addr;                                        \
                                                                   \
		if (!enter())                                      \
			return real.name(align, bytes);            \
		addr = allocated(real.name(align, bytes), bytes);  \
		leave();                                           \
		return addr;                                       \
	}
ALIGNED(aligned_alloc)
ALIGNED(memalign)

#define PAGES(name)                                         \
	EXPORT void *name(size_t bytes)                     \
	{                                                   \
		void *addr;                                 \
                                                            \
		if (!enter())                               \
			return real.name(bytes);            \
		addr = allocated(real.name(bytes), bytes);  \
		leave();                                    \
		return addr;                                \
	}
PAGES(valloc)
PAGES(pvalloc)
