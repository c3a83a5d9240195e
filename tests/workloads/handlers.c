/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A signal handler that allocates and frees while its thread does so, too, many times; every fourth
 * jumps out. Needs an allocator that does not mind: pool.c preloaded. Prints how often the handler came.
 *   handlers SIGNALS
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

static sigjmp_buf out;
static volatile sig_atomic_t may_jump;
static volatile int nr_signals;
static void *volatile sink;

static void on_alarm(int number)
{
	(void)number;
	for (int i = 0; i < 3; i++) {
		sink = malloc(24);
		free(sink);
	}
	if (++nr_signals % 4 == 0 && may_jump)
		siglongjmp(out, 1);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
	volatile int wanted = argc > 1 ? atoi(argv[1]) : 100;
	char text[32];

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	sigsetjmp(out, 1);
	may_jump = 1;
	while (nr_signals < wanted) {
		void *block = malloc(100);

		free(realloc(block, 200));
	}
	may_jump = 0;
	setitimer(ITIMER_REAL, &never, NULL);
	/* Known for sure: nobody interrupts any more. */
	for (int i = 0; i < 1000; i++)
		sink = malloc(7777);
	return write(STDOUT_FILENO, text, snprintf(text, sizeof(text), "%d\n", nr_signals)) < 0;
}
