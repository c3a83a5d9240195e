// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/fail_drive.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/fail_jobs.h"
#include "cmd/fail_say.h"
#include "cmd/fail_show.h"
#include "probe/command.h"
#include "probe/preload_lib.h"

#define DEFAULT_DATABASE "heaptap.fail"

/* How far the search is. */
struct search {
	struct fail_session *session;
	struct fail_shared *shared; /* with ids of paths that have failed in a run with others */
	uint64_t begin_ns;
	size_t rules; /* those of session->rules that are being tried */
	bool once, complete;
	bool is_job; /* one of several, of which the first process shows what all do */
};

static const char *known_file(void)
{
	const char *known = getenv("MALLOCFAIL_FILE");

	return known && *known ? known : NULL;
}

static char *join(const struct words *words)
{
	const char *others = getenv("MALLOCFAIL_IGNORE");
	char *text = others && *others ? xstrdup(others) : NULL;

	for (size_t i = 0; i < words->nr; i++) {
		char *longer =
			text ? xasprintf("%s;%s", text, words->all[i]) : xstrdup(words->all[i]);

		free(text);
		text = longer;
	}
	return text;
}

static int find_library(struct fail_session *session)
{
	char *why = NULL, *program = command__find(session->options->command[0]);
	int err = -ENOENT;

	if (!program)
		fail_say__no_program(session->options->command[0]);
	session->library = program ? preload_lib__find(&why) : NULL;
	if (why)
		log_err("%s", why);
	if (session->library)
		err = command__check_preload(
			program, session->library,
			"When it runs, `heaptap fail -p PID` makes its calls fail from outside, as "
			"root on Linux 6.18 or newer.");
	free(why);
	free(program);
	return err;
}

static int make_folder(struct fail_session *session)
{
	const char *temporary = getenv("TMPDIR");
	char *folder =
		xasprintf("%s/heaptap-fail-XXXXXX", temporary && *temporary ? temporary : "/tmp");

	/* Wherever the program goes to, it is the same. */
	session->folder = mkdtemp(folder) ? realpath(folder, NULL) : NULL;
	/* What root starts may become somebody else, who does not know the name otherwise. */
	if (session->folder && !geteuid())
		chmod(session->folder, 01733);
	if (!session->folder)
		log_err("%s cannot be made: %s. TMPDIR names another folder.", folder,
			strerror(errno));
	free(folder);
	return session->folder ? 0 : -ENOENT;
}

static void show_progress(const struct search *search)
{
	const struct fail_shared *shared = search->shared;

	if (!search->is_job)
		log__progress("run %" PRIu64 ", %" PRIu64 " call path%s, %" PRIu64 " fault%s",
			      shared->nr_runs, shared->nr_found, shared->nr_found == 1 ? "" : "s",
			      shared->nr_faults, shared->nr_faults == 1 ? "" : "s");
}

/* Takes a path into the database. 0 or -errno. */
static int take_one(struct search *search, struct fail_path *path)
{
	struct fail_session *session = search->session;
	struct fail_path taken = *path;

	*path = (struct fail_path){ 0 };
	fail_shared__count(search->shared, !fail_database__find(&session->database, taken.id),
			   fail_verdict__is_fault(taken.verdict, session->options->strict));
	return fail_database__add(&session->database, &taken);
}

/* Several that have failed in one run: what is not certain is to be found out, by the next search
 * where this one is broken off. */
static void note_several(struct search *search, struct fail_paths *failed)
{
	for (size_t i = 0; i < failed->nr; i++) {
		if (&failed->paths[i] != failed->culprit)
			fail_path__forget_verdict(&failed->paths[i]);
		fail_shared__add_id(search->shared, failed->paths[i].id);
	}
}

/* What failed in a run. 0 or -errno. */
static int take(struct search *search, struct fail_paths *failed)
{
	int err = 0;

	for (size_t i = 0; i < failed->nr && !err; i++)
		err = take_one(search, &failed->paths[i]);
	fail_paths__clear(failed);
	return err;
}

static bool is_enough(const struct search *search)
{
	const struct options *options = search->session->options;

	return fail_run__is_over() ||
	       (options->max_runs && search->shared->nr_runs >= options->max_runs) ||
	       (options->budget_ns &&
		clock__monotonic_ns() - search->begin_ns >= options->budget_ns);
}

/*
 * Each process counts for itself, so a run of several may have had a failure in each. Which of them
 * the end was made of, a run with this one alone tells: at the end of the search, when all others
 * are known. A path that is not taken then comes of another failure only: it has the verdict that
 * was certain, or none.
 */
static int separate(struct search *search, const char *known, uint64_t id)
{
	struct fail_session *session = search->session;
	struct fail_paths failed;
	struct fail_path *one = NULL;
	int err = fail_database__write_known(&session->database, known, id);

	/* Of which rules it came nobody has noted. */
	for (size_t i = 0; i < session->nr_rules && !err && !one; i++) {
		err = fail_experiment__do(&session->setup, session->rules[i], known,
					  fail_shared__next_run(search->shared), false, id,
					  &failed);
		if (err)
			break;
		/* What fails besides does so because of this one: in a shell that tells of it. */
		one = fail_paths__find(&failed, id);
		if (one)
			err = take_one(search, one);
		fail_paths__clear(&failed);
	}
	return err;
}

static int separate_all(struct search *search)
{
	char *known = xasprintf("%s/known", search->session->folder);
	struct fail_shared *shared = search->shared;
	int err = 0;

	for (size_t i = 0; i < min(shared->nr_ids, ARRAY_SIZE(shared->ids)); i++) {
		if (err || is_enough(search))
			break;
		show_progress(search);
		err = separate(search, known, shared->ids[i]);
	}
	unlink(known);
	free(known);
	return err;
}

/* What has failed before may fail again, as when two jobs find it at once, but not for ever. 0, or
 * -errno, said. */
static int check_progress(const struct search *search, struct fail_paths *failed)
{
	struct fail_database *database = &search->session->database;
	const struct fail_path *last;

	if (search->once || search->session->options->persistent || !failed->nr)
		return 0;
	for (size_t i = 0; i < failed->nr; i++) {
		last = fail_database__find(database, failed->paths[i].id);
		if (!last || !last->is_new)
			return 0;
	}
	return fail_database__check_known(database, last->id);
}

/* One run. */
static int explore_once(struct search *search)
{
	struct fail_session *session = search->session;
	bool alone = !search->once && !session->options->many && !session->options->persistent &&
		     !session->options->max_failures;
	struct fail_paths failed;
	int err;

	err = fail_experiment__do(&session->setup, session->rules[search->rules],
				  search->once ? NULL : session->database.known,
				  fail_shared__next_run(search->shared), false, 0, &failed);
	if (!err)
		err = check_progress(search, &failed);
	if (err)
		return err;
	search->rules += !search->once && !failed.nr;
	search->complete = search->once || search->rules == session->nr_rules;
	if (alone && failed.nr > 1)
		note_several(search, &failed);
	return take(search, &failed);
}

/* Runs until nothing new fails. 0 or -errno, said. */
static int explore(struct search *search)
{
	int err = 0;

	while (!err && !search->complete && !is_enough(search)) {
		show_progress(search);
		err = explore_once(search);
	}
	return err;
}

/* One of several heaptaps. Returns 0, EINTR where there may be more paths, or another errno. */
static int do_job(void *data, unsigned number)
{
	struct search *search = data;
	struct fail_session *session = search->session;
	char *folder = xasprintf("%s/%u", session->folder, number);
	int err;

	if (mkdir(folder, 0700))
		return errno;
	if (!geteuid())
		chmod(folder, 01733);
	session->setup.folder = folder;
	search->is_job = true;
	err = explore(search);
	rmdir(folder);
	free(folder);
	return err ? -err : search->complete ? 0 : EINTR;
}

static void show_jobs(void *data)
{
	show_progress(data);
}

static int explore_in_parallel(struct search *search, unsigned nr)
{
	struct fail_database *database = &search->session->database;
	int err = fail_jobs__run(nr, do_job, show_jobs, search), read_err;

	search->complete = !err;
	read_err = fail_database__reload(database);
	return err && err != -EINTR ? err : read_err;
}

static int search_all(struct search *search)
{
	uint64_t nr_jobs = search->once ? 1 : search->session->options->jobs;
	int err = nr_jobs > 1 ? explore_in_parallel(search, (unsigned)nr_jobs) : explore(search);

	if (!err)
		err = separate_all(search);
	log__progress(NULL);
	return err == -EINTR ? 0 : err;
}

static int say_end(const struct search *search, const struct fail_summary *summary)
{
	if (fail_run__is_over())
		log_warn("Interrupted. The same command goes on from here.");
	else if (!summary->complete)
		log_warn("There may be more call paths: the same command goes on from here.");
	else if (!summary->nr_paths)
		fail_say__nothing(search->session);
	return summary->nr_faults ? EXIT_FAULTS : EXIT_DONE;
}

/* Two runs and all that follow. 0 or -errno, said. */
static int calibrate_and_search(struct search *search)
{
	struct fail_setup *setup = &search->session->setup;
	uint64_t nr_jobs = search->session->options->jobs;
	int err;

	log__progress("undisturbed runs");
	err = fail_experiment__calibrate(setup);
	log__progress(NULL);
	if (err)
		return err == -EINTR ? 0 : err;
	fail_say__usual(setup);
	/* They take time from each other. */
	if (!search->session->options->timeout_ns && nr_jobs)
		setup->timeout_ns *= nr_jobs;
	return search_all(search);
}

static int search(struct fail_session *session)
{
	const struct options *options = session->options;
	struct search search = { .session = session,
				 .shared = fail_shared__new(),
				 .once = options->nth || options->rate,
				 .begin_ns = clock__monotonic_ns() };
	struct fail_summary summary = { .options = options,
					.database = &session->database,
					.program = path__base(options->command[0]),
					.new_only = search.once };
	int status = EXIT_CANNOT;

	if (!search.shared) {
		log_err("There is no memory for the search.");
		return status;
	}
	if (!calibrate_and_search(&search)) {
		summary.nr_runs = search.shared->nr_runs;
		summary.complete = search.complete;
		status = fail_show__write(&summary) ? EXIT_CANNOT : say_end(&search, &summary);
	}
	fail_shared__free(search.shared);
	return status;
}

static int list(const struct options *options, const char *directory)
{
	struct fail_session session = { .options = options };
	struct fail_summary summary = { .options = options,
					.database = &session.database,
					.program = directory };
	int err = fail_database__open(&session.database, directory, known_file(), true);

	if (!err)
		err = fail_show__list(&summary);
	if (!err && !summary.nr_paths)
		log_warn("%s knows no call paths: `heaptap fail -- COMMAND` finds them, and "
			 "--database names another directory.",
			 directory);
	fail_database__close(&session.database);
	return err ? EXIT_CANNOT : EXIT_DONE;
}

static int with_session(struct fail_session *session, const char *directory)
{
	const struct options *options = session->options;
	int status = EXIT_CANNOT;

	session->ignore = join(&options->ignore);
	if (find_library(session) || make_folder(session) ||
	    fail_database__open(&session->database, directory, known_file(), false))
		return status;
	session->setup =
		(struct fail_setup){ .command = options->command,
				     .library = session->library,
				     .ignore = session->ignore,
				     .folder = session->folder,
				     .untraced = options->untraced,
				     .no_leaks = options->no_leaks,
				     .drive = { session->has_ready ? &session->ready : NULL,
						options->drive },
				     .timeout_ns = options->timeout_ns };
	fail_run__begin_all();
	return options->replay ? fail_replay__run(session) : search(session);
}

int fail_drive__run(const struct options *options)
{
	struct fail_session session = { .options = options,
					.database = { .fd = -1, .lock_fd = -1 } };
	const char *directory = options->database ? options->database : DEFAULT_DATABASE;
	int status;

	if (options->list)
		return list(options, directory);
	if (!options->command) {
		log_err("heaptap fail wants to know what to run: -- COMMAND [ARG...]; or -p PID of "
			"a process that runs already. See: heaptap "
			"help fail");
		return EXIT_USAGE;
	}
	status = EXIT_USAGE;
	if (!fail_session__read_options(&session))
		status = with_session(&session, directory);
	fail_database__close(&session.database);
	fail_live__clear(&session.setup.live);
	if (session.folder)
		rmdir(session.folder);
	free(session.folder);
	free(session.library);
	free(session.ignore);
	fail_session__clear_options(&session);
	return status;
}
