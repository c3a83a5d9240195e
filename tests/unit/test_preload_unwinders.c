// SPDX-License-Identifier: BSD-2-Clause
/*
 * The preload library's unwinders, on stacks of this very process. The judge is the C compiler's
 * own unwinder, which shares nothing with them but the tables.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

#include "../../preload-fallback/unwind.h"
#include "../../preload-fallback/unwind_stack.h"

/* <unwind.h> of the compiler: the name is taken here. */
struct _Unwind_Context;
int _Unwind_Backtrace(int (*trace)(struct _Unwind_Context *, void *), void *data);
uintptr_t _Unwind_GetIPInfo(struct _Unwind_Context *context, int *is_exact);

struct stack {
	uintptr_t frames[WIRE_MAX_FRAMES + 1];
	unsigned nr_frames;
	uintptr_t begin;
};

/* What a thread has of its walks. */
struct walker {
	struct stack ours;
	struct unwind_note note;
	unsigned nr_walks, nr_wrong;
	bool is_end_unknown; /* nothing tells whether the last frame is the outermost */
};

static __thread struct walker walker;
static volatile int sink;

/* As the library writes what was interrupted. */
#ifdef __aarch64__
#define INSTRUCTION_BYTES 4
#else
#define INSTRUCTION_BYTES 1
#endif

static int add_frame(struct _Unwind_Context *context, void *data)
{
	struct stack *stack = data;
	int is_exact = 0;
	uintptr_t pc = _Unwind_GetIPInfo(context, &is_exact);

	if (!stack->nr_frames && pc != stack->begin)
		return 0;
	if (pc && stack->nr_frames <= WIRE_MAX_FRAMES)
		stack->frames[stack->nr_frames++] = pc + (is_exact ? INSTRUCTION_BYTES : 0);
	return 0;
}

static bool is_equal(const struct walker *mine, const struct stack *theirs)
{
	unsigned nr = theirs->nr_frames;
	unsigned flags = nr > WIRE_MAX_FRAMES ? WIRE_STACK_CUT : 0;

	if (nr > WIRE_MAX_FRAMES)
		nr = WIRE_MAX_FRAMES;
	return mine->ours.nr_frames == nr && (mine->note.flags == flags || mine->is_end_unknown) &&
	       !memcmp(mine->ours.frames, theirs->frames, nr * sizeof(uintptr_t));
}

/* Every walk must give the same frames twice, and the judge's. */
static void __attribute__((noinline)) compare(struct walker *mine, const struct unwind_from *from)
{
	struct stack theirs = { .begin = from->pc };

	_Unwind_Backtrace(add_frame, &theirs);
	for (int i = 0; i < 2; i++) {
		mine->ours.nr_frames =
			unwinder_eh.walk(from, mine->ours.frames, WIRE_MAX_FRAMES, &mine->note);
		mine->nr_walks++;
		mine->nr_wrong += !is_equal(mine, &theirs);
	}
}

/* As if it were an allocator. */
static void __attribute__((noinline)) hook(void)
{
	struct unwind_from from;

	UNWIND_CAPTURE(&from);
	compare(&walker, &from);
	sink++; /* not a tail call */
}

static void check_walks(unsigned at_least)
{
	assert_true(walker.nr_walks >= at_least);
	assert_int_equal(walker.nr_wrong, 0);
	walker = (struct walker){ 0 };
}

static void __attribute__((noinline)) recurse(int depth)
{
	volatile char some[24];

	some[depth & 7] = 1;
	if (depth > 0)
		recurse(depth - 1);
	else
		hook();
	sink += some[depth & 7];
}

static void test_depths(void **state)
{
	static const int depths[] = {
		0, 3, 20, 60, 118, 119, 120, 121, 122, 123, 124, 125, 126, 200
	};

	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
			recurse(depths[i]);
			recurse(depths[i]);
		}
	}
	check_walks(3 * 14 * 4);
}

/* Inner frames come and go in front of outer ones that stay: walks are put together from two. */
static void __attribute__((noinline)) climb(unsigned depth, unsigned seed)
{
	volatile char some[16];

	some[0] = (char)seed;
	hook();
	if (depth) {
		for (unsigned i = 0; i < 2; i++)
			climb(depth - 1, seed * 2 + i);
	}
	hook();
	sink += some[0];
}

static void test_joined(void **state)
{
	climb(9, 1);
	check_walks(4000);
}

static void __attribute__((noinline)) with_array(int len)
{
	volatile char *memory = __builtin_alloca((size_t)len);

	memory[0] = 1;
	if (len > 100)
		with_array(len - 100);
	hook();
	sink += memory[0];
}

static void __attribute__((noinline)) with_alignment(int depth)
{
	volatile char aligned[64] __attribute__((aligned(64)));

	aligned[0] = (char)depth;
	if (depth)
		with_alignment(depth - 1);
	hook();
	sink += aligned[0];
}

static void __attribute__((noinline)) last_call(int depth)
{
	sink++;
	if (depth)
		last_call(depth - 1);
	else
		hook();
}

static void __attribute__((noinline)) with_large_frame(void)
{
	volatile char large[300000];

	large[0] = 1;
	hook();
	sink += large[0];
}

static void test_frames(void **state)
{
	with_array(1500);
	with_alignment(5);
	last_call(4);
	with_large_frame();
	check_walks(40);
}

static int compare_and_walk(const void *a, const void *b)
{
	hook();
	return *(const int *)a - *(const int *)b;
}

static void test_callbacks(void **state)
{
	int numbers[100];

	for (int i = 0; i < 100; i++)
		numbers[i] = i * 37 % 100;
	qsort(numbers, 100, sizeof(numbers[0]), compare_and_walk);
	check_walks(400);
}

static struct walker in_handler;

static void handle(int number)
{
	struct unwind_from from;

	/* The handler's frame is not its caller's: this is the return code of signal handlers. */
	UNWIND_CAPTURE(&from);
	compare(&in_handler, &from);
	sink++;
}

static void check_handler(unsigned at_least)
{
	assert_true(in_handler.nr_walks >= at_least);
	assert_int_equal(in_handler.nr_wrong, 0);
	in_handler = (struct walker){ 0 };
}

static void set_handler(int number, int flags)
{
	struct sigaction action = { .sa_handler = handle, .sa_flags = flags };

	assert_int_equal(sigaction(number, &action, NULL), 0);
}

static void test_signals(void **state)
{
	static char memory[65536];
	stack_t other = { .ss_sp = memory, .ss_size = sizeof(memory) }, before;

	set_handler(SIGUSR1, 0);
	for (int i = 0; i < 3; i++)
		raise(SIGUSR1);
	check_handler(6);
	assert_int_equal(sigaltstack(&other, &before), 0);
	set_handler(SIGUSR1, SA_ONSTACK);
	for (int i = 0; i < 3; i++) {
		raise(SIGUSR1);
		recurse(3);
	}
	assert_int_equal(sigaltstack(&before, NULL), 0);
	signal(SIGUSR1, SIG_DFL);
	check_handler(6);
	check_walks(6);
}

/* Handlers that come at any instruction, also in the middle of a walk. */
static void test_interrupted(void **state)
{
	struct itimerval often = { { 0, 300 }, { 0, 300 } }, never = { 0 };

#ifdef __aarch64__
	in_handler.is_end_unknown = true; /* in a PLT entry, which have no tables there */
#endif
	set_handler(SIGPROF, SA_RESTART);
	assert_int_equal(setitimer(ITIMER_PROF, &often, NULL), 0);
	for (int i = 0; i < 3000; i++) {
		recurse(i % 40);
		qsort((int[]){ 3, 1, 2 }, 3, sizeof(int), compare_and_walk);
	}
	setitimer(ITIMER_PROF, &never, NULL);
	signal(SIGPROF, SIG_DFL);
	check_walks(12000);
	check_handler(20);
}

static sigjmp_buf out;

static void jump_out(int number)
{
	struct unwind_from from;
	uintptr_t frames[WIRE_MAX_FRAMES];
	struct unwind_note note = { 0 };

	UNWIND_CAPTURE(&from);
	unwinder_eh.walk(&from, frames, WIRE_MAX_FRAMES, &note);
	siglongjmp(out, 1);
}

/* Walks until a handler jumps out of one. */
static void __attribute__((noinline)) walk_until_left(int depth)
{
	struct itimerval soon = { { 0, 0 }, { 0, 1000 } };
	uintptr_t frames[WIRE_MAX_FRAMES];
	struct unwind_note note = { 0 };
	struct unwind_from from;

	if (depth) {
		walk_until_left(depth - 1);
		sink++;
		return;
	}
	UNWIND_CAPTURE(&from);
	if (!sigsetjmp(out, 1)) {
		assert_int_equal(setitimer(ITIMER_VIRTUAL, &soon, NULL), 0);
		for (;;)
			unwinder_eh.walk(&from, frames, WIRE_MAX_FRAMES, &note);
	}
}

/* A walk that a handler left for good must not be waited for, nor be taken for one that is done. */
static void test_left(void **state)
{
	struct sigaction action = { .sa_handler = jump_out };

	assert_int_equal(sigaction(SIGVTALRM, &action, NULL), 0);
	for (volatile int i = 0; i < 50; i++) {
		walk_until_left(3 + i % 5);
		recurse(5);
		hook();
		assert_int_not_equal(walker.note.serial, 0);
	}
	signal(SIGVTALRM, SIG_DFL);
	check_walks(200);
}

static void *run_thread(void *unused)
{
	for (int i = 0; i < 300; i++) {
		recurse(i % 50);
		with_array(300);
	}
	return (void *)(uintptr_t)(walker.nr_walks >= 2400 && !walker.nr_wrong);
}

static void test_threads(void **state)
{
	pthread_t threads[40];
	void *is_good;

	for (int i = 0; i < 40; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_thread, NULL), 0);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(pthread_join(threads[i], &is_good), 0);
		assert_true(is_good);
	}
}

static ucontext_t main_context, other_context;

static void run_coroutine(void)
{
	for (int i = 0; i < 3; i++) {
		/* Nothing says that where a coroutine returns to has no caller. */
		walker.is_end_unknown = true;
		recurse(10);
		walker.is_end_unknown = false;
		swapcontext(&other_context, &main_context);
	}
}

/* Stacks that are not a thread's: their memory may be gone when another takes its place. */
static void run_on(char *memory, size_t len)
{
	assert_int_equal(getcontext(&other_context), 0);
	other_context.uc_stack.ss_sp = memory;
	other_context.uc_stack.ss_size = len;
	other_context.uc_link = &main_context;
	makecontext(&other_context, run_coroutine, 0);
	for (volatile int k = 0; k < 3; k++) {
		swapcontext(&main_context, &other_context);
		recurse(2);
	}
}

static void test_coroutines(void **state)
{
	for (size_t len = 4 * 65536; len; len -= 65536) {
		char *memory =
			mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		assert_ptr_not_equal(memory, MAP_FAILED);
		run_on(memory, len);
		munmap(memory, len);
	}
	check_walks(48);
}

static void *walk_and_allocate(void *unused, unsigned count, unsigned size)
{
	hook();
	return calloc(count, size);
}

static void walk_and_free(void *unused, void *block)
{
	hook();
	free(block);
}

/* A library comes and goes; it calls us from where it is. */
static void test_loaded(void **state)
{
	for (int i = 0; i < 5; i++) {
		z_stream stream = { .zalloc = walk_and_allocate, .zfree = walk_and_free };
		void *library = dlopen("libz.so.1", RTLD_NOW);
		int (*init)(z_stream *, int, const char *, int);
		int (*end)(z_stream *);

		assert_non_null(library);
		init = dlsym(library, "deflateInit_");
		end = dlsym(library, "deflateEnd");
		assert_true(init && end);
		assert_int_equal(init(&stream, 6, ZLIB_VERSION, (int)sizeof(stream)), Z_OK);
		end(&stream);
		dlclose(library);
		if (i & 1)
			unwinder__forget();
	}
	check_walks(50);
}

/* The same serial means the same stack; another stack never has it. */
static void test_serials(void **state)
{
	struct unwind_note first, second;
	uintptr_t frames[WIRE_MAX_FRAMES] = { 0 };
	struct unwind_from from;
	unsigned nr;

	UNWIND_CAPTURE(&from);
	first = second = (struct unwind_note){ 0 };
	nr = unwinder_eh.walk(&from, frames, WIRE_MAX_FRAMES, &first);
	assert_int_not_equal(first.serial, 0);
	second.serial = first.serial;
	frames[0] = 0;
	assert_int_equal(unwinder_eh.walk(&from, frames, WIRE_MAX_FRAMES, &second), nr);
	assert_int_equal(second.serial, first.serial);
	assert_int_equal(frames[0], 0); /* not written */
	second.serial = 0;
	assert_int_equal(unwinder_eh.walk(&from, frames, WIRE_MAX_FRAMES, &second), nr);
	assert_int_equal(second.serial, first.serial);
	assert_int_equal(frames[0], from.pc);
	assert_int_equal(unwinder_eh.walk(&from, frames, 2, &second), 2);
	assert_int_not_equal(second.serial, first.serial);
	assert_int_equal(second.flags, WIRE_STACK_CUT);
	assert_int_equal(unwinder_eh.walk(&from, frames, 1, &second), 1);
}

/* Registers that never were: whatever comes out, nobody dies of it. */
static void test_nonsense(void **state)
{
	uintptr_t frames[WIRE_MAX_FRAMES], here = (uintptr_t)__builtin_frame_address(0);
	struct unwind_note note = { 0 };
	uint64_t random = 1;

	for (int i = 0; i < 200000; i++) {
		uintptr_t values[3];
		struct unwind_from from;
		unsigned nr;

		for (int k = 0; k < 3; k++) {
			random = random * 6364136223846793005ull + 1442695040888963407ull;
			values[k] = random >> (random >> 59);
			if (random >> 33 & 1)
				values[k] = here + (random >> 40 & 0xffff) - 0x1000;
			if (random >> 34 & 1)
				values[k] &= ~(uintptr_t)7;
		}
		from = (struct unwind_from){ .pc = values[0], .sp = values[1], .fp = values[2] };
		if (i & 1)
			from.pc = (uintptr_t)&test_nonsense + (random >> 35 & 0xff);
		nr = unwinder_eh.walk(&from, frames, WIRE_MAX_FRAMES, &note);
		assert_in_range(nr, 1, WIRE_MAX_FRAMES);
		nr = unwinder_fp.walk(&from, frames, WIRE_MAX_FRAMES, &note);
		assert_in_range(nr, 1, WIRE_MAX_FRAMES);
		note.serial = i & 2 ? note.serial : 0;
	}
}

#define WITH_FP \
	__attribute__((noinline, optimize("no-omit-frame-pointer", "no-optimize-sibling-calls")))

static WITH_FP unsigned walk_by_fp(uintptr_t *frames, struct unwind_note *note)
{
	struct unwind_from from;

	UNWIND_CAPTURE(&from);
	return unwinder_fp.walk(&from, frames, WIRE_MAX_FRAMES, note);
}

static WITH_FP unsigned recurse_by_fp(int depth, uintptr_t *frames, struct unwind_note *note)
{
	unsigned nr = depth ? recurse_by_fp(depth - 1, frames, note) : walk_by_fp(frames, note);

	sink++;
	return nr;
}

static void test_frame_pointers(void **state)
{
	uintptr_t frames[WIRE_MAX_FRAMES];
	struct unwind_note note = { .serial = 5 };
	unsigned nr = recurse_by_fp(20, frames, &note);

	assert_true(nr > 20);
	assert_int_equal(note.serial, 0);
	for (unsigned i = 2; i < 20; i++)
		assert_int_equal(frames[i], frames[1]);
	assert_int_equal(recurse_by_fp(300, frames, &note), WIRE_MAX_FRAMES);
	assert_int_equal(note.flags, WIRE_STACK_CUT);
}

static void test_choice(void **state)
{
	assert_ptr_equal(unwinder__choose(NULL), &unwinder_eh);
	assert_ptr_equal(unwinder__choose(""), &unwinder_eh);
	assert_ptr_equal(unwinder__choose("auto"), &unwinder_eh);
	assert_ptr_equal(unwinder__choose("fp"), &unwinder_fp);
	assert_ptr_equal(unwinder__choose("none"), &unwinder_none);
	assert_null(unwinder__choose("mips"));
	assert_null(unwinder__choose("x"));
}

static void test_readable(void **state)
{
	char *memory = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uintptr_t address = (uintptr_t)memory;

	assert_int_equal(mprotect(memory + 4096, 4096, PROT_NONE), 0);
	assert_true(unwind_stack__is_readable(address + 4088));
	assert_false(unwind_stack__is_readable(address + 4096));
	munmap(memory, 8192);
	assert_false(unwind_stack__is_readable(address));
	assert_false(unwind_stack__is_readable(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choice),	       cmocka_unit_test(test_readable),
		cmocka_unit_test(test_depths),	       cmocka_unit_test(test_joined),
		cmocka_unit_test(test_frames),	       cmocka_unit_test(test_callbacks),
		cmocka_unit_test(test_signals),	       cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_left),	       cmocka_unit_test(test_threads),
		cmocka_unit_test(test_coroutines),     cmocka_unit_test(test_loaded),
		cmocka_unit_test(test_serials),	       cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_frame_pointers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
