// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "symbol/isolate.h"

static const struct isolate_limits usual = { .wall_ns = 20 * NSEC_PER_SEC,
					     .memory_bytes = 256 << 20,
					     .output_bytes = 1 << 20 };
static const struct isolate_limits short_time = { .wall_ns = NSEC_PER_SEC / 5,
						  .memory_bytes = 256 << 20,
						  .output_bytes = 1 << 20 };

static char *output;
static size_t len;

static char hello[] = "hello", nothing[] = "";

static int run(int (*work)(int fd, void *data), void *data, const struct isolate_limits *limits)
{
	int err = isolate__run(work, data, limits, &output, &len);

	if (err) {
		assert_null(output);
		assert_int_equal(len, 0);
	}
	/* No zombie stays, however it ended. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	return err;
}

static int write_bytes(int fd, size_t nr)
{
	char block[1024];

	memset(block, 'x', sizeof(block));
	while (nr) {
		ssize_t put = write(fd, block, min(nr, sizeof(block)));

		if (put < 0)
			return errno;
		nr -= (size_t)put;
	}
	return 0;
}

static int send_text(int fd, void *data)
{
	return write(fd, data, strlen(data)) < 0 ? errno : 0;
}

static int send_much(int fd, void *data)
{
	return write_bytes(fd, *(size_t *)data);
}

static int give_errno(int fd, void *data)
{
	write_bytes(fd, 10);
	return ENOEXEC;
}

static int crash(int fd, void *data)
{
	write_bytes(fd, 10);
	raise(*(int *)data);
	return 0;
}

static int call_exit(int fd, void *data)
{
	exit(0);
}

static int sleep_long(int fd, void *data)
{
	for (;;)
		pause();
	return 0;
}

static int close_and_sleep(int fd, void *data)
{
	close(fd);
	return sleep_long(fd, data);
}

static int sleep_briefly(int fd, void *data)
{
	usleep(300000);
	return send_text(fd, data);
}

static int eat_memory(int fd, void *data)
{
	for (size_t i = 0; i < 1024; i++) {
		char *block = malloc(1 << 20);

		if (!block)
			return ENOMEM;
		memset(block, 1, 1 << 20);
	}
	return 0;
}

static int talk(int fd, void *data)
{
	fprintf(stderr, "not to be seen\n");
	return 0;
}

static int parent_signal_state(int fd, void *data)
{
	struct sigaction action;
	sigset_t mask;

	sigaction(SIGTERM, NULL, &action);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	return action.sa_handler == SIG_DFL && !sigismember(&mask, SIGUSR1) ? 0 : EINVAL;
}

static void output_arrives(void **state)
{
	size_t many = 1000000;

	assert_int_equal(run(send_text, hello, &usual), 0);
	assert_int_equal(len, 5);
	assert_memory_equal(output, "hello", 5);
	free(output);
	assert_int_equal(run(send_text, nothing, &usual), 0);
	assert_int_equal(len, 0);
	free(output);
	assert_int_equal(run(send_much, &many, &usual), 0);
	assert_int_equal(len, many);
	free(output);
}

static void too_much_output_is_an_error(void **state)
{
	size_t too_many = (1 << 20) + 1;

	assert_int_equal(run(send_much, &too_many, &usual), -EMSGSIZE);
}

static void errors_of_work_arrive(void **state)
{
	assert_int_equal(run(give_errno, NULL, &usual), -ENOEXEC);
	assert_int_equal(run(call_exit, NULL, &usual), -ENOMEM);
}

static void crashes_are_told_apart(void **state)
{
	int segv = SIGSEGV, bus = SIGBUS, abrt = SIGABRT, cpu = SIGXCPU;

	assert_int_equal(run(crash, &segv, &usual), -EFAULT);
	assert_int_equal(run(crash, &bus, &usual), -EFAULT);
	assert_int_equal(run(crash, &abrt, &usual), -EFAULT);
	assert_int_equal(run(crash, &cpu, &usual), -ETIMEDOUT);
}

static void hanging_child_is_killed(void **state)
{
	uint64_t begin = clock__monotonic_ns();

	assert_int_equal(run(sleep_long, NULL, &short_time), -ETIMEDOUT);
	assert_int_equal(run(close_and_sleep, NULL, &short_time), -ETIMEDOUT);
	assert_true(clock__monotonic_ns() - begin >= 2 * short_time.wall_ns);
	assert_true(clock__monotonic_ns() - begin < 10 * NSEC_PER_SEC);
}

static void memory_is_bounded(void **state)
{
#ifdef __SANITIZE_ADDRESS__
	skip();
#endif
	assert_int_equal(run(eat_memory, NULL, &usual), -ENOMEM);
}

/* What goes to stderr and the parent's unwritten stdio while f runs. */
static void nothing_is_printed(void **state)
{
	char path[] = "/tmp/heaptap-test-XXXXXX";
	int file = mkstemp(path), saved = dup(STDERR_FILENO), segv = SIGSEGV;
	FILE *pending = fopen(path, "a");
	char *text;

	fprintf(pending, "once\n");
	dup2(file, STDERR_FILENO);
	assert_int_equal(run(talk, NULL, &usual), 0);
	free(output);
	assert_int_equal(run(crash, &segv, &usual), -EFAULT);
	assert_int_equal(run(call_exit, NULL, &usual), -ENOMEM);
	dup2(saved, STDERR_FILENO);
	fclose(pending);
	text = file__read_all(path, 4096, NULL);
	assert_string_equal(text, "once\n");
	free(text);
	close(saved);
	close(file);
	unlink(path);
}

static void on_signal(int number)
{
}

static void signals_do_not_disturb(void **state)
{
	struct itimerval often = { .it_interval.tv_usec = 5000, .it_value.tv_usec = 5000 };
	struct itimerval never = { 0 };
	struct sigaction action = { .sa_handler = on_signal }, old;
	sigset_t mask, old_mask;

	sigaction(SIGALRM, &action, &old);
	setitimer(ITIMER_REAL, &often, NULL);
	assert_int_equal(run(sleep_briefly, hello, &usual), 0);
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &old, NULL);
	assert_memory_equal(output, hello, 5);
	free(output);

	sigaction(SIGTERM, &action, &old);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigprocmask(SIG_BLOCK, &mask, &old_mask);
	assert_int_equal(run(parent_signal_state, NULL, &usual), 0);
	free(output);
	sigprocmask(SIG_SETMASK, &old_mask, NULL);
	sigaction(SIGTERM, &old, NULL);
}

static void descriptors_do_not_leak(void **state)
{
	int before = dup(0), after;

	close(before);
	assert_int_equal(run(give_errno, NULL, &usual), -ENOEXEC);
	assert_int_equal(run(send_text, hello, &usual), 0);
	free(output);
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_arrives),
		cmocka_unit_test(too_much_output_is_an_error),
		cmocka_unit_test(errors_of_work_arrive),
		cmocka_unit_test(crashes_are_told_apart),
		cmocka_unit_test(hanging_child_is_killed),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(nothing_is_printed),
		cmocka_unit_test(signals_do_not_disturb),
		cmocka_unit_test(descriptors_do_not_leak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
