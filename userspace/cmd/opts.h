/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every option once: the table behind getopt_long, --help, the man page and bash completion. A new
 * option is one row of opts[] and one member of struct options.
 */
#ifndef OPTS_H
#define OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe/custom.h"
#include "report/costs.h"
#include "report/moment.h"

enum opt_cmd {
	CMD_LEAKS = 1,
	CMD_RECORD = 2,
	CMD_DOCTOR = 4,
	CMD_HELP = 8,
	CMD_STACKS = 16,
	CMD_REPORT = 32,
	CMD_EXPORT = 64,
	CMD_RECEIVE = 128,
	CMD_PAIR = 256,
	CMD_SYMBOLIZE = 1024,
	CMD_FAIL = 2048
};

struct inject_config;

/* Processes that can be named one by one. */
#define OPT_MAX_PIDS 256

enum opt_tristate { OPT_AUTO, OPT_YES, OPT_NO };

/* Words given one by one, by repetition of an option. */
struct words {
	const char **all;
	size_t nr, capacity;
};

/* What the command line said; the defaults are set by opts__parse. */
struct options {
	uint32_t pids[OPT_MAX_PIDS]; /* -p */
	size_t nr_pids;
	const char *comm;	/* --comm; NULL: none */
	const char *cgroup;	/* --cgroup; likewise */
	bool children;		/* of those, too */
	char **command;		/* after "--", NULL-terminated; NULL: none */
	const char *file;	/* the operand (help: the word); NULL: none */
	const char *from;	/* --from: the format of file; NULL: as it begins */
	const char *other_file; /* a second one: diff's */
	uint64_t address;	/* an operand that begins with 0x: ptr's; 0: none */
	const char *view;	/* --view; NULL: the first, leaks */
	const char *format;	/* of export: the exporter; of views: a form of their text */
	uint64_t width;		/* --width; 0: the terminal's */
	const char *cost;	/* --cost; NULL: what the view is about */
	/* Of export, for callgrind; 0: none. */
	uint64_t slice_s, sample_s;
	struct moment at, between[2];
	uint64_t age_ns, interval_ns;		      /* of orphans; 0: not given */
	bool resolve;				      /* likewise */
	uint64_t rotate_bytes, rotate_keep;	      /* 0: never; the default */
	const char *dialect;			      /* of sql; NULL: sqlite */
	const char *input;			      /* of pair */
	uint64_t min_block_bytes, max_block_bytes;    /* 0: any */
	uint64_t tid;				      /* 0: any thread's */
	uint64_t only_pid;			      /* 0: any process's */
	uint64_t duration_ns;			      /* -d; 0: until Ctrl-C or the end */
	const char *output;			      /* -o; NULL: stdout (record: NAME.PID.htap) */
	struct words of_function, of_file, of_module; /* regular expressions */
	struct words suppressions;		      /* paths */
	bool json;
	struct share min_share; /* of a node of a tree */
	bool inverted;
	uint64_t min_bytes; /* of a report's entry */
	uint64_t min_count;
	uint64_t older_ns;	    /* only blocks at least so old at the end */
	uint64_t top;		    /* 0: all */
	uint64_t depth;		    /* 0: all frames */
	int error_exitcode;	    /* 0: off */
	enum opt_tristate lossless; /* auto: when launching */
	enum opt_tristate follow;   /* likewise */
	uint64_t ring_bytes;	    /* 0: the engine's default */
	const char *engine;	    /* NULL: auto */
	uint64_t sample_bytes;	    /* 0: every allocation counts */
	uint64_t memory_bytes; /* of heaptap itself, while it reads a recording; 0: three quarters
				* of the machine's */
	uint64_t max_bytes;    /* of a stream that is received; 0: the default */
	uint64_t nr_streams;   /* to receive; 0: until Ctrl-C */
	const char *link;      /* name of a kind; NULL: the best */
	struct allocator_config allocators;
	bool free_stacks;
	bool stats, check_stacks, plain_loop;
	bool no_symbols; /* record: leave names to the reader */
	const char *debug_dir;
	const char *sysroot;
	bool debuginfod;
	const char *unresolved; /* where to list what has no name; NULL: nowhere */
	unsigned verbose;
	struct words only, ignore;	  /* of fail: names of functions or files on the stack */
	const char *sizes, *rate;	  /* likewise: of cmd/fail_rules.h; NULL: not given */
	uint64_t nth, seed, max_failures; /* likewise; 0: not given */
	bool paths;
	const struct inject_config
		*inject;	   /* what all this makes (source/inject.h); NULL: nothing */
	bool many, persistent;	   /* of a command's, from here on */
	const char *ready, *drive; /* of a server; NULL: none */
	const char *database, *replay, *junit; /* NULL: the default, not given, nowhere */
	bool list, gdb, strict, untraced, no_leaks;
	uint64_t timeout_ns, max_runs, budget_ns; /* 0: by the undisturbed run, no limits */
	uint64_t jobs;				  /* 0: one */
	bool help; /* --help was given: print it, look at nothing else */
	bool man;  /* help: the man page, in roff */
	bool bash_completion;
};

enum opt_type {
	OPT_FLAG,
	OPT_COUNT,
	OPT_STRING,
	OPT_SHARE,   /* bytes or percent (report/costs.h) */
	OPT_STRINGS, /* several, by repetition; member: struct words */
	OPT_WORD,    /* one of those in arg, separated by | */
	OPT_NUMBER,
	OPT_BYTES,
	OPT_DURATION,
	OPT_PID, /* several, by repetition or with commas; member: pids */
	OPT_EXITCODE,
	OPT_MOMENT,	    /* (report/moment.h) */
	OPT_MOMENTS,	    /* two of them: a second word follows the argument */
	OPT_ALLOCATOR,	    /* descriptors of functions (probe/custom.h) */
	OPT_ALLOCATOR_FILE, /* a file of them */
	OPT_ON,
	OPT_OFF /* of a tristate */
};

struct opt {
	const char *name; /* long name, without dashes */
	char letter;	  /* 0: none */
	const char *arg;  /* name of the argument in help; NULL: takes none */
	enum opt_type type;
	size_t member; /* offsetof in struct options */
	uint64_t min;  /* of a number; a duration's in ns */
	uint64_t max;
	unsigned cmds;	  /* opt_cmd bits: who takes it */
	const char *help; /* one or two sentences */
};

extern const struct opt opts[];
extern const size_t nr_opts;

struct cmd;

/*
 * Parses the arguments after the subcommand's name (argv[0] is the name). 0, or -EINVAL after a
 * sentence on stderr that names the option and says what is taken.
 */
int opts__parse(const struct cmd *cmd, int argc, char **argv, struct options *options);
/* Frees what options hold of their own. */
void opts__clear(struct options *options);

#endif /* OPTS_H */
