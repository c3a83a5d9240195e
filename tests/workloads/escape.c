/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls into the allocator that never return: a seccomp filter turns the mmap inside them into a
 * signal, whose handler jumps out, or ends the thread. What comes after must all be seen.
 *
 * While there is one thread glibc's malloc takes no lock before it calls mmap and has changed
 * nothing, so jumping out is harmless. The threads that die inside keep their own arena's lock for
 * ever, which nobody else waits for.
 *
 *   escape          out of calls for a new block
 *   escape realloc  out of resizing one
 *   escape threads  threads die inside; no tally, since libc allocates for them too
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tally.h"

/* mmap and mremap of so many bytes raise SIGSYS: what libc asks for when the program wants BYTES. */
#define BYTES ((size_t)0x5a5a000 - 100)
#define TRAP_LOW 0x5a5a000u
#define TRAP_HIGH 0x5a70000u

/* What libc calls where addresses have 32 bits. */
#ifdef SYS_mmap2
#define SYS_MMAP SYS_mmap2
#else
#define SYS_MMAP SYS_mmap
#endif

static sigjmp_buf escape;
static __thread int die __attribute__((tls_model("initial-exec")));
static void *volatile sink;

static void on_trap(int number)
{
	(void)number;
	if (die)
		syscall(SYS_exit, 0);
	siglongjmp(escape, 1);
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_ARG(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]))
#define IF(op, value, yes, no) BPF_JUMP(BPF_JMP | BPF_##op | BPF_K, value, yes, no)
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)

static void trap_mappings(void)
{
	struct sock_filter code[] = {
		LOAD(nr),
		IF(JEQ, SYS_MMAP, 3, 0),
		IF(JEQ, SYS_mremap, 0, 6),
		LOAD_ARG(2),
		BPF_STMT(BPF_JMP | BPF_JA, 1),
		LOAD_ARG(1),
		IF(JGE, TRAP_LOW, 0, 2),
		IF(JGE, TRAP_HIGH, 1, 0),
		RETURN(SECCOMP_RET_TRAP),
		RETURN(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
	struct sigaction action = {.sa_handler = on_trap};

	MUST(!sigaction(SIGSYS, &action, NULL));
	MUST(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	MUST(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

/* Calls levels deeper; what lay on the stack there before is overwritten. */
static __attribute__((noinline)) void deeper(int levels, void (*call)(void))
{
	volatile char space[200];
	size_t i;

	for (i = 0; i < sizeof(space); i++)
		space[i] = levels;
	if (levels)
		deeper(levels - 1, call);
	else
		call();
	space[0] = space[1];
}

static void *old_block;

static void in_malloc(void) { sink = malloc(BYTES); }
static void in_calloc(void) { sink = calloc(1, BYTES); }
static void in_realloc_null(void) { sink = realloc(NULL, BYTES); }
static void in_realloc(void) { sink = realloc(old_block, BYTES); }
static void in_reallocarray(void) { sink = reallocarray(NULL, 1, BYTES); }
static void in_memalign(void) { sink = memalign(64, BYTES); }
static void in_posix_memalign(void)
{
	void *out;

	sink = posix_memalign(&out, 64, BYTES) ? NULL : out;
}

static void run(void (*call)(void), int levels)
{
	if (!sigsetjmp(escape, 1)) {
		deeper(levels, call);
		MUST(!"returned");
	}
}

/* Seen whatever happened before: one block kept, one given back, one resized and given back. */
static __attribute__((noinline)) void after(void)
{
	void *block;

	sink = malloc(40);
	tally_allocated(40);
	block = calloc(2, 30);
	tally_allocated(60);
	free(block);
	tally_freed(60);
	block = malloc(10);
	tally_allocated(10);
	block = realloc(block, 20);
	tally_resized(10, 20);
	free(block);
	tally_freed(20);
}

static void escapes(void)
{
	static void (*const calls[])(void) = {in_malloc,       in_calloc,   in_realloc_null,
					      in_reallocarray, in_memalign, in_posix_memalign};
	size_t i;

	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		run(calls[i], 0);
		after();
		run(calls[i], 20);
		after();
		run(calls[i], 0);
		run(calls[i], 20); /* twice in a row */
		run(calls[i], 3);
		deeper(30, after); /* deeper than the call that was left */
		after();
	}
}

/* The block whose resizing was abandoned still lives, and can be given back. */
static void escape_from_realloc(void)
{
	old_block = malloc(300000);
	tally_allocated(300000);
	run(in_realloc, 5);
	after();
	free(old_block);
	tally_freed(300000);

	old_block = malloc(300001);
	tally_allocated(300001);
	run(in_realloc, 5);
	free(old_block); /* the very next call */
	tally_freed(300001);

	old_block = malloc(300002); /* stays */
	tally_allocated(300002);
	run(in_realloc, 5);
	after();
}

static void *die_inside(void *arg)
{
	die = 1;
	sink = malloc(BYTES);
	return arg;
}

/* As many as glibc has arenas to spare on one processor. */
#define NR_DYING 6

/* Thread ids and task structures are used again by whatever comes next. */
static void dying_threads(void)
{
	pthread_t thread;
	int i;

	for (i = 0; i < NR_DYING; i++) {
		MUST(!pthread_create(&thread, NULL, die_inside, NULL));
		MUST(!pthread_join(thread, NULL));
		after();
	}
}

int main(int argc, char **argv)
{
	trap_mappings();
	if (argc > 1 && !strcmp(argv[1], "threads")) {
		dying_threads();
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "realloc"))
		escape_from_realloc();
	else
		escapes();
	tally_print();
	return 0;
}
