// SPDX-License-Identifier: BSD-2-Clause
#include "fail/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/util.h"
#include "fail/tracees.h"

/* What outlives the first process has so long. */
#define GRACE_NS (NSEC_PER_SEC / 5)
/* A client whose server is gone finds out, and says so by its status. */
#define CLIENT_GRACE_NS (2 * NSEC_PER_SEC)
#define KILL_NS		(5 * NSEC_PER_SEC)
/* A run that prints more has gone wild. */
#define MAX_OUTPUT (256ull << 20)
/* How often the output is looked at. */
#define TICK_NS (NSEC_PER_SEC / 4)
/* Of stderr, where reports are looked for. */
#define MAX_ERRORS (4u << 20)

static volatile sig_atomic_t is_over;
static sigset_t waited;

void fail_run__begin_all(void)
{
	sigemptyset(&waited);
	sigaddset(&waited, SIGCHLD);
	sigaddset(&waited, SIGINT);
	sigaddset(&waited, SIGTERM);
	sigaddset(&waited, SIGHUP);
	sigprocmask(SIG_BLOCK, &waited, NULL);
	signal(SIGCHLD, SIG_DFL);
}

/* Takes one signal that waits, up to wait_ns. */
static void take_signal(uint64_t wait_ns)
{
	struct timespec time = { (time_t)(wait_ns / NSEC_PER_SEC), (long)(wait_ns % NSEC_PER_SEC) };
	int number = sigtimedwait(&waited, NULL, &time);

	if (number > 0 && number != SIGCHLD)
		is_over = 1;
}

bool fail_run__is_over(void)
{
	sigset_t pending;

	sigpending(&pending);
	if (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM) ||
	    sigismember(&pending, SIGHUP))
		is_over = 1;
	return is_over;
}

struct streams {
	int in, out, err, go[2], report[2];
};

/* The file behind heaptap's stdin, from its beginning; what is none is not given away piece by
 * piece. */
static int open_input(void)
{
	struct stat st;
	int fd = -1;

	if (!fstat(STDIN_FILENO, &st) && S_ISREG(st.st_mode))
		fd = open("/proc/self/fd/0", O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd : open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void close_streams(struct streams *streams)
{
	int *all = (int *)streams;

	for (size_t i = 0; i < sizeof(*streams) / sizeof(int); i++)
		if (all[i] >= 0)
			close(all[i]);
}

static int open_streams(struct streams *streams, bool on_terminal)
{
	*streams = (struct streams){ -1, -1, -1, { -1, -1 }, { -1, -1 } };
	if (pipe2(streams->go, O_CLOEXEC) || pipe2(streams->report, O_CLOEXEC))
		return -errno;
	if (on_terminal)
		return 0;
	streams->in = open_input();
	streams->out = memfd_create("stdout", MFD_CLOEXEC);
	streams->err = memfd_create("stderr", MFD_CLOEXEC);
	if (streams->in < 0 || streams->out < 0 || streams->err < 0)
		return -errno;
	/* Two descriptions of it may be written to by turns. */
	fcntl(streams->out, F_SETFL, O_APPEND);
	fcntl(streams->err, F_SETFL, O_APPEND);
	return 0;
}

static _Noreturn void become(const struct fail_run *run, const struct streams *streams)
{
	struct rlimit no_core;
	char go;
	int err;

	if (!run->on_terminal) {
		setpgid(0, 0);
		dup2(streams->in, STDIN_FILENO);
		dup2(streams->out, STDOUT_FILENO);
		dup2(streams->err, STDERR_FILENO);
	}
	/* One a run would fill the disk. */
	if (!getrlimit(RLIMIT_CORE, &no_core)) {
		no_core.rlim_cur = 0;
		setrlimit(RLIMIT_CORE, &no_core);
	}
	close(streams->go[1]);
	while (read(streams->go[0], &go, 1) < 0 && errno == EINTR)
		;
	sigprocmask(SIG_UNBLOCK, &waited, NULL);
	for (char *const *variable = run->variables; *variable; variable++)
		putenv(*variable);
	execvp(run->command[0], run->command);
	err = errno;
	while (write(streams->report[1], &err, sizeof(err)) < 0 && errno == EINTR)
		;
	_exit(127);
}

static uint64_t size_of(int fd)
{
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) ? (uint64_t)st.st_size : 0;
}

static void reap(struct tracees *tracees, struct driver *driver)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
		if (!driver__take(driver, pid, status))
			tracees__take(tracees, pid, status);
}

static void kill_all(struct tracees *tracees, struct driver *driver, const struct fail_run *run)
{
	uint64_t until_ns = clock__monotonic_ns() + KILL_NS;

	/* It is not to see the others die. */
	driver__end(driver);
	/* What they start meanwhile reports itself, and is killed by the next turn. */
	while (tracees->nr && clock__monotonic_ns() < until_ns) {
		tracees__kill(tracees);
		if (!run->on_terminal && !tracees->has_ended)
			kill(-tracees->main, SIGKILL);
		take_signal(TICK_NS / 10);
		reap(tracees, driver);
	}
}

static bool prints_too_much(const struct streams *streams, const struct driver *driver)
{
	return size_of(streams->out) > MAX_OUTPUT || size_of(streams->err) > MAX_OUTPUT ||
	       size_of(driver->out) > MAX_OUTPUT;
}

/* Until the end. 0, -EINTR, or another -errno. */
static int watch(struct tracees *tracees, struct driver *driver, const struct fail_run *run,
		 const struct streams *streams, struct fail_outcome *outcome)
{
	uint64_t begin_ns = clock__monotonic_ns(), now_ns;
	uint64_t until_ns = run->timeout_ns ? begin_ns + run->timeout_ns : UINT64_MAX;
	bool in_grace = false;
	int err = 0;

	for (;;) {
		reap(tracees, driver);
		now_ns = clock__monotonic_ns();
		if (tracees->has_ended && !in_grace) {
			in_grace = true;
			until_ns = min(until_ns,
				       now_ns + (driver->client ? CLIENT_GRACE_NS : GRACE_NS));
		}
		if (!tracees->nr && !driver->client)
			return 0;
		if (!in_grace)
			err = driver__step(driver, streams->out, streams->err);
		if (err || is_over || now_ns >= min(until_ns, driver->stop_ns) ||
		    prints_too_much(streams, driver))
			break;
		take_signal(min(until_ns - now_ns,
				min(driver__patience_ns(driver), (uint64_t)TICK_NS)));
	}
	outcome->timed_out = !in_grace && !is_over;
	kill_all(tracees, driver, run);
	return is_over ? -EINTR : err;
}

/* errors: whether there is a report in it is noted there; NULL: it is not looked for. */
static uint64_t hash_of(int fd, struct fail_outcome *errors)
{
	uint64_t size = size_of(fd), hash = 0;
	char *text = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;

	if (text == MAP_FAILED)
		return 0;
	hash = hash__bytes(text, size);
	if (errors) {
		errors->sanitizer = fail_verdict__has_report(text, min(size, (uint64_t)MAX_ERRORS));
		errors->corruption =
			fail_verdict__has_corruption(text, min(size, (uint64_t)MAX_ERRORS));
	}
	munmap(text, size);
	return hash;
}

/* With a client the output is what that prints; and who died as it was asked to has not crashed. */
static void judge_driven(const struct driver *driver, struct fail_outcome *outcome)
{
	if (!driver->drive)
		return;
	outcome->was_ready = driver->is_ready;
	outcome->client_status = driver->client_status;
	if (driver->drive->client)
		outcome->output_hash = hash_of(driver->out, NULL);
	if (driver->has_ended_it && outcome->signal == SIGTERM)
		outcome->signal = 0;
}

static void judge(struct tracees *tracees, const struct driver *driver,
		  const struct streams *streams, struct fail_end *end)
{
	struct fail_outcome *outcome = &end->outcome;

	outcome->status = (uint32_t)tracees->status;
	outcome->signal = outcome->timed_out ? 0 : tracees->signal;
	outcome->output_hash = hash_of(streams->out, NULL);
	outcome->errors_hash = hash_of(streams->err, outcome);
	outcome->errors_bytes = size_of(streams->err);
	judge_driven(driver, outcome);
	end->exited = tracees->exited;
	end->nr_exited = tracees->nr_exited;
	tracees->exited = NULL;
	if (outcome->signal) {
		end->signalled = tracees->signalled;
		end->crash = tracees->crash;
		tracees->crash = (struct fail_stack){ 0 };
	}
}

static void warn_untraced(int err)
{
	static bool said;

	if (!said)
		log_warn("Programs cannot be traced here (%s): there will be no stacks of crashes, "
			 "and nothing is known of how children end.",
			 strerror(err));
	said = true;
}

/* The errno of its exec; 0: it has worked, and nothing is said, for the pipe is closed by it. */
static int exec_error(int fd)
{
	int err = 0;

	return read(fd, &err, sizeof(err)) == sizeof(err) ? err : 0;
}

static int start_and_watch(const struct fail_run *run, struct streams *streams,
			   struct tracees *tracees, struct driver *driver, struct fail_end *end)
{
	uint64_t begin_ns = clock__monotonic_ns();
	pid_t pid = fork();
	int err;

	if (pid < 0)
		return -errno;
	if (!pid)
		become(run, streams);
	driver__begin(driver, run->drive, pid);
	if (run->untraced)
		*tracees = (struct tracees){ .main = pid };
	else if (!tracees__begin(tracees, pid))
		warn_untraced(errno);
	if (!tracees->nr) {
		tracees->all = array__grow(NULL, 0, &tracees->capacity, sizeof(*tracees->all));
		tracees->all[tracees->nr++] = pid;
	}
	close(streams->report[1]);
	close(streams->go[1]); /* now it goes */
	streams->report[1] = streams->go[1] = -1;
	err = watch(tracees, driver, run, streams, &end->outcome);
	end->duration_ns = clock__monotonic_ns() - begin_ns;
	return err;
}

int fail_run__do(const struct fail_run *run, struct fail_end *end)
{
	struct tracees tracees = { 0 };
	struct driver driver = { .out = -1 };
	struct streams streams;
	int err, exec_err;

	*end = (struct fail_end){ 0 };
	err = open_streams(&streams, run->on_terminal);
	if (!err)
		err = start_and_watch(run, &streams, &tracees, &driver, end);
	if (err && err != -EINTR)
		log_err("%s cannot be started: %s.", run->command[0], strerror(-err));
	if (!err) {
		judge(&tracees, &driver, &streams, end);
		exec_err = exec_error(streams.report[0]);
		if (exec_err)
			log_err("%s cannot be run: %s.", run->command[0], strerror(exec_err));
		err = -exec_err;
	}
	close_streams(&streams);
	if (driver.out >= 0)
		close(driver.out);
	tracees__clear(&tracees);
	return err;
}

void fail_end__clear(struct fail_end *end)
{
	fail_stack__clear(&end->crash);
	free(end->exited);
	*end = (struct fail_end){ 0 };
}
