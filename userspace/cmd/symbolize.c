// SPDX-License-Identifier: BSD-2-Clause
/* Copies a recording and bakes names in. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/output.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/memory_watch.h"
#include "cmd/run.h"
#include "cmd/unresolved.h"
#include "report/bake.h"
#include "source/source.h"
#include "trace/header.h"
#include "trace/writer.h"
#include "wire.h"

struct copy {
	struct source *source;
	struct model *model;
	struct trace_writer *writer;
	struct output *output;
	FILE *spool; /* where the copy is made when the output cannot be written to twice; or NULL
		      */
	const char *path; /* of what is read */
	struct memory_watch memory;
	bool keep_processes; /* their mappings are needed at the end */
	int write_err;
	uint64_t nr_names;
};

static int append(const struct wire_head *record, void *data)
{
	struct copy *copy = data;

	copy->nr_names += record->type == WIRE_SYMBOL;
	copy->write_err = trace_writer__append(copy->writer, record);
	return copy->write_err;
}

/* Of the rest nothing matters for names. */
static bool is_for_model(const struct copy *copy, const struct wire_head *record)
{
	if (record->type == WIRE_END && record->pid && copy->keep_processes)
		return copy->model->nr_live > MODEL_MAX_LIVE / 2;
	return record->type != WIRE_ALLOC && record->type != WIRE_FREE;
}

/* Records that contradict those before them are not copied: nobody could read on behind them. */
static int take(const struct wire_head *record, void *data)
{
	struct copy *copy = data;
	int err = 0;

	if (is_for_model(copy, record))
		err = model__apply(copy->model, record);
	if (!err)
		err = append(record, data);
	if (!err && memory_watch__check(&copy->memory, record)) {
		memory_watch__say(&copy->memory, copy->path);
		err = -ENOMEM;
	}
	return err;
}

/* The header is the new writer's, but the clocks are those of the machine that recorded. */
static int set_anchor(const struct copy *copy, int fd)
{
	union {
		struct trace_header header;
		uint8_t bytes[HEADER_MAX_SIZE];
	} start;
	ssize_t len = pread(fd, start.bytes, sizeof(start.bytes), 0);
	uint64_t checksum;
	size_t hashed;

	if (len < 0)
		return -errno;
	if (len < (ssize_t)sizeof(start.header) || start.header.header_size > len)
		return -EIO;
	hashed = start.header.header_size - sizeof(checksum);
	copy->source->anchor(copy->source, &start.header.monotonic_ns, &start.header.realtime_ns);
	checksum = hash__bytes(start.bytes, hashed);
	memcpy(start.bytes + hashed, &checksum, sizeof(checksum));
	len = pwrite(fd, start.bytes, start.header.header_size, 0);
	return len == start.header.header_size ? 0 : len < 0 ? -errno : -EIO;
}

/* Can the header be mended there, when the rest has been written? */
static bool is_mendable(int fd)
{
	struct stat status;
	int flags = fcntl(fd, F_GETFL);

	return !fstat(fd, &status) && S_ISREG(status.st_mode) && flags >= 0 &&
	       (flags & O_ACCMODE) == O_RDWR && !(flags & O_APPEND) && !lseek(fd, 0, SEEK_CUR);
}

static int copy_spool(const struct copy *copy)
{
	FILE *out = output__stream(copy->output);
	char bytes[65536];
	size_t len;

	rewind(copy->spool);
	while ((len = fread(bytes, 1, sizeof(bytes), copy->spool)))
		if (fwrite(bytes, 1, len, out) != len)
			return -errno;
	return ferror(copy->spool) ? -EIO : 0;
}

static void show_progress(const struct source *source)
{
	int percent = source->progress ? source->progress(source) : -1;

	if (percent >= 0)
		log__progress("%d%% read", percent);
}

/* All the records there are, then names. *damage: the recording has an end that is none, said. 0,
 * or -errno of writing. */
static int fill(struct copy *copy, int fd, bool *damage)
{
	int more = 1, err;

	copy->writer = trace_writer__new(fd, "the recording");
	if (!copy->writer)
		return -errno;
	while (more > 0) {
		more = copy->source->pump(copy->source, 0, take, copy);
		show_progress(copy->source);
	}
	*damage = more < 0;
	copy->nr_names = 0;
	if (!copy->write_err)
		bake__names(copy->model, append, run__show_names, copy);
	log__progress(NULL);
	err = trace_writer__close(copy->writer);
	copy->writer = NULL;
	return err ? err : set_anchor(copy, fd);
}

static int write_copy(struct copy *copy, bool *damage)
{
	int fd = fileno(output__stream(copy->output)), err;

	if (!is_mendable(fd)) {
		copy->spool = tmpfile();
		if (!copy->spool)
			return -errno;
		fd = fileno(copy->spool);
	}
	err = fill(copy, fd, damage);
	if (!err && copy->spool)
		err = copy_spool(copy);
	if (copy->spool)
		fclose(copy->spool);
	return err;
}

/* The exit status. */
static int run_copy(struct copy *copy, const struct options *options)
{
	bool damage = false;
	int err = write_copy(copy, &damage);

	if (err) {
		log_err("%s could not be written: %s.",
			strcmp(options->output, "-") ? options->output : "Standard output",
			strerror(-err));
		output__abandon(copy->output);
		return EXIT_CANNOT;
	}
	if (output__commit(copy->output))
		return EXIT_CANNOT;
	log_info("%" PRIu64 " addresses got names.", copy->nr_names);
	if (options->unresolved &&
	    unresolved__write((const struct model *const[]){ copy->model }, 1, options->unresolved))
		return EXIT_CANNOT;
	return damage ? EXIT_CANNOT : EXIT_DONE;
}

static int run_symbolize(const struct options *options)
{
	struct sym_options sym_options = { .sysroot = options->sysroot,
					   .debug_dir = options->debug_dir,
					   .debuginfod = options->debuginfod };
	struct copy copy = { .path = options->file,
			     .memory = memory_watch__new(options->memory_bytes),
			     .keep_processes = options->unresolved != NULL };
	int status = EXIT_CANNOT;

	if (!options->output) {
		log_err("heaptap symbolize wants to know where to write: -o FILE, which may be the "
			"recording itself.");
		return EXIT_USAGE;
	}
	if (!strcmp(options->output, "-") && isatty(STDOUT_FILENO)) {
		log_err("A recording is not for a terminal: redirect it, or name a file by -o.");
		return EXIT_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	copy.source = file_source__open(options->file, options->from);
	copy.output = copy.source ? output__open(options->output) : NULL;
	if (copy.output) {
		copy.model = model__new(&sym_options);
		status = run_copy(&copy, options);
		model__free(copy.model);
	}
	if (copy.source)
		copy.source->close(copy.source);
	return status;
}

const struct cmd cmd_symbolize = {
	.name = "symbolize",
	.bit = CMD_SYMBOLIZE,
	.operands = CMD_OPERANDS_FILE,
	.summary = "Write the names of functions into a recording.",
	.about = "Reads a recording (FILE; - is standard input) and writes a copy to which the "
		 "names "
		 "of functions, files and lines are added, so that it can be read anywhere. It is "
		 "for recordings of devices that have no debug information: --sysroot and "
		 "--debug-dir say where this machine has it. Names that the recording has already "
		 "stay as they are.\n"
		 "-o may name the recording itself; it is replaced when the copy is complete.",
	.examples = "heaptap symbolize app.htap -o app.htap --sysroot ./rootfs\n"
		    "heaptap symbolize app.htap -o named.htap --debug-dir ./unstripped",
	.run = run_symbolize,
};
