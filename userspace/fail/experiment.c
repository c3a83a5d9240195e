// SPDX-License-Identifier: BSD-2-Clause
#include "fail/experiment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"

/* What a run may take where nobody said: a failure can cost a retry or two. */
#define TIMES_BASELINE	4
#define TIMEOUT_MORE_NS (3 * NSEC_PER_SEC)
/* A program that takes longer than that undisturbed wants --timeout. */
#define MAX_BASELINE_NS (600 * NSEC_PER_SEC)
/* Without any rule the library would say that it has nothing to do. */
#define FAIL_NOTHING "nth=4294967295"
/* That a run has, at least, for lines about what failed. */
#define LOG_BYTES (256 << 10)
/* Undisturbed runs in a row that leave nothing new, and such runs at most, before there are leaks.
 */
#define CALM_RUNS     5
#define MAX_MORE_RUNS 40
/* For the library: some 150000 live blocks fit. */
#define SNAPSHOT_MEMORY "8M"

static char *preload_list(const char *library)
{
	const char *others = getenv("LD_PRELOAD");
	bool any = others && *others;

	return xasprintf("LD_PRELOAD=%s%s%s", library, any ? ":" : "", any ? others : "");
}

static char *snapshot_variable(const char *folder)
{
	char *pattern = fail_live__pattern(folder);
	char *variable = xasprintf("HEAPTAP_SNAPSHOT=%s", pattern);

	free(pattern);
	return variable;
}

/* What the user has set comes behind, and counts. */
static char *options_variable(const char *name, const char *ours)
{
	const char *options = getenv(name);
	bool any = options && *options;

	return xasprintf("%s=%s%s%s", name, ours, any ? ":" : "", any ? options : "");
}

char **fail_experiment__variables(const struct fail_setup *setup, const char *rules,
				  const char *known, const char *log)
{
	char **variables = xcalloc(16, sizeof(*variables));
	size_t nr = 0;

	variables[nr++] = preload_list(setup->library);
	/* MALLOCFAIL_* of the user would be more rules: what they say is in these. A name without a
	 * value is taken away. */
	variables[nr++] = xstrdup("MALLOCFAIL_FILE");
	variables[nr++] = xstrdup("MALLOCFAIL_FAIL_COUNT");
	variables[nr++] = xasprintf("HEAPTAP_FAIL=%s", rules);
	/* A shell has a block for each variable: undisturbed runs have as many. */
	variables[nr++] = known ? xasprintf("HEAPTAP_FAIL_KNOWN=%s", known)
				: xasprintf("HEAPTAP_FAIL_KNOWN=%s/nothing", setup->folder);
	if (log)
		variables[nr++] = xasprintf("HEAPTAP_FAIL_LOG=%s", log);
	if (!setup->no_leaks) {
		variables[nr++] = snapshot_variable(setup->folder);
		variables[nr++] = xstrdup("HEAPTAP_SNAPSHOT_SIGNAL=none");
		variables[nr++] = xstrdup("HEAPTAP_MEMORY=" SNAPSHOT_MEMORY);
	}
	/* It wants to be the first library, and does as well behind this one. */
	variables[nr++] = options_variable("ASAN_OPTIONS", "verify_asan_link_order=0");
	/* It traces the program itself, which only one can do. */
	if (!setup->untraced)
		variables[nr++] = options_variable("LSAN_OPTIONS", "detect_leaks=0");
	if (setup->ignore)
		variables[nr++] = xasprintf("MALLOCFAIL_IGNORE=%s", setup->ignore);
	return variables;
}

void fail_experiment__free_variables(char **variables)
{
	for (char **variable = variables; *variable; variable++)
		free(*variable);
	free(variables);
}

static int refuse(const struct fail_setup *setup, const struct fail_end *end)
{
	if (!end->outcome.was_ready && (setup->drive.ready || setup->drive.client))
		log_err("%s was not ready %s without any failure: no line that it printed on "
			"stdout or stderr is one of --ready.",
			setup->command[0], end->outcome.timed_out ? "in time" : "before it ended");
	else if (end->outcome.timed_out)
		log_err("%s is not done after %g s without any failure. --timeout gives it more "
			"time.",
			setup->command[0],
			(double)(setup->timeout_ns ? setup->timeout_ns : MAX_BASELINE_NS) /
				NSEC_PER_SEC);
	else
		log_err("%s dies of signal %d (%s) without any failure: that must be mended "
			"first.",
			setup->command[0], end->outcome.signal, strsignal(end->outcome.signal));
	return -EPROTO;
}

static int undisturbed(struct fail_setup *setup, struct fail_end *end)
{
	char *log = xasprintf("%s/log", setup->folder);
	char **variables = fail_experiment__variables(setup, FAIL_NOTHING, NULL, log);
	struct fail_run one = { .command = setup->command,
				.variables = variables,
				.timeout_ns =
					setup->timeout_ns ? setup->timeout_ns : MAX_BASELINE_NS,
				.drive = &setup->drive,
				.untraced = setup->untraced };
	int err = fail_run__do(&one, end);

	if (!err && (end->outcome.timed_out || end->outcome.signal ||
		     (setup->drive.ready && !end->outcome.was_ready)))
		err = refuse(setup, end);
	if (!err && !setup->no_leaks)
		fail_live__read(&setup->live, setup->folder, end->exited, end->nr_exited, NULL);
	fail_live__remove(setup->folder);
	fail_experiment__free_variables(variables);
	free(log);
	return err;
}

/* Grows with all that undisturbed runs leave. */
static uint64_t sum_of(const struct fail_live *live)
{
	uint64_t sum = live->nr;

	for (size_t i = 0; i < live->nr; i++)
		sum += live->sites[i].blocks;
	return sum;
}

/*
 * Before anything is called a leak: one more undisturbed run, where it is not known yet that these
 * have nothing new to leave. What they do in a random order, a hash table say, leaves now this and
 * now that. 1: there was one; 0; or -errno, said.
 */
static int look_again(struct fail_setup *setup)
{
	uint64_t before = sum_of(&setup->live);
	struct fail_end end;
	int err;

	if (setup->nr_calm >= CALM_RUNS || setup->nr_more >= MAX_MORE_RUNS)
		return 0;
	setup->nr_more++;
	err = undisturbed(setup, &end);
	fail_end__clear(&end);
	setup->nr_calm = sum_of(&setup->live) == before ? setup->nr_calm + 1 : 0;
	return err ? err : 1;
}

/* What the run has left and undisturbed ones have not. 0 or -errno, said. */
static int find_leaks(struct fail_setup *setup, const struct fail_end *end,
		      const struct fail_paths *failed, struct fail_leaks *leaks)
{
	uint64_t *calls = xcalloc(failed->nr + 1, sizeof(*calls));
	struct fail_live live = { 0 };
	size_t nr = 0;
	int again = 0;

	if (setup->no_leaks || end->outcome.status != setup->baseline.outcome.status)
		goto out;
	for (size_t i = 0; i < failed->nr; i++)
		if (failed->paths[i].stack.nr)
			calls[nr++] = fail_live__call_key(&failed->paths[i].stack.frames[0]);
	fail_live__read(&live, setup->folder, end->exited, end->nr_exited, &setup->live);
	do {
		fail_leaks__clear(leaks);
		*leaks = fail_live__compare(&live, &setup->live, calls, nr);
		again = leaks->blocks ? look_again(setup) : 0;
	} while (again > 0);
	fail_live__clear(&live);
out:
	free(calls);
	return again;
}

/* Of the client; -1: there was none, or it has none. */
static int exit_status_of(const struct fail_setup *setup, const struct fail_outcome *outcome)
{
	int status = (int)outcome->client_status;

	if (!setup->drive.client || outcome->client_status == FAIL_NO_CLIENT || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/*
 * Whose the end was: the one that was asked for, that of the process that crashed, or the last; and
 * whether that is certain. A crash may come of what another process has left undone; but then a run
 * with that failure alone has it, too.
 */
static struct fail_path *find_culprit(const struct fail_end *end, uint64_t culprit,
				      struct fail_paths *failed)
{
	struct fail_path *found = fail_paths__find(failed, culprit);

	for (size_t i = failed->nr; i-- > 0 && !found && end->signalled;)
		if (failed->paths[i].pid == end->signalled)
			found = &failed->paths[i];
	failed->culprit = failed->nr == 1 ? failed->paths : found;
	return found ? found : &failed->paths[failed->nr - 1];
}

/* Lays what the run came to on one path. 0 or -errno, said. */
static int judge(struct fail_setup *setup, struct fail_end *end, uint64_t run, bool on_terminal,
		 uint64_t culprit, struct fail_paths *failed)
{
	const struct fail_outcome *outcome = &end->outcome, *usual = &setup->baseline.outcome;
	int status = (int)outcome->status;
	struct fail_path *last; /* of those that it may be */
	int err;

	for (size_t i = 0; i < failed->nr; i++) {
		failed->paths[i].verdict = FAIL_SURVIVED;
		failed->paths[i].run = run;
		failed->paths[i].output_unknown = true; /* others have failed, too */
	}
	if (!failed->nr)
		return 0;
	last = find_culprit(end, culprit, failed);
	last->output_unknown = on_terminal || setup->baseline.output_varies || outcome->timed_out;
	err = find_leaks(setup, end, failed, &last->leaks);
	end->outcome.leaked_blocks = last->leaks.blocks;
	last->verdict = fail_verdict__of(outcome, &setup->baseline);
	last->signal = outcome->signal;
	last->exit_status = !outcome->timed_out && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	last->client_status = exit_status_of(setup, outcome);
	last->output_differs =
		!setup->baseline.output_varies && outcome->output_hash != usual->output_hash;
	last->said_something =
		!setup->baseline.errors_vary && outcome->errors_hash != usual->errors_hash;
	last->crash_stack = end->crash;
	end->crash = (struct fail_stack){ 0 };
	if (last->verdict != FAIL_LEAK)
		fail_leaks__clear(&last->leaks);
	return err;
}

/* The file for what the library has to say, with room for it: without, a failure would pass for
 * none. 0, or -errno after a sentence. */
static int make_log(const char *path)
{
	int fd, err = 0;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		err = -errno;
	else if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, LOG_BYTES) && errno != EOPNOTSUPP)
		err = -errno;
	/* As the folder: for processes of root's that become somebody else. */
	if (!err && !geteuid())
		fchmod(fd, 0666);
	if (err)
		log_err("%s cannot be made: %s. TMPDIR names another folder.", path,
			strerror(-err));
	if (fd >= 0)
		close(fd);
	return err;
}

int fail_experiment__do(struct fail_setup *setup, const char *rules, const char *known,
			uint64_t run, bool on_terminal, uint64_t culprit, struct fail_paths *failed)
{
	char *log = xasprintf("%s/log", setup->folder);
	char **variables = fail_experiment__variables(setup, rules, known, log);
	struct fail_run one = { .command = setup->command,
				.variables = variables,
				.timeout_ns = setup->timeout_ns,
				.on_terminal = on_terminal,
				.drive = &setup->drive,
				.untraced = setup->untraced };
	struct fail_end end = { 0 };
	int err;

	*failed = (struct fail_paths){ 0 };
	err = make_log(log);
	if (!err)
		err = fail_run__do(&one, &end);
	if (!err) {
		err = fail_paths__read_log(failed, log);
		if (err)
			log_err("%s cannot be read: %s.", log, strerror(-err));
		/* What went to the terminal is not known. */
		if (on_terminal) {
			end.outcome.output_hash = setup->baseline.outcome.output_hash;
			end.outcome.errors_hash = setup->baseline.outcome.errors_hash;
		}
		err = err ? err : judge(setup, &end, run, on_terminal, culprit, failed);
		if (err)
			fail_paths__clear(failed);
	}
	unlink(log);
	fail_live__remove(setup->folder);
	fail_end__clear(&end);
	fail_experiment__free_variables(variables);
	free(log);
	return err;
}

int fail_experiment__calibrate(struct fail_setup *setup)
{
	struct fail_end first, second = { 0 };
	int err = undisturbed(setup, &first);

	if (!err)
		err = undisturbed(setup, &second);
	if (!err) {
		setup->baseline.outcome = first.outcome;
		setup->baseline.output_varies =
			first.outcome.output_hash != second.outcome.output_hash;
		setup->baseline.errors_vary =
			first.outcome.errors_hash != second.outcome.errors_hash;
		if (!setup->timeout_ns)
			setup->timeout_ns =
				TIMES_BASELINE * max(first.duration_ns, second.duration_ns) +
				TIMEOUT_MORE_NS;
	}
	fail_end__clear(&first);
	fail_end__clear(&second);
	return err;
}
