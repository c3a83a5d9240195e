// SPDX-License-Identifier: BSD-2-Clause
/* --replay: the same failure again. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/fail_drive.h"
#include "cmd/fail_formats.h"
#include "cmd/fail_show.h"

#define RULES "path,count=1"
/* Paths that are not in the database may fail first; each try learns one. */
#define MAX_TRIES	1000
#define MAX_KNOWN_BYTES (64u << 20)

/* The path whose id begins so. NULL after a sentence. */
static const struct fail_path *choose(const struct fail_database *database, const char *prefix)
{
	const struct fail_path *found = NULL;
	size_t len = strlen(prefix);
	char id[17];

	for (size_t i = 0; i < database->nr; i++) {
		snprintf(id, sizeof(id), "%016" PRIx64, database->paths[i].id);
		if (strncasecmp(id, prefix, len))
			continue;
		if (found) {
			log_err("Several call paths begin with %s: give more digits. --list shows "
				"them.",
				prefix);
			return NULL;
		}
		found = &database->paths[i];
	}
	if (!found)
		log_err("The database knows no call path %s. --list shows those it knows.", prefix);
	return found;
}

static int append(const char *path, uint64_t id)
{
	FILE *file = fopen(path, "ae");

	if (!file)
		return -errno;
	fprintf(file, "%016" PRIx64 "\n", id);
	return fclose(file) ? -errno : 0;
}

/* A file of known paths without that one: those that were learnt on the way to it stay. 0 or
 * -errno.
 */
static int copy_without(const char *from, const char *to, uint64_t id)
{
	char *text = file__read_all(from, MAX_KNOWN_BYTES, NULL), *rest = text, *line;
	FILE *file = text ? fopen(to, "we") : NULL;
	uint64_t other;
	int err = file ? 0 : -errno;

	while (file && (line = strsep(&rest, "\n")))
		if (fail_path__parse_id(line, false, &other) && other != id)
			fprintf(file, "%016" PRIx64 "\n", other);
	if (file && fclose(file))
		err = -errno;
	free(text);
	return err;
}

/* That one is to fail again, as the library has just noted that it has. 0 or -errno. */
static int forget(const char *known, uint64_t id)
{
	char *other = xasprintf("%s.other", known);
	int err = copy_without(known, other, id);

	if (!err && rename(other, known))
		err = -errno;
	free(other);
	return err;
}

/* What else has failed is known from now on. 0 or -errno. */
static int learn(const char *known, uint64_t id, struct fail_paths *failed)
{
	int err = fail_paths__find(failed, id) ? forget(known, id) : 0;

	for (size_t i = 0; i < failed->nr && !err; i++)
		if (failed->paths[i].id != id)
			err = append(known, failed->paths[i].id);
	fail_paths__clear(failed);
	return err;
}

/*
 * Until that path fails, and no other, which another process could have: *failed has it then. Only
 * the first run and the last one are shown on a terminal. 0, or -errno after a sentence.
 */
static int try(struct fail_session *session, const char *known, uint64_t id, bool on_terminal,
	       struct fail_paths *failed)
{
	bool alone = false, shown;
	int err;

	for (unsigned i = 0; i < MAX_TRIES; i++) {
		shown = on_terminal && (!i || alone);
		err = fail_experiment__do(&session->setup, RULES, known, 1, shown, id, failed);
		if (err)
			return err;
		if (!failed->nr)
			break;
		alone = failed->nr == 1 && failed->paths[0].id == id;
		if (alone && shown == on_terminal)
			return 0;
		if (shown)
			log_warn("Calls that the database does not know have failed as well. Once "
				 "more, without them.");
		err = learn(known, id, failed);
		if (err) {
			log_err("%s cannot be written: %s.", known, strerror(-err));
			return err;
		}
	}
	log_err("The call path %016" PRIx64 " is not taken by this command any more: another "
		"build, other arguments or another input have others.",
		id);
	return -ESRCH;
}

/* What it printed went to the terminal, where nobody looks for a report. */
static void take_unseen(struct fail_path *path, const struct fail_path *before)
{
	bool same_end = path->signal == before->signal &&
			path->exit_status == before->exit_status &&
			path->client_status == before->client_status;
	bool by_report = before->verdict == FAIL_SANITIZER ||
			 (before->verdict == FAIL_CRASH && before->signal == SIGABRT);

	if (same_end && by_report)
		path->verdict = before->verdict;
}

/* As it ended when it was found, or not. */
static int show(struct fail_session *session, const struct fail_path *before,
		struct fail_paths *failed)
{
	struct fail_path *path = fail_paths__find(failed, before->id);
	struct fail_shown shown = { .paths = &path, .nr = 1 };
	struct fail_summary summary = { .options = session->options, .complete = true };

	shown.summary = &summary;
	shown.names = fail_names__new(session->options, &path, 1);
	if (session->options->json)
		fail_formats__json(&shown, stdout);
	else
		fail_formats__text(&shown, true, stdout);
	fflush(stdout);
	if (path->verdict == FAIL_SURVIVED && path->output_unknown && before->output_differs)
		log_warn("When it was found, its output was another one than undisturbed: %s. What "
			 "a replay prints is not compared, except with --json.",
			 fail_verdict__name(before->verdict));
	else if (path->verdict != before->verdict && before->verdict != FAIL_UNTRIED)
		log_warn("When it was found, the verdict was another one: %s.",
			 fail_verdict__name(before->verdict));
	fail_names__free(shown.names);
	return fail_verdict__is_fault(path->verdict, session->options->strict) ? EXIT_FAULTS
									       : EXIT_DONE;
}

/*
 * What gdb is to do first. A shell in between would have the library, too; and a run makes its path
 * a known one, so each begins with the file as it was. 0 or -errno.
 */
static int write_script(const char *path, const char *known, char *const *variables)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return -errno;
	fputs("set startup-with-shell off\n", file);
	for (char *const *variable = variables; *variable; variable++) {
		const char *equals = strchr(*variable, '=');

		if (equals)
			fprintf(file, "set environment %.*s %s\n", (int)(equals - *variable),
				*variable, equals + 1);
		else
			fprintf(file, "unset environment %s\n", *variable);
	}
	fprintf(file, "define hook-run\nshell cp '%s.first' '%s'\nend\n", known, known);
	fprintf(file, "define hook-start\nshell cp '%s.first' '%s'\nend\n", known, known);
	return fclose(file) ? -errno : 0;
}

static _Noreturn void become_gdb(const struct fail_session *session, const char *script)
{
	size_t nr_args = 0, nr = 0;
	const char **args;
	sigset_t none;

	while (session->options->command[nr_args])
		nr_args++;
	args = xcalloc(nr_args + 6, sizeof(*args));
	args[nr++] = "gdb";
	args[nr++] = "-q";
	args[nr++] = "-x";
	args[nr++] = script;
	args[nr++] = "--args";
	memcpy(args + nr, session->options->command, nr_args * sizeof(*args));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp("gdb", (char **)args);
	log_err("gdb cannot be run: %s.", strerror(errno));
	_exit(EXIT_CANNOT);
}

/* Ctrl-C is for gdb: heaptap has blocked it. Returns the exit status. */
static int run_gdb(const struct fail_session *session, const char *script)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		become_gdb(session, script);
	if (pid < 0) {
		log_err("gdb cannot be run: %s.", strerror(errno));
		return EXIT_CANNOT;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int replay_in_gdb(struct fail_session *session, const char *known, uint64_t id)
{
	char *script = xasprintf("%s/gdb", session->folder), **variables;
	char *first = xasprintf("%s.first", known);
	int status = EXIT_CANNOT, err;

	/* Who stops there is not asked for what is left. */
	session->setup.no_leaks = true;
	variables = fail_experiment__variables(&session->setup, RULES, known, NULL);
	err = copy_without(known, first, id);
	if (!err)
		err = write_script(script, known, variables);
	if (err)
		log_err("%s cannot be written: %s.", session->folder, strerror(-err));
	else
		log_warn("`run` lets the call fail, each time again.");
	if (!err)
		status = run_gdb(session, script);
	unlink(script);
	unlink(first);
	free(script);
	free(first);
	fail_experiment__free_variables(variables);
	return status;
}

/* In a file, what must not fail; the path is found first where others have to be learnt. */
static int replay(struct fail_session *session, const struct fail_path *path, const char *known)
{
	/* What a driven one prints is waited for. */
	bool driven = session->options->ready || session->options->drive;
	bool on_terminal = !session->options->json && !driven;
	struct fail_paths failed;
	int status = EXIT_CANNOT, err;

	err = fail_database__write_known(&session->database, known, path->id);
	if (err) {
		log_err("%s cannot be written: %s.", known, strerror(-err));
		return status;
	}
	err = fail_experiment__calibrate(&session->setup);
	if (!err)
		err = try(session, known, path->id, on_terminal && !session->options->gdb, &failed);
	if (err == -EINTR)
		log_warn("Interrupted.");
	if (err)
		return status;
	if (on_terminal && !session->options->gdb)
		take_unseen(fail_paths__find(&failed, path->id), path);
	status = session->options->gdb ? replay_in_gdb(session, known, path->id)
				       : show(session, path, &failed);
	fail_paths__clear(&failed);
	return status;
}

int fail_replay__run(struct fail_session *session)
{
	const struct fail_path *path = choose(&session->database, session->options->replay);
	char *known = xasprintf("%s/known", session->folder);
	int status = path ? replay(session, path, known) : EXIT_CANNOT;

	unlink(known);
	free(known);
	return status;
}
