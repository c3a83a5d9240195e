// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/view_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/output.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/run.h"
#include "cmd/unresolved.h"
#include "cmd/view_opts.h"
#include "report/stack_filter.h"
#include "report/selection.h"

/* Old files of rows that are kept unless --rotate-keep says otherwise. */
#define ROTATE_KEEP 10

struct view_run {
	struct run run;
	const struct view *view;
	void *state;
	struct view_options options;
	struct stack_filter *stack_filter; /* NULL: none is needed */
	/* Of a view that compares: the later recording. */
	struct run other;
	struct options other_options;
};

static enum cost cost_named(const char *name)
{
	static const char *const names[] = { [COST_LIVE] = "live",
					     [COST_PEAK] = "peak",
					     [COST_TOTAL] = "total",
					     [COST_TEMPORARY] = "temporary" };

	for (unsigned i = 0; name && i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return i;
	return COST_LIVE;
}

static struct view_options view_options(const struct options *options)
{
	return (struct view_options){
		.report = { .cost = cost_named(options->cost),
			    .min_bytes = options->min_bytes,
			    .min_count = options->min_count,
			    .top = options->top,
			    .depth = options->depth,
			    .progress = run__show_names },
		.cost_given = options->cost != NULL,
		.format = options->format,
		.min_share = options->min_share,
		.inverted = options->inverted,
		.address = options->address,
		.slice_ns = options->slice_s * NSEC_PER_SEC,
		.sample_ns = options->sample_s * NSEC_PER_SEC,
		.width = options->width,
		.path = options->output,
		.dialect = options->dialect,
		.age_ns = options->age_ns,
		.interval_ns = options->interval_ns,
		.resolve = options->resolve,
		.rotate_bytes = options->rotate_bytes,
		.rotate_keep = options->rotate_keep ? (unsigned)options->rotate_keep : ROTATE_KEEP,
		.live = !options->file,
		.file = options->file,
	};
}

static int add_expressions(struct selection *selection, enum selection_kind kind,
			   const struct words *words, const char *option)
{
	const char *reason;

	for (size_t i = 0; i < words->nr; i++) {
		if (!selection__add(selection, kind, words->all[i], &reason))
			continue;
		log_err("%s takes a POSIX extended regular expression; '%s' %s.", option,
			words->all[i], reason);
		return -EINVAL;
	}
	return 0;
}

/* What of the frames is wanted, to *made; NULL: all is. EXIT_DONE, or the exit status after saying
 * what is wrong. */
static int make_selection(const struct options *options, struct selection **made)
{
	struct selection *selection;

	*made = NULL;
	if (!options->of_function.nr && !options->of_file.nr && !options->of_module.nr &&
	    !options->suppressions.nr)
		return EXIT_DONE;
	*made = selection = selection__new();
	if (add_expressions(selection, SELECT_FUNCTION, &options->of_function, "--function") ||
	    add_expressions(selection, SELECT_FILE, &options->of_file, "--file") ||
	    add_expressions(selection, SELECT_MODULE, &options->of_module, "--module"))
		return EXIT_USAGE;
	for (size_t i = 0; i < options->suppressions.nr; i++)
		if (selection__add_suppressions(selection, options->suppressions.all[i]))
			return EXIT_CANNOT;
	return EXIT_DONE;
}

static int tick(struct run *run)
{
	struct view_run *self = run->observer;

	if (!self->view->tick)
		return 0;
	return self->view->tick(self->state,
				run->options->file ? run->model->end_ns : clock__monotonic_ns());
}

/* -o, or what the exporter suggests; NULL: standard output. The caller frees it. */
static char *output_path(const struct view_run *self)
{
	const char *named = self->run.options->output;
	const struct process *first;

	if (named)
		return strcmp(named, "-") ? xstrdup(named) : NULL;
	if (!self->view->suffix)
		return NULL;
	first = model__first(self->run.model);
	return xasprintf("%s.%u%s", path__base(first->exe ? first->exe : "heap"), first->pid,
			 self->view->suffix);
}

static int write_output(const struct view_run *self)
{
	bool json = self->run.options->json;
	char *path = output_path(self);
	struct output *output;
	int err;

	if (self->view->write_files) {
		free(path);
		return self->view->write_files(self->state);
	}
	output = output__open(path ? path : "-");
	if (!output) {
		free(path);
		return -EIO;
	}
	err = (json ? self->view->write_json : self->view->write)(self->state,
								  output__stream(output));
	log__progress(NULL);
	if (err)
		output__abandon(output);
	else
		err = output__commit(output);
	if (!err && path && !self->run.options->output)
		log_warn("The output is %s.", path);
	free(path);
	return err;
}

/* Is --format something the view knows? An exporter is the format itself. */
static bool takes_format(const struct view_run *self)
{
	const char *format = self->options.format, *formats = self->view->formats;
	size_t length = format ? strlen(format) : 0;

	if (!format || exporter__find(self->view->name) == self->view)
		return true;
	for (const char *word = formats; word; word = strchr(word, '|')) {
		word += *word == '|';
		if (strcspn(word, "|") == length && !strncmp(word, format, length))
			return true;
	}
	if (formats)
		log_err("%s has the formats %s, not '%s'.", self->view->name, formats, format);
	else
		log_err("%s has one format only: --format is not for it.", self->view->name);
	return false;
}

/* Names are at the end of a recording, and events want them as they come. */
static int choose_by_names(struct view_run *self)
{
	struct selection *selection = self->options.report.selection;

	if (!selection || !self->view->of_events)
		return 0;
	run__read_names(&self->run);
	if (!self->run.has_names) {
		log_err("%s chooses by names (--function, --file, --module, --suppressions) only "
			"in "
			"the file of a recording: make one by `heaptap record`.",
			self->view->name);
		return -EINVAL;
	}
	self->stack_filter = stack_filter__new(self->run.model, selection);
	return 0;
}

static int prepare(struct view_run *self)
{
	if (!takes_format(self))
		return -EINVAL;
	if (self->run.options->json && !self->view->write_json) {
		log_err("%s%s%s has no JSON.", self->view->name,
			self->options.format ? " --format " : "",
			self->options.format ? self->options.format : "");
		return -EINVAL;
	}
	if (choose_by_names(self))
		return -EINVAL;
	self->state = self->view->begin(self->run.model, &self->options);
	if (!self->state)
		return -EINVAL;
	if (!self->run.has_names && self->view->names_first && self->view->names_first(self->state))
		run__read_names(&self->run);
	return 0;
}

/* A view that looks at nothing. */
static int write_only(struct view_run *self)
{
	int status = EXIT_CANNOT;

	if (!prepare(self)) {
		if (!write_output(self))
			status = EXIT_DONE;
		self->view->free(self->state);
	}
	return status;
}

/* --process: leaves that one. */
static int keep_process(const struct view_run *self)
{
	struct model *model = self->run.model;

	if (!model->only_pid)
		return 0;
	model__keep_only(model);
	if (model->nr_processes)
		return 0;
	log_err("There is no process %u among those that were watched.", model->only_pid);
	return -ESRCH;
}

static int check_operands(const struct options *options, const struct view *view)
{
	if (view->compares && (!options->file || !options->other_file)) {
		log_err("%s compares two recordings: heaptap %s EARLIER LATER", view->name,
			view->name);
		return -EINVAL;
	}
	if (!view->compares && options->other_file) {
		log_err("%s takes one FILE; '%s' is one too many.", view->name,
			options->other_file);
		return -EINVAL;
	}
	if (view->compares && options->only_pid) {
		log_err("%s pairs the processes of two recordings: --process is not for it.",
			view->name);
		return -EINVAL;
	}
	if (view->compares && !strcmp(options->file, "-") && !strcmp(options->other_file, "-")) {
		log_err("Only one of the two recordings can come from standard input.");
		return -EINVAL;
	}
	return 0;
}

/* Reads the recording to compare with. 0; or -errno after saying why not. What is damaged counts up
 * to there, and *damaged says so. */
static int read_other(struct view_run *self, const struct options *options, bool *damaged)
{
	self->other_options = *options;
	self->other_options.file = options->other_file;
	if (run__open(&self->other, &self->other_options))
		return -EIO;
	if (self->options.report.cost != COST_LIVE)
		self->options.other_profile = profile__new(self->other.model);
	self->options.other = self->other.model;
	*damaged = run__pump(&self->other) < 0;
	return 0;
}

/* What came between a block's allocation and its free, a sample does not tell. */
static void warn_of_temporary(const struct view_run *self)
{
	if (self->run.model->sample_bytes && self->options.report.cost == COST_TEMPORARY)
		log_warn(
			"This is a sampled recording: a block counts as temporary when nothing was "
			"recorded between its allocation and its free, so figures are too high.");
}

static int write_unresolved(const struct view_run *self)
{
	const struct model *const models[] = { self->run.model, self->other.model };
	const char *path = self->run.options->unresolved;

	return path ? unresolved__write(models, self->other.model ? 2 : 1, path) : 0;
}

/* From the opening of what is looked at to the exit status. */
static int run_view(struct view_run *self, const struct options *options)
{
	const struct view *view = self->view;
	bool damaged = false;
	int status = EXIT_CANNOT, err;
	bool written;

	if (view->looks_at_nothing) {
		self->run.options = options;
		return write_only(self);
	}
	if (view->compares && read_other(self, options, &damaged))
		return EXIT_CANNOT;
	if (run__open(&self->run, options) || prepare(self)) {
		run__close(&self->run);
		return EXIT_CANNOT;
	}
	self->run.after_pump = tick;
	self->run.observer = self;
	err = run__pump(&self->run);
	warn_of_temporary(self);
	written = !keep_process(self) && !write_output(self);
	written = written && !write_unresolved(self);
	if (written && !err && !damaged) {
		status = run__status(&self->run);
		if (options->error_exitcode && view->nr_entries && view->nr_entries(self->state))
			status = options->error_exitcode;
	}
	view->free(self->state);
	run__close(&self->run);
	return status;
}

int view_run(const struct options *options, const struct view *view)
{
	struct view_run self = { .view = view, .options = view_options(options) };
	int status = EXIT_USAGE;

	if (!view_opts__check(options, view) && !check_operands(options, view))
		status = make_selection(options, &self.options.report.selection);
	if (status == EXIT_DONE)
		status = run_view(&self, options);
	stack_filter__free(self.stack_filter);
	profile__free(self.options.other_profile);
	run__close(&self.other);
	selection__free(self.options.report.selection);
	return status;
}
