// SPDX-License-Identifier: BSD-2-Clause
/*
 * Functions that are hard to walk through by their instructions alone. Every allocation has a size
 * of its own, by which run-torture knows what its stack must be.
 */
#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

static void *volatile kept;
volatile int zero, noise;
static char alternate[65536];
static jmp_buf place;

NOINLINE void use(void *block)
{
	kept = block;
}

NOINLINE void leaf(int size)
{
	void *block = malloc((size_t)size);

	noise++;
	use(block);
}

NOINLINE int early_return(int size)
{
	if (size < 0)
		return -1;
	leaf(size);
	if (noise < 0)
		return 5;
	leaf(size);
	return noise;
}

NOINLINE int many_returns(int size, const char *text)
{
	if (size == zero + 1) {
		puts(text);
		return 7;
	}
	if (size == zero + 2) {
		printf("%s %d\n", text, noise);
		return 9;
	}
	leaf(size);
	if (zero) {
		puts(text);
		return 11;
	}
	return noise += 2;
}

NOINLINE int shrink_wrapped(int size)
{
	if (__builtin_expect(size == 0, 1))
		return 0;
	leaf(size);
	noise++;
	return noise;
}

NOINLINE int tail_called(int size)
{
	leaf(size);
	return noise + 1;
}

NOINLINE int tail_caller(int size)
{
	noise++;
	return tail_called(size + zero);
}

NOINLINE int large_frame(int size)
{
	char buffer[40000];

	memset(buffer, size, sizeof(buffer));
	leaf(size);
	use(buffer);
	return buffer[size];
}

NOINLINE int huge_frame(int size)
{
	char buffer[300000];

	memset(buffer + 100000, size, 64);
	use(buffer);
	leaf(size);
	return buffer[100000];
}

NOINLINE int with_alloca(int size)
{
	char *bytes = alloca((size_t)size + 16);

	memset(bytes, 0x11, (size_t)size + 16);
	use(bytes);
	leaf(size);
	return bytes[3];
}

NOINLINE int with_array(int size)
{
	char bytes[size];

	memset(bytes, 0x22, (size_t)size);
	use(bytes);
	leaf(size);
	return bytes[size / 2];
}

NOINLINE int table(int what, int size)
{
	switch (what) {
	case 0:
		return noise;
	case 1:
		leaf(size);
		return zero;
	case 2:
		use(&what);
		return noise * 3;
	case 3:
		puts("no");
		break;
	case 4:
		leaf(size + zero);
		return noise + what;
	case 5:
		abort();
	case 6:
		return noise - 1;
	case 7:
		use(&size);
		return 77;
	default:
		break;
	}
	return what + noise;
}

NOINLINE __attribute__((noreturn)) void give_up(int size)
{
	leaf(size);
	longjmp(place, 1);
}

NOINLINE int no_return(int size)
{
	if (size > zero)
		give_up(size);
	give_up(size + 1);
}

NOINLINE int many_arguments(int a, int b, int c, int d, int e, int f, int g, int h, double x)
{
	leaf(a);
	return a + b + c + d + e + f + g + h + (int)x;
}

NOINLINE double floating(int size, double x)
{
	double y = x * noise, z = y + x;

	leaf(size);
	return x * y + z;
}

NOINLINE int loop_forever(int size)
{
	for (;;) {
		leaf(size);
		if (noise > zero)
			longjmp(place, 2);
	}
}

static int compare(const void *a, const void *b)
{
	leaf(5000);
	return *(const int *)a - *(const int *)b;
}

NOINLINE int recurse(int depth, int size)
{
	if (depth == 0) {
		leaf(size);
		return noise;
	}
	return recurse(depth - 1, size) + 1;
}

static void on_signal(int number)
{
	leaf(number == SIGUSR1 ? 6000 : 6100);
}

static void on_signal_info(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	(void)context;
	leaf(6200);
}

NOINLINE void raise_it(int number)
{
	raise(number);
	noise++;
}

/* Interrupted at an instruction of its own, without a frame. */
NOINLINE int fault(int *address)
{
	return *address + 1;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	(void)context;
	leaf(6300);
	longjmp(place, 3);
}

static void signals(void)
{
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
	struct sigaction action = { .sa_handler = on_signal };

	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
	action.sa_flags = SA_ONSTACK;
	sigaction(SIGUSR2, &action, NULL);
	action.sa_sigaction = on_signal_info;
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGALRM, &action, NULL);
	action.sa_sigaction = on_fault;
	action.sa_flags = SA_SIGINFO | SA_NODEFER;
	sigaction(SIGSEGV, &action, NULL);
	raise_it(SIGUSR1);
	raise_it(SIGUSR2);
	raise_it(SIGALRM);
	if (!setjmp(place))
		noise += fault((int *)(long)(zero + 8));
}

static void *thread(void *argument)
{
	leaf(7000);
	return argument;
}

int main(void)
{
	int numbers[2] = { 2, 1 };
	pthread_t id;

	early_return(1000);
	many_returns(1010, "text");
	shrink_wrapped(1020);
	tail_caller(1030);
	large_frame(1040);
	huge_frame(1050);
	with_alloca(1060);
	with_array(1070);
	table(1, 1080);
	table(4, 1090);
	if (!setjmp(place))
		no_return(1100);
	many_arguments(1110, 1, 2, 3, 4, 5, 6, 7, 8.5);
	floating(1120, 1.5);
	if (!setjmp(place))
		loop_forever(1130);
	qsort(numbers, 2, sizeof(numbers[0]), compare);
	recurse(40, 1140);
	signals();
	if (!pthread_create(&id, NULL, thread, NULL))
		pthread_join(id, NULL);
	return 0;
}
