// SPDX-License-Identifier: BSD-2-Clause
/* --replay: the same failure again. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/fail_drive.h"
#include "cmd/fail_formats.h"
#include "cmd/fail_show.h"

#define RULES "path,count=1"
/* Paths that are not in the database may fail first; each try learns one. */
#define MAX_TRIES 1000

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

/* Until that path fails: *failed has it then. 0, or -errno after a sentence. */
static int try(struct fail_session *session, const char *known, uint64_t id, bool on_terminal,
	       struct fail_paths *failed)
{
	int err;

	for (unsigned i = 0; i < MAX_TRIES; i++) {
		err = fail_experiment__do(&session->setup, RULES, known, 1, on_terminal, id,
					  failed);
		if (err)
			return err;
		if (fail_paths__find(failed, id))
			return 0;
		if (!failed->nr)
			break;
		for (size_t j = 0; j < failed->nr && !err; j++)
			err = append(known, failed->paths[j].id);
		fail_paths__clear(failed);
		if (err)
			break;
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
	if (path->verdict != before->verdict && before->verdict != FAIL_UNTRIED)
		log_warn("When it was found, the verdict was another one: %s.",
			 fail_verdict__name(before->verdict));
	fail_names__free(shown.names);
	return fail_verdict__is_fault(path->verdict, session->options->strict) ? EXIT_FAULTS
									       : EXIT_DONE;
}

/* Does not return where gdb can be run. */
static int become_gdb(struct fail_session *session, const char *known)
{
	char **variables;
	size_t nr_args = 0, nr = 0;
	const char **args;
	sigset_t none;

	/* The folder for snapshots is gone then. */
	session->setup.no_leaks = true;
	variables = fail_experiment__variables(&session->setup, RULES, known, NULL);
	while (session->options->command[nr_args])
		nr_args++;
	args = xcalloc(nr_args + 64, sizeof(*args));
	args[nr++] = "gdb";
	args[nr++] = "-q";
	/* A shell in between would have the library, too. */
	args[nr++] = "-ex";
	args[nr++] = "set startup-with-shell off";
	for (char **variable = variables; *variable; variable++) {
		char *equals = strchr(*variable, '=');

		args[nr++] = "-ex";
		args[nr++] = equals ? xasprintf("set environment %.*s %s",
						(int)(equals - *variable), *variable, equals + 1)
				    : xasprintf("unset environment %s", *variable);
	}
	args[nr++] = "--args";
	memcpy(args + nr, session->options->command, nr_args * sizeof(*args));
	log_warn("`run` in gdb lets the call fail. The file of known call paths, %s, has to be "
		 "given back after a run that is to be repeated; it is yours now.",
		 known);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp("gdb", (char **)args);
	log_err("gdb cannot be run: %s.", strerror(errno));
	free(args);
	fail_experiment__free_variables(variables);
	return EXIT_CANNOT;
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
	if (err || try(session, known, path->id, on_terminal && !session->options->gdb, &failed))
		return status;
	if (session->options->gdb) {
		fail_database__write_known(&session->database, known, path->id);
		status = become_gdb(session, known);
	} else {
		if (on_terminal)
			take_unseen(fail_paths__find(&failed, path->id), path);
		status = show(session, path, &failed);
	}
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
