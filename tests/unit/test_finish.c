// SPDX-License-Identifier: BSD-2-Clause
/* Walks of this very process, compared with what libgcc's unwinder says about it. */
#include "finish_fixture.h"

#include <alloca.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

static void test_plain(void **state)
{
	two();
	walk();
	assert_true(nr_frames > 9);
	expect_all();
	/* And again, by what is known. */
	walk();
	expect_all();
}

static void test_deep(void **state)
{
	three(300);
	walk();
	expect_all();
}

static int compare(const void *a, const void *b)
{
	three(0);
	return *(const int *)a - *(const int *)b;
}

static void sort_two(void)
{
	int numbers[2] = { 2, 1 };

	qsort(numbers, 2, sizeof(*numbers), compare);
	assert_int_equal(numbers[0], 1);
}

static void test_through_libc(void **state)
{
	sort_two();
	walk();
	expect_all();
}

static NOINLINE void use_alloca(size_t size)
{
	char *space = alloca(size);

	memset(space, 0xcc, size);
	three(1);
	__asm__ volatile("" ::"r"(space));
}

static void test_alloca(void **state)
{
	use_alloca((size_t)(getpid() % 7) * 16 + 100);
	walk();
	expect_all();
}

static NOINLINE void use_much_stack(void)
{
	char space[40 << 10];

	memset(space, 0xcc, sizeof(space));
	three(1);
	__asm__ volatile("" ::"r"(space));
}

static void test_much_stack(void **state)
{
	use_much_stack();
	walk();
	expect_all();
}

static void *in_thread(void *data)
{
	three(2);
	return NULL;
}

static void test_thread(void **state)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, in_thread, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	walk();
	assert_true(nr_frames >= 6);
	expect_all();
}

static ucontext_t outside, inside;

static void in_coroutine(void)
{
	three(2);
}

static void test_coroutine(void **state)
{
	static char stack[256 << 10];

	assert_int_equal(getcontext(&inside), 0);
	inside.uc_stack.ss_sp = stack;
	inside.uc_stack.ss_size = sizeof(stack);
	inside.uc_link = &outside;
	makecontext(&inside, in_coroutine, 0);
	assert_int_equal(swapcontext(&outside, &inside), 0);
	walk();
	expect_prefix();
	/* in_coroutine and what it called; what __start_context is, is glibc's business. */
	assert_true(nr_frames >= 5);
}

static void handle(int number, siginfo_t *info, void *context)
{
	three(1);
	/* Over the instruction that raised it. */
	if (number == SIGILL)
		((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

static void catch (int number, int flags)
{
	struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | flags };

	assert_int_equal(sigaction(number, &action, NULL), 0);
}

static void test_signal(void **state)
{
	catch (SIGUSR1, 0);
	raise(SIGUSR1);
	walk();
	expect_all();
}

/* The first instruction of a function traps; before it is another with other rules. */
void before_trap(void);
void trap(void);
__asm__(".pushsection .text\n"
	".type before_trap, @function\n"
	"before_trap:\n"
	"	.cfi_startproc\n"
	"	subq $1000, %rsp\n"
	"	.cfi_adjust_cfa_offset 1000\n"
	"	call abort@PLT\n"
	"	.cfi_endproc\n"
	".size before_trap, .-before_trap\n"
	".type trap, @function\n"
	"trap:\n"
	"	.cfi_startproc\n"
	"	ud2\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size trap, .-trap\n"
	".popsection\n");

static void test_trap_at_entry(void **state)
{
	catch (SIGILL, 0);
	trap();
	walk();
	expect_all();
}

static void test_signal_stack(void **state)
{
	static char space[128 << 10];
	stack_t stack = { .ss_sp = space, .ss_size = sizeof(space) }, old;
	size_t i = 0;

	assert_int_equal(sigaltstack(&stack, &old), 0);
	catch (SIGILL, SA_ONSTACK);
	trap();
	assert_int_equal(sigaltstack(&old, NULL), 0);
	/* The other stack ends with the array, its mapping does not. */
	capture.stack_len =
		min(capture.stack_len, (uintptr_t)space + sizeof(space) - capture.stack_address);
	walk();
	while (i < capture.nr_expected && capture.expected[i] != (void *)((uintptr_t)trap + 1))
		i++;
	expect_cut(i + 1);
}

/* A call that is the last of its function, as the return address the walk begins with. */
void last_call(uint64_t regs[CAPTURE_NR_REGS], jmp_buf *back);
void after_last_call(uint64_t regs[CAPTURE_NR_REGS], jmp_buf *back);
__asm__(".pushsection .text\n"
	".type last_call, @function\n"
	"last_call:\n"
	"	.cfi_startproc\n"
	"	subq $24, %rsp\n"
	"	.cfi_adjust_cfa_offset 24\n"
	"	call after_last_call\n"
	"	.cfi_endproc\n"
	".size last_call, .-last_call\n"
	"	.cfi_startproc\n"
	"	.cfi_def_cfa_offset 4096\n"
	"	nop\n"
	"	.cfi_endproc\n"
	".popsection\n");

void after_last_call(uint64_t regs[CAPTURE_NR_REGS], jmp_buf *back)
{
	uint64_t own[CAPTURE_NR_REGS];

	capture_here(&capture);
	capture_registers(own);
	regs[CAPTURE_RSP] = (uintptr_t)__builtin_dwarf_cfa();
	regs[CAPTURE_PC] = (uintptr_t)__builtin_return_address(0);
	longjmp(*back, 1);
}

static void test_call_at_end(void **state)
{
	static struct capture whole;
	uint64_t regs[CAPTURE_NR_REGS];
	jmp_buf back;
	size_t i;

	if (!setjmp(back))
		last_call(regs, &back);
	walk();
	expect_all();
	/* The same from the frame whose return address is past its function. */
	whole = capture;
	capture.regs[CAPTURE_PC] = regs[CAPTURE_PC];
	capture.regs[CAPTURE_RSP] = regs[CAPTURE_RSP];
	for (i = 0; (uintptr_t)whole.expected[i] != regs[CAPTURE_PC]; i++)
		assert_true(i + 1 < whole.nr_expected);
	walk_up_to(capture.stack_len, CAPTURE_MAX_FRAMES);
	assert_true(nr_frames > 1);
	assert_int_equal(frames[1], (uintptr_t)whole.expected[i + 1]);
}

/* A function nobody described, with a frame pointer to tempt: it must not be guessed through. */
void undescribed(void (*function)(int), int argument);
__asm__(".pushsection .text\n"
	".type undescribed, @function\n"
	"undescribed:\n"
	"	pushq %rbp\n"
	"	movq %rsp, %rbp\n"
	"	movq %rdi, %rax\n"
	"	movl %esi, %edi\n"
	"	call *%rax\n"
	"	popq %rbp\n"
	"	ret\n"
	".size undescribed, .-undescribed\n"
	".popsection\n");

static void test_no_rules(void **state)
{
	undescribed(three, 0);
	/* libgcc knows no more than its address. */
	assert_int_equal(capture.nr_expected, 3);
	walk();
	expect_cut(3);
	assert_in_range(frames[2], (uintptr_t)undescribed, (uintptr_t)undescribed + 16);
}

/* ---- less than all is known --------------------------------------------------------------- */

static void test_short_copies(void **state)
{
	size_t whole, last = 1;

	two();
	walk();
	expect_all();
	whole = nr_frames;
	for (size_t len = 0; len < 2048 && len < capture.stack_len; len += 8) {
		walk_up_to(len, CAPTURE_MAX_FRAMES);
		expect_prefix();
		assert_true(nr_frames >= last);
		assert_int_equal(complete, nr_frames == whole);
		last = nr_frames;
	}
	assert_true(last > 8);
}

static void test_no_room(void **state)
{
	two();
	for (size_t max = 1; max < 8; max++) {
		walk_up_to(capture.stack_len, max);
		expect_cut(max);
	}
}

static void test_late_mapping(void **state)
{
	finish__free(finish);
	finish = finish__new();
	sort_two();
	walk();
	expect_cut(1);
	assert_int_not_equal(map_files(program(), -1), 0);
	walk();
	expect_prefix();
	/* capture_here, three, compare and where it returns to in the C library. */
	expect_cut(4);
	assert_int_not_equal(map_files("libc.so", -1), 0);
	walk();
	assert_true(nr_frames > 4);
	map_files("/", -1);
	walk();
	expect_all();
}

/* Another file where the C library was, then the C library again. */
static void test_replaced_mapping(void **state)
{
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	uint64_t start;

	sort_two();
	walk();
	expect_all();
	start = frames[3] & ~0xfffull;
	finish__map(finish, start - 0x1000, start + 0x10000, 1ull << 40, self, "another");
	walk();
	expect_cut(4);
	map_files("/", -1);
	walk();
	expect_all();
	close(self);
}

/* A library that is gone reached to where this program is now: only its code was replaced. */
static void test_stale_neighbour(void **state)
{
	uint64_t start = ((uintptr_t)test_late_mapping & ~0xfffull) - 0x100000, pc;
	int libc = -1;
	Dl_info info;

	assert_int_not_equal(dladdr((void *)qsort, &info), 0);
	libc = open(info.dli_fname, O_RDONLY | O_CLOEXEC);
	finish__map(finish, start, start + 0x1000, (uintptr_t)qsort - (uintptr_t)info.dli_fbase,
		    libc, "stale");
	two();
	walk();
	expect_all();
	pc = capture.regs[CAPTURE_PC];
	capture.regs[CAPTURE_PC] = start + 1;
	walk();
	capture.regs[CAPTURE_PC] = pc;
	walk();
	expect_all();
	close(libc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_plain),	    TEST(test_deep),
		TEST(test_through_libc),    TEST(test_alloca),
		TEST(test_much_stack),	    TEST(test_thread),
		TEST(test_coroutine),	    TEST(test_signal),
		TEST(test_trap_at_entry),   TEST(test_signal_stack),
		TEST(test_call_at_end),	    TEST(test_no_rules),
		TEST(test_short_copies),    TEST(test_no_room),
		TEST(test_late_mapping),    TEST(test_replaced_mapping),
		TEST(test_stale_neighbour),
	};

	return cmocka_run_group_tests_name("finish", tests, NULL, NULL);
}
