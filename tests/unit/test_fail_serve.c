// SPDX-License-Identifier: BSD-2-Clause
/* heaptap fail: when a server is ready, and what is done to it and its client then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "fail/driver.h"

static regex_t ready;

static pid_t begin_server(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	return pid;
}

static int status_of(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void put(int fd, const char *text, size_t len)
{
	assert_int_equal(write(fd, text, len), len);
}

static void test_the_line_is_waited_for(void **state)
{
	const struct fail_drive drive = { .ready = &ready };
	int out = memfd_create("out", 0), err = memfd_create("err", 0);
	char *longer = xmalloc(200000);
	struct driver driver;

	driver__begin(&driver, &drive, begin_server());
	assert_true(driver__patience_ns(&driver) < NSEC_PER_SEC);
	memset(longer, 'x', 200000);
	for (int i = 0; i < 9; i++) {
		put(out, "not listening\nliste\0ning\n", 25);
		put(err, longer, 200000);
		assert_int_equal(driver__step(&driver, out, err), 0);
		assert_false(driver.is_ready);
	}
	/* Half of it first; the long line before it is passed over. */
	put(err, "\nlist", 5);
	for (int i = 0; i < 99; i++)
		driver__step(&driver, out, err);
	assert_false(driver.is_ready);
	put(err, "ening\n", 6);
	driver__step(&driver, out, err);
	assert_true(driver.is_ready);
	assert_true(driver.has_ended_it);
	assert_int_equal(WTERMSIG(status_of(driver.server)), SIGTERM);
	driver__end(&driver);
	free(longer);
	close(out);
	close(err);
}

static void test_a_client_runs_and_then_the_server_ends(void **state)
{
	const struct fail_drive drive = { .client = "echo $HEAPTAP_PID; exit 5" };
	char text[64] = "", *pid;
	struct driver driver;
	pid_t client;

	driver__begin(&driver, &drive, begin_server());
	assert_int_equal(driver__step(&driver, -1, -1), 0);
	client = driver.client;
	assert_true(client > 0);
	assert_false(driver__take(&driver, driver.server, 0));
	assert_true(driver__take(&driver, client, status_of(client)));
	assert_int_equal(WEXITSTATUS((int)driver.client_status), 5);
	assert_true(pread(driver.out, text, sizeof(text) - 1, 0) > 0);
	pid = xasprintf("%d\n", driver.server);
	assert_string_equal(text, pid);
	free(pid);
	assert_false(driver.has_ended_it);
	driver__step(&driver, -1, -1);
	assert_int_equal(WTERMSIG(status_of(driver.server)), SIGTERM);
	close(driver.out);
}

static void test_what_is_left_of_a_client_is_killed(void **state)
{
	const struct fail_drive drive = { .client = "sleep 99 & sleep 99" };
	struct driver driver;
	pid_t client;

	driver__begin(&driver, &drive, begin_server());
	driver__step(&driver, -1, -1);
	client = driver.client;
	driver__end(&driver);
	assert_int_equal(driver.client, 0);
	assert_int_equal(kill(client, 0), -1);
	kill(driver.server, SIGKILL);
	status_of(driver.server);
	close(driver.out);
}

static void test_nothing_to_drive(void **state)
{
	const struct fail_drive none = { 0 };
	struct driver driver;

	for (int i = 0; i < 2; i++) {
		driver__begin(&driver, i ? &none : NULL, 1);
		assert_int_equal(driver__step(&driver, -1, -1), 0);
		assert_false(driver.is_ready);
		assert_false(driver__take(&driver, 0, 0));
		driver__end(&driver);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_line_is_waited_for),
		cmocka_unit_test(test_a_client_runs_and_then_the_server_ends),
		cmocka_unit_test(test_what_is_left_of_a_client_is_killed),
		cmocka_unit_test(test_nothing_to_drive),
	};
	int failed;

	if (regcomp(&ready, "^listening$", REG_EXTENDED | REG_NOSUB))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	regfree(&ready);
	return failed;
}
